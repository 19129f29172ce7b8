//! What can go wrong with a drink.

use codepop_shared::{Code, Failure};

use super::FAVORITES_MAX;
use crate::{
    app::{
        edge::{journal_failure, storage_failure},
        once,
    },
    journal, storage,
};

/// Why an operation on drinks failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such drink, or none that the caller may see or change; nothing to be done.
    #[error("No drink has the number {0}.")]
    Unknown(i64),
    /// Stores may not say this; ask a hub.
    #[error("Only a hub can do this.")]
    AskHub,
    /// Hubs don't make customers' drinks; ask a store.
    #[error("Customers' drinks are made at stores.")]
    AskStore,
    /// The user has as many favourites as there may be; remove one first.
    #[error("There can be {FAVORITES_MAX} favourites; remove one first.")]
    Full,
    /// The request cannot be told from another; send another key.
    #[error(transparent)]
    Once(#[from] once::Error),
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
            Error::AskStore => Self::new(Code::AskStore, error.to_string()),
            Error::Full => Self::new(Code::Conflict, error.to_string()),
            Error::Once(error) => error.into(),
            Error::Storage(error) => storage_failure(&error),
            Error::Journal(error) => journal_failure(&error),
        }
    }
}
