//! Receipts and complaints.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Receipts that were asked for.
    receipts (order_id) {
        order_id -> BigInt,
        state -> Text,
        attempts -> Integer,
        due_at -> Nullable<Moment>,
        asked_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Complaints made in the support chat, one an order.
    complaints (id) {
        id -> BigInt,
        order_id -> BigInt,
        user_id -> Nullable<BigInt>,
        guest -> Nullable<Uid>,
        kind -> Text,
        message -> Text,
        outcome -> Text,
        at -> Moment,
        network -> Binary,
        helped_at -> Nullable<Moment>,
    }
}
