//! Users, their sessions, and what they prefer.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Users; the name key is a hash, so that a claim outlives the erased name.
    users (id) {
        id -> BigInt,
        username -> Text,
        name_key -> Binary,
        name_hlc -> BigInt,
        name_origin -> Uid,
        first_name -> Text,
        last_name -> Text,
        email -> Text,
        preferred_store -> Nullable<Uid>,
        disabled -> Bool,
        deleted -> Bool,
        created_at -> Moment,
        clocks -> Binary,
        hold -> SmallInt,
        hold_reason -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Password hashes; sessions made before sessions_since have ended.
    credentials (user_id) {
        user_id -> BigInt,
        password_hash -> Text,
        sessions_since -> BigInt,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Sessions that their users ended.
    ended_sessions (user_id, session) {
        session -> Uid,
        user_id -> BigInt,
        expires_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Preferences, or what is left of them.
    preferences (user_id, name) {
        user_id -> BigInt,
        name -> Text,
        id -> BigInt,
        present -> Bool,
        clocks -> Binary,
    }
}
