//! How the descriptions of regions, hubs and stores merge: the later wins as a whole.

use codepop_proto::stores as pb;
use uuid::Uuid;

use super::{
    checks,
    hours::Hours,
    store::{self, Hub, Region, Store, Zone},
};
use crate::{
    app::edge::{moment, timestamp},
    journal::{Error, Field, Merge, Replicated, Scope, Stamp},
    storage::{
        Tx,
        types::{Id, Time},
    },
};

/// The whole description, in each of the three tables.
const DESCRIPTION: Field = 1;

impl Replicated for pb::RegionDescribed {
    fn scope(&self) -> Scope {
        Scope::Region(self.region.as_ref().map(|region| region.region_code.clone()).unwrap_or_default())
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let region = Region::try_from(self).map_err(Error::Unfit)?;
        let mut merge = Merge::new(&store::region_clocks(tx, &region.code).await?, stamp)?;
        if !merge.takes(DESCRIPTION) {
            return Ok(0);
        }
        let (clocks, live) = merge.settle(tx).await?;
        store::put_region(tx, &region, &clocks).await?;
        Ok(live)
    }
}

impl Replicated for pb::HubDescribed {
    fn scope(&self) -> Scope {
        // Of an id that is none the nil UUID is left, which is nobody's: the authority table forbids it.
        Scope::Hub(self.hub.as_ref().and_then(|hub| hub.hub_id.parse().ok()).unwrap_or(Uuid::nil()))
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let hub = Hub::try_from(self).map_err(Error::Unfit)?;
        let mut merge = Merge::new(&store::hub_clocks(tx, hub.id).await?, stamp)?;
        if !merge.takes(DESCRIPTION) {
            return Ok(0);
        }
        let (clocks, live) = merge.settle(tx).await?;
        store::put_hub(tx, &hub, &clocks).await?;
        Ok(live)
    }
}

impl Replicated for pb::StoreDescribed {
    fn scope(&self) -> Scope {
        Scope::Store(self.store.as_ref().and_then(|store| store.store_id.parse().ok()).unwrap_or(Uuid::nil()))
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let store = Store::try_from(self).map_err(Error::Unfit)?;
        let mut merge = Merge::new(&store::store_clocks(tx, store.id).await?, stamp)?;
        if !merge.takes(DESCRIPTION) {
            return Ok(0);
        }
        let (clocks, live) = merge.settle(tx).await?;
        store::put_store(tx, &store, &clocks).await?;
        Ok(live)
    }
}

fn made(created_at: Option<&prost_types::Timestamp>) -> Result<Time, &'static str> {
    created_at.and_then(moment).map(Time).ok_or("the time of making is missing or out of range")
}

impl TryFrom<&pb::RegionDescribed> for Region {
    type Error = &'static str;

    fn try_from(message: &pb::RegionDescribed) -> Result<Self, Self::Error> {
        let said = message.region.as_ref().ok_or("the region is missing")?;
        let region = Self {
            code: said.region_code.clone(),
            name: said.name.clone(),
            center_latitude: said.center_latitude,
            center_longitude: said.center_longitude,
            service_radius_miles: said.service_radius_miles,
            created_at: made(said.created_at.as_ref())?,
        };
        if checks::region(&region).is_empty() { Ok(region) } else { Err("the region has details that are not allowed") }
    }
}

impl TryFrom<&pb::HubDescribed> for Hub {
    type Error = &'static str;

    fn try_from(message: &pb::HubDescribed) -> Result<Self, Self::Error> {
        let said = message.hub.as_ref().ok_or("the hub is missing")?;
        let hub = Self {
            id: Id(said.hub_id.parse().map_err(|_| "the hub's id is not a UUID")?),
            region: said.region.as_ref().ok_or("the hub's region is missing")?.region_code.clone(),
            name: said.name.clone(),
            street_address: said.street_address.clone(),
            city: said.city.clone(),
            state: said.state.clone(),
            zip_code: said.zip_code.clone(),
            latitude: said.latitude,
            longitude: said.longitude,
            phone: said.phone.clone(),
            email: said.email.clone(),
            api_base_url: said.api_base_url.clone(),
            is_operational: said.is_operational,
            max_delivery_distance_miles: said.max_delivery_distance_miles,
            created_at: made(said.created_at.as_ref())?,
        };
        if checks::hub(&hub).is_empty() { Ok(hub) } else { Err("the hub has details that are not allowed") }
    }
}

impl TryFrom<&pb::StoreDescribed> for Store {
    type Error = &'static str;

    fn try_from(message: &pb::StoreDescribed) -> Result<Self, Self::Error> {
        let said = message.store.as_ref().ok_or("the store is missing")?;
        let store = Self {
            id: Id(said.store_id.parse().map_err(|_| "the store's id is not a UUID")?),
            region: message.region_code.clone(),
            store_number: said.store_number.clone(),
            name: said.name.clone(),
            street_address: said.street_address.clone(),
            city: said.city.clone(),
            state: said.state.clone(),
            zip_code: said.zip_code.clone(),
            latitude: said.latitude,
            longitude: said.longitude,
            phone: said.phone.clone(),
            email: said.email.clone(),
            api_base_url: said.api_base_url.clone(),
            is_operational: said.is_operational,
            is_accepting_orders: said.is_accepting_orders,
            hours: Hours::parse(&said.hours_of_operation).map_err(|_| "the store's hours make no sense")?,
            time_zone: Zone::try_from(said.time_zone.clone())?,
            created_at: made(said.created_at.as_ref())?,
        };
        if checks::store(&store).is_empty() { Ok(store) } else { Err("the store has details that are not allowed") }
    }
}

impl From<&Region> for pb::Region {
    fn from(region: &Region) -> Self {
        Self {
            region_code: region.code.clone(),
            name: region.name.clone(),
            center_latitude: region.center_latitude,
            center_longitude: region.center_longitude,
            service_radius_miles: region.service_radius_miles,
            created_at: Some(timestamp(region.created_at.0)),
        }
    }
}

impl From<&Hub> for pb::SupplyHub {
    /// Without the region.
    fn from(hub: &Hub) -> Self {
        Self {
            hub_id: hub.id.0.to_string(),
            node_id: hub.id.0.to_string(),
            region: None,
            name: hub.name.clone(),
            street_address: hub.street_address.clone(),
            city: hub.city.clone(),
            state: hub.state.clone(),
            zip_code: hub.zip_code.clone(),
            latitude: hub.latitude,
            longitude: hub.longitude,
            phone: hub.phone.clone(),
            email: hub.email.clone(),
            api_base_url: hub.api_base_url.clone(),
            is_operational: hub.is_operational,
            max_delivery_distance_miles: hub.max_delivery_distance_miles,
            created_at: Some(timestamp(hub.created_at.0)),
        }
    }
}

impl From<&Store> for pb::Store {
    /// Without region and hub, and without what is computed.
    fn from(store: &Store) -> Self {
        Self {
            store_id: store.id.0.to_string(),
            node_id: store.id.0.to_string(),
            store_number: store.store_number.clone(),
            name: store.name.clone(),
            street_address: store.street_address.clone(),
            city: store.city.clone(),
            state: store.state.clone(),
            zip_code: store.zip_code.clone(),
            latitude: store.latitude,
            longitude: store.longitude,
            phone: store.phone.clone(),
            email: store.email.clone(),
            api_base_url: store.api_base_url.clone(),
            is_operational: store.is_operational,
            is_accepting_orders: store.is_accepting_orders,
            hours_of_operation: store.hours.to_map(),
            time_zone: store.time_zone.0.name().to_owned(),
            created_at: Some(timestamp(store.created_at.0)),
            ..Self::default()
        }
    }
}

impl From<&Region> for pb::RegionDescribed {
    fn from(region: &Region) -> Self {
        Self { region: Some(region.into()) }
    }
}

impl From<&Hub> for pb::HubDescribed {
    fn from(hub: &Hub) -> Self {
        let region = pb::Region { region_code: hub.region.clone(), ..pb::Region::default() };
        Self { hub: Some(pb::SupplyHub { region: Some(region), ..hub.into() }) }
    }
}

impl From<&Store> for pb::StoreDescribed {
    fn from(store: &Store) -> Self {
        Self { store: Some(store.into()), region_code: store.region.clone() }
    }
}

/// A store for tests.
#[cfg(test)]
pub(super) use tests::sample;

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use proptest::prelude::*;

    use super::*;
    use crate::{journal::Audience, laws, on_both, testing::Node};

    #[derive(Clone, Debug)]
    #[allow(clippy::large_enum_variant, reason = "a dozen of them live at a time")]
    enum Said {
        Region(pb::RegionDescribed),
        Hub(pb::HubDescribed),
        Store(pb::StoreDescribed),
    }

    impl laws::Said for Said {
        fn apply<'a>(&'a self, tx: &'a mut Tx, stamp: &'a Stamp) -> BoxFuture<'a, Result<i32, Error>> {
            match self {
                Self::Region(message) => Box::pin(message.apply(tx, stamp)),
                Self::Hub(message) => Box::pin(message.apply(tx, stamp)),
                Self::Store(message) => Box::pin(message.apply(tx, stamp)),
            }
        }

        fn digest(tx: &mut Tx) -> BoxFuture<'_, laws::Digested> {
            Box::pin(laws::digested(async |hasher| super::super::digest(tx, &Audience::Everyone, hasher).await))
        }
    }

    pub(in crate::stores) fn sample(id: Uuid, name: &str) -> Store {
        Store {
            id: Id(id),
            region: "C".into(),
            store_number: "C-1000".into(),
            name: name.into(),
            street_address: String::new(),
            city: "Logan".into(),
            state: "UT".into(),
            zip_code: "84321".into(),
            latitude: 41.737,
            longitude: -111.8338,
            phone: String::new(),
            email: String::new(),
            api_base_url: "https://127.0.0.1:7101".into(),
            is_operational: true,
            is_accepting_orders: true,
            hours: Hours::every_day("06:00", "22:00").unwrap(),
            time_zone: Zone(chrono_tz::America::Denver),
            created_at: Time(chrono::DateTime::from_timestamp_micros(1_753_000_000_000_001).unwrap()),
        }
    }

    fn said() -> impl Strategy<Value = Said> {
        (0_u8..3, 1_u128..4, "[a-z]{1,8}").prop_map(|(kind, id, name)| {
            let store = sample(Uuid::from_u128(id), &name);
            match kind {
                0 => Said::Store((&store).into()),
                1 => {
                    let region =
                        pb::Region { region_code: id.to_string(), service_radius_miles: 200, name, ..region() };
                    Said::Region(pb::RegionDescribed { region: Some(region) })
                }
                _ => {
                    let hub = pb::SupplyHub {
                        hub_id: store.id.0.to_string(),
                        region: Some(pb::Region { region_code: "C".into(), ..pb::Region::default() }),
                        name,
                        max_delivery_distance_miles: 1_000,
                        created_at: region().created_at,
                        ..pb::SupplyHub::default()
                    };
                    Said::Hub(pb::HubDescribed { hub: Some(hub) })
                }
            }
        })
    }

    fn region() -> pb::Region {
        pb::Region { created_at: Some(timestamp(chrono::DateTime::UNIX_EPOCH)), ..pb::Region::default() }
    }

    on_both!(descriptions_merge_alike_in_any_order, async |node: Node| laws::hold(&node, said()).await);

    #[tokio::test]
    async fn both_databases_give_one_digest() {
        let zero = Store { latitude: -0.0, longitude: 0.1 + 0.2, ..sample(Uuid::from_u128(1), "Zürich") };
        let region =
            |code: &str| pb::Region { region_code: code.into(), service_radius_miles: 1, name: "r".into(), ..region() };
        let regions = ["b", "A", "a", "1"].map(|code| Said::Region(pb::RegionDescribed { region: Some(region(code)) }));
        let stores = [Said::Store((&zero).into()), Said::Store((&sample(Uuid::from_u128(u128::MAX), "x")).into())];
        laws::alike_on_both(regions.into_iter().chain(stores).collect()).await;
    }

    #[test]
    fn nonsense_is_unfit() {
        let good = pb::StoreDescribed::from(&sample(Uuid::from_u128(7), "Main"));
        assert!(Store::try_from(&good).is_ok());
        let spoil = |spoil: fn(&mut pb::Store)| {
            let mut message = good.clone();
            spoil(message.store.as_mut().unwrap());
            Store::try_from(&message).is_err()
        };
        assert!(spoil(|store| store.latitude = f64::NAN));
        assert!(spoil(|store| store.time_zone = "Mars/Olympus".into()));
        assert!(spoil(|store| store.name = "a\0b".into()));
        assert!(spoil(|store| store.name = "x".repeat(201)));
        assert!(spoil(|store| store.created_at = None));
        assert!(spoil(|store| drop(store.hours_of_operation.insert("Monday".into(), pb::DayHours::default()))));
        assert!(Store::try_from(&pb::StoreDescribed { region_code: "C D".into(), ..good.clone() }).is_err());
        assert!(Store::try_from(&pb::StoreDescribed::default()).is_err());
        assert_eq!(pb::StoreDescribed::default().scope(), Scope::Store(Uuid::nil()));
    }
}
