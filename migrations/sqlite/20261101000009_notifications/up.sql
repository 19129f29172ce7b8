-- Notices to people.

-- Notices of this node to one user (1), to the staff (2) or to everybody here (3); only the first have a user. The author
-- is the user who wrote it, if a user did.
CREATE TABLE notices (
    id INTEGER NOT NULL,
    audience INTEGER NOT NULL,
    user_id INTEGER,
    author INTEGER,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX notices_reader ON notices (audience, user_id, at);

-- Notices for the whole chain, or what is left of them. `arrived` counts the order in which they came here; local.
CREATE TABLE chain_notices (
    id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    at INTEGER NOT NULL,
    withdrawn BOOLEAN NOT NULL,
    arrived INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX chain_notices_at ON chain_notices (at);
CREATE INDEX chain_notices_arrived ON chain_notices (arrived);
