//! Preferences: which ingredients a customer likes. They follow the customer everywhere.
//!
//! Reading order: `vocabulary.rs` (what can be liked), `store.rs` (the rows), `events.rs` (how they merge), this file.

mod digest;
mod events;
pub mod import;
mod rpc;
mod store;
mod vocabulary;

#[cfg(test)]
mod tests;

use codepop_proto::preferences as pb;
use codepop_shared::{Code, Failure, identity::Kind, number};

pub use self::{digest::digest, rpc::PreferencesRpc};
use crate::{
    app::edge::{journal_failure, storage_failure},
    journal::{self, Audience},
    storage::{self, Tx},
};

/// Preferences of one user: the vocabulary is smaller.
const LISTED_MAX: i64 = 200;

/// A preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preference {
    /// Its number.
    pub id: i64,
    /// Number of the user.
    pub user: i64,
    /// Name of the ingredient, in lower case.
    pub name: String,
}

/// Why an operation on preferences failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user has no such preference; nothing to be done.
    #[error("No preference of yours has the number {0}.")]
    Unknown(i64),
    /// Of accounts that were born at a hub only hubs may speak; ask one.
    #[error("Only a hub can do this.")]
    AskHub,
    /// The database failed; try again.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The change could not be said.
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Unknown(_) => Self::new(Code::NotFound, error.to_string()),
            Error::AskHub => Self::new(Code::AskHub, error.to_string()),
            Error::Storage(error) => storage_failure(&error),
            Error::Journal(error) => journal_failure(&error),
        }
    }
}

/// What a user prefers, in order of number.
///
/// # Errors
/// The database failed.
pub async fn list(tx: &mut Tx, user: i64) -> Result<Vec<Preference>, storage::Error> {
    store::list(tx, user, LISTED_MAX).await
}

/// One preference of a user.
async fn find(tx: &mut Tx, user: i64, id: i64) -> Result<Preference, Error> {
    store::find(tx, user, id).await?.ok_or(Error::Unknown(id))
}

/// Adds a preference; one that is there stays as it is. The name must be of the vocabulary.
async fn add(tx: &mut Tx, user: i64, name: String) -> Result<Preference, Error> {
    require_hub(tx, user)?;
    if let Some(row) = store::row(tx, user, &name).await?.filter(|row| row.present) {
        return Ok(row.into());
    }
    let id = journal::next_number(tx, "preference").await?;
    let message = pb::PreferenceAdded { user, preference: id, name: name.clone() };
    journal::emit(tx, &Audience::Everyone, &message).await?;
    Ok(Preference { id, user, name })
}

/// Removes a preference.
async fn remove(tx: &mut Tx, user: i64, id: i64) -> Result<(), Error> {
    let found = find(tx, user, id).await?;
    require_hub(tx, user)?;
    journal::emit(tx, &Audience::Everyone, &pb::PreferenceRemoved { user, name: found.name }).await?;
    Ok(())
}

/// Puts another ingredient in the place of a preference.
async fn replace(tx: &mut Tx, user: i64, id: i64, name: String) -> Result<Preference, Error> {
    let found = find(tx, user, id).await?;
    if found.name == name {
        return Ok(found);
    }
    remove(tx, user, id).await?;
    add(tx, user, name).await
}

/// Removes the preferences of deleted users: a reaction to their deletion. What arrives about them later is not applied, so
/// all nodes end with the same rows.
///
/// # Errors
/// The database failed.
pub async fn forget_deleted(tx: &mut Tx) -> Result<(), storage::Error> {
    if store::forget_deleted(tx).await? {
        tx.signals.erased = true;
    }
    Ok(())
}

/// Makes sure that this node may speak for a user: for those born at a hub only hubs may.
fn require_hub(tx: &Tx, user: i64) -> Result<(), Error> {
    if tx.author.id.kind != Kind::Hub && number::is_hub_born(user) { Err(Error::AskHub) } else { Ok(()) }
}
