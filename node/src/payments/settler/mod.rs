//! Carries out what is intended: takes money, lets it go, gives it back. It works from rows alone, so that a node killed at
//! any point goes on where it was; each call has a key of its own and can be repeated, and what became of it is written down
//! only when the provider has said so.

mod forget;
mod payment;
mod refund;
mod wait;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use super::{
    Payments,
    provider::simulated,
    state::State,
    store::{self, Payment, Refund},
    to_the_microsecond,
};
use crate::storage;

/// Rows of each kind that are looked at in one go.
const BATCH_MAX: i64 = 64;

/// Calls to the provider at the same time: enough to keep up with a store, few enough to be a polite client.
const CALLS_MAX: usize = 8;

/// How long nothing is looked for, unless woken: what waits for its time may wait so much longer.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long nothing is done after the database failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How often what came to nothing long ago is dropped.
const FORGET_EVERY: TimeDelta = TimeDelta::hours(1);

/// Something to carry out.
enum Step {
    Payment(Payment),
    Refund(Refund, Payment),
}

impl Payments {
    /// Settles until stopped.
    pub async fn settle(self, stop: CancellationToken) {
        let provider = self.provider().name();
        if provider == simulated::NAME && self.require_store().is_ok() {
            tracing::warn!(provider, "payments are simulated: no money moves");
        }
        let mut forget_at = self.app.clock().wall();
        loop {
            let now = self.app.clock().wall();
            if now >= forget_at {
                forget_at = now + FORGET_EVERY;
                stop.run_until_cancelled(self.forget(now)).await;
            }
            let wait = match stop.run_until_cancelled(self.settle_due(now)).await {
                None => return,
                Some(Ok(true)) => continue,
                Some(Ok(false)) => LOOK_EVERY,
                Some(Err(error)) => {
                    tracing::warn!(error = %error, "payments could not be settled; trying again");
                    tokio::time::sleep(AFTER_FAILURE).await;
                    LOOK_EVERY
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Carries out what is due at a moment; true when there may be more.
    ///
    /// # Errors
    /// The database failed. What was done at the provider is found out the next time.
    pub(super) async fn settle_due(&self, now: DateTime<Utc>) -> Result<bool, storage::Error> {
        let now = to_the_microsecond(now);
        let expired = self.app.read(move |tx| Box::pin(store::expired(tx, now, BATCH_MAX))).await?;
        let is_full = |rows: usize| i64::try_from(rows).is_ok_and(|rows| rows >= BATCH_MAX);
        let more = is_full(expired.len());
        if !expired.is_empty() {
            let letting_go = self.app.db.write(move |tx| {
                Box::pin(async move {
                    for id in expired {
                        store::advance(tx, id, (State::Open, State::Releasing), Some(now), None).await?;
                    }
                    Ok::<_, storage::Error>(())
                })
            });
            letting_go.await?;
        }
        let steps = self.due(now).await?;
        let more = more || is_full(steps.len());
        let taking = stream::iter(steps).map(|step| self.take(step, now)).buffer_unordered(CALLS_MAX);
        let taken: Vec<Result<(), storage::Error>> = taking.collect().await;
        taken.into_iter().collect::<Result<(), _>>()?;
        Ok(more)
    }

    async fn due(&self, now: DateTime<Utc>) -> Result<Vec<Step>, storage::Error> {
        let reading = self.app.read(move |tx| {
            Box::pin(async move {
                let payments = store::due(tx, now, BATCH_MAX).await?.into_iter().map(Step::Payment);
                let refunds = store::due_refunds(tx, now, BATCH_MAX).await?;
                let refunds = refunds.into_iter().map(|(refund, payment)| Step::Refund(refund, payment));
                Ok::<_, storage::Error>(payments.chain(refunds).collect())
            })
        });
        reading.await
    }

    async fn take(&self, step: Step, now: DateTime<Utc>) -> Result<(), storage::Error> {
        match step {
            Step::Payment(payment) if payment.state == State::Capturing => self.capture(payment, now).await,
            Step::Payment(payment) => self.release(payment, now).await,
            Step::Refund(refund, payment) => self.refund(refund, payment, now).await,
        }
    }
}
