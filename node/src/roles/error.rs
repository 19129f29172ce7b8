//! Why a role was not given or taken.

use codepop_shared::{Code, Failure};

use crate::{
    app::edge::{journal_failure, storage_failure},
    journal, storage,
};

/// Why an operation on roles did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is told this and may act on it.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The database failed; nothing was written.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The event could not be made; nothing was written.
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(failure) => failure,
            Error::Storage(error) => storage_failure(&error),
            Error::Journal(error) => journal_failure(&error),
        }
    }
}

/// The answer of a store where only hubs may decide.
pub(super) fn ask_hub() -> Failure {
    Failure::new(
        Code::AskHub,
        "Roles of regions, and of accounts that hubs keep, are decided at the supply hubs. Ask one.",
    )
}
