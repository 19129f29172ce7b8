//! What can go wrong with an account.

use codepop_shared::{Code, Failure};

use crate::{journal, storage};

/// Why an operation on an account did not succeed.
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
            Error::Storage(error) | Error::Journal(journal::Error::Storage(error)) => of_storage(&error),
            // Deleted while the call was on its way.
            Error::Journal(journal::Error::Erased) => invalid_token(),
            Error::Journal(error @ (journal::Error::Forbidden { .. } | journal::Error::Unfit(_))) => {
                tracing::error!(error = %error, "an account's event could not be made");
                internal()
            }
        }
    }
}

fn of_storage(error: &storage::Error) -> Failure {
    let failure = Failure::from(error);
    if failure.code == Code::Internal {
        tracing::error!(error = %error, "an operation on an account failed");
    }
    failure
}

/// The one answer to every token that is not good, whatever the reason.
pub(super) fn invalid_token() -> Failure {
    Failure::new(Code::NotAuthenticated, "Invalid token.")
}

/// The one answer to every log-in that fails, whatever the reason.
pub(super) fn login_failed() -> Failure {
    Failure::new(Code::LoginFailed, "Unable to log in with provided credentials.")
}

pub(super) fn internal() -> Failure {
    Failure::new(Code::Internal, "Something went wrong at the node; its log has the details.")
}

pub(super) fn name_taken() -> Failure {
    Failure::new(Code::NameTaken, "This user name is taken. Choose another one.").field("username", "is taken")
}

/// The answer of a store where only hubs may decide.
pub(super) fn ask_hub() -> Failure {
    Failure::new(Code::AskHub, "This account is kept by the supply hubs. Ask one of them.")
}
