-- What follows an order: its receipt, and complaints about it.

-- Receipts that were asked for: `due`, `sent` by mail or `filed` in the outbox folder.
CREATE TABLE receipts (
    order_id bigint NOT NULL,
    state text NOT NULL,
    attempts integer NOT NULL,
    due_at timestamptz,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (order_id)
);
CREATE INDEX receipts_due ON receipts (due_at);

-- Complaints made in the support chat, one an order. A guest's has no user. `network` is a keyed hash of the network from which
-- it came last; `helped_at` is when something was given for it.
CREATE TABLE complaints (
    id bigint NOT NULL,
    order_id bigint NOT NULL,
    user_id bigint,
    guest uuid,
    kind text NOT NULL,
    message text NOT NULL,
    outcome text NOT NULL,
    at timestamptz NOT NULL,
    network bytea NOT NULL,
    helped_at timestamptz,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX complaints_order ON complaints (order_id);
CREATE INDEX complaints_user ON complaints (user_id);
CREATE INDEX complaints_guest ON complaints (guest);
CREATE INDEX complaints_network ON complaints (network);
CREATE INDEX complaints_helped ON complaints (helped_at);
