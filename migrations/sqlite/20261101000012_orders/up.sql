-- Orders of this store; nothing of them is replicated.

-- Orders placed at this store.
CREATE TABLE orders (
    id INTEGER NOT NULL,
    user_id INTEGER,
    guest BLOB,
    status TEXT NOT NULL,
    payment_intent TEXT NOT NULL,
    payment_status TEXT,
    remake_of INTEGER,
    total_cents INTEGER NOT NULL,
    locker_code TEXT NOT NULL,
    locker_from_owner BOOLEAN NOT NULL,
    created_at INTEGER NOT NULL,
    pickup_time INTEGER,
    await_arrival BOOLEAN NOT NULL,
    preparation_minutes INTEGER NOT NULL,
    begins_at INTEGER,
    ready_at INTEGER,
    due_at INTEGER,
    latitude DOUBLE,
    longitude DOUBLE,
    PRIMARY KEY (id)
);
CREATE INDEX orders_user ON orders (user_id, id);
CREATE INDEX orders_guest ON orders (guest, id);
CREATE INDEX orders_status ON orders (status, id);
CREATE INDEX orders_due ON orders (due_at);
CREATE INDEX orders_payment ON orders (payment_intent);

-- The drinks of orders as they were when ordered, in the order of the customer.
CREATE TABLE order_drinks (
    order_id INTEGER NOT NULL REFERENCES orders (id),
    position INTEGER NOT NULL,
    drink_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    syrups TEXT NOT NULL,
    sodas TEXT NOT NULL,
    add_ins TEXT NOT NULL,
    price_cents INTEGER NOT NULL,
    size TEXT NOT NULL,
    ice TEXT NOT NULL,
    PRIMARY KEY (order_id, position)
);
CREATE INDEX order_drinks_drink ON order_drinks (drink_id);
