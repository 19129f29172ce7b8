//! Money.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Payments of this store's orders.
    payments (id) {
        id -> Uid,
        owner -> Text,
        owner_user -> Nullable<BigInt>,
        owner_guest -> Nullable<Uid>,
        amount_cents -> BigInt,
        provider -> Text,
        intent -> Text,
        customer -> Text,
        state -> Text,
        order_id -> Nullable<BigInt>,
        problem -> Nullable<Text>,
        attempts -> Integer,
        next_at -> Nullable<Moment>,
        expires_at -> Moment,
        created_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Money that is to be given back, or was.
    refunds (id) {
        id -> Uid,
        payment -> Uid,
        amount_cents -> BigInt,
        why -> Text,
        state -> Text,
        problem -> Nullable<Text>,
        attempts -> Integer,
        declines -> Integer,
        round -> Integer,
        next_at -> Nullable<Moment>,
        created_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Sales, and negative ones.
    revenue_entries (id) {
        id -> BigInt,
        kind -> Text,
        source -> Nullable<Uid>,
        order_id -> Nullable<BigInt>,
        amount_cents -> BigInt,
        refunded -> Bool,
        at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Intents of the simulated provider.
    simulated_intents (id) {
        id -> Text,
        secret -> Text,
        payment -> Uid,
        store -> Uid,
        amount_cents -> BigInt,
        state -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Refunds of the simulated provider.
    simulated_refunds (id) {
        id -> Uid,
        intent -> Text,
        amount_cents -> BigInt,
    }
}
