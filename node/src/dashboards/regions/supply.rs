//! How the supply of a region stands.

use std::collections::{BTreeMap, BTreeSet};

use codepop_proto::dashboards as pb;
use uuid::Uuid;

use super::region::{Known, count};
use crate::{
    app::{App, edge::timestamp},
    inventory::Kind,
    maintenance,
    reports::{self, Item, StockSums},
    stores::Store,
};

/// Items that run low in one answer, as the contract says.
const LOW_MAX: usize = 200;

/// Things that happened in one answer, as the contract says.
const ACTIVITY_MAX: usize = 20;

/// More low items than this are critical (Task 3.1).
const CRITICAL_ABOVE: i64 = 5;

/// How a stock with so many low items is: `healthy`, `warning` or `critical`.
pub(super) const fn health(low: i64) -> &'static str {
    match low {
        ..=0 => "healthy",
        1..=CRITICAL_ABOVE => "warning",
        _ => "critical",
    }
}

/// The view of those who supply the region.
pub(super) fn dashboard(app: &App, known: &Known) -> pb::GetLogisticsDashboardResponse {
    let is_heard = |store: &Store| app.sightings.is_linked(store.id.0);
    let reported = |store: &Store| known.standing(store).is_some_and(|standing| standing.totals.is_some());
    let silent = known.stores.iter().filter(|store| !is_heard(store) || !reported(store));
    let oldest = known.stores.iter().filter_map(|store| known.standing(store)?.as_of).min();
    pb::GetLogisticsDashboardResponse {
        region: Some(known.region_view()),
        supply_hub: known.hub_view(),
        stores: known.stores.iter().map(|store| known.store_view(app, store)).collect(),
        store_count: count(known.stores.len()),
        supply_metrics: Some(metrics(known)),
        store_statuses: known.stores.iter().map(|store| status(known, store, is_heard(store))).collect(),
        pending_requests: Vec::new(),
        recent_activity: activity(known),
        usage_trends: trends(known),
        as_of: oldest.map(timestamp),
        not_answered: silent.map(|store| known.silent(store)).collect(),
    }
}

/// Items of the region's own stores: those of a store that has moved away are another region's.
fn items(known: &Known) -> impl Iterator<Item = (&Item, &Store)> {
    known.items.iter().filter_map(|item| Some((item, known.store(item.store.0)?)))
}

fn metrics(known: &Known) -> pb::SupplyMetrics {
    let mut all = StockSums::default();
    let mut by_type: BTreeMap<Kind, StockSums> = BTreeMap::new();
    let mut low = Vec::new();
    for (item, store) in items(known) {
        all.add(item);
        by_type.entry(item.item_type).or_default().add(item);
        if item.is_low() {
            low.push((item, store));
        }
    }
    low.sort_by(|(a, _), (b, _)| (a.quantity, &a.name, a.store, a.item).cmp(&(b.quantity, &b.name, b.store, b.item)));
    let of_type = |(kind, sums): (Kind, StockSums)| pb::TypeMetrics {
        item_type: kind.word().to_owned(),
        total_items: sums.items,
        low_stock_items: sums.low,
        out_of_stock_items: sums.missing,
        total_units: sums.units,
    };
    pb::SupplyMetrics {
        total_items: all.items,
        low_stock_items: all.low,
        out_of_stock_items: all.missing,
        total_units: all.units,
        total_inventory_value: None,
        low_stock_details: low.into_iter().take(LOW_MAX).map(|(item, store)| low_stock(item, store)).collect(),
        by_type: by_type.into_iter().map(of_type).collect(),
    }
}

fn low_stock(item: &Item, store: &Store) -> pb::LowStock {
    pb::LowStock {
        store_id: store.id.0.to_string(),
        store_name: store.name.clone(),
        inventory_id: item.item,
        item_name: item.name.clone(),
        item_type: item.item_type.word().to_owned(),
        quantity: item.quantity,
        threshold_level: item.threshold,
        as_of: Some(timestamp(item.at.0)),
    }
}

fn status(known: &Known, store: &Store, is_heard: bool) -> pb::StoreStatus {
    let standing = known.standing(store);
    let stock = standing.map(|standing| standing.stock).unwrap_or_default();
    let machine = maintenance::worst(&known.machines, store.id.0);
    pb::StoreStatus {
        store_id: store.id.0.to_string(),
        store_name: store.name.clone(),
        is_operational: store.is_operational,
        is_accepting_orders: store.is_accepting_orders,
        // A store that has reported, but no item, has no stock to be in health.
        inventory_health: (stock.items > 0).then(|| health(stock.low).to_owned()),
        low_stock_count: i32::try_from(stock.low).unwrap_or(i32::MAX),
        pending_orders: standing.and_then(|standing| standing.totals.as_ref()).map(|totals| totals.pending_orders),
        machine_status: machine.map(|machine| machine.state.word().to_owned()),
        as_of: standing.and_then(|standing| standing.as_of).map(timestamp),
        is_heard,
    }
}

/// What happened last: machines that are in another state, items that were reported as low.
fn activity(known: &Known) -> Vec<pb::Activity> {
    let machines = known.machines.iter().filter_map(|machine| {
        let detail = format!("Machine {} is {} now.", machine.serial_number, machine.state.word());
        Some((machine.since.0, known.store(machine.store.0)?, "machine_status", detail))
    });
    let low = items(known).filter(|(item, _)| item.is_low()).map(|(item, store)| {
        (item.at.0, store, "low_stock", format!("{} is running low: {} left.", item.name, item.quantity))
    });
    let mut all: Vec<_> = machines.chain(low).collect();
    all.sort_by(|a, b| (b.0, a.1.id, &a.3).cmp(&(a.0, b.1.id, &b.3)));
    all.truncate(ACTIVITY_MAX);
    let view = |(at, store, kind, detail): (_, &Store, &str, String)| pb::Activity {
        at: Some(timestamp(at)),
        store_id: store.id.0.to_string(),
        store_name: store.name.clone(),
        kind: kind.to_owned(),
        detail,
    };
    all.into_iter().map(view).collect()
}

/// The days of all stores added up, oldest first.
fn trends(known: &Known) -> Vec<pb::UsageTrend> {
    let mut days: BTreeMap<i32, (pb::UsageTrend, BTreeSet<Uuid>)> = BTreeMap::new();
    for day in known.days.iter().filter(|day| known.store(day.store.0).is_some()) {
        let (sum, stores) = days.entry(day.day).or_default();
        sum.orders += day.orders;
        sum.drinks += day.drinks;
        sum.sodas += day.sodas;
        sum.syrups += day.syrups;
        sum.add_ins += day.add_ins;
        sum.physical += day.physical;
        stores.insert(day.store.0);
    }
    let view = |(day, (sum, stores)): (i32, (pb::UsageTrend, BTreeSet<Uuid>))| pb::UsageTrend {
        date: reports::date(day).to_string(),
        stores: count(stores.len()),
        ..sum
    };
    days.into_iter().map(view).collect()
}

/// The view of one store's supply.
pub(super) fn store(app: &App, known: &Known, store: &Store, items: &[Item]) -> pb::GetLogisticsStoreResponse {
    let view = |item: &Item| pb::ReportedItem {
        inventory_id: item.item,
        item_name: item.name.clone(),
        item_type: item.item_type.word().to_owned(),
        quantity: item.quantity,
        threshold_level: item.threshold,
        last_updated: Some(timestamp(item.at.0)),
    };
    pb::GetLogisticsStoreResponse {
        store: Some(known.store_view(app, store)),
        inventory: items.iter().map(view).collect(),
        supply_requests: Vec::new(),
        delivery_schedule: Vec::new(),
        as_of: items.iter().map(|item| item.at.0).max().map(timestamp),
        is_heard: app.sightings.is_linked(store.id.0),
    }
}

#[cfg(test)]
mod tests {
    use super::health;

    #[test]
    fn more_than_five_low_items_are_critical() {
        assert_eq!([0, 1, 5, 6].map(health), ["healthy", "warning", "warning", "critical"]);
    }
}
