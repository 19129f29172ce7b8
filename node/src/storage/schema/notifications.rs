//! Notices to users and to the whole chain.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Notices of this node to one user, to the staff or to everybody here.
    notices (id) {
        id -> BigInt,
        audience -> SmallInt,
        user_id -> Nullable<BigInt>,
        author -> Nullable<BigInt>,
        kind -> Text,
        message -> Text,
        at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Notices for the whole chain; the order of arrival is local.
    chain_notices (id) {
        id -> BigInt,
        kind -> Text,
        message -> Text,
        at -> Moment,
        withdrawn -> Bool,
        arrived -> BigInt,
        clocks -> Binary,
    }
}
