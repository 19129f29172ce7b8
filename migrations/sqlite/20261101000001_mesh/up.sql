-- The registry of nodes.

-- Nodes and operators by their latest announcements; stream and seq name the announcement.
CREATE TABLE nodes (
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    region TEXT NOT NULL,
    number INTEGER NOT NULL,
    key_id BLOB NOT NULL,
    certificate BLOB NOT NULL,
    display_name TEXT NOT NULL,
    api_base_url TEXT NOT NULL,
    latitude DOUBLE,
    longitude DOUBLE,
    version TEXT NOT NULL,
    stream INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX nodes_key_id ON nodes (key_id);
CREATE INDEX nodes_number ON nodes (number);

-- When this node last heard of another on its own link. Local.
CREATE TABLE sightings (
    node BLOB NOT NULL,
    last_seen INTEGER NOT NULL,
    PRIMARY KEY (node)
);
