//! Machines.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Machines and their states.
    machines (store, id) {
        store -> Uid,
        id -> BigInt,
        serial_number -> Text,
        state -> Text,
        since -> Moment,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// What happened to this store's machines. Local.
    machine_log (id) {
        id -> BigInt,
        machine_id -> BigInt,
        old_state -> Text,
        new_state -> Text,
        user_id -> Nullable<BigInt>,
        note -> Text,
        at -> Moment,
    }
}
