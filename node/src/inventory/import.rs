//! Items of the old system's stock.

use super::{Cause, Error, Item, Kind, Reason, ledger, store, vocabulary};
use crate::storage::{self, Tx};

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
