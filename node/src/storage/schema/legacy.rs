//! What came from the old system.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Sessions of the old system that go on being good.
    legacy_tokens (user_id, token_hash) {
        user_id -> BigInt,
        token_hash -> Binary,
        session -> Uid,
        expires_at -> Moment,
        generation -> BigInt,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Stores that claim the numbers below 100,000.
    legacy_holders (store) {
        store -> Uid,
        hlc -> BigInt,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Databases of the old system that were brought here. Local.
    legacy_sources (source) {
        source -> Binary,
        verbatim -> Bool,
        began_at -> Moment,
        ended_at -> Nullable<Moment>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Which of their rows became what. Local.
    legacy_rows (source, entity, legacy) {
        source -> Binary,
        entity -> Text,
        legacy -> BigInt,
        number -> BigInt,
    }
}
