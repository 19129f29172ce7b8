//! What goes wrong with payments, and what callers are told of it.

use codepop_shared::{Code, Failure};

use super::provider::Fault;
use crate::{
    app::{edge::storage_failure, once},
    storage,
};

/// Why something about a payment failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no session, so nobody could claim the payment.
    #[error("A session is needed to pay.")]
    NoSession,
    /// This node is a hub; ask a store.
    #[error("A hub takes no payments; ask a store.")]
    NoStore,
    /// The order is not paid, or not with the right amount; the sentence says which.
    #[error("{0}")]
    NotPaid(&'static str),
    /// The order has no payment.
    #[error("This order has no payment.")]
    NoPayment,
    /// More is to be given back than is left.
    #[error("At most {0:.2} dollars of this payment can be given back.")]
    TooMuch(f64),
    /// The provider does not answer, or not as it should; try again.
    #[error("The payment provider does not answer; nothing was taken. Try again soon.")]
    Provider,
    /// The key of the request was used before for another.
    #[error(transparent)]
    Once(#[from] once::Error),
    /// The database failed; try again.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSession => Self::new(Code::NotAuthenticated, error.to_string()),
            Error::NoStore => Self::new(Code::AskStore, error.to_string()),
            Error::NotPaid(_) => Self::new(Code::PaymentRequired, error.to_string()),
            Error::NoPayment => Self::new(Code::NotFound, error.to_string()),
            Error::TooMuch(_) => Self::new(Code::Conflict, error.to_string()),
            Error::Provider => Self::new(Code::ProviderUnavailable, error.to_string()),
            Error::Once(error) => error.into(),
            Error::Storage(error) => storage_failure(&error),
        }
    }
}

impl From<Fault> for Error {
    /// What the provider said is for the log; customers learn that it did not work.
    fn from(fault: Fault) -> Self {
        tracing::error!(error = %fault, "the payment provider did not do what was asked");
        Self::Provider
    }
}
