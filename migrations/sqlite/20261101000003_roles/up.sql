-- Who may do what, where.

-- Roles given; a revoked one never comes back. The scope is part of the key: who may take a role is decided by it.
CREATE TABLE role_assignments (
    id BLOB NOT NULL,
    user_id INTEGER NOT NULL,
    role INTEGER NOT NULL,
    scope TEXT NOT NULL,
    assigned_by INTEGER NOT NULL,
    assigned_at INTEGER NOT NULL,
    revoked BOOLEAN NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (id, scope)
);
CREATE INDEX role_assignments_user_id ON role_assignments (user_id);
