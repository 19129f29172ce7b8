-- Users, their credentials and sessions.

-- Users; the name key is a hash, so that a claim outlives the erased name.
CREATE TABLE users (
    id INTEGER NOT NULL,
    username TEXT NOT NULL,
    name_key BLOB NOT NULL,
    name_hlc INTEGER NOT NULL,
    name_origin BLOB NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    email TEXT NOT NULL,
    preferred_store BLOB,
    disabled BOOLEAN NOT NULL,
    deleted BOOLEAN NOT NULL,
    created_at INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX users_name_key ON users (name_key);

-- Password hashes (empty where this node may not hold them); sessions made before sessions_since have ended.
CREATE TABLE credentials (
    user_id INTEGER NOT NULL,
    password_hash TEXT NOT NULL,
    sessions_since INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (user_id)
);

-- Sessions that their users ended; nobody can end or un-end the session of another user.
CREATE TABLE ended_sessions (
    session BLOB NOT NULL,
    user_id INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, session)
);
CREATE INDEX ended_sessions_expires_at ON ended_sessions (expires_at);
