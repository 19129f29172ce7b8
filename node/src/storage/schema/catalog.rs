//! Drinks, favourites and ratings.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// The chain's catalogue.
    catalog_drinks (id) {
        id -> BigInt,
        name -> Text,
        syrups -> Text,
        sodas -> Text,
        add_ins -> Text,
        price_cents -> BigInt,
        size -> Text,
        ice -> Text,
        withdrawn -> Bool,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Drinks that customers made; they stay in their region.
    user_drinks (id) {
        id -> BigInt,
        name -> Text,
        syrups -> Text,
        sodas -> Text,
        add_ins -> Text,
        price_cents -> BigInt,
        size -> Text,
        ice -> Text,
        owner -> BigInt,
        created_at -> Moment,
        deleted -> Bool,
        clocks -> Binary,
        guest -> Nullable<Uid>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Favourites, each with its drink.
    favorites (user_id, drink_id) {
        user_id -> BigInt,
        drink_id -> BigInt,
        present -> Bool,
        user_created -> Bool,
        name -> Text,
        syrups -> Text,
        sodas -> Text,
        add_ins -> Text,
        price_cents -> BigInt,
        size -> Text,
        ice -> Text,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// One rating for each user and drink.
    drink_ratings (user_id, drink_id) {
        user_id -> BigInt,
        drink_id -> BigInt,
        stars -> Integer,
        clocks -> Binary,
    }
}
