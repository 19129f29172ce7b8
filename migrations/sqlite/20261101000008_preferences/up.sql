-- What customers like.

-- Preferences, or what is left of them; the number is that of the winning add.
CREATE TABLE preferences (
    user_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    id INTEGER NOT NULL,
    present BOOLEAN NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (user_id, name)
);
