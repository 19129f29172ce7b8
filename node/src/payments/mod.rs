//! Payments of this node's store. The app pays before it orders: a payment is prepared and its money held; the order takes
//! it (`claim`), and then the money is taken; what no order takes within 15 minutes is let go.
//!
//! Reading order: `state.rs`, `store.rs` (the rows), `prepare.rs` and `check.rs` (what asks the provider before an order),
//! `claim.rs` (what happens in the order's transaction), `settler/` (what carries it out afterwards), `revenue/`,
//! `provider/`. Nothing asks the provider within a transaction, and what was asked can be asked again.

mod amount;
mod check;
mod claim;
mod error;
pub mod import;
mod prepare;
mod provider;
pub mod revenue;
mod rpc;
mod settings;
mod settler;
mod state;
mod store;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use codepop_shared::identity::Kind;
use tokio::sync::Notify;

use self::provider::{Provider, simulated::Simulated, stripe::Stripe};
pub use self::{
    amount::Amount,
    claim::{Checked, Claim, Status, claim, give_back, status},
    error::Error,
    prepare::Prepared,
    rpc::PaymentsRpc,
    settings::{Secret, Settings, StripeSettings},
    state::{RefundState, State},
};
use crate::app::App;

/// How long money is held for an order that does not come.
const UNCLAIMED_FOR: TimeDelta = TimeDelta::minutes(15);

/// What somebody with a foreign or made-up payment learns: nothing.
const UNKNOWN: &str = "This payment is not known here. Pay again.";

/// What somebody with an old payment learns.
const LET_GO: &str = "This payment was let go; no money was taken. Pay again.";

/// Payments of this node. Cheap to clone.
#[derive(Clone)]
pub struct Payments {
    app: App,
    /// The one in use comes first; the others finish what was begun with them.
    providers: Arc<[Arc<dyn Provider>]>,
    webhook_secret: Option<Secret>,
    wake: Arc<Notify>,
    failed: Arc<Notify>,
}

impl Payments {
    /// With the provider that the settings name.
    pub fn new(app: App, settings: Settings) -> Self {
        let simulated: Arc<dyn Provider> = Arc::new(Simulated::new(app.db.clone()));
        let (providers, webhook_secret): (Vec<Arc<dyn Provider>>, _) = match settings {
            Settings::Simulated => (vec![simulated], None),
            Settings::Stripe(stripe) => {
                let secret = stripe.webhook_secret.clone();
                (vec![Arc::new(Stripe::new(stripe)), simulated], secret)
            }
        };
        Self { app, providers: providers.into(), webhook_secret, wake: Arc::default(), failed: Arc::default() }
    }

    /// Lets the settler look for what is intended; to be called after the commit. Without it, it finds out a little later.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits until the provider has refused the money of an order, which it had promised. One waits at a time.
    pub async fn failed(&self) {
        self.failed.notified().await;
    }

    /// The provider in use.
    fn provider(&self) -> &dyn Provider {
        // There is always one: `new` puts it there.
        &*self.providers[0]
    }

    /// The provider with which a payment was begun.
    fn provider_named(&self, name: &str) -> Option<&dyn Provider> {
        self.providers.iter().find(|provider| provider.name() == name).map(|provider| &**provider)
    }

    fn require_store(&self) -> Result<(), Error> {
        if self.app.author().id.kind == Kind::Store { Ok(()) } else { Err(Error::NoStore) }
    }
}

/// To the microsecond that databases keep.
fn to_the_microsecond(moment: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(moment.timestamp_micros()).unwrap_or(moment)
}
