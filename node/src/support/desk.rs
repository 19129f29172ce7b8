//! What the conversation has looked up and done: orders of the one who talks, money back, drinks again. An order is helped
//! with once, and a customer so often in a while; beyond that, people decide.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta};
use codepop_shared::{Code, Failure};

use super::{
    conversation::{About, Line, Refusal},
    store::{self, Complaint, OPEN, REFUNDING, REMADE},
};
use crate::{
    auth::Customer,
    journal,
    orders::{self, Order, OrderDrink, Robot, Status, Viewer},
    payments::{self, State},
    storage::{
        self, Tx,
        types::{Id, Time},
    },
};

/// How long after an order something may be said about it.
const COMPLAIN_WITHIN: TimeDelta = TimeDelta::days(14);

/// How often a customer is helped without anybody looking at it, within [`HELPED_WITHIN`].
const HELPED_MAX: i64 = 3;

/// The time in which that is counted.
const HELPED_WITHIN: TimeDelta = TimeDelta::days(30);

/// Complaints in one answer.
pub(super) const LISTED_MAX: i64 = 1_000;

/// Why something was not done: the customer is told why, or the call failed.
#[derive(Debug)]
pub(super) enum Error {
    /// It cannot be done.
    Refused(Refusal),
    /// The call failed.
    Failed(orders::Error),
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<orders::Error> for Error {
    fn from(error: orders::Error) -> Self {
        match error {
            orders::Error::Unknown(_) => Self::Refused(Refusal::Unknown),
            orders::Error::Refused(failure) => refused(failure),
            error => Self::Failed(error),
        }
    }
}

/// What the orders say against it, in the words of the conversation.
fn refused(failure: Failure) -> Error {
    match failure.code {
        Code::InsufficientItems => {
            Error::Refused(Refusal::Missing(failure.fields.into_iter().map(|(name, _)| name).collect()))
        }
        Code::StoreClosed | Code::Conflict | Code::Invalid => Error::Refused(Refusal::Unable(failure.detail)),
        _ => Error::Failed(orders::Error::Refused(failure)),
    }
}

/// The word of what is wanted, as complaints have it.
fn word(about: About) -> &'static str {
    match about {
        About::Refund => "refund",
        About::Remake => "remake",
    }
}

/// The customer's own order.
async fn own(tx: &mut Tx, customer: Customer, order: i64) -> Result<Order, Error> {
    Ok(orders::find_own(tx, order, Viewer { customer, is_staff: false }).await?)
}

/// Looks an order up and keeps the complaint about it.
pub(super) async fn look_up(
    tx: &mut Tx,
    customer: Customer,
    about: About,
    order: i64,
    message: String,
) -> Result<Result<Vec<Line>, Refusal>, Error> {
    let order = own(tx, customer, order).await?;
    // Kept also where nothing can be done: people read it.
    complain(tx, &order, about, message).await?;
    if let Err(refusal) = eligible(tx, &order, about).await? {
        return Ok(Err(refusal));
    }
    Ok(Ok(orders::drinks_of(tx, order.id).await?.iter().map(line).collect()))
}

async fn complain(tx: &mut Tx, order: &Order, about: About, message: String) -> Result<Complaint, storage::Error> {
    if let Some(mut complaint) = store::of_order(tx, order.id).await? {
        if complaint.outcome == OPEN && complaint.kind != word(about) {
            complaint.kind = word(about).to_owned();
            store::settle(tx, complaint.id, &complaint.kind, OPEN).await?;
        }
        return Ok(complaint);
    }
    let complaint = Complaint {
        id: journal::next_number(tx, "complaint").await?,
        order_id: order.id,
        user_id: order.user_id,
        guest: order.guest().map(Id),
        kind: word(about).to_owned(),
        message,
        outcome: OPEN.to_owned(),
        at: Time(DateTime::from_timestamp_micros(tx.clock.wall().timestamp_micros()).unwrap_or_default()),
    };
    store::insert(tx, &complaint).await?;
    Ok(complaint)
}

/// Whether something may be done about an order.
async fn eligible(tx: &mut Tx, order: &Order, about: About) -> Result<Result<(), Refusal>, storage::Error> {
    if store::of_order(tx, order.id).await?.is_some_and(|complaint| complaint.outcome != OPEN) {
        return Ok(Err(Refusal::HelpedBefore));
    }
    if order.remake_of.is_some() {
        return Ok(Err(Refusal::HelpedBefore));
    }
    match order.status {
        Status::Pending => return Ok(Err(Refusal::NotMade)),
        Status::Cancelled | Status::Expired => return Ok(Err(Refusal::Over)),
        Status::Processing | Status::Ready | Status::Completed => {}
    }
    let now = tx.clock.wall();
    if order.created_at.0 + COMPLAIN_WITHIN < now {
        return Ok(Err(Refusal::TooOld));
    }
    let owner = Customer { user: order.user_id, guest: order.guest() };
    if store::helped_since(tx, owner, now - HELPED_WITHIN).await? >= HELPED_MAX {
        return Ok(Err(Refusal::TooOften));
    }
    if about == About::Refund && left(tx, order.id).await? == 0 {
        return Ok(Err(Refusal::NotPaid));
    }
    Ok(Ok(()))
}

/// What of an order's payment could be given back, in cents.
async fn left(tx: &mut Tx, order: i64) -> Result<i64, storage::Error> {
    let payment = payments::status(tx, &[order]).await?.remove(&order);
    Ok(payment.map_or(0, |payment| match payment.state {
        State::Capturing | State::Captured => (payment.cents - payment.refunded - payment.refunding).max(0),
        State::Open | State::Releasing | State::Released | State::Failed => 0,
    }))
}

/// Gives the money of an order back; answers with how much, in cents.
pub(super) async fn give_back(tx: &mut Tx, customer: Customer, order: i64, message: String) -> Result<i64, Error> {
    let order = own(tx, customer, order).await?;
    eligible(tx, &order, About::Refund).await??;
    let complaint = complain(tx, &order, About::Refund, message).await?;
    let cents = left(tx, order.id).await?;
    payments::give_back(tx, order.id, None, "the customer complained").await.map_err(orders::Error::from)?;
    store::settle(tx, complaint.id, word(About::Refund), REFUNDING).await?;
    Ok(cents)
}

/// Makes drinks of an order again; `wanted` are their numbers in the list, from 1. Answers with the new order and its
/// drinks.
pub(super) async fn remake(
    tx: &mut Tx,
    robot: Robot,
    customer: Customer,
    order: i64,
    wanted: Option<Vec<i64>>,
    message: String,
) -> Result<(i64, Vec<i64>), Error> {
    let order = own(tx, customer, order).await?;
    eligible(tx, &order, About::Remake).await??;
    let drinks = orders::drinks_of(tx, order.id).await?;
    let positions = positions(wanted, drinks.len())?;
    let complaint = complain(tx, &order, About::Remake, message).await?;
    let made = orders::remake(tx, robot, order.id, &positions).await?;
    store::settle(tx, complaint.id, word(About::Remake), REMADE).await?;
    let made_drinks = positions.iter().filter_map(|at| drinks.get(*at)).map(|drink| drink.drink_id).collect();
    Ok((made.id, made_drinks))
}

/// Positions in the order, from 0; each drink is made again once, however often it was named.
fn positions(wanted: Option<Vec<i64>>, drinks: usize) -> Result<Vec<usize>, Refusal> {
    let Some(wanted) = wanted else { return Ok((0..drinks).collect()) };
    let at = |number: i64| usize::try_from(number - 1).ok().filter(|at| *at < drinks);
    let positions: Option<Vec<usize>> = wanted.into_iter().map(|number| at(number.max(0))).collect();
    let mut positions = positions.ok_or(Refusal::NoSuchDrink(drinks))?;
    positions.sort_unstable();
    positions.dedup();
    Ok(positions)
}

fn line(drink: &OrderDrink) -> Line {
    let list = |json: &str| serde_json::from_str::<Vec<String>>(json).unwrap_or_default();
    Line {
        drink: drink.drink_id,
        sodas: list(&drink.sodas),
        syrups: list(&drink.syrups),
        add_ins: list(&drink.add_ins),
        cents: drink.price_cents,
    }
}

/// Complaints, newest first, each with what has become of it.
pub(super) async fn complaints(tx: &mut Tx, limit: i64) -> Result<Vec<Complaint>, storage::Error> {
    let mut found = store::newest(tx, limit).await?;
    let refunding = found.iter().filter(|complaint| complaint.outcome == REFUNDING);
    let orders: Vec<i64> = refunding.map(|complaint| complaint.order_id).collect();
    let payments: HashMap<i64, payments::Status> = payments::status(tx, &orders).await?;
    for complaint in found.iter_mut().filter(|complaint| complaint.outcome == REFUNDING) {
        if let Some(payment) = payments.get(&complaint.order_id) {
            complaint.outcome = outcome(payment).to_owned();
        }
    }
    Ok(found)
}

/// How a refund stands.
fn outcome(payment: &payments::Status) -> &'static str {
    match payment.state {
        State::Released | State::Failed => "refunded",
        _ if payment.refunded > 0 && payment.refunding == 0 => "refunded",
        _ if payment.problem.is_some() => "refund_failed",
        _ => REFUNDING,
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn drinks_are_named_by_their_place() {
        assert_eq!(positions(None, 3), Ok(vec![0, 1, 2]));
        assert_eq!(positions(Some(vec![3, 1, 3]), 3), Ok(vec![0, 2]));
        for wrong in [0, -1, 4, i64::MIN, i64::MAX] {
            assert_eq!(positions(Some(vec![1, wrong]), 3), Err(Refusal::NoSuchDrink(3)), "{wrong}");
        }
    }
}
