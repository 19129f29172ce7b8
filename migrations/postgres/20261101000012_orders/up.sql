-- Orders of this store; nothing of them is replicated.

-- Orders placed at this store.
CREATE TABLE orders (
    id bigint NOT NULL,
    user_id bigint,
    guest uuid,
    status text NOT NULL,
    payment_intent text NOT NULL,
    payment_status text,
    remake_of bigint,
    total_cents bigint NOT NULL,
    locker_code text NOT NULL,
    locker_from_owner boolean NOT NULL,
    created_at timestamptz NOT NULL,
    pickup_time timestamptz,
    await_arrival boolean NOT NULL,
    preparation_minutes integer NOT NULL,
    begins_at timestamptz,
    ready_at timestamptz,
    due_at timestamptz,
    latitude double precision,
    longitude double precision,
    PRIMARY KEY (id)
);
CREATE INDEX orders_user ON orders (user_id, id);
CREATE INDEX orders_guest ON orders (guest, id);
CREATE INDEX orders_status ON orders (status, id);
CREATE INDEX orders_due ON orders (due_at);
CREATE INDEX orders_payment ON orders (payment_intent);

-- The drinks of orders as they were when ordered, in the order of the customer.
CREATE TABLE order_drinks (
    order_id bigint NOT NULL REFERENCES orders (id),
    position integer NOT NULL,
    drink_id bigint NOT NULL,
    name text NOT NULL,
    syrups text NOT NULL,
    sodas text NOT NULL,
    add_ins text NOT NULL,
    price_cents bigint NOT NULL,
    size text NOT NULL,
    ice text NOT NULL,
    PRIMARY KEY (order_id, position)
);
CREATE INDEX order_drinks_drink ON order_drinks (drink_id);
