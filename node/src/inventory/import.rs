//! Items whose past was elsewhere: those of the old system's stock, and whole ledgers.

use chrono::{DateTime, Utc};

use super::{Cause, Error, Item, Kind, Reason, ledger, store, vocabulary};
use crate::{
    journal,
    storage::{self, Tx, types::Time},
};

/// A change of a quantity in the past.
#[derive(Clone, Debug)]
pub struct Past {
    /// Units added; negative for units taken.
    pub change: i32,
    /// What was behind it.
    pub cause: Cause,
    /// When.
    pub at: DateTime<Utc>,
}

/// Whether the store has an item of this kind and name.
///
/// # Errors
/// The database failed.
pub async fn has(tx: &mut Tx, kind: Kind, name: &str) -> Result<bool, storage::Error> {
    Ok(store::item(tx, kind, &vocabulary::fold(name)).await?.is_some())
}

/// Takes an item in, with its quantity as the first entry of the ledger.
///
/// # Errors
/// This node is no store, or the database failed.
pub async fn bring(tx: &mut Tx, item: &Item) -> Result<(), Error> {
    super::require_store(tx)?;
    Ok(ledger::put(tx, 0, item, &Cause::of(Reason::Imported)).await?)
}

/// Takes a new item in with its whole past, in order; nobody is told that it ran low. Gives the item as it is after it.
///
/// # Errors
/// This node is no store, the item would have had less than nothing, or the database failed.
pub async fn bring_past(tx: &mut Tx, name: &str, kind: Kind, threshold: i32, past: Vec<Past>) -> Result<Item, Error> {
    super::require_store(tx)?;
    let at = past.last().map_or_else(|| tx.clock.wall(), |last| last.at);
    let item = Item {
        id: journal::next_number(tx, "inventory item").await?,
        name: name.to_owned(),
        name_key: vocabulary::fold(name),
        item_type: kind,
        quantity: 0,
        threshold,
        updated_at: Time(at),
    };
    Ok(ledger::put_past(tx, item, past).await?)
}
