//! Who moves the money: one interface, a simulated provider and Stripe behind it. Everything here goes over the network (or
//! acts as if), so none of it is called within a transaction, and each call can be repeated.

pub(super) mod simulated;
pub(super) mod stripe;

use futures::future::BoxFuture;
use uuid::Uuid;

use super::Amount;

/// Why the provider did not do it. Texts are for the log and for managers, never for customers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// No answer, or none that says whether it was done; ask again.
    #[error("the provider does not answer: {why}")]
    Unavailable {
        /// What happened.
        why: String,
        /// Whether this was the answer to the key: then asking again with the same key gives the same answer.
        is_final: bool,
    },
    /// It says no.
    #[error("the provider declines: {0}")]
    Declined(String),
    /// It does not know the thing.
    #[error("the provider does not know it")]
    Missing,
}

impl Fault {
    /// It could not be asked.
    pub(super) fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable { why: why.into(), is_final: false }
    }
}

/// How an intent stands at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The customer has not paid.
    Awaiting,
    /// The money is held.
    Authorised,
    /// The money was taken.
    Captured,
    /// It was let go.
    Cancelled,
}

/// An intent at the provider.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Intent {
    /// Its id.
    pub(super) id: String,
    /// The secret that the phone needs.
    pub(super) secret: String,
    /// How it stands.
    pub(super) standing: Standing,
    /// What is held or was taken, in cents.
    pub(super) cents: i64,
    /// Whether a phone can still pay with it.
    pub(super) is_payable: bool,
    /// The payment that it says it is for.
    pub(super) payment: Option<Uuid>,
    /// The store that it says it is for.
    pub(super) store: Option<Uuid>,
}

/// An intent to make.
#[derive(Clone, Debug)]
pub(super) struct NewIntent {
    /// Our payment; the key of the call.
    pub(super) payment: Uuid,
    /// The store.
    pub(super) store: Uuid,
    /// Whose session.
    pub(super) session: String,
    /// Customer at the provider.
    pub(super) customer: String,
    /// How much.
    pub(super) amount: Amount,
}

/// What became of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refunded {
    /// The money is on its way back for good.
    Done,
    /// The provider has not decided.
    Pending,
}

/// Who moves the money.
pub(super) trait Provider: Send + Sync {
    /// Its word in rows and answers.
    fn name(&self) -> &'static str;

    /// The least that it takes.
    fn least(&self) -> Amount {
        Amount::LEAST
    }

    /// The key with which phones speak to it.
    fn publishable_key(&self) -> &str;

    /// Makes a customer.
    fn customer<'a>(&'a self, key: &'a str, session: &'a str) -> BoxFuture<'a, Result<String, Fault>>;

    /// Makes a short-lived key with which a phone sees its customer.
    fn ephemeral_key<'a>(&'a self, customer: &'a str) -> BoxFuture<'a, Result<String, Fault>>;

    /// Prepares a payment whose money is held first and taken later.
    fn create<'a>(&'a self, new: &'a NewIntent) -> BoxFuture<'a, Result<Intent, Fault>>;

    /// How an intent stands.
    fn intent<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Intent, Fault>>;

    /// Takes the money that is held.
    fn capture<'a>(&'a self, key: &'a str, id: &'a str, cents: i64) -> BoxFuture<'a, Result<Intent, Fault>>;

    /// Lets the money go.
    fn cancel<'a>(&'a self, key: &'a str, id: &'a str) -> BoxFuture<'a, Result<Intent, Fault>>;

    /// Gives money back.
    fn refund<'a>(
        &'a self,
        key: &'a str,
        id: &'a str,
        refund: Uuid,
        cents: i64,
    ) -> BoxFuture<'a, Result<Refunded, Fault>>;

    /// What became of a refund, if it was ever asked for.
    fn find_refund<'a>(&'a self, id: &'a str, refund: Uuid) -> BoxFuture<'a, Result<Option<Refunded>, Fault>>;
}
