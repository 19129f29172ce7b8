//! Notices to people: those of this node to one user, to its staff or to everybody here, which stay where they were
//! written; and those of hubs for the whole chain, which go everywhere as events.
//!
//! Reading order: [`notify`] (how the rest of the node writes one), `store.rs` (the rows), `events.rs` (how chain-wide ones
//! merge), `operations.rs` (what people do with them), `feed.rs` and `watch.rs` (the live stream), `period.rs`.

mod digest;
mod events;
mod feed;
pub mod import;
mod operations;
mod period;
mod rpc;
mod store;
mod watch;

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use codepop_shared::{Code, Failure};

pub use self::{digest::digest, feed::Feed, rpc::NotificationsRpc};
use crate::{
    app::edge::{journal_failure, storage_failure},
    journal,
    storage::{self, Tx},
};

/// Longest message, in characters, as the app knows it.
pub const MESSAGE_MAX: usize = 500;

/// Longest word for what a notice is about, in characters, as the app knows it.
pub const KIND_MAX: usize = 50;

/// How long notices of this node are kept: a year, and some weeks for those who look back at it.
const KEPT: TimeDelta = TimeDelta::days(400);

/// Notices in one answer.
const LISTED_MAX: i64 = 1_000;

/// For whom a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// One user, by number.
    User(i64),
    /// Whoever manages this store's stock or orders.
    Staff,
    /// Everybody who asks this node.
    Everybody,
}

/// A notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub id: i64,
    /// For whom it is; `None` when it is for the whole chain.
    pub to: Option<To>,
    /// Number of the user who wrote it, if a user did.
    pub author: Option<i64>,
    /// What it is about.
    pub kind: String,
    /// What it says.
    pub message: String,
    /// When it was written.
    pub at: DateTime<Utc>,
}

/// Why an operation on notices failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such notice, or none that the caller may see; nothing to be done.
    #[error("No notice has the number {0}.")]
    Unknown(i64),
    /// Chain-wide notices are changed at hubs; ask one.
    #[error("Only a hub can change a notice for the whole chain.")]
    AskHub,
    /// The user has as many notices as there may be; remove some first.
    #[error("A user can have {LISTED_MAX} notices; remove some first.")]
    Full,
    /// The caller is told this and may act on it.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The database failed; try again.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The change could not be said.
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Unknown(_) => Self::new(Code::NotFound, error.to_string()),
            Error::AskHub => Self::new(Code::AskHub, error.to_string()),
            Error::Full => Self::new(Code::Conflict, error.to_string()),
            Error::Refused(failure) => failure,
            Error::Storage(error) => storage_failure(&error),
            Error::Journal(error) => journal_failure(&error),
        }
    }
}

/// Writes a notice in the node's own name, in the caller's transaction; those who listen get it after the commit. What is
/// longer than a notice may be is cut off. Returns the notice's number.
///
/// # Errors
/// The database failed.
pub async fn notify(tx: &mut Tx, to: To, kind: &str, message: &str) -> Result<i64, storage::Error> {
    write(tx, to, None, kind, message).await.map(|notice| notice.id)
}

async fn write(tx: &mut Tx, to: To, author: Option<i64>, kind: &str, message: &str) -> Result<Notice, storage::Error> {
    let cut = |text: &str, max: usize| text.chars().filter(|char| *char != '\0').take(max).collect::<String>();
    let notice = Notice {
        id: journal::next_number(tx, "notification").await?,
        to: Some(to),
        author,
        kind: cut(kind, KIND_MAX),
        message: cut(message, MESSAGE_MAX),
        at: now(tx),
    };
    store::insert(tx, &notice, to).await?;
    tx.signals.notices = true;
    Ok(notice)
}

/// Now, to the microsecond that databases keep.
fn now(tx: &Tx) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(tx.clock.wall().timestamp_micros()).unwrap_or_default()
}

/// Drops this node's notices that are no longer kept; returns how many. For a task that runs now and then.
///
/// # Errors
/// The database failed.
pub async fn forget_old(tx: &mut Tx) -> Result<usize, storage::Error> {
    let before = tx.clock.wall() - KEPT;
    store::forget_before(tx, before).await
}

/// Removes the notices to deleted users: a reaction to their deletion.
///
/// # Errors
/// The database failed.
pub async fn forget_deleted(tx: &mut Tx) -> Result<(), storage::Error> {
    if store::forget_deleted(tx).await? {
        tx.signals.erased = true;
    }
    Ok(())
}
