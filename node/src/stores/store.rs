//! Rows of regions, hubs and stores.

use std::ops::RangeInclusive;

use chrono_tz::Tz;
use codepop_shared::geo::Place;
use diesel::{
    AsChangeset, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::hours::Hours;
use crate::{
    on,
    storage::{
        Error, Tx,
        schema::{hubs, regions, revocations, settings, stores},
        types::{Id, Time},
    },
};

/// A region of the chain.
#[derive(Clone, Debug, PartialEq, Insertable, AsChangeset, Queryable, Selectable)]
#[diesel(table_name = regions, primary_key(code))]
pub struct Region {
    /// Its code.
    pub code: String,
    /// Its name for people.
    pub name: String,
    /// Latitude of the centre in degrees.
    pub center_latitude: f64,
    /// Longitude of the centre in degrees.
    pub center_longitude: f64,
    /// Radius in miles.
    pub service_radius_miles: i32,
    /// When it was made.
    pub created_at: Time,
}

/// A supply hub.
#[derive(Clone, Debug, PartialEq, Insertable, AsChangeset, Queryable, Selectable)]
#[diesel(table_name = hubs)]
pub struct Hub {
    /// UUID of the hub and its node.
    pub id: Id,
    /// Code of its region.
    pub region: String,
    /// Its name for people.
    pub name: String,
    /// Street and number.
    pub street_address: String,
    /// City.
    pub city: String,
    /// State, two letters.
    pub state: String,
    /// ZIP code.
    pub zip_code: String,
    /// Latitude in degrees.
    pub latitude: f64,
    /// Longitude in degrees.
    pub longitude: f64,
    /// Telephone number.
    pub phone: String,
    /// E-mail address.
    pub email: String,
    /// Address of its node.
    pub api_base_url: String,
    /// Whether it works.
    pub is_operational: bool,
    /// How far it delivers, in miles.
    pub max_delivery_distance_miles: i32,
    /// When it was made.
    pub created_at: Time,
}

/// A store.
#[derive(Clone, Debug, PartialEq, Insertable, AsChangeset, Queryable, Selectable)]
#[diesel(table_name = stores)]
pub struct Store {
    /// UUID of the store and its node.
    pub id: Id,
    /// Code of its region.
    pub region: String,
    /// Its number for people.
    pub store_number: String,
    /// Its name for people.
    pub name: String,
    /// Street and number.
    pub street_address: String,
    /// City.
    pub city: String,
    /// State, two letters.
    pub state: String,
    /// ZIP code.
    pub zip_code: String,
    /// Latitude in degrees.
    pub latitude: f64,
    /// Longitude in degrees.
    pub longitude: f64,
    /// Telephone number.
    pub phone: String,
    /// E-mail address.
    pub email: String,
    /// Address of its node.
    pub api_base_url: String,
    /// Whether it works.
    pub is_operational: bool,
    /// Whether it takes orders.
    pub is_accepting_orders: bool,
    /// Hours of operation.
    #[diesel(serialize_as = String, deserialize_as = String)]
    pub hours: Hours,
    /// Time zone of the hours.
    #[diesel(serialize_as = String, deserialize_as = String)]
    pub time_zone: Zone,
    /// When it was made.
    pub created_at: Time,
}

impl Store {
    /// Where it is; `None` when its coordinates are no place.
    pub fn place(&self) -> Option<Place> {
        Place::new(self.latitude, self.longitude)
    }
}

/// A time zone, stored by its IANA name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(pub Tz);

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.0.name().to_owned()
    }
}

impl TryFrom<String> for Zone {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse().map(Self).map_err(|_| "must be the IANA name of a time zone, like America/Denver")
    }
}

/// A region.
pub(super) async fn region(tx: &mut Tx, code: &str) -> Result<Option<Region>, Error> {
    Ok(on!(tx, conn => regions::table.find(code).select(Region::as_select()).first(conn).await.optional())?)
}

/// Several regions.
pub(super) async fn regions(tx: &mut Tx, codes: Vec<String>) -> Result<Vec<Region>, Error> {
    Ok(on!(tx, conn => regions::table
        .filter(regions::code.eq_any(codes))
        .select(Region::as_select())
        .load(conn)
        .await)?)
}

/// A hub.
pub(super) async fn hub(tx: &mut Tx, id: Uuid) -> Result<Option<Hub>, Error> {
    Ok(on!(tx, conn => hubs::table.find(Id(id)).select(Hub::as_select()).first(conn).await.optional())?)
}

/// The hubs of several regions: those that work first, then by id.
pub(super) async fn hubs_of(tx: &mut Tx, codes: Vec<String>) -> Result<Vec<Hub>, Error> {
    Ok(on!(tx, conn => hubs::table
        .filter(hubs::region.eq_any(codes))
        .order((hubs::is_operational.desc(), hubs::id))
        .select(Hub::as_select())
        .load(conn)
        .await)?)
}

/// A store.
pub(super) async fn store(tx: &mut Tx, id: Uuid) -> Result<Option<Store>, Error> {
    Ok(on!(tx, conn => stores::table.find(Id(id)).select(Store::as_select()).first(conn).await.optional())?)
}

/// Stores between two latitudes that work and take orders, and whose certificates are good.
pub(super) async fn serving(tx: &mut Tx, latitudes: RangeInclusive<f64>) -> Result<Vec<Store>, Error> {
    let (south, north) = latitudes.into_inner();
    Ok(on!(tx, conn => stores::table
        .filter(stores::is_operational.eq(true))
        .filter(stores::is_accepting_orders.eq(true))
        .filter(stores::id.ne_all(
            revocations::table.filter(revocations::in_force.eq(true)).select(revocations::holder)
        ))
        .filter(stores::latitude.between(south, north))
        .select(Store::as_select())
        .load(conn)
        .await)?)
}

/// Stores of a region, in order of ids.
pub(super) async fn stores_of(tx: &mut Tx, region: &str, limit: i64) -> Result<Vec<Store>, Error> {
    Ok(on!(tx, conn => stores::table
        .filter(stores::region.eq(region))
        .order(stores::id)
        .limit(limit)
        .select(Store::as_select())
        .load(conn)
        .await)?)
}

/// All regions, in order of their keys.
pub(super) async fn all_regions(tx: &mut Tx) -> Result<Vec<Region>, Error> {
    Ok(on!(tx, conn => regions::table.select(Region::as_select()).load(conn).await)?)
}

/// All hubs.
pub(super) async fn all_hubs(tx: &mut Tx) -> Result<Vec<Hub>, Error> {
    Ok(on!(tx, conn => hubs::table.select(Hub::as_select()).load(conn).await)?)
}

/// Stores after an id, in order of ids.
pub(super) async fn stores_after(tx: &mut Tx, id: Uuid, limit: i64) -> Result<Vec<Store>, Error> {
    Ok(on!(tx, conn => stores::table
        .filter(stores::id.gt(Id(id)))
        .order(stores::id)
        .limit(limit)
        .select(Store::as_select())
        .load(conn)
        .await)?)
}

/// Field clocks of a region; empty when it is not known.
pub(super) async fn region_clocks(tx: &mut Tx, code: &str) -> Result<Vec<u8>, Error> {
    let clocks: Option<Vec<u8>> =
        on!(tx, conn => regions::table.find(code).select(regions::clocks).first(conn).await.optional())?;
    Ok(clocks.unwrap_or_default())
}

/// Field clocks of a hub; empty when it is not known.
pub(super) async fn hub_clocks(tx: &mut Tx, id: Id) -> Result<Vec<u8>, Error> {
    let clocks: Option<Vec<u8>> =
        on!(tx, conn => hubs::table.find(id).select(hubs::clocks).first(conn).await.optional())?;
    Ok(clocks.unwrap_or_default())
}

/// Field clocks of a store; empty when it is not known.
pub(super) async fn store_clocks(tx: &mut Tx, id: Id) -> Result<Vec<u8>, Error> {
    let clocks: Option<Vec<u8>> =
        on!(tx, conn => stores::table.find(id).select(stores::clocks).first(conn).await.optional())?;
    Ok(clocks.unwrap_or_default())
}

/// Keeps a region with its clocks.
pub(super) async fn put_region(tx: &mut Tx, region: &Region, clocks: &[u8]) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(regions::table)
        .values((region, regions::clocks.eq(clocks)))
        .on_conflict(regions::code)
        .do_update()
        .set((region, regions::clocks.eq(clocks)))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Keeps a hub with its clocks.
pub(super) async fn put_hub(tx: &mut Tx, hub: &Hub, clocks: &[u8]) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(hubs::table)
        .values((hub, hubs::clocks.eq(clocks)))
        .on_conflict(hubs::id)
        .do_update()
        .set((hub, hubs::clocks.eq(clocks)))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Keeps a store with its clocks.
pub(super) async fn put_store(tx: &mut Tx, store: &Store, clocks: &[u8]) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(stores::table)
        .values((store.clone(), stores::clocks.eq(clocks)))
        .on_conflict(stores::id)
        .do_update()
        .set((store.clone(), stores::clocks.eq(clocks)))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// What a setting of this database says.
pub(super) async fn setting(tx: &mut Tx, key: &str) -> Result<Option<String>, Error> {
    Ok(on!(tx, conn => settings::table.find(key).select(settings::value).first(conn).await.optional())?)
}

/// Keeps a setting of this database.
pub(super) async fn put_setting(tx: &mut Tx, key: &str, value: &str) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(settings::table)
        .values((settings::key.eq(key), settings::value.eq(value)))
        .on_conflict(settings::key)
        .do_update()
        .set(settings::value.eq(value))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}
