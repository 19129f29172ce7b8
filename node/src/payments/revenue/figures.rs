//! Revenue in figures: sums by time, and pages of entries in order of time.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _, SelectableHelper as _, dsl::sql, sql_types::BigInt};
use diesel_async::RunQueryDsl as _;

use super::Entry;
use crate::{
    on,
    storage::{Error, Tx, figures::whole_sum, schema::revenue_entries, types::Time},
};

/// What a quarter of an hour brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quarter {
    /// Which, counted from 1970.
    pub quarter: i64,
    /// Number of sales.
    pub sales: i64,
    /// Their sum in cents.
    pub sales_cents: i64,
    /// What was given back in cents, not negative.
    pub refunds_cents: i64,
}

/// What each quarter of an hour from `start` on and before `end` brought, if anything.
///
/// # Errors
/// The database failed.
pub async fn by_quarter(tx: &mut Tx, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Vec<Quarter>, Error> {
    let quarter = tx.quarter_of("at");
    let sales = whole_sum("CASE WHEN amount_cents >= 0 THEN 1 ELSE 0 END");
    let [sold, back] =
        [">= 0", "< 0"].map(|sign| whole_sum(&format!("CASE WHEN amount_cents {sign} THEN amount_cents ELSE 0 END")));
    let rows: Vec<(i64, i64, i64, i64)> = on!(tx, conn => revenue_entries::table
        .filter(revenue_entries::at.ge(Time(start)))
        .filter(revenue_entries::at.lt(Time(end)))
        .group_by(sql::<BigInt>(&quarter))
        .select((sql::<BigInt>(&quarter), sql::<BigInt>(&sales), sql::<BigInt>(&sold), sql::<BigInt>(&back)))
        .load(conn)
        .await)?;
    let read = |(quarter, sales, sales_cents, back): (i64, i64, i64, i64)| Quarter {
        quarter,
        sales,
        sales_cents,
        refunds_cents: -back,
    };
    Ok(rows.into_iter().map(read).collect())
}

/// When the first entry was made.
///
/// # Errors
/// The database failed.
pub async fn first(tx: &mut Tx) -> Result<Option<DateTime<Utc>>, Error> {
    let first: Vec<Time> = on!(tx, conn => revenue_entries::table
        .order(revenue_entries::at)
        .limit(1)
        .select(revenue_entries::at)
        .load(conn)
        .await)?;
    Ok(first.into_iter().next().map(|at| at.0))
}

/// Where a page begins: after this entry.
#[derive(Clone, Copy, Debug)]
pub struct After {
    /// When the entry was made.
    pub at: DateTime<Utc>,
    /// Its number.
    pub id: i64,
}

impl After {
    /// Before the first entry of a moment.
    pub fn before(at: DateTime<Utc>) -> Self {
        Self { at, id: i64::MIN }
    }
}

/// The next entries before `end`, oldest first; `limit` at most.
///
/// # Errors
/// The database failed.
pub async fn page(tx: &mut Tx, after: After, end: DateTime<Utc>, limit: i64) -> Result<Vec<Entry>, Error> {
    let mut found: Vec<Entry> = on!(tx, conn => revenue_entries::table
        .filter(revenue_entries::at.eq(Time(after.at)))
        .filter(revenue_entries::at.lt(Time(end)))
        .filter(revenue_entries::id.gt(after.id))
        .order(revenue_entries::id)
        .limit(limit)
        .select(Entry::as_select())
        .load(conn)
        .await)?;
    let left = limit - i64::try_from(found.len()).unwrap_or(limit);
    if left > 0 {
        found.extend::<Vec<Entry>>(on!(tx, conn => revenue_entries::table
            .filter(revenue_entries::at.gt(Time(after.at)))
            .filter(revenue_entries::at.lt(Time(end)))
            .order((revenue_entries::at, revenue_entries::id))
            .limit(left)
            .select(Entry::as_select())
            .load(conn)
            .await)?);
    }
    Ok(found)
}

impl Entry {
    /// Where the page after this entry begins.
    pub fn after(&self) -> After {
        After { at: self.at.0, id: self.id }
    }
}
