//! The store's robot, and the clock of orders: a task that moves orders on when their time comes. It works from the rows, so
//! a restart loses nothing; it sleeps until the next row is due or a change wakes it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::{Error, Orders, Status, moves, store, store::Order};
use crate::{
    payments::{self, State},
    storage::{Tx, types::Time},
};

/// How long a simulated customer takes to pick up a drink that is ready.
const PICKED_UP_AFTER: TimeDelta = TimeDelta::minutes(5);

/// How long a drink waits in the locker when people pick it up.
const KEPT_READY: TimeDelta = TimeDelta::hours(4);

/// How long an order waits for its customer to come near.
const AWAITED: TimeDelta = TimeDelta::hours(24);

/// Orders moved on in one transaction.
const BATCH_MAX: i64 = 100;

/// The longest sleep: after it the wall clock is looked at again, which may have been set.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// How long to wait after the database failed.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Who makes the drinks, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Robot {
    /// Whether the simulated robot works; otherwise the store's people say when drinks are ready and picked up.
    pub works: bool,
    /// How many times faster than a real one, from 1.
    pub speed: u32,
}

impl Default for Robot {
    fn default() -> Self {
        Self { works: true, speed: 1 }
    }
}

impl Robot {
    /// How long so many minutes of preparation take.
    pub fn preparation(self, minutes: i32) -> TimeDelta {
        self.shortened(TimeDelta::minutes(minutes.into()))
    }

    fn shortened(self, time: TimeDelta) -> TimeDelta {
        let speed = i32::try_from(self.speed.max(1)).unwrap_or(i32::MAX);
        time / speed
    }

    /// When something happens to an order by itself; never, when nothing does.
    pub(super) fn due(self, order: &Order) -> Option<Time> {
        match order.status {
            Status::Pending => order.begins_at.or_else(|| {
                let wanted = order.pickup_time.map_or(order.created_at, |pickup| pickup.max(order.created_at));
                Some(Time(wanted.0 + AWAITED))
            }),
            Status::Processing => order.ready_at.filter(|_| self.works),
            Status::Ready => {
                let wait = if self.works { self.shortened(PICKED_UP_AFTER) } else { KEPT_READY };
                order.ready_at.map(|ready| Time(ready.0 + wait))
            }
            Status::Completed | Status::Cancelled | Status::Expired => None,
        }
    }

    /// What becomes of an order when it is due.
    fn next(self, order: &Order) -> Status {
        match order.status {
            Status::Pending if order.begins_at.is_some() => Status::Processing,
            Status::Processing => Status::Ready,
            Status::Ready if self.works => Status::Completed,
            Status::Pending | Status::Ready => Status::Expired,
            over => over,
        }
    }
}

/// Moves on all orders that are due at `now`, a batch at a time; true when there may be more.
pub(super) async fn step(tx: &mut Tx, robot: Robot, now: DateTime<Utc>) -> Result<bool, Error> {
    let due = store::due(tx, now, BATCH_MAX).await?;
    let more = i64::try_from(due.len()).unwrap_or(0) == BATCH_MAX;
    for mut order in due {
        let next = robot.next(&order);
        // What was begun goes on while the node is down; but nothing begins then.
        let at = order.due_at.filter(|_| next != Status::Processing).map_or(now, |due| due.0.min(now));
        moves::become_(tx, robot, &mut order, next, at).await?;
    }
    Ok(more)
}

/// Says anew when open orders are due: the settings of the robot may have changed since they were kept.
async fn due_anew(tx: &mut Tx, robot: Robot, after: i64) -> Result<Option<i64>, Error> {
    let open = store::open(tx, after, BATCH_MAX).await?;
    let last = open.last().map(|order| order.id);
    for mut order in open {
        let due = robot.due(&order);
        if order.due_at != due {
            order.due_at = due;
            store::update(tx, &order).await?;
        }
    }
    Ok(last)
}

/// Cancels orders with a number above `after` whose money never came, as long as nothing of them was made. Tells the last
/// number that it looked at; none after the last one.
async fn drop_unpaid(tx: &mut Tx, robot: Robot, after: i64) -> Result<Option<i64>, Error> {
    let now = super::now(tx);
    let mut open = store::open(tx, after, BATCH_MAX).await?;
    let last = open.last().map(|order| order.id);
    open.retain(|order| order.waits(now));
    let ids: Vec<i64> = open.iter().map(|order| order.id).collect();
    let payments = payments::status(tx, &ids).await?;
    let is_unpaid = |order: &Order| payments.get(&order.id).is_some_and(|payment| payment.state == State::Failed);
    for mut order in open.into_iter().filter(is_unpaid) {
        moves::become_(tx, robot, &mut order, Status::Cancelled, now).await?;
    }
    Ok(last)
}

/// Does so with all open orders, a batch at a time.
pub(super) async fn cancel_unpaid(orders: &Orders) -> Result<(), Error> {
    let (robot, mut after) = (orders.robot, Some(0));
    while let Some(number) = after {
        after = orders.app.db.write(move |tx| Box::pin(drop_unpaid(tx, robot, number))).await?;
    }
    Ok(())
}

/// Works until told to stop.
pub async fn run(orders: Orders, stop: CancellationToken) {
    let work = async {
        while let Err(error) = begin(&orders).await {
            tracing::error!(error = %error, "the open orders could not be read; trying again");
            tokio::time::sleep(RETRY_AFTER).await;
        }
        // Perhaps a payment failed before the last end.
        let mut has_unpaid = true;
        loop {
            let sleep = match work(&orders, &mut has_unpaid).await {
                Ok(sleep) => sleep,
                Err(error) => {
                    tracing::error!(error = %error, "orders that are due could not be moved on; trying again");
                    RETRY_AFTER
                }
            };
            tokio::select! {
                () = orders.wake.notified() => {}
                () = orders.payments.failed() => has_unpaid = true,
                () = tokio::time::sleep(sleep) => {}
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

pub(super) async fn begin(orders: &Orders) -> Result<(), Error> {
    let (robot, mut after) = (orders.robot, Some(0));
    while let Some(number) = after {
        after = orders.app.db.write(move |tx| Box::pin(due_anew(tx, robot, number))).await?;
    }
    Ok(())
}

/// Does what is due, and says how long to sleep.
async fn work(orders: &Orders, has_unpaid: &mut bool) -> Result<Duration, Error> {
    if *has_unpaid {
        cancel_unpaid(orders).await?;
        *has_unpaid = false;
    }
    let (robot, clock) = (orders.robot, orders.app.clock().clone());
    let next = orders.app.read(|tx| Box::pin(store::next_due(tx))).await?;
    if next.is_some_and(|next| next <= clock.wall()) {
        let now = clock.wall();
        let more = orders.app.db.write(move |tx| Box::pin(step(tx, robot, now))).await?;
        orders.payments.wake();
        if more {
            return Ok(Duration::ZERO);
        }
    }
    let next = orders.app.read(|tx| Box::pin(store::next_due(tx))).await?;
    let left = next.map_or(SLEEP_MAX, |next| (next - clock.wall()).to_std().unwrap_or(Duration::ZERO));
    Ok(left.min(SLEEP_MAX))
}
