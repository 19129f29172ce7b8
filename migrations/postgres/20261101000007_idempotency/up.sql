-- Answers to requests with an idempotency key.
CREATE TABLE idempotency_keys (
    scope text NOT NULL,
    key text NOT NULL,
    request bytea NOT NULL,
    answer bytea NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_at ON idempotency_keys (at);
