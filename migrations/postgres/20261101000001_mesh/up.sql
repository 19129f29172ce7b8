-- The registry of nodes.

-- Nodes and operators by their latest announcements; stream and seq name the announcement.
CREATE TABLE nodes (
    id uuid NOT NULL,
    kind text NOT NULL,
    region text NOT NULL,
    number integer NOT NULL,
    key_id bytea NOT NULL,
    certificate bytea NOT NULL,
    display_name text NOT NULL,
    api_base_url text NOT NULL,
    latitude double precision,
    longitude double precision,
    version text NOT NULL,
    stream bigint NOT NULL,
    seq bigint NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX nodes_key_id ON nodes (key_id);
CREATE INDEX nodes_number ON nodes (number);

-- When this node last heard of another on its own link. Local.
CREATE TABLE sightings (
    node uuid NOT NULL,
    last_seen timestamptz NOT NULL,
    PRIMARY KEY (node)
);
