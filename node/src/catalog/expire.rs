//! Customers' drinks go after a week, unless somebody has them among the favourites: a drink lives as long as a cart.
//! Orders keep copies.
//!
//! Nodes must hold the same rows, and their clocks differ: so none drops a row by its own clock. The node where a drink
//! was born says that it is gone, and the others hear it. Of drinks whose node is gone, or that were changed in another
//! region than that of their birth, a hub of the region says it later.

use chrono::TimeDelta;
use codepop_proto::catalog as pb;
use codepop_shared::identity::Kind;

use super::{Error, own_region, store};
use crate::{
    journal,
    storage::{Tx, types::Time},
};

/// How long a drink is kept from its making: no cart is older.
const KEPT: TimeDelta = TimeDelta::days(7);

/// How long a hub leaves it to the node where the drink was born: longer than a store is away for a repair.
const KEPT_BY_HUBS: TimeDelta = TimeDelta::days(21);

/// Drinks removed in one transaction: others wait for it, and each takes a fraction of a millisecond.
const REMOVED_MAX: i64 = 200;

/// Removes customers' drinks that are old and nobody's favourites; true when there may be more.
///
/// # Errors
/// The database failed, or the node takes no writes.
pub async fn expire(tx: &mut Tx) -> Result<bool, Error> {
    let now = tx.clock.wall();
    let mut old = Vec::new();
    for node in tx.author.numbers() {
        if old.is_empty() {
            old = store::old_of_node(tx, Time(now - KEPT), node, REMOVED_MAX).await?;
        }
    }
    if old.is_empty() && tx.author.id.kind == Kind::Hub {
        old = store::old_of_all(tx, Time(now - KEPT_BY_HUBS), REMOVED_MAX).await?;
    }
    let region = own_region(tx);
    let mut removed = 0;
    for (drink, owner) in &old {
        match journal::emit(tx, &region, &pb::UserDrinkDeleted { drink: *drink, owner: *owner }).await {
            Ok(_) => removed += 1,
            // The rows of deleted users are about to go by themselves.
            Err(journal::Error::Erased) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(removed == REMOVED_MAX)
}
