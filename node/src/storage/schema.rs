//! The one schema page: the same tables in SQLite and PostgreSQL. A test compares it with what the twin migrations make.
#![allow(missing_docs, unreachable_pub, reason = "the columns are described in migrations/ and beside the nouns")]

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// How far each stream is known.
    streams (id) {
        id -> BigInt,
        origin -> Uid,
        audience -> Text,
        head_seq -> BigInt,
        head_hash -> Binary,
        floor_seq -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Events as their origins signed them; an empty body was erased.
    events (stream, seq) {
        stream -> BigInt,
        seq -> BigInt,
        hlc -> BigInt,
        kind -> Text,
        subject -> BigInt,
        header -> Binary,
        signature -> Binary,
        body -> Binary,
        state -> SmallInt,
        reason -> Nullable<Text>,
        live -> Integer,
        received_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Counters from which public numbers are made.
    counters (name) {
        name -> Text,
        value -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// What the node must remember of itself.
    settings (key) {
        key -> Text,
        value -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// What people should look at.
    conflicts (id) {
        id -> Uid,
        kind -> Text,
        detail -> Text,
        noticed_at -> Moment,
        stream -> Nullable<BigInt>,
        seq -> Nullable<BigInt>,
        dismissed_by -> Nullable<Text>,
        dismissed_at -> Nullable<Moment>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Nodes and operators by their latest announcements; stream and seq name the announcement.
    nodes (id) {
        id -> Uid,
        kind -> Text,
        region -> Text,
        number -> Integer,
        key_id -> Binary,
        certificate -> Binary,
        display_name -> Text,
        api_base_url -> Text,
        latitude -> Nullable<Double>,
        longitude -> Nullable<Double>,
        version -> Text,
        stream -> BigInt,
        seq -> BigInt,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// When this node last heard of another on its own link. Local.
    sightings (node) {
        node -> Uid,
        last_seen -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Users; the name key is a hash, so that a claim outlives the erased name.
    users (id) {
        id -> BigInt,
        username -> Text,
        name_key -> Binary,
        name_hlc -> BigInt,
        name_origin -> Uid,
        first_name -> Text,
        last_name -> Text,
        email -> Text,
        preferred_store -> Nullable<Uid>,
        disabled -> Bool,
        deleted -> Bool,
        created_at -> Moment,
        clocks -> Binary,
        hold -> SmallInt,
        hold_reason -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Password hashes; sessions made before sessions_since have ended.
    credentials (user_id) {
        user_id -> BigInt,
        password_hash -> Text,
        sessions_since -> BigInt,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Sessions that their users ended.
    ended_sessions (user_id, session) {
        session -> Uid,
        user_id -> BigInt,
        expires_at -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Roles given; a revoked one never comes back.
    role_assignments (id, scope) {
        id -> Uid,
        user_id -> BigInt,
        role -> SmallInt,
        scope -> Text,
        assigned_by -> BigInt,
        assigned_at -> Moment,
        revoked -> Bool,
        clocks -> Binary,
        hub -> Nullable<Uid>,
    }
}

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

    /// Answers to requests with an idempotency key.
    idempotency_keys (scope, key) {
        scope -> Text,
        key -> Text,
        request -> Binary,
        answer -> Binary,
        at -> Moment,
    }
}

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

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Preferences, or what is left of them.
    preferences (user_id, name) {
        user_id -> BigInt,
        name -> Text,
        id -> BigInt,
        present -> Bool,
        clocks -> Binary,
    }
}

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

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Sessions of the old system that go on being good.
    legacy_tokens (user_id, token_hash) {
        user_id -> BigInt,
        token_hash -> Binary,
        session -> Uid,
        expires_at -> Moment,
        generation -> BigInt,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Stores that claim the numbers below 100,000.
    legacy_holders (store) {
        store -> Uid,
        hlc -> BigInt,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Databases of the old system that were brought here. Local.
    legacy_sources (source) {
        source -> Binary,
        verbatim -> Bool,
        began_at -> Moment,
        ended_at -> Nullable<Moment>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Which of their rows became what. Local.
    legacy_rows (source, entity, legacy) {
        source -> Binary,
        entity -> Text,
        legacy -> BigInt,
        number -> BigInt,
    }
}

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

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Who did what. Local; entries are only added.
    audit_entries (id) {
        id -> BigInt,
        at -> Moment,
        user_id -> Nullable<BigInt>,
        caller_kind -> Text,
        caller -> Uid,
        client -> Nullable<Text>,
        action -> Text,
        permission -> Text,
        place -> Text,
        target -> Nullable<Text>,
        detail -> Nullable<Text>,
        outcome -> Text,
        repeated -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Invitations made at this node. Local.
    staff_invitations (id) {
        id -> BigInt,
        role -> SmallInt,
        scope -> Text,
        hub -> Nullable<Uid>,
        code_hash -> Binary,
        email -> Text,
        state -> SmallInt,
        invited_by -> BigInt,
        invited_at -> Moment,
        expires_at -> Moment,
        user_id -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Whose certificates are not good any more, by the operator who says so.
    revocations (holder, operator) {
        holder -> Uid,
        operator -> Uid,
        number -> Integer,
        kind -> SmallInt,
        reason -> SmallInt,
        at -> BigInt,
        stream -> BigInt,
        seq -> BigInt,
        in_force -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Audiences that came as snapshots and were not yet found equal to a second node.
    snapshots (audience, bringer) {
        audience -> Text,
        bringer -> Uid,
        since -> Moment,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Nodes whose place others have taken.
    replacements (replaced, replaced_by) {
        replaced -> Uid,
        replaced_by -> Uid,
        number -> Integer,
        hlc -> BigInt,
        clocks -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::storage::types::*;

    /// Until when removed things are forgotten: one row.
    horizon (id) {
        id -> SmallInt,
        clocks -> Binary,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    streams,
    events,
    counters,
    settings,
    conflicts,
    nodes,
    sightings,
    users,
    credentials,
    ended_sessions,
    role_assignments,
    regions,
    hubs,
    stores,
    catalog_drinks,
    user_drinks,
    favorites,
    inventory_items,
    idempotency_keys,
    notices,
    chain_notices,
    stock_movements,
    orders,
    order_drinks,
    drink_ratings,
    payments,
    refunds,
    revenue_entries,
    simulated_intents,
    simulated_refunds,
    preferences,
    receipts,
    complaints,
    legacy_tokens,
    legacy_holders,
    legacy_sources,
    legacy_rows,
    reported_items,
    reported_totals,
    reported_days,
    machines,
    machine_log,
    audit_entries,
    staff_invitations,
    revocations,
    snapshots,
    replacements,
    horizon,
);

/// Does the same with every table whose rows keep where their fields come from: `each_clocked!(table => statement)`, with
/// the table's module under the name given.
#[macro_export]
macro_rules! each_clocked {
    ($table:ident => $statement:expr) => {{
        {
            use $crate::storage::schema::nodes as $table;
            $statement
        }
        {
            use $crate::storage::schema::users as $table;
            $statement
        }
        {
            use $crate::storage::schema::credentials as $table;
            $statement
        }
        {
            use $crate::storage::schema::role_assignments as $table;
            $statement
        }
        {
            use $crate::storage::schema::regions as $table;
            $statement
        }
        {
            use $crate::storage::schema::hubs as $table;
            $statement
        }
        {
            use $crate::storage::schema::stores as $table;
            $statement
        }
        {
            use $crate::storage::schema::catalog_drinks as $table;
            $statement
        }
        {
            use $crate::storage::schema::user_drinks as $table;
            $statement
        }
        {
            use $crate::storage::schema::favorites as $table;
            $statement
        }
        {
            use $crate::storage::schema::chain_notices as $table;
            $statement
        }
        {
            use $crate::storage::schema::drink_ratings as $table;
            $statement
        }
        {
            use $crate::storage::schema::preferences as $table;
            $statement
        }
        {
            use $crate::storage::schema::legacy_tokens as $table;
            $statement
        }
        {
            use $crate::storage::schema::legacy_holders as $table;
            $statement
        }
        {
            use $crate::storage::schema::reported_items as $table;
            $statement
        }
        {
            use $crate::storage::schema::reported_totals as $table;
            $statement
        }
        {
            use $crate::storage::schema::reported_days as $table;
            $statement
        }
        {
            use $crate::storage::schema::machines as $table;
            $statement
        }
        {
            use $crate::storage::schema::replacements as $table;
            $statement
        }
        {
            use $crate::storage::schema::horizon as $table;
            $statement
        }
    }};
}

/// Does the same with every table whose rows stay for a time after what they are about was removed:
/// `each_removable!(table, removed => statement)`, with the table's module and the condition that a row is such a rest.
#[macro_export]
macro_rules! each_removable {
    ($table:ident, $removed:ident => $statement:expr) => {{
        {
            use $crate::storage::schema::favorites as $table;
            let $removed = || $table::present.eq(false);
            $statement
        }
        {
            use $crate::storage::schema::preferences as $table;
            let $removed = || $table::present.eq(false);
            $statement
        }
        {
            use $crate::storage::schema::user_drinks as $table;
            let $removed = || $table::deleted.eq(true);
            $statement
        }
        {
            use $crate::storage::schema::catalog_drinks as $table;
            let $removed = || $table::withdrawn.eq(true);
            $statement
        }
        {
            use $crate::storage::schema::chain_notices as $table;
            let $removed = || $table::withdrawn.eq(true);
            $statement
        }
        {
            use $crate::storage::schema::reported_items as $table;
            let $removed = || $table::removed.eq(true);
            $statement
        }
    }};
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_table_with_clocks_is_named() {
        let page = include_str!("schema.rs");
        let (tables, macros) = page.split_once("macro_rules! each_clocked").unwrap();
        let mut clocked = 0;
        for table in tables.split("diesel::table! {").filter(|table| table.contains("clocks -> Binary")) {
            let line = table.lines().find(|line| line.ends_with(") {")).unwrap().trim();
            let name = line.split_once(" (").unwrap().0;
            assert!(macros.contains(&format!("schema::{name} as $table")), "{name}");
            clocked += 1;
        }
        assert!(clocked > 10, "{clocked}");
    }
}
