-- What came from the system before this one.

-- Sessions of the old system that go on being good, by the hash of their token.
CREATE TABLE legacy_tokens (
    user_id INTEGER NOT NULL,
    token_hash BLOB NOT NULL,
    session BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (user_id, token_hash)
);
CREATE INDEX legacy_tokens_hash ON legacy_tokens (token_hash);

-- Stores that claim the numbers below 100,000; the earliest claim holds.
CREATE TABLE legacy_holders (
    store BLOB NOT NULL,
    hlc INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (store)
);

-- Databases that were brought here. Local.
CREATE TABLE legacy_sources (
    source BLOB NOT NULL,
    verbatim BOOLEAN NOT NULL,
    began_at INTEGER NOT NULL,
    ended_at INTEGER,
    PRIMARY KEY (source)
);

-- Which of their rows became what. Local.
CREATE TABLE legacy_rows (
    source BLOB NOT NULL,
    entity TEXT NOT NULL,
    legacy INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (source, entity, legacy)
);
