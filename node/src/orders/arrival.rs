//! Customers on their way: when preparation starts for them, and how long drinks take.

use chrono::{DateTime, TimeDelta, Utc};
use codepop_shared::{Code, Failure, geo::Place};
use uuid::Uuid;

use super::{
    Error, Orders, Status, drinks,
    golden_window::Approach,
    moves::{self, conflict},
    opening,
    preparation::Complexity,
    robot::Robot,
    store::{self, Order},
    view::Viewer,
};
use crate::{
    auth::{Customer, Permit},
    storage::Tx,
    stores,
};

/// Where a store is.
pub(super) async fn store_place(tx: &mut Tx, id: Uuid) -> Result<Place, Error> {
    let found = stores::find(tx, id).await.map_err(Failure::from)?;
    let nowhere = || Failure::new(Code::NotFound, "Nobody knows where this store is.");
    Ok(found.store.place().ok_or_else(nowhere)?)
}

/// Where the customer of an order is, and how fast.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) place: Place,
    pub(super) mph: f64,
}

/// Takes down where the customer of an order is, and starts preparation within the golden window.
pub(super) async fn track(
    orders: &Orders,
    permit: &Permit,
    viewer: Viewer,
    id: i64,
    at: Position,
) -> Result<(Order, Approach), Error> {
    let robot = orders.robot;
    let tracked = orders.app.write(permit, move |tx| {
        Box::pin(async move {
            let mut order = super::find_own(tx, id, viewer).await?;
            let here = store_place(tx, tx.author.id.uuid).await?;
            let approach = Approach::new(at.place.miles_to(here), at.mph, order.preparation_minutes);
            if order.status.is_over() {
                return Ok((order, approach));
            }
            (order.latitude, order.longitude) = (Some(at.place.latitude), Some(at.place.longitude));
            let now = super::now(tx);
            let is_waited_for = order.status == Status::Pending && order.begins_at.is_none();
            // A store that is closed makes nothing; the order goes on waiting.
            let starts = is_waited_for && approach.should_start() && opening::require(tx, now, None).await.is_ok();
            if starts {
                moves::become_(tx, robot, &mut order, Status::Processing, now).await?;
            } else {
                store::update(tx, &order).await?;
            }
            Ok::<_, Error>((order, approach))
        })
    });
    let answer = tracked.await?;
    orders.woken();
    Ok(answer)
}

/// Starts preparation of an order; one that has started stays as it is.
pub(super) async fn start(orders: &Orders, permit: &Permit, viewer: Viewer, id: i64) -> Result<Order, Error> {
    let robot = orders.robot;
    let started = orders.app.write(permit, move |tx| {
        Box::pin(async move {
            let mut order = super::find_own(tx, id, viewer).await?;
            match order.status {
                Status::Pending => {
                    let now = super::now(tx);
                    opening::require(tx, now, None).await?;
                    moves::become_(tx, robot, &mut order, Status::Processing, now).await?;
                }
                Status::Processing | Status::Ready | Status::Completed => {}
                over => return Err(conflict(&format!("The order is {}.", over.word()))),
            }
            Ok(order)
        })
    });
    let order = started.await?;
    orders.woken();
    Ok(order)
}

/// How long drinks would take, and what they cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) minutes: i32,
    pub(super) queue_minutes: i32,
    pub(super) ready_at: DateTime<Utc>,
    pub(super) cents: i64,
}

/// Estimates drinks at this store now.
pub(super) async fn estimate(tx: &mut Tx, robot: Robot, customer: Customer, ids: Vec<i64>) -> Result<Estimate, Error> {
    let chosen = drinks::choose(tx, &ids, customer).await?;
    let minutes = Complexity::of(chosen.iter().map(|drink| &drink.recipe)).minutes();
    let now = super::now(tx);
    let free = store::busy_until(tx).await?.map_or(now, |until| until.max(now));
    Ok(Estimate {
        minutes,
        queue_minutes: whole_minutes(free - now),
        ready_at: free + robot.preparation(minutes),
        cents: drinks::total(&chosen),
    })
}

/// A begun minute counts.
fn whole_minutes(time: TimeDelta) -> i32 {
    let seconds = time.num_milliseconds().max(0).cast_unsigned().div_ceil(1_000);
    i32::try_from(seconds.div_ceil(60)).unwrap_or(i32::MAX)
}
