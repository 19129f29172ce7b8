-- What changed the quantities of the stock; per item the changes add up to the quantity.
CREATE TABLE stock_movements (
    id INTEGER NOT NULL,
    item_id INTEGER NOT NULL REFERENCES inventory_items (id),
    change INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    reason TEXT NOT NULL,
    order_id INTEGER,
    user_id INTEGER,
    note TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX stock_movements_item ON stock_movements (item_id, id);
CREATE INDEX stock_movements_order ON stock_movements (order_id);

-- What was there before the ledger.
INSERT INTO stock_movements (item_id, change, quantity, reason, note, at)
SELECT id, quantity, quantity, 'imported', '', updated_at FROM inventory_items WHERE quantity <> 0 ORDER BY id;
