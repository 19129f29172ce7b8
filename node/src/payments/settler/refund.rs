//! Giving money back. A refund is done when the provider says so, not before.

use chrono::{DateTime, TimeDelta, Utc};

use super::{payment::NOTICE, wait};
use crate::{
    notifications::{To, notify},
    payments::{
        Payments,
        amount::dollars,
        provider::{Fault, Provider, Refunded},
        revenue::{self, Reason},
        state::RefundState,
        store::{self, Payment, Refund},
    },
    storage::{self, types::Time},
};

/// How often the provider may say no, one after the other, before only a person or another day can change it.
const DECLINES_MAX: i32 = 5;

/// How long a declined refund rests.
const DECLINED_RESTS: TimeDelta = TimeDelta::days(1);

/// How long a refund rests that the provider has not decided.
const PENDING_RESTS: TimeDelta = TimeDelta::minutes(1);

impl Payments {
    pub(super) async fn refund(
        &self,
        mut refund: Refund,
        payment: Payment,
        now: DateTime<Utc>,
    ) -> Result<(), storage::Error> {
        let answer = match self.provider_named(&payment.provider) {
            Some(provider) => ask(provider, &refund, &payment).await,
            None => Err(Fault::unavailable(format!("the provider {} is not configured", payment.provider))),
        };
        if answer == Ok(Refunded::Done) {
            return self.refunded(refund, payment).await;
        }
        let rested = refund.state == RefundState::Declined;
        note(&mut refund, answer, now);
        report(&refund, &payment);
        let notice = (refund.state == RefundState::Declined && !rested).then(|| notice(&refund, &payment));
        let writing = self.app.db.write(move |tx| {
            Box::pin(async move {
                if store::update_refund(tx, &refund).await?
                    && let Some(notice) = notice
                {
                    notify(tx, To::Staff, NOTICE, &notice).await?;
                }
                Ok::<_, storage::Error>(())
            })
        });
        writing.await
    }

    async fn refunded(&self, mut refund: Refund, payment: Payment) -> Result<(), storage::Error> {
        tracing::info!(
            payment = %payment.id.0, order = payment.order_id, refund = %refund.id.0, cents = refund.amount_cents,
            provider = payment.provider, "money was given back"
        );
        (refund.state, refund.problem, refund.next_at) = (RefundState::Done, None, None);
        let writing = self.app.db.write(move |tx| {
            Box::pin(async move {
                // Money that was taken without an order was no sale, and giving it back takes nothing from the revenue.
                if store::update_refund(tx, &refund).await? && payment.order_id.is_some() {
                    let cents = -refund.amount_cents;
                    revenue::add(tx, Reason::Refund, refund.id.0, payment.order_id, cents).await?;
                }
                Ok::<_, storage::Error>(())
            })
        });
        writing.await
    }
}

/// Asks first whether it was done: keys are forgotten by the provider after a day, what was given back is not.
async fn ask(provider: &dyn Provider, refund: &Refund, payment: &Payment) -> Result<Refunded, Fault> {
    if let Some(known) = provider.find_refund(&payment.intent, refund.id.0).await? {
        return Ok(known);
    }
    let key = format!("refund-{}-{}", refund.id.0.simple(), refund.round);
    provider.refund(&key, &payment.intent, refund.id.0, refund.amount_cents).await
}

/// What an answer other than "done" changes.
fn note(refund: &mut Refund, answer: Result<Refunded, Fault>, now: DateTime<Utc>) {
    let fault = match answer {
        Ok(_) => {
            (refund.attempts, refund.next_at) = (0, Some(Time(now + PENDING_RESTS)));
            refund.problem = Some("the provider has not decided yet".to_owned());
            return;
        }
        Err(fault) => fault,
    };
    refund.problem = Some(wait::problem(&fault.to_string()));
    if let Fault::Unavailable { is_final, .. } = fault {
        refund.round += i32::from(is_final);
        refund.next_at = Some(Time(wait::next(now, refund.attempts, rand::random())));
        refund.attempts = refund.attempts.saturating_add(1);
        return;
    }
    refund.round = refund.round.saturating_add(1);
    refund.declines = refund.declines.saturating_add(1);
    if refund.declines >= DECLINES_MAX {
        (refund.state, refund.next_at) = (RefundState::Declined, Some(Time(now + DECLINED_RESTS)));
    } else {
        refund.next_at = Some(Time(wait::next(now, refund.declines, rand::random())));
    }
}

/// What managers are told when a refund needs a person.
fn notice(refund: &Refund, payment: &Payment) -> String {
    let (order, back) = (payment.order_id.unwrap_or_default(), dollars(refund.amount_cents));
    format!(
        "The payment provider declines to give {back:.2} dollars of order {order} back. It is asked again every day."
    )
}

fn report(refund: &Refund, payment: &Payment) {
    let (order, why) = (payment.order_id, refund.problem.as_deref());
    if refund.state == RefundState::Declined {
        tracing::error!(
            payment = %payment.id.0, order, provider = payment.provider, refund = %refund.id.0,
            declines = refund.declines, why,
            "the provider declines a refund; it is asked again in a day, or when a manager refunds the order"
        );
    } else {
        tracing::warn!(
            payment = %payment.id.0, order, provider = payment.provider, refund = %refund.id.0, why,
            "a refund could not be made yet"
        );
    }
}
