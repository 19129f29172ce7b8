//! Orders: a store makes the drinks that a customer ordered and paid. They belong to the store and never leave its node.
//!
//! Reading order: the pure rules (`status.rs`, `preparation.rs`, `golden_window.rs`, `opening.rs`), `store.rs` (the rows),
//! `drinks.rs`, `place.rs` (the one transaction that makes an order), `moves.rs` (from state to state), `change.rs`,
//! `arrival.rs`, `robot.rs` (what happens by itself), `view.rs` and `rpc.rs`.

mod arrival;
mod change;
mod drinks;
pub mod figures;
pub mod golden_window;
pub mod import;
mod moves;
mod opening;
mod parse;
mod place;
pub mod preparation;
pub mod robot;
mod rpc;
mod status;
mod store;
mod view;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use codepop_proto::options::Permission;
use codepop_shared::{Code, Failure, identity::Kind};
use futures::future::BoxFuture;
use tokio::sync::Notify;

pub use self::{
    moves::cancel,
    place::remake,
    robot::Robot,
    rpc::OrdersRpc,
    status::Status,
    store::{Order, OrderDrink},
    view::Viewer,
};
use crate::{
    app::{App, edge::storage_failure, once},
    auth::{Actor, Permit, Place},
    inventory,
    payments::{self, Payments},
    storage::{self, Tx},
    stores::QueueLength,
};

/// Why an operation on orders failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such order, or none that the caller may see; nothing to be done.
    #[error("No Order matches the given query.")]
    Unknown(i64),
    /// This node is a hub; ask a store.
    #[error("A hub takes no orders; ask a store.")]
    NoStore,
    /// The caller is told this and may act on it.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The database failed; try again.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Unknown(_) => Self::new(Code::NotFound, error.to_string()),
            Error::NoStore => Self::new(Code::AskStore, error.to_string()),
            Error::Refused(failure) => failure,
            Error::Storage(error) => storage_failure(&error),
        }
    }
}

impl From<inventory::Error> for Error {
    fn from(error: inventory::Error) -> Self {
        match error {
            inventory::Error::Storage(error) => Self::Storage(error),
            error => Self::Refused(error.into()),
        }
    }
}

impl From<payments::Error> for Error {
    fn from(error: payments::Error) -> Self {
        match error {
            payments::Error::Storage(error) => Self::Storage(error),
            error => Self::Refused(error.into()),
        }
    }
}

impl From<once::Error> for Error {
    fn from(error: once::Error) -> Self {
        match error {
            once::Error::Storage(error) => Self::Storage(error),
            error @ once::Error::Reused => Self::Refused(error.into()),
        }
    }
}

/// Orders of this node. Cheap to clone.
#[derive(Clone)]
pub struct Orders {
    app: App,
    payments: Payments,
    robot: Robot,
    wake: Arc<Notify>,
}

impl Orders {
    /// With the payments of this node and its robot.
    pub fn new(app: App, payments: Payments, robot: Robot) -> Self {
        Self { app, payments, robot, wake: Arc::default() }
    }

    /// The robot of this store.
    pub fn robot(&self) -> Robot {
        self.robot
    }

    /// Lets the robot and the settler of payments look at what was committed.
    pub fn woken(&self) {
        self.wake.notify_one();
        self.payments.wake();
    }

    /// Leave to do something with an order: the staff's where the caller is of the staff, else every customer's.
    fn leave(&self, actor: &Actor, order: i64) -> Permit {
        let here = Place::Store(self.app.author().id.uuid);
        let permit = actor.may(Permission::OrdersManage, &here).unwrap_or_else(|_| actor.public());
        permit.about("order", order)
    }

    /// How somebody looks at the orders of this store.
    pub fn viewer(&self, actor: &Actor) -> Viewer {
        let here = Place::Store(self.app.author().id.uuid);
        Viewer { customer: actor.customer(), is_staff: actor.may(Permission::OrdersManage, &here).is_ok() }
    }
}

/// An order that the viewer may see.
///
/// # Errors
/// There is none of that number for this viewer.
pub async fn find(tx: &mut Tx, id: i64, viewer: Viewer) -> Result<Order, Error> {
    require_store(tx)?;
    store::order(tx, id).await?.filter(|order| viewer.sees(order)).ok_or(Error::Unknown(id))
}

/// An order of the viewer's own.
///
/// # Errors
/// There is none of that number that is theirs.
pub async fn find_own(tx: &mut Tx, id: i64, viewer: Viewer) -> Result<Order, Error> {
    find(tx, id, Viewer { is_staff: false, ..viewer }).await
}

/// The drinks of an order as they were when it was placed.
///
/// # Errors
/// The database failed.
pub async fn drinks_of(tx: &mut Tx, order: i64) -> Result<Vec<OrderDrink>, storage::Error> {
    Ok(store::drinks_of(tx, &[order]).await?.remove(&order).unwrap_or_default())
}

/// All orders above a number, by number, with their drinks: a page of them, for who reads all.
///
/// # Errors
/// The database failed.
pub async fn page(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<(Order, Vec<OrderDrink>)>, storage::Error> {
    let orders = store::after(tx, after, limit).await?;
    let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
    let mut drinks = store::drinks_of(tx, &ids).await?;
    let with_drinks = |order: Order| {
        let own = drinks.remove(&order.id).unwrap_or_default();
        (order, own)
    };
    Ok(orders.into_iter().map(with_drinks).collect())
}

/// The drinks that were ordered last, whoever ordered them, newest orders first.
///
/// # Errors
/// The database failed.
pub async fn latest_drinks(tx: &mut Tx, limit: i64) -> Result<Vec<OrderDrink>, storage::Error> {
    store::latest_drinks(tx, limit).await
}

/// Makes sure that this node is a store.
fn require_store(tx: &Tx) -> Result<(), Error> {
    if tx.author.id.kind == Kind::Store { Ok(()) } else { Err(Error::NoStore) }
}

/// The time, to the microsecond that databases keep.
fn now(tx: &Tx) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(tx.clock.wall().timestamp_micros()).unwrap_or_default()
}

/// The queue as the stores' service asks for it: orders that are being made.
#[derive(Clone, Copy, Debug)]
pub struct OwnQueue;

impl QueueLength for OwnQueue {
    fn queue<'a>(&'a self, tx: &'a mut Tx) -> BoxFuture<'a, Result<u32, storage::Error>> {
        Box::pin(async move { Ok(u32::try_from(store::in_preparation(tx).await?).unwrap_or(u32::MAX)) })
    }
}
