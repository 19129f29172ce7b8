//! Stock.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Items in stock; the key is the folded name.
    inventory_items (id) {
        id -> BigInt,
        name -> Text,
        name_key -> Text,
        item_type -> Text,
        quantity -> Integer,
        threshold -> Integer,
        updated_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// The ledger of the stock: what changed quantities.
    stock_movements (id) {
        id -> BigInt,
        item_id -> BigInt,
        change -> Integer,
        quantity -> Integer,
        reason -> Text,
        order_id -> Nullable<BigInt>,
        user_id -> Nullable<BigInt>,
        note -> Text,
        at -> Moment,
    }
}
