-- The journal: streams, events, counters, what people should look at.

-- How far each stream is known.
CREATE TABLE streams (
    id bigint NOT NULL,
    origin uuid NOT NULL,
    audience text NOT NULL,
    head_seq bigint NOT NULL,
    head_hash bytea NOT NULL,
    floor_seq bigint NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX streams_key ON streams (origin, audience);

-- Events as their origins signed them; an empty body was erased.
CREATE TABLE events (
    stream bigint NOT NULL,
    seq bigint NOT NULL,
    hlc bigint NOT NULL,
    kind text NOT NULL,
    subject bigint NOT NULL,
    header bytea NOT NULL,
    signature bytea NOT NULL,
    body bytea NOT NULL,
    state smallint NOT NULL,
    reason text,
    live integer NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (stream, seq)
);
CREATE INDEX events_subject ON events (subject);
CREATE INDEX events_unapplied ON events (state) WHERE state <> 0;

-- Counters from which public numbers are made.
CREATE TABLE counters (
    name text NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (name)
);

-- What the node must remember of itself.
CREATE TABLE settings (
    key text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (key)
);

-- What people should look at.
CREATE TABLE conflicts (
    id uuid NOT NULL,
    kind text NOT NULL,
    detail text NOT NULL,
    noticed_at timestamptz NOT NULL,
    stream bigint,
    seq bigint,
    PRIMARY KEY (id)
);
CREATE INDEX conflicts_noticed_at ON conflicts (noticed_at);
