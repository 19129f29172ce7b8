//! Orders of another time: kept as they were, beside this store's own.

use super::{Order, OrderDrink, store};
use crate::storage::{self, Tx};

/// Takes an order in with its drinks. Nothing is taken from the stock, nobody pays, nobody is told.
///
/// # Errors
/// The database failed.
pub async fn bring(tx: &mut Tx, order: &Order, drinks: Vec<OrderDrink>) -> Result<(), storage::Error> {
    store::insert(tx, order, drinks).await
}
