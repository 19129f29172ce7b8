//! The stock in figures: what orders used of it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _, dsl::sql, sql_types::BigInt};
use diesel_async::RunQueryDsl as _;

use super::Reason;
use crate::{
    on,
    storage::{Error, Tx, figures::whole_sum, schema::stock_movements, types::Time},
};

/// Units of each item that orders took from `start` on and before `end`, less what they gave back in that time.
///
/// # Errors
/// The database failed.
pub async fn used(tx: &mut Tx, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<HashMap<i64, i64>, Error> {
    let change = whole_sum("change");
    let reasons = [Reason::Order, Reason::Returned].map(Reason::word);
    let sums: Vec<(i64, i64)> = on!(tx, conn => stock_movements::table
        .filter(stock_movements::at.ge(Time(start)))
        .filter(stock_movements::at.lt(Time(end)))
        .filter(stock_movements::reason.eq_any(reasons))
        .group_by(stock_movements::item_id)
        .select((stock_movements::item_id, sql::<BigInt>(&change)))
        .load(conn)
        .await)?;
    Ok(sums.into_iter().map(|(item, change)| (item, -change)).collect())
}

/// When an order first took anything.
///
/// # Errors
/// The database failed.
pub async fn first_use(tx: &mut Tx) -> Result<Option<DateTime<Utc>>, Error> {
    let first: Vec<Time> = on!(tx, conn => stock_movements::table
        .filter(stock_movements::reason.eq(Reason::Order.word()))
        .order(stock_movements::at)
        .limit(1)
        .select(stock_movements::at)
        .load(conn)
        .await)?;
    Ok(first.into_iter().next().map(|at| at.0))
}
