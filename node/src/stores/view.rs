//! A store as callers see it.

use chrono::{DateTime, Utc};
use codepop_proto::stores as pb;

use super::{Found, Stock, wait_minutes};
use crate::app::edge::timestamp;

/// A store as any node sees it.
pub fn store(found: &Found, now: DateTime<Utc>, last_online: Option<DateTime<Utc>>) -> pb::Store {
    let region: Option<pb::Region> = found.region.as_ref().map(pb::Region::from);
    let hub = found.hub.as_ref().map(|hub| pb::SupplyHub { region: region.clone(), ..hub.into() });
    pb::Store {
        region,
        supply_hub: hub,
        last_online: last_online.map(timestamp),
        distance_miles: found.miles,
        is_open: found.store.hours.is_open(found.store.time_zone.0, now),
        ..pb::Store::from(&found.store)
    }
}

/// Adds what the store's own node alone knows.
pub fn add_own(store: &mut pb::Store, queue: u32, stock: Stock) {
    store.current_wait_time = Some(wait_minutes(queue).try_into().unwrap_or(i32::MAX));
    store.inventory_status = Some(pb::InventoryStatus {
        total_items: stock.items.try_into().unwrap_or(i32::MAX),
        low_stock_items: stock.low.try_into().unwrap_or(i32::MAX),
        status: if stock.low == 0 { "healthy" } else { "low_stock" }.to_owned(),
    });
}
