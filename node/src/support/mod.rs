//! Support: the chat about orders that went wrong, and the complaints that come of it. Who talks is known from the session;
//! what an order has, and whether it may be refunded or made again, is read from the order, never from the phone.
//!
//! Reading order: `phrases.rs` and `conversation.rs` (both pure), `store.rs` (the rows), `desk.rs` (what is looked up and
//! done), `rpc.rs`.

mod conversation;
mod desk;
pub mod figures;
mod phrases;
mod rpc;
mod store;

#[cfg(test)]
mod tests;

pub use self::rpc::SupportRpc;
use crate::storage::{self, Tx};

/// Makes complaints of deleted users nobody's: a reaction to their deletion.
///
/// # Errors
/// The database failed.
pub async fn forget_deleted(tx: &mut Tx) -> Result<(), storage::Error> {
    if store::forget_deleted(tx).await? {
        tx.signals.erased = true;
    }
    Ok(())
}
