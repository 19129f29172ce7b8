//! The stock of this node's store, and what can be made of it. It belongs to the store: nothing of it is replicated.
//!
//! Reading order: `vocabulary.rs` (which name means which row), `allocate.rs` (which rows serve an order), `store.rs` (the
//! rows), `ledger.rs` (every change of a quantity goes through it), this file and `manage.rs` (operations), `take.rs` (what
//! orders take and give back).

mod allocate;
pub mod figures;
pub mod import;
mod ledger;
mod manage;
mod rpc;
mod store;
mod take;
pub mod vocabulary;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use chrono::DateTime;
use codepop_shared::{Code, Failure};
use futures::future::BoxFuture;
use uuid::Uuid;

pub use self::{
    allocate::Need,
    ledger::{Cause, Movement, Reason},
    manage::{Correction, correct, item, movements, report},
    rpc::{InventoryRpc, view},
    store::Item,
    take::{needs, put_back, take},
};
use crate::{
    app::{App, edge::storage_failure},
    auth::Permit,
    catalog::{Drink, Recipe},
    journal,
    storage::{self, Tx, types::Time},
    stores::{self, Stock, StockSummary},
};

/// Items in one answer; the first stores have 84.
const LISTED_MAX: i64 = 2_000;

/// The threshold of a new item when none is given.
const THRESHOLD_DEFAULT: i32 = 10;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Something to add to a drink.
    AddIn,
    /// A thing: cups, lids, straws.
    Physical,
    /// A soda.
    Soda,
    /// A syrup.
    Syrup,
}

impl Kind {
    /// Its word, exactly as the app compares it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::AddIn => "Add In",
            Self::Physical => "Physical",
            Self::Soda => "Soda",
            Self::Syrup => "Syrup",
        }
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.word().to_owned()
    }
}

impl TryFrom<String> for Kind {
    type Error = &'static str;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        let all = [Self::AddIn, Self::Physical, Self::Soda, Self::Syrup];
        all.into_iter().find(|kind| kind.word() == word).ok_or("must be Soda, Syrup, Add In or Physical")
    }
}

/// Why an operation on the stock failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is another store's stock, or no store's.
    #[error(transparent)]
    Store(#[from] stores::Error),
    /// This node is a hub; ask a store.
    #[error("A hub has no stock for customers; ask a store.")]
    NoStore,
    /// No item has this number; nothing to be done.
    #[error("No item of the stock has the number {0}.")]
    Unknown(i64),
    /// Something is not there in the amount needed; nothing was taken. Names each thing once, as it was asked for.
    #[error("The store does not have enough of: {}.", .0.join(", "))]
    Missing(Vec<String>),
    /// The database failed; try again.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::NoStore => Self::new(Code::AskStore, error.to_string()),
            Error::Unknown(_) => Self::new(Code::NotFound, error.to_string()),
            Error::Missing(names) => {
                let sentence = Error::Missing(names.clone()).to_string();
                let failure = Self::new(Code::InsufficientItems, sentence).with("items", names.join(", "));
                names
                    .into_iter()
                    .fold(failure, |failure, name| failure.field(name, "is not there in the amount needed"))
            }
            Error::Storage(error) => storage_failure(&error),
        }
    }
}

/// Whether one drink can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// Number of the drink.
    pub drink: i64,
    /// Its name; `None` when it is not known here.
    pub name: Option<String>,
    /// Whether all ingredients are there.
    pub available: bool,
    /// Those that are not, as the drink spells them.
    pub missing: Vec<String>,
}

/// What a drink needs: the kind of each ingredient and its name.
fn ingredients(recipe: &Recipe) -> impl Iterator<Item = (Kind, &String)> {
    let lists = [(Kind::Soda, &recipe.sodas), (Kind::Syrup, &recipe.syrups), (Kind::AddIn, &recipe.add_ins)];
    lists.into_iter().flat_map(|(kind, list)| list.iter().map(move |name| (kind, name)))
}

/// Tells for each drink, in the order asked, whether this store can make it, given those that whoever asks may see.
///
/// # Errors
/// This node is not that store.
pub async fn check(
    tx: &mut Tx,
    store: Uuid,
    ids: Vec<i64>,
    drinks: &HashMap<i64, Drink>,
) -> Result<Vec<Availability>, Error> {
    stores::require_here(tx, store).await?;
    let needed = drinks.values().flat_map(|drink| ingredients(&drink.recipe));
    let keys: HashSet<String> = needed.flat_map(|(_, name)| vocabulary::stock_keys(name)).collect();
    let there: HashSet<(String, String)> = available(tx, keys).await?;
    let has = |kind: Kind, name: &str| {
        vocabulary::stock_keys(name).into_iter().any(|key| there.contains(&(kind.word().to_owned(), key)))
    };
    let answer = |id: i64| match drinks.get(&id) {
        None => Availability { drink: id, name: None, available: false, missing: Vec::new() },
        Some(drink) => {
            let missing = ingredients(&drink.recipe).filter(|(kind, name)| !has(*kind, name));
            let missing: Vec<String> = missing.map(|(_, name)| name.clone()).collect();
            Availability { drink: id, name: Some(drink.recipe.name.clone()), available: missing.is_empty(), missing }
        }
    };
    Ok(ids.into_iter().map(answer).collect())
}

/// Keys that one query names: SQLite takes 32,766 parameters, and a full question has up to 6,000 ingredients.
const KEYS_MAX: usize = 1_000;

async fn available(tx: &mut Tx, keys: HashSet<String>) -> Result<HashSet<(String, String)>, storage::Error> {
    let keys: Vec<String> = keys.into_iter().collect();
    let mut found = HashSet::new();
    for some in keys.chunks(KEYS_MAX) {
        found.extend(store::available(tx, some.to_vec()).await?);
    }
    Ok(found)
}

/// What this store has in stock, by type and name.
///
/// # Errors
/// This node is no store.
pub async fn list(tx: &mut Tx) -> Result<Vec<Item>, Error> {
    let mut items = report(tx).await?;
    items.retain(|item| item.quantity > 0);
    Ok(items)
}

/// Makes sure that this node is a store.
fn require_store(tx: &Tx) -> Result<(), Error> {
    if tx.author.id.kind == codepop_shared::identity::Kind::Store { Ok(()) } else { Err(Error::NoStore) }
}

/// An item as somebody wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name for people.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// How many units there are.
    pub quantity: i32,
    /// At or below this many it runs low; `None` leaves it.
    pub threshold: Option<i32>,
}

/// Sets an item of this node's store; makes it when there is none of its kind and name.
///
/// # Errors
/// This node is not that store.
pub async fn set(app: &App, permit: &Permit, store: Uuid, wanted: Wanted) -> Result<Item, Error> {
    let user = permit.user;
    app.write(permit, move |tx| {
        Box::pin(async move {
            stores::require_here(tx, store).await?;
            put(tx, wanted, Reason::Correction, user).await
        })
    })
    .await
}

/// Sets an item in the caller's transaction; what an item that was not there has comes as `Restock`, unless it was
/// imported.
pub async fn put(tx: &mut Tx, wanted: Wanted, reason: Reason, user: Option<i64>) -> Result<Item, Error> {
    let key = vocabulary::fold(&wanted.name);
    let old = store::item(tx, wanted.kind, &key).await?;
    let threshold = wanted.threshold.or(old.as_ref().map(|item| item.threshold)).unwrap_or(THRESHOLD_DEFAULT);
    let item = Item {
        id: match &old {
            Some(item) => item.id,
            None => journal::next_number(tx, "inventory item").await?,
        },
        name: wanted.name,
        name_key: key,
        item_type: wanted.kind,
        quantity: wanted.quantity,
        threshold,
        updated_at: now(tx),
    };
    let reason = if old.is_none() && reason == Reason::Correction { Reason::Restock } else { reason };
    let cause = Cause { user, ..Cause::of(reason) };
    ledger::put(tx, old.map_or(0, |old| old.quantity), &item, &cause).await?;
    tx.about.is("item", item.id);
    Ok(item)
}

/// The time, to the microsecond that databases keep.
fn now(tx: &Tx) -> Time {
    Time(DateTime::from_timestamp_micros(tx.clock.wall().timestamp_micros()).unwrap_or_default())
}

/// Sums of this store's stock.
pub async fn status(tx: &mut Tx) -> Result<Stock, storage::Error> {
    let (items, low) = store::counts(tx).await?;
    Ok(Stock { items, low })
}

/// The stock as the stores' service asks for it.
#[derive(Clone, Copy, Debug)]
pub struct OwnStock;

impl StockSummary for OwnStock {
    fn stock<'a>(&'a self, tx: &'a mut Tx) -> BoxFuture<'a, Result<Stock, storage::Error>> {
        Box::pin(status(tx))
    }
}
