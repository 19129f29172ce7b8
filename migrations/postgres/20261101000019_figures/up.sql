-- What the figures of a store are read by: orders by time, and the use of each item by time, from the index alone.

CREATE INDEX orders_created ON orders (created_at);
CREATE INDEX stock_movements_use ON stock_movements (item_id, at, reason, change);
