-- Whose certificates are not good any more, by operator: the earliest word of each. `at` is the event's hybrid logical
-- time, stream and seq name the event. `in_force` follows from all rows together: a row does not count when its operator
-- was revoked before.
CREATE TABLE revocations (
    holder uuid NOT NULL,
    operator uuid NOT NULL,
    number integer NOT NULL,
    kind smallint NOT NULL,
    reason smallint NOT NULL,
    at bigint NOT NULL,
    stream bigint NOT NULL,
    seq bigint NOT NULL,
    in_force boolean NOT NULL,
    PRIMARY KEY (holder, operator)
);
