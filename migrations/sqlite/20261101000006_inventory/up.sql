-- The store's own stock.

-- Items in stock; the key is the folded name.
CREATE TABLE inventory_items (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    item_type TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    threshold INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX inventory_items_key ON inventory_items (item_type, name_key);
