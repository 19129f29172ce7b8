//! What stores reported.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// The items of stores as they were reported last.
    reported_items (store, item) {
        store -> Uid,
        item -> BigInt,
        name -> Text,
        item_type -> Text,
        quantity -> Integer,
        threshold -> Integer,
        removed -> Bool,
        at -> Moment,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// How stores stand.
    reported_totals (store) {
        store -> Uid,
        orders -> BigInt,
        sales_cents -> BigInt,
        refunds_cents -> BigInt,
        customers -> BigInt,
        pending_orders -> BigInt,
        complaints -> BigInt,
        open_complaints -> BigInt,
        at -> Moment,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Days of stores, counted from 1970-01-01.
    reported_days (store, day) {
        store -> Uid,
        day -> Integer,
        orders -> BigInt,
        drinks -> BigInt,
        sales_cents -> BigInt,
        refunds_cents -> BigInt,
        sodas -> BigInt,
        syrups -> BigInt,
        add_ins -> BigInt,
        physical -> BigInt,
        at -> Moment,
        clocks -> Binary,
    }
}
