-- Who may do what, where.

-- Roles given; a revoked one never comes back.
CREATE TABLE role_assignments (
    id uuid NOT NULL,
    user_id bigint NOT NULL,
    role smallint NOT NULL,
    scope text NOT NULL,
    assigned_by bigint NOT NULL,
    assigned_at timestamptz NOT NULL,
    revoked boolean NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX role_assignments_user_id ON role_assignments (user_id);
