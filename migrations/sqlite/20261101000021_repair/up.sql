-- What became of entries of the conflict list, and which audiences came as snapshots.

-- Who looked at an entry, and when: `user:` and a number, or `operator`.
ALTER TABLE conflicts ADD COLUMN dismissed_by TEXT;
ALTER TABLE conflicts ADD COLUMN dismissed_at INTEGER;

-- Audiences of which pieces of a snapshot were brought by a node, and that were not yet found equal to a second one.
CREATE TABLE snapshots (
    audience TEXT NOT NULL,
    bringer BLOB NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (audience, bringer)
);
