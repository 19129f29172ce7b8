//! Notices of the old system.

use super::{Notice, To, store};
use crate::storage::{self, Tx};

/// Takes a notice in as it is. Nobody is told: it is an old one.
///
/// # Errors
/// The database failed.
pub async fn bring(tx: &mut Tx, notice: &Notice, to: To) -> Result<(), storage::Error> {
    store::insert(tx, notice, to).await
}
