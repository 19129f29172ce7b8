//! Payments that were made, and settled, in the past: with the books of the provider that moves no money, and the revenue.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Amount, UNCLAIMED_FOR,
    prepare::session,
    provider::simulated,
    revenue::{self, Entry, Reason},
    state::{RefundState, State},
    store::{self, Payment, Refund},
};
use crate::{
    auth::Customer,
    journal,
    storage::{
        Error, Tx,
        types::{Id, Time},
    },
};

/// Money that was given back.
#[derive(Clone, Debug)]
pub struct Back {
    /// UUID of the refund.
    pub id: Uuid,
    /// How much.
    pub amount: Amount,
    /// Why.
    pub why: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// A payment of an order, taken.
#[derive(Clone, Debug)]
pub struct Paid {
    /// UUID of the payment.
    pub id: Uuid,
    /// Number of the order.
    pub order: i64,
    /// Whose it is.
    pub owner: Customer,
    /// How much.
    pub amount: Amount,
    /// When.
    pub at: DateTime<Utc>,
    /// What was given back of it.
    pub back: Option<Back>,
}

/// The intent under which the provider knows a payment.
pub fn intent(payment: Uuid) -> String {
    simulated::intent(payment)
}

/// Takes a payment in as it stands after everything: nothing is left to be done.
///
/// # Errors
/// The database failed.
pub async fn bring(tx: &mut Tx, paid: &Paid) -> Result<(), Error> {
    simulated::bring(tx, paid).await?;
    store::insert(tx, &payment(paid)).await?;
    entry(tx, Reason::Sale, (paid.id, paid.order), paid.amount.cents(), paid.at).await?;
    let Some(back) = &paid.back else { return Ok(()) };
    let refund = Refund {
        id: Id(back.id),
        payment: Id(paid.id),
        amount_cents: back.amount.cents(),
        why: back.why.clone(),
        state: RefundState::Done,
        problem: None,
        attempts: 0,
        declines: 0,
        round: 0,
        next_at: None,
        created_at: Time(back.at),
    };
    store::insert_refund(tx, &refund).await?;
    entry(tx, Reason::Refund, (back.id, paid.order), -back.amount.cents(), back.at).await
}

fn payment(paid: &Paid) -> Payment {
    let owner = paid.owner.as_owner();
    Payment {
        id: Id(paid.id),
        owner: session(&owner),
        owner_user: owner.user,
        owner_guest: owner.guest.map(Id),
        amount_cents: paid.amount.cents(),
        provider: simulated::NAME.to_owned(),
        intent: intent(paid.id),
        customer: simulated::customer(&session(&owner)),
        state: State::Captured,
        order_id: Some(paid.order),
        problem: None,
        attempts: 0,
        next_at: None,
        expires_at: Time(paid.at + UNCLAIMED_FOR),
        created_at: Time(paid.at),
    }
}

async fn entry(
    tx: &mut Tx,
    reason: Reason,
    (source, order): (Uuid, i64),
    cents: i64,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let id = journal::next_number(tx, "revenue entry").await?;
    revenue::insert(tx, Entry::new(id, reason, source, Some(order), cents, at)).await
}
