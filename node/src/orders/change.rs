//! What a customer changes of an order: pick-up time and drinks before preparation starts, the locker's combination once.

use chrono::{DateTime, Utc};

use super::{
    Error, Orders, Status, drinks,
    moves::{self, conflict},
    opening, place,
    preparation::Complexity,
    robot::Robot,
    store::{self, Order},
    view::Viewer,
};
use crate::{
    auth::Permit,
    inventory,
    storage::{Tx, types::Time},
};

/// Digits of a combination that is taken.
const COMBINATION_DIGITS: usize = 5;

/// A change of an order; what is `None` or empty stays.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    pub(super) cancel: bool,
    pub(super) pickup: Option<DateTime<Utc>>,
    pub(super) locker: Option<String>,
    pub(super) drinks: Vec<i64>,
    pub(super) add: Vec<i64>,
    pub(super) remove: Vec<i64>,
}

impl Change {
    /// The drinks after the change.
    fn drinks_after(&self, before: &[i64]) -> Result<Vec<i64>, Error> {
        let mut after = if self.drinks.is_empty() { before.to_vec() } else { self.drinks.clone() };
        after.extend(&self.add);
        for gone in &self.remove {
            let place = after.iter().position(|drink| drink == gone);
            after.remove(place.ok_or_else(|| conflict(&format!("Drink {gone} is not in the order.")))?);
        }
        if !(1..=drinks::DRINKS_MAX).contains(&after.len()) {
            return Err(conflict("At least one drink must be included in the order, and at most 50."));
        }
        Ok(after)
    }
}

/// Changes an order, or cancels it.
pub(super) async fn update(
    orders: &Orders,
    permit: &Permit,
    viewer: Viewer,
    id: i64,
    change: Change,
) -> Result<Order, Error> {
    let robot = orders.robot;
    let changed = orders.app.write(permit, move |tx| {
        Box::pin(async move {
            let mut order = super::find(tx, id, viewer).await?;
            if change.cancel {
                moves::cancel(tx, robot, &mut order, viewer).await?;
                return Ok(order);
            }
            let before = order.clone();
            set_locker(&mut order, &change, viewer);
            set_drinks(tx, robot, &mut order, &change, viewer).await?;
            set_pickup(tx, robot, &mut order, &change).await?;
            if order != before {
                order.due_at = robot.due(&order);
                store::update(tx, &order).await?;
            }
            Ok::<_, Error>(order)
        })
    });
    let order = changed.await?;
    orders.woken();
    Ok(order)
}

/// The first combination of the owner is taken, because it is what the app shows; the app makes a new one at each look.
fn set_locker(order: &mut Order, change: &Change, viewer: Viewer) {
    let five = |code: &&String| code.len() == COMBINATION_DIGITS && code.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(code) = change.locker.as_ref().filter(five)
        && viewer.owns(order)
        && !order.locker_from_owner
        && !order.status.is_over()
    {
        order.locker_code.clone_from(code);
        order.locker_from_owner = true;
    }
}

async fn set_drinks(
    tx: &mut Tx,
    robot: Robot,
    order: &mut Order,
    change: &Change,
    viewer: Viewer,
) -> Result<(), Error> {
    let old = store::drinks_of(tx, &[order.id]).await?.remove(&order.id).unwrap_or_default();
    let before: Vec<i64> = old.iter().map(|drink| drink.drink_id).collect();
    let after = change.drinks_after(&before)?;
    if drinks::same(&before, &after) {
        return Ok(());
    }
    require_pending(order)?;
    let chosen = drinks::choose(tx, &after, viewer.customer).await?;
    if drinks::total(&chosen) != order.total_cents {
        return Err(conflict(
            "The drinks cost another amount than was paid. Cancel the order and place a new one instead.",
        ));
    }
    inventory::put_back(tx, order.id).await?;
    let needs = inventory::needs(chosen.iter().map(|drink| &drink.recipe));
    inventory::take(tx, &needs, order.id).await?;
    store::drop_drinks(tx, order.id).await?;
    store::insert_drinks(tx, drinks::copies(order.id, &chosen)).await?;
    order.preparation_minutes = Complexity::of(chosen.iter().map(|drink| &drink.recipe)).minutes();
    place::schedule(robot, order);
    Ok(())
}

async fn set_pickup(tx: &mut Tx, robot: Robot, order: &mut Order, change: &Change) -> Result<(), Error> {
    let Some(pickup) = change.pickup.filter(|pickup| order.pickup_time != Some(Time(*pickup))) else { return Ok(()) };
    require_pending(order)?;
    opening::require(tx, super::now(tx), Some(pickup)).await?;
    order.pickup_time = Some(Time(pickup));
    place::schedule(robot, order);
    Ok(())
}

fn require_pending(order: &Order) -> Result<(), Error> {
    if order.status == Status::Pending {
        return Ok(());
    }
    Err(conflict("Preparation has started; the order cannot be changed any more."))
}

/// Cancels an order.
pub(super) async fn cancel(orders: &Orders, permit: &Permit, viewer: Viewer, id: i64) -> Result<Order, Error> {
    update(orders, permit, viewer, id, Change { cancel: true, ..Change::default() }).await
}
