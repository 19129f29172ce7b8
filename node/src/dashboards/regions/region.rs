//! A region as its hub knows it: what its nodes said of themselves, and what its stores reported.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use codepop_proto::{dashboards as pb, stores as stores_pb};
use codepop_shared::{Code, Failure};
use uuid::Uuid;

use crate::{
    app::{
        App,
        edge::{storage_failure, timestamp},
    },
    maintenance::{self, Machine},
    reports::{self, Day, Item, Standing},
    storage,
    stores::{self, Found, Hub, Region, Store},
};

/// All that a hub knows of its region.
pub(super) struct Known {
    pub(super) region: Region,
    pub(super) hub: Option<Hub>,
    /// By number for people.
    pub(super) stores: Vec<Store>,
    /// What they reported of how they stand.
    pub(super) standings: HashMap<Uuid, Standing>,
    /// Their stock.
    pub(super) items: Vec<Item>,
    /// Their last days.
    pub(super) days: Vec<Day>,
    pub(super) machines: Vec<Machine>,
    /// When this was read.
    pub(super) now: DateTime<Utc>,
}

/// Reads the region, which must be that of this hub.
///
/// # Errors
/// There is no such region, or its own hub must be asked, or the database failed.
pub(super) async fn read(app: &App, code: &str) -> Result<Known, Failure> {
    let (wanted, now) = (code.to_owned(), app.clock().wall());
    let read = app.db.read_consistent(move |tx| {
        Box::pin(async move {
            let Some((region, hub)) = stores::region_and_hub(tx, &wanted).await? else { return Ok(None) };
            let stores = stores::of_region(tx, &wanted).await?;
            let (standings, items) = reports::standings(tx).await?;
            let (days, machines) = (reports::recent_days(tx).await?, maintenance::all(tx).await?);
            Ok(Some(Known { region, hub, stores, standings, items, days, machines, now }))
        })
    });
    let known = read.await.map_err(|error: storage::Error| storage_failure(&error))?;
    let known = known.ok_or_else(|| Failure::new(Code::NotFound, format!("There is no region {code}.")))?;
    if app.author().id.region != code {
        let name = known.hub.as_ref().map_or_else(|| format!("of region {code}"), |hub| hub.name.clone());
        let sentence = format!("The supply hub {name} cannot be reached at the moment; it alone knows its region.");
        return Err(Failure::new(Code::Unavailable, sentence));
    }
    Ok(Known { stores: known.stores.into_iter().filter(|store| store.region == code).collect(), ..known })
}

impl Known {
    /// The region in the words of the contract.
    pub(super) fn region_view(&self) -> stores_pb::Region {
        (&self.region).into()
    }

    /// The hub in the words of the contract.
    pub(super) fn hub_view(&self) -> Option<stores_pb::SupplyHub> {
        self.hub.as_ref().map(|hub| stores_pb::SupplyHub { region: Some(self.region_view()), ..hub.into() })
    }

    /// A store in the words of the contract, without region and hub, which the answer has once.
    pub(super) fn store_view(&self, app: &App, store: &Store) -> stores_pb::Store {
        let found = Found { store: store.clone(), region: None, hub: None, miles: None };
        stores::view(&found, self.now, app.sightings.last_seen(store.id.0))
    }

    /// What a store reported of how it stands.
    pub(super) fn standing(&self, store: &Store) -> Option<&Standing> {
        self.standings.get(&store.id.0)
    }

    /// A store of the region by its UUID.
    pub(super) fn store(&self, id: Uuid) -> Option<&Store> {
        self.stores.iter().find(|store| store.id.0 == id)
    }

    /// A store that did not answer.
    pub(super) fn silent(&self, store: &Store) -> pb::NotAnswered {
        let as_of = self.standing(store).and_then(|standing| standing.as_of);
        not_answered(store, as_of)
    }
}

/// Names a store that did not answer.
pub(super) fn not_answered(store: &Store, as_of: Option<DateTime<Utc>>) -> pb::NotAnswered {
    pb::NotAnswered {
        kind: "store".to_owned(),
        id: store.id.0.to_string(),
        name: store.name.clone(),
        region_code: store.region.clone(),
        as_of: as_of.map(timestamp),
    }
}

/// Names a hub that did not answer.
pub(super) fn hub_not_answered(hub: &Hub) -> pb::NotAnswered {
    pb::NotAnswered {
        kind: "hub".to_owned(),
        id: hub.id.0.to_string(),
        name: hub.name.clone(),
        region_code: hub.region.clone(),
        as_of: None,
    }
}

/// As many things as there are, for a field that cannot hold more.
pub(super) fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
