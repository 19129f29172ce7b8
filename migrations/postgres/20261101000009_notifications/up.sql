-- Notices to people.

-- Notices of this node to one user (1), to the staff (2) or to everybody here (3); only the first have a user. The author
-- is the user who wrote it, if a user did.
CREATE TABLE notices (
    id bigint NOT NULL,
    audience smallint NOT NULL,
    user_id bigint,
    author bigint,
    kind text NOT NULL,
    message text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX notices_reader ON notices (audience, user_id, at);

-- Notices for the whole chain, or what is left of them. `arrived` counts the order in which they came here; local.
CREATE TABLE chain_notices (
    id bigint NOT NULL,
    kind text NOT NULL,
    message text NOT NULL,
    at timestamptz NOT NULL,
    withdrawn boolean NOT NULL,
    arrived bigint NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX chain_notices_at ON chain_notices (at);
CREATE INDEX chain_notices_arrived ON chain_notices (arrived);
