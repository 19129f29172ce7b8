-- What the figures of a store are read by: orders and movements of the stock by time.

CREATE INDEX orders_created ON orders (created_at);
CREATE INDEX stock_movements_use ON stock_movements (reason, at);
