-- Whose certificates are not good any more, by operator: the earliest word of each. `at` is the event's hybrid logical
-- time, stream and seq name the event. `in_force` follows from all rows together: a row does not count when its operator
-- was revoked before.
CREATE TABLE revocations (
    holder BLOB NOT NULL,
    operator BLOB NOT NULL,
    number INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    at INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    in_force BOOLEAN NOT NULL,
    PRIMARY KEY (holder, operator)
);
