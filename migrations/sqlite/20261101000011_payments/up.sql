-- Payments of this store's orders, what is given back, and what it earned. They never leave the node.

-- Payments. An intent of the provider is one payment, and pays one order once.
CREATE TABLE payments (
    id BLOB NOT NULL,
    owner TEXT NOT NULL,
    owner_user INTEGER,
    owner_guest BLOB,
    amount_cents INTEGER NOT NULL,
    provider TEXT NOT NULL,
    intent TEXT NOT NULL,
    customer TEXT NOT NULL,
    state TEXT NOT NULL,
    order_id INTEGER,
    problem TEXT,
    attempts INTEGER NOT NULL,
    next_at INTEGER,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX payments_intent ON payments (intent);
CREATE UNIQUE INDEX payments_order ON payments (order_id);
CREATE INDEX payments_owner ON payments (owner, created_at);
CREATE INDEX payments_due ON payments (state, next_at);
CREATE INDEX payments_expiry ON payments (state, expires_at);

-- Money that is to be given back. `next_at` is null while it waits for the capture, and when it is done.
CREATE TABLE refunds (
    id BLOB NOT NULL,
    payment BLOB NOT NULL,
    amount_cents INTEGER NOT NULL,
    why TEXT NOT NULL,
    state TEXT NOT NULL,
    problem TEXT,
    attempts INTEGER NOT NULL,
    declines INTEGER NOT NULL,
    round INTEGER NOT NULL,
    next_at INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX refunds_payment ON refunds (payment);
CREATE INDEX refunds_due ON refunds (state, next_at);

-- Revenue: one entry a sale, and negative ones for what was given back. `source` is the payment or the refund.
CREATE TABLE revenue_entries (
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    source BLOB,
    order_id INTEGER,
    amount_cents INTEGER NOT NULL,
    refunded BOOLEAN NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX revenue_entries_source ON revenue_entries (kind, source);
CREATE INDEX revenue_entries_order ON revenue_entries (order_id);
CREATE INDEX revenue_entries_at ON revenue_entries (at);

-- The simulated provider's own books.
CREATE TABLE simulated_intents (
    id TEXT NOT NULL,
    secret TEXT NOT NULL,
    payment BLOB NOT NULL,
    store BLOB NOT NULL,
    amount_cents INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX simulated_intents_payment ON simulated_intents (payment);

CREATE TABLE simulated_refunds (
    id BLOB NOT NULL,
    intent TEXT NOT NULL,
    amount_cents INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX simulated_refunds_intent ON simulated_refunds (intent);
