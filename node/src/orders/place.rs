//! Placing an order: one transaction that takes the payment, the price, the stock and makes the rows, or nothing at all.

use chrono::{DateTime, Utc};
use codepop_proto::orders as pb;
use codepop_shared::{Code, Failure};
use rand::RngExt as _;

use super::{
    Error, Orders, Status,
    drinks::{self, Chosen},
    moves, opening,
    preparation::Complexity,
    robot::Robot,
    store::{self, Order},
    view::{self, Viewer},
};
use crate::{
    app::once::Once,
    auth::{Customer, Permit},
    catalog::{self, Drink},
    inventory, journal,
    payments::{self, Amount, Checked, Claim},
    storage::{
        Tx,
        types::{Id, Time},
    },
};

/// Combinations of a locker: five digits.
const COMBINATIONS: u32 = 100_000;

/// An order as the customer wants it.
#[derive(Clone, Debug)]
pub(super) struct NewOrder {
    /// Who asks.
    pub(super) customer: Customer,
    /// As whose it is kept.
    pub(super) owner: Customer,
    /// Numbers of the drinks.
    pub(super) drinks: Vec<i64>,
    /// When it should be ready.
    pub(super) pickup: Option<DateTime<Utc>>,
    /// Whether preparation waits for the customer.
    pub(super) await_arrival: bool,
    /// The payment intent or its client secret.
    pub(super) payment: String,
}

/// Places an order.
///
/// # Errors
/// The store takes none now, a drink is not there, it is not paid with the right amount, or something is missing from the
/// stock. Then nothing was done, and the money is let go.
pub(super) async fn place(
    orders: &Orders,
    permit: &Permit,
    new: NewOrder,
    once: Option<Once>,
) -> Result<pb::CreateOrderResponse, Error> {
    if let Some(once) = once.clone() {
        let answered = orders.app.read(|tx| Box::pin(async move { once.answered(tx).await })).await?;
        if let Some(answer) = answered {
            return Ok(answer);
        }
    }
    let checked = orders.payments.check(&new.payment, new.customer).await?;
    let fetched = catalog::fetch_missing(&orders.app, &new.drinks, &new.customer).await?;
    let (robot, paid) = (orders.robot, checked.clone());
    let placed = orders.app.write(permit, move |tx| {
        Box::pin(async move {
            if let Some(once) = &once
                && let Some(answer) = once.answered(tx).await?
            {
                return Ok(answer);
            }
            let (order, existed) = place_in(tx, robot, &new, &fetched, &checked).await?;
            let viewer = Viewer { customer: new.customer, is_staff: false };
            let answer = pb::CreateOrderResponse { order: Some(view::one(tx, order, viewer).await?), existed };
            if let Some(once) = &once {
                once.keep(tx, &answer).await?;
            }
            Ok::<_, Error>(answer)
        })
    });
    let placed = placed.await;
    if let Err(Error::Refused(failure)) = &placed
        && failure.code != Code::KeyReused
        && let Err(error) = orders.payments.let_go(&paid).await
    {
        tracing::warn!(error = %error, "the money of a refused order is let go later, when its time is up");
    }
    orders.woken();
    placed
}

async fn place_in(
    tx: &mut Tx,
    robot: Robot,
    new: &NewOrder,
    fetched: &[Drink],
    checked: &Checked,
) -> Result<(Order, bool), Error> {
    if let Some(existing) = checked.order() {
        return same_again(tx, new, existing).await;
    }
    let now = super::now(tx);
    opening::require(tx, now, new.pickup).await?;
    let chosen = drinks::choose(tx, &new.drinks, &new.customer, fetched).await?;
    let total = drinks::total(&chosen);
    let amount = Amount::new(total).ok_or_else(|| Failure::invalid("Drinks", "cost more than one order may"))?;
    let id = journal::next_number(tx, "order").await?;
    if let Claim::Existing(existing) = payments::claim(tx, checked, id, amount).await? {
        return same_again(tx, new, existing).await;
    }
    let needs = inventory::needs(chosen.iter().map(|drink| &drink.recipe));
    inventory::take(tx, &needs, id).await?;
    let order = begun(tx, robot, fresh(id, new, &chosen, now), now).await?;
    let order = Order { payment_intent: checked.intent().to_owned(), ..order };
    store::insert(tx, &order, drinks::copies(id, &chosen)).await?;
    Ok((order, false))
}

/// The order that the payment has paid already: the same request once more gets it again.
async fn same_again(tx: &mut Tx, new: &NewOrder, existing: i64) -> Result<(Order, bool), Error> {
    let paid = || moves::conflict("This payment has paid another order already. Pay again.");
    let order = store::order(tx, existing).await?.ok_or_else(paid)?;
    let drinks = store::drinks_of(tx, &[existing]).await?.remove(&existing).unwrap_or_default();
    let numbers: Vec<i64> = drinks.iter().map(|drink| drink.drink_id).collect();
    if new.customer.owns(order.user_id, order.guest()) && drinks::same(&numbers, &new.drinks) {
        return Ok((order, true));
    }
    Err(paid())
}

/// A pending order.
fn fresh(id: i64, new: &NewOrder, chosen: &[Chosen], now: DateTime<Utc>) -> Order {
    Order {
        id,
        user_id: new.owner.user,
        guest: new.owner.guest.map(Id),
        status: Status::Pending,
        payment_intent: String::new(),
        payment_status: None,
        remake_of: None,
        total_cents: drinks::total(chosen),
        locker_code: format!("{:05}", rand::rng().random_range(0..COMBINATIONS)),
        locker_from_owner: false,
        created_at: Time(now),
        pickup_time: new.pickup.map(Time),
        await_arrival: new.await_arrival,
        preparation_minutes: Complexity::of(chosen.iter().map(|drink| &drink.recipe)).minutes(),
        begins_at: None,
        ready_at: None,
        due_at: None,
        latitude: None,
        longitude: None,
    }
}

/// Preparation starts at once, unless the order waits for its time or its customer.
async fn begun(tx: &mut Tx, robot: Robot, mut order: Order, now: DateTime<Utc>) -> Result<Order, Error> {
    schedule(robot, &mut order);
    let waits = order.await_arrival || order.begins_at.is_some_and(|begins| begins.0 > now);
    if !waits {
        moves::begin(tx, robot, &mut order, now).await?;
    }
    order.due_at = robot.due(&order);
    Ok(order)
}

/// Sets the times of a pending order by the pick-up time.
pub(super) fn schedule(robot: Robot, order: &mut Order) {
    order.ready_at = order.pickup_time;
    let begins = |pickup: Time| Time(pickup.0 - robot.preparation(order.preparation_minutes));
    order.begins_at = order.pickup_time.filter(|_| !order.await_arrival).map(begins);
}

/// Makes drinks of an order again, for nothing: a new order of the same customer, which takes its ingredients. `positions`
/// are those of the drinks in the old order, from 0.
///
/// # Errors
/// There is no such order or drink, the store takes no orders now, or something is missing from the stock.
pub async fn remake(tx: &mut Tx, robot: Robot, original: i64, positions: &[usize]) -> Result<Order, Error> {
    let old = store::order(tx, original).await?.ok_or(Error::Unknown(original))?;
    let all = store::drinks_of(tx, &[original]).await?.remove(&original).unwrap_or_default();
    let chosen = positions.iter().map(|position| all.get(*position).and_then(view::chosen));
    let chosen: Option<Vec<Chosen>> = chosen.collect();
    let unknown = || Failure::new(Code::Invalid, "The order has no such drink.");
    let chosen = chosen.filter(|chosen| !chosen.is_empty()).ok_or_else(unknown)?;
    let now = super::now(tx);
    opening::require(tx, now, None).await?;
    let id = journal::next_number(tx, "order").await?;
    let owner = Customer { user: old.user_id, guest: old.guest() };
    let new = NewOrder {
        customer: owner,
        owner,
        drinks: Vec::new(),
        pickup: None,
        await_arrival: false,
        payment: String::new(),
    };
    let needs = inventory::needs(chosen.iter().map(|drink| &drink.recipe));
    inventory::take(tx, &needs, id).await?;
    let order = begun(tx, robot, fresh(id, &new, &chosen, now), now).await?;
    let order = Order { payment_status: Some("remade".to_owned()), remake_of: Some(original), total_cents: 0, ..order };
    store::insert(tx, &order, drinks::copies(id, &chosen)).await?;
    Ok(order)
}
