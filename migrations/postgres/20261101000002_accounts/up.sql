-- Users, their credentials and sessions.

-- Users; the name key is a hash, so that a claim outlives the erased name.
CREATE TABLE users (
    id bigint NOT NULL,
    username text NOT NULL,
    name_key bytea NOT NULL,
    name_hlc bigint NOT NULL,
    name_origin uuid NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    email text NOT NULL,
    preferred_store uuid,
    disabled boolean NOT NULL,
    deleted boolean NOT NULL,
    created_at timestamptz NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX users_name_key ON users (name_key);

-- Password hashes (empty where this node may not hold them); sessions made before sessions_since have ended.
CREATE TABLE credentials (
    user_id bigint NOT NULL,
    password_hash text NOT NULL,
    sessions_since bigint NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (user_id)
);

-- Sessions that their users ended; nobody can end or un-end the session of another user.
CREATE TABLE ended_sessions (
    session uuid NOT NULL,
    user_id bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, session)
);
CREATE INDEX ended_sessions_expires_at ON ended_sessions (expires_at);
