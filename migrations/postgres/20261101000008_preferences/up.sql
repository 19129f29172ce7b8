-- What customers like.

-- Preferences, or what is left of them; the number is that of the winning add.
CREATE TABLE preferences (
    user_id bigint NOT NULL,
    name text NOT NULL,
    id bigint NOT NULL,
    present boolean NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (user_id, name)
);
