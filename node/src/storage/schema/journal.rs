//! The journal and what goes with it.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// How far each stream is known.
    streams (id) {
        id -> BigInt,
        origin -> Uid,
        audience -> Text,
        head_seq -> BigInt,
        head_hash -> Binary,
        floor_seq -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Events as their origins signed them; an empty body was erased.
    events (stream, seq) {
        stream -> BigInt,
        seq -> BigInt,
        hlc -> BigInt,
        kind -> Text,
        subject -> BigInt,
        header -> Binary,
        signature -> Binary,
        body -> Binary,
        state -> SmallInt,
        reason -> Nullable<Text>,
        live -> Integer,
        received_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Counters from which public numbers are made.
    counters (name) {
        name -> Text,
        value -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// What the node must remember of itself.
    settings (key) {
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// What people should look at.
    conflicts (id) {
        id -> Uid,
        kind -> Text,
        detail -> Text,
        noticed_at -> Moment,
        stream -> Nullable<BigInt>,
        seq -> Nullable<BigInt>,
        dismissed_by -> Nullable<Text>,
        dismissed_at -> Nullable<Moment>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Audiences that came as snapshots and were not yet found equal to a second node.
    snapshots (audience, bringer) {
        audience -> Text,
        bringer -> Uid,
        since -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Until when removed things are forgotten: one row.
    horizon (id) {
        id -> SmallInt,
        clocks -> Binary,
    }
}
