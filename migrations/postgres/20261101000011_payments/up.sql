-- Payments of this store's orders, what is given back, and what it earned. They never leave the node.

-- Payments. An intent of the provider is one payment, and pays one order once.
CREATE TABLE payments (
    id uuid NOT NULL,
    owner text NOT NULL,
    owner_user bigint,
    owner_guest uuid,
    amount_cents bigint NOT NULL,
    provider text NOT NULL,
    intent text NOT NULL,
    customer text NOT NULL,
    state text NOT NULL,
    order_id bigint,
    problem text,
    attempts integer NOT NULL,
    next_at timestamptz,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX payments_intent ON payments (intent);
CREATE UNIQUE INDEX payments_order ON payments (order_id);
CREATE INDEX payments_owner ON payments (owner, created_at);
CREATE INDEX payments_due ON payments (state, next_at);
CREATE INDEX payments_expiry ON payments (state, expires_at);

-- Money that is to be given back. `next_at` is null while it waits for the capture, and when it is done.
CREATE TABLE refunds (
    id uuid NOT NULL,
    payment uuid NOT NULL,
    amount_cents bigint NOT NULL,
    why text NOT NULL,
    state text NOT NULL,
    problem text,
    attempts integer NOT NULL,
    declines integer NOT NULL,
    round integer NOT NULL,
    next_at timestamptz,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX refunds_payment ON refunds (payment);
CREATE INDEX refunds_due ON refunds (state, next_at);

-- Revenue: one entry a sale, and negative ones for what was given back. `source` is the payment or the refund.
CREATE TABLE revenue_entries (
    id bigint NOT NULL,
    kind text NOT NULL,
    source uuid,
    order_id bigint,
    amount_cents bigint NOT NULL,
    refunded boolean NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX revenue_entries_source ON revenue_entries (kind, source);
CREATE INDEX revenue_entries_order ON revenue_entries (order_id);
CREATE INDEX revenue_entries_at ON revenue_entries (at);

-- The simulated provider's own books.
CREATE TABLE simulated_intents (
    id text NOT NULL,
    secret text NOT NULL,
    payment uuid NOT NULL,
    store uuid NOT NULL,
    amount_cents bigint NOT NULL,
    state text NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX simulated_intents_payment ON simulated_intents (payment);

CREATE TABLE simulated_refunds (
    id uuid NOT NULL,
    intent text NOT NULL,
    amount_cents bigint NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX simulated_refunds_intent ON simulated_refunds (intent);
