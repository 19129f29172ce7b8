-- Until when removed things are forgotten: one row, numbered 1, that says from which event this follows.
CREATE TABLE horizon (
    id INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (id)
);

-- Ends of sessions that still count: they are forgotten once no token of that time is good any more.
CREATE INDEX events_session_ends ON events (hlc) WHERE kind = 'codepop.accounts.v1.SessionEnded' AND live > 0;
