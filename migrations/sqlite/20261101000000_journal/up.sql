-- The journal: streams, events, counters, what people should look at.

-- How far each stream is known.
CREATE TABLE streams (
    id INTEGER NOT NULL,
    origin BLOB NOT NULL,
    audience TEXT NOT NULL,
    head_seq INTEGER NOT NULL,
    head_hash BLOB NOT NULL,
    floor_seq INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX streams_key ON streams (origin, audience);

-- Events as their origins signed them; an empty body was erased.
CREATE TABLE events (
    stream INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hlc INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject INTEGER NOT NULL,
    header BLOB NOT NULL,
    signature BLOB NOT NULL,
    body BLOB NOT NULL,
    state INTEGER NOT NULL,
    reason TEXT,
    live INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (stream, seq)
);
CREATE INDEX events_subject ON events (subject);
CREATE INDEX events_unapplied ON events (state) WHERE state <> 0;

-- Counters from which public numbers are made.
CREATE TABLE counters (
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (name)
);

-- What the node must remember of itself.
CREATE TABLE settings (
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (key)
);

-- What people should look at.
CREATE TABLE conflicts (
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL,
    noticed_at INTEGER NOT NULL,
    stream INTEGER,
    seq INTEGER,
    PRIMARY KEY (id)
);
CREATE INDEX conflicts_noticed_at ON conflicts (noticed_at);
