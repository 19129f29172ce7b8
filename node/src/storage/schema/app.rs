//! Answers to requests that may be repeated.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Answers to requests with an idempotency key.
    idempotency_keys (scope, key) {
        scope -> Text,
        key -> Text,
        request -> Binary,
        answer -> Binary,
        at -> Moment,
    }
}
