//! Roles, and invitations to them.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Roles given; a revoked one never comes back.
    role_assignments (id, scope) {
        id -> Uid,
        user_id -> BigInt,
        role -> SmallInt,
        scope -> Text,
        assigned_by -> BigInt,
        assigned_at -> Moment,
        revoked -> Bool,
        clocks -> Binary,
        hub -> Nullable<Uid>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Invitations made at this node. Local.
    staff_invitations (id) {
        id -> BigInt,
        role -> SmallInt,
        scope -> Text,
        hub -> Nullable<Uid>,
        code_hash -> Binary,
        email -> Text,
        state -> SmallInt,
        invited_by -> BigInt,
        invited_at -> Moment,
        expires_at -> Moment,
        user_id -> Nullable<BigInt>,
    }
}
