//! The audit trail: who did what with which right, when, from where, and who was refused. What was done is written in the
//! transaction that does it, so that neither is without the other; refusals are written after the answer, within bounds.
//!
//! Entries are local to the node where something was done. The database itself lets nobody change them or take them away
//! before their time (triggers in `migrations/`); they name users by number alone, and lose the client's address with the
//! user's deletion. Reading order: [`done`], `refusals.rs`, `store.rs`.

mod refusals;
mod store;

use chrono::TimeDelta;

pub use self::{
    refusals::{Refusal, Refusals, Writing},
    store::{Filter, Row, list},
};
use crate::{
    auth::{Permit, Trail},
    storage::{Error, Tx},
};

/// How long an entry is kept. The triggers know it too.
pub const KEPT: TimeDelta = TimeDelta::days(731);

/// How long a refusal is kept. The triggers know it too.
pub const REFUSALS_KEPT: TimeDelta = TimeDelta::days(90);

/// The outcome of what was done; that of a refusal is its code.
pub const DONE: &str = "done";

/// Longest target or detail that is kept, in characters.
const WORDS_MAX: usize = 200;

/// Writes down that the right of a permit was used, in the transaction that uses it. The write door does this for every
/// permit that it is shown; an operation does it itself where only the transaction knows that a right was needed.
///
/// # Errors
/// The database failed: then nothing was done either.
pub async fn done(tx: &mut Tx, permit: &Permit) -> Result<(), Error> {
    let about = std::mem::take(&mut tx.about);
    let Some(trail) = permit.trail.as_deref() else { return Ok(()) };
    let trail = Trail {
        target: about.target.or_else(|| trail.target.clone()),
        detail: about.detail.or_else(|| trail.detail.clone()),
        ..trail.clone()
    };
    write(tx, &trail, DONE, 0).await
}

async fn write(tx: &mut Tx, trail: &Trail, outcome: &str, repeated: i32) -> Result<(), Error> {
    let row = store::row(tx, trail, outcome, repeated).await?;
    store::insert(tx, &row).await
}

fn short(words: &str) -> String {
    words.chars().take(WORDS_MAX).collect()
}

/// Blanks the addresses of deleted users.
///
/// # Errors
/// The database failed.
pub async fn forget_deleted(tx: &mut Tx) -> Result<(), Error> {
    if store::blank_deleted(tx).await? {
        tx.signals.erased = true;
    }
    Ok(())
}

/// Removes entries whose time is over.
///
/// # Errors
/// The database failed.
pub async fn expire(tx: &mut Tx) -> Result<usize, Error> {
    let now = tx.clock.wall();
    store::remove_older(tx, now - KEPT, now - REFUSALS_KEPT).await
}

#[cfg(test)]
mod tests;
