//! What a noun must say of each kind of event: what it is about, and how it merges into the rows.

use prost::{Message, Name};

use super::{Audience, Scope, Stamp};
use crate::storage::{self, Tx};

/// Why an event could not be appended or applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed; nothing was kept. Try again.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The origin may not say this.
    #[error("{origin} may not make a {kind}")]
    Forbidden {
        /// Kind of the event.
        kind: String,
        /// Who tried.
        origin: String,
    },
    /// The user whom it is about is deleted: the event is kept without its body and counts as applied
    /// ([`Outcome::erased`](super::Outcome::erased)). A local write about a deleted user is refused with it.
    #[error("the user whom this is about is deleted")]
    Erased,
    /// The content makes no sense to this version of the program; the event waits in quarantine.
    #[error("{0}")]
    Unfit(&'static str),
}

/// A message that nodes replicate. The same `apply` serves local writes and events from afar.
pub trait Replicated: Message + Name + Default {
    /// Version of the schema that this program writes and the newest that it can apply.
    const SCHEMA_VERSION: u32 = 1;

    /// What it is about, as far as the right to say it depends on it.
    fn scope(&self) -> Scope;

    /// Number of the user whom it is about; 0 for none.
    fn subject(&self) -> i64 {
        0
    }

    /// Whether it may be said to an audience: to exactly those who hold the rows that it changes.
    fn is_for(&self, audience: &Audience) -> bool {
        *audience == Audience::Everyone
    }

    /// Merges it into the rows: idempotent, deterministic, without clock or network, touching its own noun alone.
    /// Returns how many fields it now holds (what [`Merge::settle`](super::Merge::settle) said); 0 makes it history.
    fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> impl Future<Output = Result<i32, Error>> + Send;
}
