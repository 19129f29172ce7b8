//! What the conversation has looked up and done: orders of the one who talks, money back, drinks again. An order is helped
//! with once, and a customer so often in a while; beyond that, people decide. A guest's session costs nothing, so guests are
//! counted by their network too, and all together.

use std::{collections::HashMap, net::IpAddr};

use chrono::{DateTime, TimeDelta, Utc};
use codepop_shared::{Code, Failure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{
    conversation::{About, Line, Refusal},
    store::{self, Complaint, OPEN, REFUNDING, REMADE},
};
use crate::{
    accounts,
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

/// How often guests of one network are helped so, within [`HELPED_WITHIN`]: as often as one customer.
const NETWORK_HELPED_MAX: i64 = HELPED_MAX;

/// How often all guests of the store are helped so, within [`GUESTS_HELPED_WITHIN`]: whoever has many networks gets no more
/// than that.
const GUESTS_HELPED_MAX: i64 = 20;

/// The time in which that is counted.
const GUESTS_HELPED_WITHIN: TimeDelta = TimeDelta::days(1);

/// Keeps the hashes of networks apart from whatever else is hashed under the node's key.
const NETWORK_LABEL: &[u8] = b"codepop support network\0";

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

/// Who talks, and from where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    /// Who.
    pub(super) customer: Customer,
    /// The client's address.
    pub(super) client: IpAddr,
}

impl Asker {
    /// The client's network as complaints have it: a hash under the node's key, so that rows tell nobody where customers are.
    fn network(&self, tx: &Tx) -> Vec<u8> {
        let octets = match accounts::network(self.client) {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let mac = Hmac::<Sha256>::new_from_slice(tx.author.key().as_bytes());
        // HMAC takes keys of every length; without one nothing could be told apart, and the strictest count holds.
        mac.map(|mac| mac.chain_update(NETWORK_LABEL).chain_update(octets).finalize().into_bytes().to_vec())
            .unwrap_or_default()
    }
}

/// The time, to the microsecond that databases keep.
fn now(tx: &Tx) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(tx.clock.wall().timestamp_micros()).unwrap_or_default()
}

/// The customer's own order.
async fn own(tx: &mut Tx, customer: Customer, order: i64) -> Result<Order, Error> {
    Ok(orders::find_own(tx, order, Viewer { customer, is_staff: false }).await?)
}

/// Looks an order up and keeps the complaint about it.
pub(super) async fn look_up(
    tx: &mut Tx,
    asker: Asker,
    about: About,
    order: i64,
    message: String,
) -> Result<Result<Vec<Line>, Refusal>, Error> {
    let order = own(tx, asker.customer, order).await?;
    // Kept also where nothing can be done: people read it.
    let complaint = complain(tx, asker, &order, about, message).await?;
    if let Err(refusal) = eligible(tx, &order, about, &complaint).await? {
        return Ok(Err(refusal));
    }
    Ok(Ok(orders::drinks_of(tx, order.id).await?.iter().map(line).collect()))
}

/// The complaint about an order, with what is wanted now and from where; one that was helped with stays as it is.
async fn complain(
    tx: &mut Tx,
    asker: Asker,
    order: &Order,
    about: About,
    message: String,
) -> Result<Complaint, storage::Error> {
    let (kind, network) = (word(about).to_owned(), asker.network(tx));
    if let Some(complaint) = store::of_order(tx, order.id).await? {
        if complaint.outcome != OPEN || complaint.kind == kind && complaint.network == network {
            return Ok(complaint);
        }
        let complaint = Complaint { kind, network, ..complaint };
        store::settle(tx, &complaint).await?;
        return Ok(complaint);
    }
    let complaint = Complaint {
        id: journal::next_number(tx, "complaint").await?,
        order_id: order.id,
        user_id: order.user_id,
        guest: order.guest().map(Id),
        kind,
        message,
        outcome: OPEN.to_owned(),
        at: Time(now(tx)),
        network,
        helped_at: None,
    };
    store::insert(tx, &complaint).await?;
    Ok(complaint)
}

/// Whether something may be done about an order.
async fn eligible(
    tx: &mut Tx,
    order: &Order,
    about: About,
    complaint: &Complaint,
) -> Result<Result<(), Refusal>, storage::Error> {
    if complaint.outcome != OPEN || order.remake_of.is_some() {
        return Ok(Err(Refusal::HelpedBefore));
    }
    let now = now(tx);
    match order.status {
        Status::Pending => return Ok(Err(Refusal::NotMade)),
        Status::Cancelled | Status::Expired => return Ok(Err(Refusal::Over)),
        // What was not made once is not made again; the money goes back with the order's end.
        Status::Processing if about == About::Remake && order.waits(now) => return Ok(Err(Refusal::NotMade)),
        Status::Processing | Status::Ready | Status::Completed => {}
    }
    if order.created_at.0 + COMPLAIN_WITHIN < now {
        return Ok(Err(Refusal::TooOld));
    }
    if is_helped_often(tx, order, &complaint.network, now).await? {
        return Ok(Err(Refusal::TooOften));
    }
    // Drinks for nothing are as good as money: who has got it back gets neither.
    if left(tx, order.id).await? == 0 {
        return Ok(Err(Refusal::NotPaid));
    }
    Ok(Ok(()))
}

/// Whether people must decide, because the customer, their network or all guests were helped so often.
async fn is_helped_often(
    tx: &mut Tx,
    order: &Order,
    network: &[u8],
    now: DateTime<Utc>,
) -> Result<bool, storage::Error> {
    let owner = Customer { user: order.user_id, guest: order.guest() };
    if store::helped_since(tx, owner, now - HELPED_WITHIN).await? >= HELPED_MAX {
        return Ok(true);
    }
    if order.user_id.is_some() {
        return Ok(false);
    }
    Ok(store::guests_helped_since(tx, Some(network), now - HELPED_WITHIN).await? >= NETWORK_HELPED_MAX
        || store::guests_helped_since(tx, None, now - GUESTS_HELPED_WITHIN).await? >= GUESTS_HELPED_MAX)
}

/// What of an order's payment could be given back, in cents; nothing where there is none, as with imported orders.
async fn left(tx: &mut Tx, order: i64) -> Result<i64, storage::Error> {
    let payment = payments::status(tx, &[order]).await?.remove(&order);
    Ok(payment.map_or(0, |payment| match payment.state {
        State::Capturing | State::Captured => (payment.cents - payment.refunded - payment.refunding).max(0),
        State::Open | State::Releasing | State::Released | State::Failed => 0,
    }))
}

/// Gives the money of an order back; answers with how much, in cents. An order that the robot has not begun is cancelled.
pub(super) async fn give_back(
    tx: &mut Tx,
    robot: Robot,
    asker: Asker,
    order: i64,
    message: String,
) -> Result<Result<i64, Refusal>, Error> {
    let mut order = own(tx, asker.customer, order).await?;
    let complaint = complain(tx, asker, &order, About::Refund, message).await?;
    if let Err(refusal) = eligible(tx, &order, About::Refund, &complaint).await? {
        return Ok(Err(refusal));
    }
    let cents = left(tx, order.id).await?;
    if order.waits(now(tx)) {
        let viewer = Viewer { customer: asker.customer, is_staff: false };
        orders::cancel(tx, robot, &mut order, viewer).await?;
    } else {
        payments::give_back(tx, order.id, None, "the customer complained").await.map_err(orders::Error::from)?;
    }
    help(tx, complaint, REFUNDING).await?;
    Ok(Ok(cents))
}

/// Keeps what was given for a complaint.
async fn help(tx: &mut Tx, complaint: Complaint, outcome: &str) -> Result<(), storage::Error> {
    let helped_at = Some(Time(now(tx)));
    store::settle(tx, &Complaint { outcome: outcome.to_owned(), helped_at, ..complaint }).await
}

/// Makes drinks of an order again; `wanted` are their numbers in the list, from 1. Answers with the new order and its
/// drinks.
pub(super) async fn remake(
    tx: &mut Tx,
    robot: Robot,
    asker: Asker,
    order: i64,
    wanted: Option<Vec<i64>>,
    message: String,
) -> Result<Result<(i64, Vec<i64>), Refusal>, Error> {
    let order = own(tx, asker.customer, order).await?;
    let complaint = complain(tx, asker, &order, About::Remake, message).await?;
    if let Err(refusal) = eligible(tx, &order, About::Remake, &complaint).await? {
        return Ok(Err(refusal));
    }
    let drinks = orders::drinks_of(tx, order.id).await?;
    let positions = positions(wanted, drinks.len())?;
    let made = orders::remake(tx, robot, order.id, &positions).await?;
    help(tx, complaint, REMADE).await?;
    let made_drinks = positions.iter().filter_map(|at| drinks.get(*at)).map(|drink| drink.drink_id).collect();
    Ok(Ok((made.id, made_drinks)))
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
