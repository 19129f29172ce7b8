//! Complaints in figures.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use crate::{
    on,
    storage::{Error, Tx, schema::complaints, types::Time},
};

/// How many complaints nothing was given for yet.
///
/// # Errors
/// The database failed.
pub async fn open(tx: &mut Tx) -> Result<i64, Error> {
    Ok(on!(tx, conn => complaints::table.filter(complaints::helped_at.is_null()).count().get_result(conn).await)?)
}

/// How many complaints were made since a moment.
///
/// # Errors
/// The database failed.
pub async fn made_since(tx: &mut Tx, start: DateTime<Utc>) -> Result<i64, Error> {
    Ok(on!(tx, conn => complaints::table.filter(complaints::at.ge(Time(start))).count().get_result(conn).await)?)
}
