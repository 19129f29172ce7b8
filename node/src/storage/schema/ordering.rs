//! Orders.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Orders placed at this store.
    orders (id) {
        id -> BigInt,
        user_id -> Nullable<BigInt>,
        guest -> Nullable<Uid>,
        status -> Text,
        payment_intent -> Text,
        payment_status -> Nullable<Text>,
        remake_of -> Nullable<BigInt>,
        total_cents -> BigInt,
        locker_code -> Text,
        locker_from_owner -> Bool,
        created_at -> Moment,
        pickup_time -> Nullable<Moment>,
        await_arrival -> Bool,
        preparation_minutes -> Integer,
        begins_at -> Nullable<Moment>,
        ready_at -> Nullable<Moment>,
        due_at -> Nullable<Moment>,
        latitude -> Nullable<Double>,
        longitude -> Nullable<Double>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// The drinks of orders as they were when ordered, in the order of the customer.
    order_drinks (order_id, position) {
        order_id -> BigInt,
        position -> Integer,
        drink_id -> BigInt,
        name -> Text,
        syrups -> Text,
        sodas -> Text,
        add_ins -> Text,
        price_cents -> BigInt,
        size -> Text,
        ice -> Text,
    }
}
