//! Sales of the old system.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use super::Entry;
use crate::{
    on,
    storage::{Error, Tx, schema::revenue_entries, types::Time},
};

/// What such entries are called.
const KIND: &str = "imported";

/// Entries that one query names: SQLite takes 32,766 parameters.
const AT_A_TIME: usize = 1_000;

/// A sale of the old system.
#[derive(Clone, Copy, Debug)]
pub struct Sale {
    /// Its number.
    pub id: i64,
    /// Number of the order, when it is here.
    pub order: Option<i64>,
    /// How much, in cents.
    pub cents: i64,
    /// Whether the old system meant to give the money back.
    pub refunded: bool,
    /// When.
    pub at: DateTime<Utc>,
}

/// Takes a sale in. An order can have several.
///
/// # Errors
/// The database failed.
pub async fn bring(tx: &mut Tx, sale: Sale) -> Result<(), Error> {
    let entry = Entry {
        id: sale.id,
        kind: KIND.to_owned(),
        source: None,
        order_id: sale.order,
        amount_cents: sale.cents,
        refunded: sale.refunded,
        at: Time(sale.at),
    };
    on!(tx, conn => diesel::insert_into(revenue_entries::table).values(entry).cached().execute(conn).await)?;
    Ok(())
}

/// The sum of entries, and of those among them whose money was to be given back, in cents.
///
/// # Errors
/// The database failed.
pub async fn sums(tx: &mut Tx, ids: &[i64]) -> Result<(i64, i64), Error> {
    let (mut all, mut refunded) = (0, 0);
    for some in ids.chunks(AT_A_TIME) {
        let rows: Vec<(i64, bool)> = on!(tx, conn => revenue_entries::table
            .filter(revenue_entries::id.eq_any(some))
            .select((revenue_entries::amount_cents, revenue_entries::refunded))
            .load(conn)
            .await)?;
        for (cents, is_refunded) in rows {
            all += cents;
            refunded += if is_refunded { cents } else { 0 };
        }
    }
    Ok((all, refunded))
}
