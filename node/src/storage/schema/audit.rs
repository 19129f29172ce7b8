//! Who did what.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Who did what. Local; entries are only added.
    audit_entries (id) {
        id -> BigInt,
        at -> Moment,
        user_id -> Nullable<BigInt>,
        caller_kind -> Text,
        caller -> Uid,
        client -> Nullable<Text>,
        action -> Text,
        permission -> Text,
        place -> Text,
        target -> Nullable<Text>,
        detail -> Nullable<Text>,
        outcome -> Text,
        repeated -> Integer,
    }
}
