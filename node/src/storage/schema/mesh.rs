//! Nodes, and what is known of them.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Nodes and operators by their latest announcements; stream and seq name the announcement.
    nodes (id) {
        id -> Uid,
        kind -> Text,
        region -> Text,
        number -> Integer,
        key_id -> Binary,
        certificate -> Binary,
        display_name -> Text,
        api_base_url -> Text,
        latitude -> Nullable<Double>,
        longitude -> Nullable<Double>,
        version -> Text,
        stream -> BigInt,
        seq -> BigInt,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// When this node last heard of another on its own link. Local.
    sightings (node) {
        node -> Uid,
        last_seen -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Whose certificates are not good any more, by the operator who says so.
    revocations (holder, operator) {
        holder -> Uid,
        operator -> Uid,
        number -> Integer,
        kind -> SmallInt,
        reason -> SmallInt,
        at -> BigInt,
        stream -> BigInt,
        seq -> BigInt,
        in_force -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Nodes whose place others have taken.
    replacements (replaced, replaced_by) {
        replaced -> Uid,
        replaced_by -> Uid,
        number -> Integer,
        hlc -> BigInt,
        clocks -> Binary,
    }
}
