//! The digest over regions, hubs and stores.

use sha2::Sha256;
use uuid::Uuid;

use super::{
    legacy,
    store::{self, Hub, Region, Store},
};
use crate::{
    app::canonical::{Canonical, PAGE},
    journal::Audience,
    storage::{Error, Tx},
};

/// Feeds the rows of an audience to `hasher` in order of their keys; tells how many there are.
pub async fn digest(tx: &mut Tx, audience: &Audience, hasher: &mut Sha256) -> Result<u64, Error> {
    if *audience != Audience::Everyone {
        return Ok(0);
    }
    let mut rows = Canonical(hasher);
    let mut count = 0;
    // Sorted here: databases order text by rules of their own.
    let mut regions = store::all_regions(tx).await?;
    regions.sort_by(|a, b| a.code.cmp(&b.code));
    rows.table("regions");
    regions.iter().for_each(|region| feed_region(&mut rows, region));
    count += regions.len() as u64;

    let mut hubs = store::all_hubs(tx).await?;
    hubs.sort_by_key(|hub| hub.id);
    rows.table("hubs");
    hubs.iter().for_each(|hub| feed_hub(&mut rows, hub));
    count += hubs.len() as u64;

    count += legacy::digest(tx, &mut rows).await?;

    rows.table("stores");
    let mut last = Uuid::nil();
    loop {
        let page = store::stores_after(tx, last, PAGE).await?;
        page.iter().for_each(|store| feed_store(&mut rows, store));
        count += page.len() as u64;
        match page.last() {
            Some(store) => last = store.id.0,
            None => return Ok(count),
        }
    }
}

fn feed_region(rows: &mut Canonical<'_>, region: &Region) {
    rows.text(&region.code)
        .text(&region.name)
        .float(region.center_latitude)
        .float(region.center_longitude)
        .integer(region.service_radius_miles.into())
        .integer(region.created_at.0.timestamp_micros());
}

fn feed_hub(rows: &mut Canonical<'_>, hub: &Hub) {
    rows.bytes(hub.id.0.as_bytes())
        .text(&hub.region)
        .text(&hub.name)
        .text(&hub.street_address)
        .text(&hub.city)
        .text(&hub.state)
        .text(&hub.zip_code)
        .float(hub.latitude)
        .float(hub.longitude)
        .text(&hub.phone)
        .text(&hub.email)
        .text(&hub.api_base_url)
        .flag(hub.is_operational)
        .integer(hub.max_delivery_distance_miles.into())
        .integer(hub.created_at.0.timestamp_micros());
}

fn feed_store(rows: &mut Canonical<'_>, store: &Store) {
    rows.bytes(store.id.0.as_bytes())
        .text(&store.region)
        .text(&store.store_number)
        .text(&store.name)
        .text(&store.street_address)
        .text(&store.city)
        .text(&store.state)
        .text(&store.zip_code)
        .float(store.latitude)
        .float(store.longitude)
        .text(&store.phone)
        .text(&store.email)
        .text(&store.api_base_url)
        .flag(store.is_operational)
        .flag(store.is_accepting_orders)
        .text(&String::from(store.hours.clone()))
        .text(store.time_zone.0.name())
        .integer(store.created_at.0.timestamp_micros());
}
