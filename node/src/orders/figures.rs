//! Orders in figures: how many, when, of what and by how many customers. Cancelled orders do not count.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use codepop_proto::orders as pb;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, QueryableByName, SelectableHelper as _,
    dsl::{count_star, sql},
    sql_query,
    sql_types::{BigInt, Text},
};
use diesel_async::RunQueryDsl as _;

use super::{Order, Status, Viewer, view};
use crate::{
    on, payments,
    storage::{
        Error, Tx,
        figures::whole_sum,
        schema::orders,
        types::{Moment, Time},
    },
};

/// Orders that one query names: SQLite takes 32,766 parameters.
const ORDERS_AT_A_TIME: usize = 1_000;

/// How many orders were placed in each quarter of an hour from `start` on and before `end`, if any.
///
/// # Errors
/// The database failed.
pub async fn by_quarter(tx: &mut Tx, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Vec<(i64, i64)>, Error> {
    let quarter = tx.quarter_of("created_at");
    Ok(on!(tx, conn => orders::table
        .filter(orders::created_at.ge(Time(start)))
        .filter(orders::created_at.lt(Time(end)))
        .filter(orders::status.ne(Status::Cancelled.word()))
        .group_by(sql::<BigInt>(&quarter))
        .select((sql::<BigInt>(&quarter), count_star()))
        .load(conn)
        .await)?)
}

/// How many orders were placed since a moment.
///
/// # Errors
/// The database failed.
pub async fn placed_since(tx: &mut Tx, start: DateTime<Utc>) -> Result<i64, Error> {
    Ok(on!(tx, conn => orders::table
        .filter(orders::created_at.ge(Time(start)))
        .filter(orders::status.ne(Status::Cancelled.word()))
        .count()
        .get_result(conn)
        .await)?)
}

/// How many orders are not made yet.
///
/// # Errors
/// The database failed.
pub async fn pending_count(tx: &mut Tx) -> Result<i64, Error> {
    let states = [Status::Pending, Status::Processing].map(Status::word);
    Ok(on!(tx, conn => orders::table.filter(orders::status.eq_any(states)).count().get_result(conn).await)?)
}

/// Orders that are not made yet as the viewer sees them, newest first; `limit` at most.
///
/// # Errors
/// The database failed.
pub async fn pending(tx: &mut Tx, viewer: Viewer, limit: i64) -> Result<Vec<pb::Order>, super::Error> {
    let mut found = Vec::new();
    // One query a state: each reads its index backwards.
    for status in [Status::Pending, Status::Processing] {
        found
            .extend(super::store::all(tx, super::store::Page { status: Some(status), before: i64::MAX, limit }).await?);
    }
    found.sort_by_key(|order| std::cmp::Reverse((order.created_at, order.id)));
    found.truncate(usize::try_from(limit).unwrap_or_default());
    view::many(tx, found, viewer).await
}

/// The newest orders as the viewer sees them; `limit` at most.
///
/// # Errors
/// The database failed.
pub async fn recent(tx: &mut Tx, viewer: Viewer, limit: i64) -> Result<Vec<pb::Order>, super::Error> {
    let found: Vec<Order> = on!(tx, conn => orders::table
        .order((orders::created_at.desc(), orders::id.desc()))
        .limit(limit)
        .select(Order::as_select())
        .load(conn)
        .await)
    .map_err(Error::from)?;
    view::many(tx, found, viewer).await
}

/// Orders that wait in their lockers and since when, the longest first; `limit` at most.
///
/// # Errors
/// The database failed.
pub async fn in_lockers(tx: &mut Tx, limit: i64) -> Result<Vec<(i64, DateTime<Utc>)>, Error> {
    let rows: Vec<(i64, Option<Time>)> = on!(tx, conn => orders::table
        .filter(orders::status.eq(Status::Ready.word()).and(orders::ready_at.is_not_null()))
        .order((orders::ready_at, orders::id))
        .limit(limit)
        .select((orders::id, orders::ready_at))
        .load(conn)
        .await)?;
    Ok(rows.into_iter().filter_map(|(id, ready)| Some((id, ready?.0))).collect())
}

/// A drink that was ordered.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct Popular {
    /// Number of the drink.
    #[diesel(sql_type = BigInt)]
    pub drink_id: i64,
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// How often.
    #[diesel(sql_type = BigInt)]
    pub ordered: i64,
    /// What it cost together, in cents.
    #[diesel(sql_type = BigInt)]
    pub cents: i64,
}

/// The drinks that were ordered most from `start` on and before `end`; `limit` at most.
///
/// # Errors
/// The database failed.
pub async fn popular(tx: &mut Tx, start: DateTime<Utc>, end: DateTime<Utc>, limit: i64) -> Result<Vec<Popular>, Error> {
    let cents = whole_sum("d.price_cents");
    let query = format!(
        "SELECT d.drink_id AS drink_id, MAX(d.name) AS name, COUNT(*) AS ordered, {cents} AS cents \
         FROM orders o JOIN order_drinks d ON d.order_id = o.id \
         WHERE o.created_at >= $1 AND o.created_at < $2 AND o.status <> $3 \
         GROUP BY d.drink_id ORDER BY ordered DESC, drink_id LIMIT $4"
    );
    Ok(on!(tx, conn => sql_query(query)
        .bind::<Moment, _>(Time(start))
        .bind::<Moment, _>(Time(end))
        .bind::<Text, _>(Status::Cancelled.word())
        .bind::<BigInt, _>(limit)
        .load(conn)
        .await)?)
}

/// Who ordered, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, QueryableByName)]
pub struct Customers {
    /// Accounts that ordered.
    #[diesel(sql_type = BigInt)]
    pub customers: i64,
    /// Of them, those who had not ordered here before.
    #[diesel(sql_type = BigInt)]
    pub newcomers: i64,
    /// Of them, those who ordered more than once.
    #[diesel(sql_type = BigInt)]
    pub repeated: i64,
    /// Their orders.
    #[diesel(sql_type = BigInt)]
    pub orders: i64,
    /// What those cost, in cents.
    #[diesel(sql_type = BigInt)]
    pub cents: i64,
}

/// Which accounts ordered from `start` on and before `end`, in numbers.
///
/// # Errors
/// The database failed.
pub async fn customers(tx: &mut Tx, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Customers, Error> {
    let [newcomers, repeated, orders, cents] = [
        "CASE WHEN EXISTS (SELECT 1 FROM orders o WHERE o.user_id = c.user_id AND o.created_at < $1 AND o.status <> $2) \
         THEN 0 ELSE 1 END",
        "CASE WHEN c.orders > 1 THEN 1 ELSE 0 END",
        "c.orders",
        "c.cents",
    ]
    .map(whole_sum);
    // SQLite counts parameters in the order in which they first stand in the text: $1, $2 and $3 must come so.
    let query = format!(
        "SELECT COUNT(*) AS customers, {newcomers} AS newcomers, {repeated} AS repeated, {orders} AS orders, {cents} AS cents \
         FROM (SELECT user_id, COUNT(*) AS orders, SUM(total_cents) AS cents FROM orders \
         WHERE created_at >= $1 AND status <> $2 AND created_at < $3 AND user_id IS NOT NULL GROUP BY user_id) c"
    );
    Ok(on!(tx, conn => sql_query(query)
        .bind::<Moment, _>(Time(start))
        .bind::<Text, _>(Status::Cancelled.word())
        .bind::<Moment, _>(Time(end))
        .get_result(conn)
        .await)?)
}

/// How orders stand with the money, in the words that customers see, by order.
///
/// # Errors
/// The database failed.
pub async fn payment_words(tx: &mut Tx, ids: &[i64]) -> Result<HashMap<i64, String>, Error> {
    let payments = payments::status(tx, ids).await?;
    let mut words = HashMap::with_capacity(ids.len());
    for some in ids.chunks(ORDERS_AT_A_TIME) {
        let orders: Vec<Order> = on!(tx, conn => orders::table
            .filter(orders::id.eq_any(some))
            .select(Order::as_select())
            .load(conn)
            .await)?;
        words.extend(orders.iter().map(|order| (order.id, view::payment_word(order, &payments))));
    }
    Ok(words)
}
