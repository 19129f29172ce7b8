-- What became of entries of the conflict list, and which audiences came as snapshots.

-- Who looked at an entry, and when: `user:` and a number, or `operator`.
ALTER TABLE conflicts ADD COLUMN dismissed_by text;
ALTER TABLE conflicts ADD COLUMN dismissed_at timestamptz;

-- Audiences of which pieces of a snapshot were brought by a node, and that were not yet found equal to a second one.
CREATE TABLE snapshots (
    audience text NOT NULL,
    bringer uuid NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (audience, bringer)
);
