//! What orders do with payments, each in the order's own transaction: take one, give it back, ask how it stands. What is
//! written here is intended; the settler carries it out after the commit.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    Amount, Error,
    amount::dollars,
    revenue::{self, Reason},
    state::{RefundState, State},
    store::{self, Payment, Refund},
    to_the_microsecond,
};
use crate::storage::{
    self, Tx,
    types::{Id, Time},
};

/// Longest reason of a refund that is kept, in characters.
const WHY_MAX: usize = 200;

/// A payment of which the provider says that it is good. Made by [`super::Payments::check`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub(super) payment: Uuid,
    pub(super) intent: String,
    pub(super) cents: i64,
    pub(super) order: Option<i64>,
}

impl Checked {
    /// The order that has it already.
    pub fn order(&self) -> Option<i64> {
        self.order
    }

    /// Id of the intent at the provider, without its secret.
    pub fn intent(&self) -> &str {
        &self.intent
    }

    /// What is held, in cents.
    pub fn cents(&self) -> i64 {
        self.cents
    }
}

/// What a claim found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The payment is the order's now.
    New,
    /// It was another order's, or this one's, before.
    Existing(i64),
}

/// Takes a payment for an order: its money will be taken, and the sale is in the revenue. To be called in the transaction
/// that places the order; [`super::Payments::wake`] after its commit.
///
/// # Errors
/// [`Error::NotPaid`] when the amount is not that of the order, or the payment was let go.
pub async fn claim(tx: &mut Tx, checked: &Checked, order: i64, amount: Amount) -> Result<Claim, Error> {
    let payment = store::payment(tx, checked.payment).await?.ok_or(Error::NotPaid(super::UNKNOWN))?;
    if let Some(existing) = payment.order_id {
        return Ok(Claim::Existing(existing));
    }
    if checked.cents != amount.cents() || payment.amount_cents != amount.cents() {
        return Err(Error::NotPaid("The payment is not for what the order costs. Pay again."));
    }
    let now = to_the_microsecond(tx.clock.wall());
    if !store::take(tx, payment.id, order, now).await? {
        return Err(Error::NotPaid(super::LET_GO));
    }
    revenue::add(tx, Reason::Sale, payment.id.0, Some(order), amount.cents()).await?;
    Ok(Claim::New)
}

/// Gives money of an order back, all that is left when `amount` is `None`; an order without a payment is content with
/// nothing. To be called in the order's transaction; [`super::Payments::wake`] after its commit.
///
/// # Errors
/// [`Error::TooMuch`] when more is asked for than is left.
pub async fn give_back(tx: &mut Tx, order: i64, amount: Option<Amount>, why: &str) -> Result<(), Error> {
    let Some(payment) = store::of_orders(tx, &[order]).await?.pop() else { return Ok(()) };
    let refunds = store::refunds_of(tx, &[payment.id]).await?;
    let now = to_the_microsecond(tx.clock.wall());
    store_declined_again(tx, &payment, &refunds).await?;
    let left = match payment.state {
        State::Capturing | State::Captured => {
            payment.amount_cents - refunds.iter().map(|r| r.amount_cents).sum::<i64>()
        }
        State::Open | State::Releasing | State::Released | State::Failed => 0,
    };
    let cents = amount.map_or(left, Amount::cents);
    if cents > left {
        return Err(Error::TooMuch(dollars(left)));
    }
    if cents == 0 {
        return Ok(());
    }
    if payment.state == State::Capturing && cents == payment.amount_cents {
        // Nothing has been taken yet, or nobody knows: the settler lets it go, or gives it back.
        store::advance(tx, payment.id, (State::Capturing, State::Releasing), Some(now), None).await?;
        return Ok(());
    }
    let refund = refund(&payment, cents, why, now);
    Ok(store::insert_refund(tx, &refund).await?)
}

/// Whoever asks for money back asks for what was declined too.
async fn store_declined_again(tx: &mut Tx, payment: &Payment, refunds: &[Refund]) -> Result<(), storage::Error> {
    if payment.state == State::Captured && refunds.iter().any(|refund| refund.state == RefundState::Declined) {
        let now = to_the_microsecond(tx.clock.wall());
        store::arm_refunds(tx, payment.id, now).await?;
    }
    Ok(())
}

/// A refund to be made; it waits for the capture.
pub(super) fn refund(payment: &Payment, cents: i64, why: &str, now: chrono::DateTime<chrono::Utc>) -> Refund {
    Refund {
        id: Id(Uuid::now_v7()),
        payment: payment.id,
        amount_cents: cents,
        why: why.chars().filter(|c| !c.is_control()).take(WHY_MAX).collect(),
        state: RefundState::Intended,
        problem: None,
        attempts: 0,
        declines: 0,
        round: 0,
        next_at: (payment.state == State::Captured).then_some(Time(now)),
        created_at: Time(now),
    }
}

/// How the payment of an order stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// UUID of the payment.
    pub payment: Uuid,
    /// `simulated` or `stripe`.
    pub provider: String,
    /// Id of the intent at the provider, without its secret.
    pub intent: String,
    /// How it stands.
    pub state: State,
    /// How much it was for, in cents.
    pub cents: i64,
    /// What was given back, in cents.
    pub refunded: i64,
    /// What is on its way back, in cents.
    pub refunding: i64,
    /// What the provider said last against it; for managers.
    pub problem: Option<String>,
    /// When it was prepared.
    pub created_at: chrono::DateTime<chrono::Utc>,
}

impl Status {
    fn of(payment: Payment, refunds: &[Refund]) -> Self {
        let own = || refunds.iter().filter(|refund| refund.payment == payment.id);
        let sum = |done: bool| {
            own().filter(|refund| (refund.state == RefundState::Done) == done).map(|refund| refund.amount_cents).sum()
        };
        let declined = own().filter_map(|refund| refund.problem.clone()).next_back();
        Self {
            payment: payment.id.0,
            provider: payment.provider,
            intent: payment.intent,
            state: payment.state,
            cents: payment.amount_cents,
            refunded: sum(true),
            refunding: sum(false),
            problem: payment.problem.or(declined),
            created_at: payment.created_at.0,
        }
    }
}

/// How the payments of orders stand, by order; an order without one is not in it.
///
/// # Errors
/// The database failed.
pub async fn status(tx: &mut Tx, orders: &[i64]) -> Result<HashMap<i64, Status>, storage::Error> {
    let mut all = HashMap::new();
    for some in orders.chunks(ORDERS_AT_A_TIME) {
        let payments = store::of_orders(tx, some).await?;
        let ids: Vec<Id> = payments.iter().map(|payment| payment.id).collect();
        let refunds = store::refunds_of(tx, &ids).await?;
        let stand = payments.into_iter().filter_map(|payment| Some((payment.order_id?, Status::of(payment, &refunds))));
        all.extend(stand);
    }
    Ok(all)
}

/// Orders that one query names: SQLite takes 32,766 parameters.
const ORDERS_AT_A_TIME: usize = 1_000;
