//! One store as its people see it, from the rows of its own node.
//!
//! Reading order: the pure rules (`days.rs`, `trend.rs`, `forecast.rs`, `peaks.rs`, `usage.rs`, `csv.rs`), `dashboard.rs`,
//! `analytics.rs`, `export.rs` and `rpc.rs`.

mod analytics;
mod csv;
mod dashboard;
mod days;
mod export;
mod forecast;
mod peaks;
mod rpc;
mod trend;
mod usage;

#[cfg(test)]
mod tests;

use codepop_shared::Failure;
use uuid::Uuid;

pub use self::rpc::StoreDashboardsRpc;
use crate::{
    app::edge::storage_failure,
    inventory, orders,
    storage::{self, Tx},
    stores::{self, Found},
};

/// Why there is no view.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
            Error::Refused(failure) => failure,
            Error::Storage(error) => storage_failure(&error),
        }
    }
}

macro_rules! refused {
    ($($error:ty),+) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::Refused(error.into())
            }
        })+
    };
}

refused!(stores::Error, orders::Error, inventory::Error);

/// This node's store.
///
/// # Errors
/// It is another one, or none that is known.
async fn own(tx: &mut Tx, id: Uuid) -> Result<Found, Error> {
    stores::require_here(tx, id).await?;
    Ok(stores::find(tx, id).await?)
}

/// Cents in dollars; exact to the cent when written with two decimals.
fn dollars(cents: i64) -> f64 {
    rational(cents) / 100.0
}

/// A count or a sum of cents as a number to calculate with.
fn rational(whole: i64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "figures of a store stay far below 2^53")]
    let number = whole as f64;
    number
}

/// One number by another, rounded to two decimals; 0 by nothing.
fn ratio(of: f64, by: f64) -> f64 {
    if by == 0.0 { 0.0 } else { rounded(of / by) }
}

/// Rounded to two decimals.
fn rounded(number: f64) -> f64 {
    // The sum turns a negative zero into zero.
    (number * 100.0).round() / 100.0 + 0.0
}
