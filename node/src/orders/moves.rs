//! Moves of an order from state to state, with all that belongs to each: stock, money, times, word to the customer. Every
//! move goes through here, whoever asks for it.

use chrono::{DateTime, Utc};
use codepop_shared::{Code, Failure};

use super::{
    Error, Orders, Status,
    robot::Robot,
    store::{self, Order},
    view::Viewer,
};
use crate::{
    auth::Permit,
    inventory, notifications, payments,
    storage::{Tx, types::Time},
};

/// Moves an order on and keeps it. Whether it may be moved was decided before.
pub(super) async fn become_(
    tx: &mut Tx,
    robot: Robot,
    order: &mut Order,
    next: Status,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let (before, waited) = (order.status, order.waits(now));
    order.status = next;
    match next {
        Status::Processing => begin(tx, robot, order, now).await?,
        Status::Ready => order.ready_at = Some(Time(now)),
        Status::Cancelled => undo(tx, order, waited, "The order was cancelled.").await?,
        Status::Expired if before == Status::Pending => {
            undo(tx, order, waited, "Nobody came for the order.").await?;
        }
        Status::Pending | Status::Completed | Status::Expired => {}
    }
    if next.is_over() {
        (order.latitude, order.longitude) = (None, None);
    }
    order.due_at = robot.due(order);
    store::update(tx, order).await?;
    tell(tx, order, before).await
}

/// Tells the customer what they may be waiting for; guests have no notices.
async fn tell(tx: &mut Tx, order: &Order, before: Status) -> Result<(), Error> {
    let Some(user) = order.user_id else { return Ok(()) };
    let id = order.id;
    let (kind, message) = match order.status {
        Status::Processing => ("order_started", format!("Preparation of your order {id} has started.")),
        Status::Ready => ("order_ready", format!("Your order {id} is ready to be picked up.")),
        Status::Cancelled => ("order_cancelled", format!("Your order {id} was cancelled; what you paid goes back.")),
        Status::Expired if before == Status::Pending => {
            ("order_expired", format!("Your order {id} was given up because nobody came; your money goes back."))
        }
        Status::Expired => ("order_expired", format!("Your order {id} was not picked up in time.")),
        Status::Pending | Status::Completed => return Ok(()),
    };
    notifications::notify(tx, notifications::To::User(user), kind, &message).await?;
    Ok(())
}

/// Gives the robot an order to make after those that it has. Does not keep it.
pub(super) async fn begin(tx: &mut Tx, robot: Robot, order: &mut Order, now: DateTime<Utc>) -> Result<(), Error> {
    let free = store::busy_until(tx).await?.map_or(now, |until| until.max(now));
    order.status = Status::Processing;
    order.begins_at = Some(Time(free));
    order.ready_at = Some(Time(free + robot.preparation(order.preparation_minutes)));
    Ok(())
}

/// Gives money back, and the ingredients unless the robot has begun with them.
async fn undo(tx: &mut Tx, order: &Order, waited: bool, why: &str) -> Result<(), Error> {
    if waited {
        inventory::put_back(tx, order.id).await?;
    }
    payments::give_back(tx, order.id, None, why).await?;
    Ok(())
}

/// Cancels an order before its preparation, also while it only waits for the robot; the staff may cancel it while it is made
/// too. Cancelling again changes nothing. That it is the viewer's order, or the viewer is of the staff, was looked at before.
///
/// # Errors
/// It is too late.
pub async fn cancel(tx: &mut Tx, robot: Robot, order: &mut Order, viewer: Viewer) -> Result<(), Error> {
    let now = super::now(tx);
    let may = order.waits(now) || viewer.is_staff && order.status == Status::Processing;
    match order.status {
        Status::Cancelled => Ok(()),
        _ if may => become_(tx, robot, order, Status::Cancelled, now).await,
        Status::Processing => Err(conflict("Preparation has started; the order cannot be cancelled any more.")),
        status => Err(conflict(&format!("The order is {} and cannot be cancelled.", status.word()))),
    }
}

/// Moves an order on as the store's staff. Asking for the state that it is in changes nothing.
pub(super) async fn set(orders: &Orders, permit: &Permit, id: i64, next: Status) -> Result<Order, Error> {
    let robot = orders.robot;
    let moved = orders.app.write(permit, move |tx| {
        Box::pin(async move {
            let mut order = store::order(tx, id).await?.ok_or(Error::Unknown(id))?;
            if order.status != next {
                if !order.status.may_become(next) {
                    let (is, wanted) = (order.status.word(), next.word());
                    return Err(conflict(&format!("The order is {is} and cannot become {wanted}.")));
                }
                let now = super::now(tx);
                become_(tx, robot, &mut order, next, now).await?;
            }
            Ok(order)
        })
    });
    let order = moved.await?;
    orders.woken();
    Ok(order)
}

pub(super) fn conflict(why: &str) -> Error {
    Failure::new(Code::Conflict, why).into()
}
