-- Who may do what, where.

-- Roles given; a revoked one never comes back. The scope is part of the key: who may take a role is decided by it.
CREATE TABLE role_assignments (
    id uuid NOT NULL,
    user_id bigint NOT NULL,
    role smallint NOT NULL,
    scope text NOT NULL,
    assigned_by bigint NOT NULL,
    assigned_at timestamptz NOT NULL,
    revoked boolean NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (id, scope)
);
CREATE INDEX role_assignments_user_id ON role_assignments (user_id);
