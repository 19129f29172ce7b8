//! The tables, the same in SQLite and PostgreSQL, a file a noun. A test compares them with what the twin migrations make.
#![allow(missing_docs, unreachable_pub, reason = "the columns are described in migrations/ and beside the nouns")]

mod accounts;
mod app;
mod audit;
mod catalog;
mod inventory;
mod journal;
mod legacy;
mod maintenance;
mod mesh;
mod money;
mod notifications;
mod ordering;
mod places;
mod reports;
mod roles;
mod support;

pub use self::{
    accounts::{credentials, ended_sessions, preferences, users},
    app::idempotency_keys,
    audit::audit_entries,
    catalog::{catalog_drinks, drink_ratings, favorites, user_drinks},
    inventory::{inventory_items, stock_movements},
    journal::{conflicts, counters, events, horizon, settings, snapshots, streams},
    legacy::{legacy_holders, legacy_rows, legacy_sources, legacy_tokens},
    maintenance::{machine_log, machines},
    mesh::{nodes, replacements, revocations, sightings},
    money::{payments, refunds, revenue_entries, simulated_intents, simulated_refunds},
    notifications::{chain_notices, notices},
    ordering::{order_drinks, orders},
    places::{hubs, regions, stores},
    reports::{reported_days, reported_items, reported_totals},
    roles::{role_assignments, staff_invitations},
    support::{complaints, receipts},
};

diesel::allow_tables_to_appear_in_same_query!(
    streams,
    events,
    counters,
    settings,
    conflicts,
    snapshots,
    horizon,
    nodes,
    sightings,
    revocations,
    replacements,
    users,
    credentials,
    ended_sessions,
    role_assignments,
    staff_invitations,
    regions,
    hubs,
    stores,
    catalog_drinks,
    user_drinks,
    favorites,
    drink_ratings,
    preferences,
    notices,
    chain_notices,
    inventory_items,
    stock_movements,
    payments,
    refunds,
    revenue_entries,
    simulated_intents,
    simulated_refunds,
    orders,
    order_drinks,
    receipts,
    complaints,
    machines,
    machine_log,
    reported_items,
    reported_totals,
    reported_days,
    audit_entries,
    idempotency_keys,
    legacy_tokens,
    legacy_holders,
    legacy_sources,
    legacy_rows
);

/// Does the same with some tables: each one's module under the name given.
#[macro_export]
macro_rules! each_table {
    ($table:ident => $statement:expr; $($name:ident)+) => {{
        $({
            use $crate::storage::schema::$name as $table;
            $statement
        })+
    }};
}

/// Does the same with every table whose rows keep where their fields come from: `each_clocked!(table => statement)`, with
/// the table's module under the name given.
#[macro_export]
macro_rules! each_clocked {
    ($table:ident => $statement:expr) => {
        $crate::each_table!($table => $statement;
            nodes users credentials role_assignments regions hubs stores catalog_drinks user_drinks
            favorites chain_notices drink_ratings preferences legacy_tokens legacy_holders reported_items
            reported_totals reported_days machines replacements horizon
        )
    };
}

/// Does the same with every table whose rows stay for a time after what they are about was removed:
/// `each_removable!(table, removed => statement)`, with the table's module and the condition that a row is such a rest.
#[macro_export]
macro_rules! each_removable {
    ($table:ident, $removed:ident => $statement:expr) => {
        $crate::each_removable!($table, $removed => $statement;
            favorites.present = false,
            preferences.present = false,
            user_drinks.deleted = true,
            catalog_drinks.withdrawn = true,
            chain_notices.withdrawn = true,
            reported_items.removed = true
        )
    };
    ($table:ident, $removed:ident => $statement:expr; $($name:ident.$column:ident = $value:literal),+) => {{
        $({
            use $crate::storage::schema::$name as $table;
            let $removed = || $table::$column.eq($value);
            $statement
        })+
    }};
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn every_table_with_clocks_is_named() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/storage/schema");
        let pages = fs::read_dir(folder).unwrap().map(|page| page.unwrap().path());
        let pages = pages.filter(|page| !page.ends_with("mod.rs")).map(|page| fs::read_to_string(page).unwrap());
        let (_, named) = include_str!("mod.rs").split_once("macro_rules! each_clocked").unwrap();
        let (named, _) = named.split_once("macro_rules!").unwrap();
        let named: Vec<&str> = named.split_whitespace().collect();
        let mut clocked = 0;
        for page in pages {
            for table in page.split("diesel::table! {").filter(|table| table.contains("clocks -> Binary,")) {
                let line = table.lines().find(|line| line.ends_with(") {")).unwrap();
                let name = line.trim().split_once(" (").unwrap().0;
                assert!(named.contains(&name), "{name}");
                clocked += 1;
            }
        }
        assert!(clocked > 10, "{clocked}");
    }
}
