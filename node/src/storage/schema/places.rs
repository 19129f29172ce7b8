//! Regions, hubs and stores.

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Regions of the chain.
    regions (code) {
        code -> Text,
        name -> Text,
        center_latitude -> Double,
        center_longitude -> Double,
        service_radius_miles -> Integer,
        created_at -> Moment,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Supply hubs; the id is that of the node.
    hubs (id) {
        id -> Uid,
        region -> Text,
        name -> Text,
        street_address -> Text,
        city -> Text,
        state -> Text,
        zip_code -> Text,
        latitude -> Double,
        longitude -> Double,
        phone -> Text,
        email -> Text,
        api_base_url -> Text,
        is_operational -> Bool,
        max_delivery_distance_miles -> Integer,
        created_at -> Moment,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Stores; the id is that of the node, the hours are JSON.
    stores (id) {
        id -> Uid,
        region -> Text,
        store_number -> Text,
        name -> Text,
        street_address -> Text,
        city -> Text,
        state -> Text,
        zip_code -> Text,
        latitude -> Double,
        longitude -> Double,
        phone -> Text,
        email -> Text,
        api_base_url -> Text,
        is_operational -> Bool,
        is_accepting_orders -> Bool,
        hours -> Text,
        time_zone -> Text,
        created_at -> Moment,
        clocks -> Binary,
    }
}
