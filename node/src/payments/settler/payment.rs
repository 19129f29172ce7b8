//! Taking money that is held, and letting it go.

use chrono::{DateTime, Utc};

use super::wait;
use crate::{
    notifications::{To, notify},
    payments::{
        Payments,
        claim::refund,
        provider::{Fault, Intent, Standing},
        revenue::{self, Reason},
        state::State,
        store::{self, Payment},
    },
    storage::{self, Tx},
};

/// What notices about payments are about.
pub(super) const NOTICE: &str = "payment";

/// Why money is given back that was taken although it was to be let go.
const TAKEN_ANYWAY: &str = "taken after it was to be let go";

impl Payments {
    /// Takes the money of an order.
    pub(super) async fn capture(&self, payment: Payment, now: DateTime<Utc>) -> Result<(), storage::Error> {
        let Some(provider) = self.provider_named(&payment.provider) else {
            return self.no_provider(payment, now).await;
        };
        let key = format!("capture-{}-{}", payment.id.0.simple(), payment.attempts);
        let answer = provider.capture(&key, &payment.intent, payment.amount_cents).await;
        match self.found_out(&payment, answer).await {
            Ok(Some(Standing::Captured)) => self.record(payment, now, Outcome::Captured).await,
            // The order was taken on the provider's word that the money is held; the word did not hold.
            Ok(Some(Standing::Cancelled | Standing::Awaiting) | None) => {
                self.record(payment, now, Outcome::Failed).await
            }
            Ok(Some(Standing::Authorised)) => self.again(payment, now, "the money is held, but not taken").await,
            Err(why) => self.again(payment, now, &why).await,
        }
    }

    /// Lets the money go.
    pub(super) async fn release(&self, payment: Payment, now: DateTime<Utc>) -> Result<(), storage::Error> {
        let Some(provider) = self.provider_named(&payment.provider) else {
            return self.no_provider(payment, now).await;
        };
        let key = format!("cancel-{}-{}", payment.id.0.simple(), payment.attempts);
        let answer = provider.cancel(&key, &payment.intent).await;
        match self.found_out(&payment, answer).await {
            Ok(Some(Standing::Cancelled) | None) => self.record(payment, now, Outcome::Released).await,
            Ok(Some(Standing::Captured)) => self.record(payment, now, Outcome::TakenAnyway).await,
            Ok(Some(Standing::Awaiting | Standing::Authorised)) => {
                self.again(payment, now, "the provider has not let it go").await
            }
            Err(why) => self.again(payment, now, &why).await,
        }
    }

    /// How the intent stands after a call: as it answered, or, when it said no (perhaps because this was done before), as
    /// it says when asked; `None` when it does not know it.
    async fn found_out(&self, payment: &Payment, answer: Result<Intent, Fault>) -> Result<Option<Standing>, String> {
        let answer = match (answer, self.provider_named(&payment.provider)) {
            (Err(Fault::Declined(why)), Some(provider)) => {
                tracing::warn!(payment = %payment.id.0, why, "the payment provider declined; asking how the payment stands");
                provider.intent(&payment.intent).await
            }
            (answer, _) => answer,
        };
        match answer {
            Ok(intent) => Ok(Some(intent.standing)),
            Err(Fault::Missing) => Ok(None),
            Err(fault) => Err(fault.to_string()),
        }
    }

    async fn no_provider(&self, payment: Payment, now: DateTime<Utc>) -> Result<(), storage::Error> {
        let why = format!("the provider {} is not configured", payment.provider);
        self.again(payment, now, &why).await
    }

    /// Notes that a step has to be tried again.
    async fn again(&self, payment: Payment, now: DateTime<Utc>, why: &str) -> Result<(), storage::Error> {
        tracing::warn!(
            payment = %payment.id.0, order = payment.order_id, provider = payment.provider,
            state = payment.state.word(), tries = payment.attempts + 1, why, "a payment could not be settled yet"
        );
        let (until, why) = (wait::next(now, payment.attempts, rand::random()), wait::problem(why));
        let writing =
            self.app.db.write(move |tx| Box::pin(async move { store::postpone(tx, &payment, until, &why).await }));
        writing.await
    }

    /// Writes down what became of a payment.
    async fn record(&self, payment: Payment, now: DateTime<Utc>, outcome: Outcome) -> Result<(), storage::Error> {
        tracing::info!(
            payment = %payment.id.0, order = payment.order_id, provider = payment.provider, cents = payment.amount_cents,
            outcome = ?outcome, "a payment was settled"
        );
        if outcome == Outcome::Failed {
            tracing::error!(payment = %payment.id.0, order = payment.order_id, "the provider did not pay an order");
        }
        self.app.db.write(move |tx| Box::pin(apply(tx, payment, outcome, now))).await?;
        if outcome == Outcome::Failed {
            self.failed.notify_one();
        }
        Ok(())
    }
}

/// What became of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The money was taken.
    Captured,
    /// It was to be taken, and cannot be any more.
    Failed,
    /// It was let go.
    Released,
    /// It was to be let go, but was taken before.
    TakenAnyway,
}

/// Nothing, when the payment stands elsewhere by now: then the next step finds out how the money stands.
async fn apply(tx: &mut Tx, mut payment: Payment, outcome: Outcome, now: DateTime<Utc>) -> Result<(), storage::Error> {
    let (to, problem) = match outcome {
        Outcome::Captured | Outcome::TakenAnyway => (State::Captured, None),
        Outcome::Failed => (State::Failed, Some("the provider no longer pays it")),
        Outcome::Released => (State::Released, None),
    };
    if !store::advance(tx, payment.id, (payment.state, to), None, problem).await? {
        return Ok(());
    }
    payment.state = to;
    match outcome {
        Outcome::Captured => store::arm_refunds(tx, payment.id, now).await,
        Outcome::TakenAnyway => {
            store::insert_refund(tx, &refund(&payment, payment.amount_cents, TAKEN_ANYWAY, now)).await
        }
        Outcome::Released => undo_sale(tx, &payment).await,
        Outcome::Failed => {
            let order = payment.order_id.unwrap_or_default();
            let text = format!("The payment provider did not pay order {order}, although it had promised to.");
            notify(tx, To::Staff, NOTICE, &text).await?;
            undo_sale(tx, &payment).await
        }
    }
}

/// A sale whose money never came is none.
async fn undo_sale(tx: &mut Tx, payment: &Payment) -> Result<(), storage::Error> {
    let Some(order) = payment.order_id else { return Ok(()) };
    revenue::add(tx, Reason::Undone, payment.id.0, Some(order), -payment.amount_cents).await
}
