-- The store's own stock.

-- Items in stock; the key is the folded name.
CREATE TABLE inventory_items (
    id bigint NOT NULL,
    name text NOT NULL,
    name_key text NOT NULL,
    item_type text NOT NULL,
    quantity integer NOT NULL,
    threshold integer NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX inventory_items_key ON inventory_items (item_type, name_key);
