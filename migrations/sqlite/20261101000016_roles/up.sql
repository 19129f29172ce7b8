-- Roles as people give and take them, accounts that are held, and invitations of staff.

-- The hub with which a logistics manager works.
ALTER TABLE role_assignments ADD COLUMN hub BLOB;
CREATE INDEX role_assignments_scope ON role_assignments (scope);

-- How firmly a disabled account is held: 0 not at all, 1 locked, 2 disabled, 3 disabled for the whole chain. Why, is known
-- at the node where it was done alone.
ALTER TABLE users ADD COLUMN hold INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN hold_reason TEXT NOT NULL DEFAULT '';

-- Invitations made at this node. The code itself is shown once and kept nowhere. Local.
CREATE TABLE staff_invitations (
    id INTEGER NOT NULL,
    role INTEGER NOT NULL,
    scope TEXT NOT NULL,
    hub BLOB,
    code_hash BLOB NOT NULL,
    email TEXT NOT NULL,
    state INTEGER NOT NULL,
    invited_by INTEGER NOT NULL,
    invited_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    user_id INTEGER,
    PRIMARY KEY (id)
);
CREATE INDEX staff_invitations_scope ON staff_invitations (scope, state);
CREATE INDEX staff_invitations_expires_at ON staff_invitations (expires_at);
