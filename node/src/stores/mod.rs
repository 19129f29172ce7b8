//! Stores, their regions and supply hubs: which is near, is it open, what does it have. Every node knows all of them;
//! each store, hub and region is described by its own node alone.
//!
//! Reading order: `hours.rs`, `store.rs` (the rows), `events.rs` (how descriptions merge), this file (operations),
//! `describe.rs` (what a node says of itself at start).

mod checks;
mod describe;
mod digest;
mod events;
pub mod hours;
mod legacy;
pub mod regions;
mod rpc;
mod store;
mod view;
mod wait;

#[cfg(test)]
mod tests;

use codepop_proto::stores::StoreDescribed;
use codepop_shared::{Code, Failure, geo::Place, identity::Kind};
use futures::future::BoxFuture;
use uuid::Uuid;

pub use self::{
    describe::{Described, describe_self},
    digest::digest,
    legacy::{claim_legacy_numbers, legacy_holder},
    rpc::StoresRpc,
    store::{Hub, Region, Store, Zone},
    view::{add_own, store as view},
    wait::wait_minutes,
};
use crate::{
    app::{
        App,
        edge::{Problems, journal_failure, storage_failure},
    },
    auth::Permit,
    journal::{self, Audience},
    mesh::replaced,
    storage::{self, Tx, types::Id},
};

/// Stores in one answer: more than anyone scrolls through, few enough for one message.
const FOUND_MAX: usize = 200;

/// Stores of a region in one answer: the message stays within its largest size.
pub const LISTED_MAX: i64 = 1_000;

/// Stores of the chain in one answer.
pub const CHAIN_MAX: i64 = 10_000;

/// Miles between two degrees of latitude, rounded down, so that the band of latitudes that is searched is never too
/// narrow: 3,959 miles × π / 180 = 69.1.
const MILES_PER_DEGREE: f64 = 69.0;

/// Why an operation on stores failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No store has this id; nothing to be done.
    #[error("No store has the id {0}.")]
    Unknown(Uuid),
    /// This node is not that store; ask the store's own node.
    #[error("Only the node of store {0} can answer this.")]
    Elsewhere(Uuid),
    /// The request asks for what is not allowed; tell the caller.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The database failed; try again.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The description could not be said.
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Unknown(_) => Self::new(Code::NotFound, error.to_string()),
            Error::Elsewhere(_) => Self::new(Code::AskStore, error.to_string()),
            Error::Refused(failure) => failure,
            Error::Storage(error) => storage_failure(&error),
            Error::Journal(error) => journal_failure(&error),
        }
    }
}

/// How much a store has, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    /// Different items.
    pub items: i64,
    /// Items at or below their threshold.
    pub low: i64,
}

/// Sums up the stock of this node's store. Stores stand below the inventory, so it is handed in from above.
pub trait StockSummary: Send + Sync {
    /// The sums.
    fn stock<'a>(&'a self, tx: &'a mut Tx) -> BoxFuture<'a, Result<Stock, storage::Error>>;
}

/// Tells how many orders this node's store is making. Handed in from above, as the stock is.
pub trait QueueLength: Send + Sync {
    /// How many.
    fn queue<'a>(&'a self, tx: &'a mut Tx) -> BoxFuture<'a, Result<u32, storage::Error>>;
}

/// A store with what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The store.
    pub store: Store,
    /// Its region, if known.
    pub region: Option<Region>,
    /// The supply hub of its region, if known.
    pub hub: Option<Hub>,
    /// Distance from the place asked about, in miles.
    pub miles: Option<f64>,
}

/// The stores within `radius` miles that work and take orders, nearest first.
pub async fn discover(tx: &mut Tx, from: Place, radius: f64) -> Result<Vec<Found>, storage::Error> {
    let band = radius / MILES_PER_DEGREE;
    let serving = store::serving(tx, from.latitude - band..=from.latitude + band).await?;
    let serving = present(tx, serving, |store| store.id).await?;
    let mut near: Vec<(f64, Store)> = serving
        .into_iter()
        .filter_map(|store| Some((from.miles_to(store.place()?), store)))
        .filter(|(miles, _)| *miles <= radius)
        .collect();
    near.sort_by(|(a, one), (b, other)| {
        a.total_cmp(b).then_with(|| one.store_number.cmp(&other.store_number)).then_with(|| one.id.cmp(&other.id))
    });
    near.truncate(FOUND_MAX);
    complete(tx, near.into_iter().map(|(miles, store)| (Some(miles), store)).collect()).await
}

/// One store.
pub async fn find(tx: &mut Tx, id: Uuid) -> Result<Found, Error> {
    let store = described(tx, id).await?.ok_or(Error::Unknown(id))?;
    complete(tx, vec![(None, store)]).await?.pop().ok_or(Error::Unknown(id))
}

/// One store as it describes itself, without what belongs to it.
pub async fn described(tx: &mut Tx, id: Uuid) -> Result<Option<Store>, storage::Error> {
    let now = replaced::successors(tx).await?.now(id);
    match store::store(tx, now).await? {
        None if now != id => store::store(tx, id).await,
        found => Ok(found),
    }
}

/// Without those whose place others have taken.
async fn present<T>(tx: &mut Tx, mut all: Vec<T>, id: impl Fn(&T) -> Id) -> Result<Vec<T>, storage::Error> {
    let successors = replaced::successors(tx).await?;
    all.retain(|one| !successors.is_replaced(id(one).0));
    Ok(all)
}

/// The stores of a region as they describe themselves, by number for people; [`LISTED_MAX`] at most.
pub async fn of_region(tx: &mut Tx, code: &str) -> Result<Vec<Store>, storage::Error> {
    let found = store::stores_of(tx, code, LISTED_MAX).await?;
    let mut found = present(tx, found, |store| store.id).await?;
    // Sorted here: databases order text by rules of their own.
    found.sort_by(|a, b| (&a.store_number, a.id).cmp(&(&b.store_number, b.id)));
    Ok(found)
}

/// All stores of the chain as they describe themselves, by region and number for people; [`CHAIN_MAX`] at most.
pub async fn all(tx: &mut Tx) -> Result<Vec<Store>, storage::Error> {
    let found = store::stores_after(tx, Uuid::nil(), CHAIN_MAX).await?;
    let mut found = present(tx, found, |store| store.id).await?;
    found.sort_by(|a, b| (&a.region, &a.store_number, a.id).cmp(&(&b.region, &b.store_number, b.id)));
    Ok(found)
}

/// All regions of the chain, by code.
pub async fn all_regions(tx: &mut Tx) -> Result<Vec<Region>, storage::Error> {
    let mut found = store::all_regions(tx).await?;
    found.sort_by(|a, b| a.code.cmp(&b.code));
    Ok(found)
}

/// All hubs of the chain, by region.
pub async fn all_hubs(tx: &mut Tx) -> Result<Vec<Hub>, storage::Error> {
    let found = store::all_hubs(tx).await?;
    let mut found = present(tx, found, |hub| hub.id).await?;
    found.sort_by(|a, b| (&a.region, a.id).cmp(&(&b.region, b.id)));
    Ok(found)
}

/// A region and its hub, as far as they are known.
pub async fn region_and_hub(tx: &mut Tx, code: &str) -> Result<Option<(Region, Option<Hub>)>, storage::Error> {
    let Some(region) = store::region(tx, code).await? else { return Ok(None) };
    let hubs = hubs_of_region(tx, code).await?;
    Ok(Some((region, hubs.into_iter().next())))
}

/// One region as its hub describes it.
///
/// # Errors
/// The database failed.
pub async fn region(tx: &mut Tx, code: &str) -> Result<Option<Region>, storage::Error> {
    store::region(tx, code).await
}

/// The supply hubs of a region: one, but while it is being replaced.
///
/// # Errors
/// The database failed.
pub async fn hubs_of_region(tx: &mut Tx, code: &str) -> Result<Vec<Hub>, storage::Error> {
    let hubs = store::hubs_of(tx, vec![code.to_owned()]).await?;
    present(tx, hubs, |hub| hub.id).await
}

/// Finds region and hub of stores.
async fn complete(tx: &mut Tx, stores: Vec<(Option<f64>, Store)>) -> Result<Vec<Found>, storage::Error> {
    let mut codes: Vec<String> = stores.iter().map(|(_, store)| store.region.clone()).collect();
    codes.sort_unstable();
    codes.dedup();
    let regions = store::regions(tx, codes.clone()).await?;
    let hubs = store::hubs_of(tx, codes).await?;
    let hubs = present(tx, hubs, |hub| hub.id).await?;
    let with = |(miles, store): (Option<f64>, Store)| Found {
        region: regions.iter().find(|region| region.code == store.region).cloned(),
        hub: hubs.iter().find(|hub| hub.region == store.region).cloned(),
        store,
        miles,
    };
    Ok(stores.into_iter().map(with).collect())
}

/// Whether this node is that store, or has taken its place.
pub fn is_here(tx: &Tx, id: Uuid) -> bool {
    tx.author.id.kind == Kind::Store && tx.author.is(id)
}

/// Makes sure that this node is that store.
///
/// # Errors
/// It is another store, or none that is known.
pub async fn require_here(tx: &mut Tx, id: Uuid) -> Result<(), Error> {
    if is_here(tx, id) {
        return Ok(());
    }
    match store::store(tx, id).await? {
        Some(_) => Err(Error::Elsewhere(id)),
        None => Err(Error::Unknown(id)),
    }
}

/// Details to change; those that are `None` stay.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Number for people.
    pub store_number: Option<String>,
    /// Name for people.
    pub name: Option<String>,
    /// Street and number.
    pub street_address: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State, two letters.
    pub state: Option<String>,
    /// ZIP code.
    pub zip_code: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Whether it works.
    pub is_operational: Option<bool>,
    /// Whether it takes orders.
    pub is_accepting_orders: Option<bool>,
    /// All hours anew.
    pub hours: Option<hours::Hours>,
    /// Time zone of the hours.
    pub time_zone: Option<Zone>,
}

impl Change {
    fn apply(self, store: Store) -> Store {
        Store {
            store_number: self.store_number.unwrap_or(store.store_number),
            name: self.name.unwrap_or(store.name),
            street_address: self.street_address.unwrap_or(store.street_address),
            city: self.city.unwrap_or(store.city),
            state: self.state.map(|state| state.to_ascii_uppercase()).unwrap_or(store.state),
            zip_code: self.zip_code.unwrap_or(store.zip_code),
            phone: self.phone.unwrap_or(store.phone),
            email: self.email.unwrap_or(store.email),
            is_operational: self.is_operational.unwrap_or(store.is_operational),
            is_accepting_orders: self.is_accepting_orders.unwrap_or(store.is_accepting_orders),
            hours: self.hours.unwrap_or(store.hours),
            time_zone: self.time_zone.unwrap_or(store.time_zone),
            ..store
        }
    }
}

/// Changes details of this node's own store.
///
/// # Errors
/// The store is another one, or a new detail is not allowed.
pub async fn update(app: &App, permit: &Permit, id: Uuid, change: Change) -> Result<Found, Error> {
    app.write(permit, move |tx| {
        Box::pin(async move {
            require_here(tx, id).await?;
            let id = tx.author.id.uuid;
            let old = store::store(tx, id).await?.ok_or(Error::Unknown(id))?;
            let new = change.apply(old.clone());
            let mut problems = Problems::default();
            checks::store(&new).into_iter().for_each(|(field, problem)| problems.add(field, problem));
            problems.finish()?;
            if new != old {
                journal::emit(tx, &Audience::Everyone, &StoreDescribed::from(&new)).await?;
            }
            find(tx, id).await
        })
    })
    .await
}
