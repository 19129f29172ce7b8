-- What came from the system before this one.

-- Sessions of the old system that go on being good, by the hash of their token.
CREATE TABLE legacy_tokens (
    user_id bigint NOT NULL,
    token_hash bytea NOT NULL,
    session uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    generation bigint NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (user_id, token_hash)
);
CREATE INDEX legacy_tokens_hash ON legacy_tokens (token_hash);

-- Stores that claim the numbers below 100,000; the earliest claim holds.
CREATE TABLE legacy_holders (
    store uuid NOT NULL,
    hlc bigint NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (store)
);

-- Databases that were brought here. Local.
CREATE TABLE legacy_sources (
    source bytea NOT NULL,
    verbatim boolean NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (source)
);

-- Which of their rows became what. Local.
CREATE TABLE legacy_rows (
    source bytea NOT NULL,
    entity text NOT NULL,
    legacy bigint NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (source, entity, legacy)
);
