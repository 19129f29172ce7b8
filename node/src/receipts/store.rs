//! Rows of receipts that were asked for.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;

use crate::{
    on,
    storage::{Error, Tx, schema::receipts, types::Time},
};

/// It is to leave.
pub(super) const DUE: &str = "due";
/// The mail server has it.
pub(super) const SENT: &str = "sent";
/// It is in the outbox folder.
pub(super) const FILED: &str = "filed";

/// A receipt that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = receipts)]
pub(super) struct Row {
    pub(super) order_id: i64,
    pub(super) state: String,
    pub(super) attempts: i32,
    pub(super) due_at: Option<Time>,
    pub(super) asked_at: Time,
}

/// The receipt of an order.
pub(super) async fn find(tx: &mut Tx, order: i64) -> Result<Option<Row>, Error> {
    Ok(on!(tx, conn => receipts::table.find(order).select(Row::as_select()).first(conn).await.optional())?)
}

/// Keeps a new receipt.
pub(super) async fn insert(tx: &mut Tx, row: &Row) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(receipts::table).values(row).cached().execute(conn).await)?;
    Ok(())
}

/// Receipts that are due, the longest waiting first.
pub(super) async fn due(tx: &mut Tx, now: DateTime<Utc>, limit: i64) -> Result<Vec<Row>, Error> {
    Ok(on!(tx, conn => receipts::table
        .filter(receipts::due_at.le(Time(now)))
        .order((receipts::due_at, receipts::order_id))
        .limit(limit)
        .select(Row::as_select())
        .load(conn)
        .await)?)
}

/// What became of a receipt; it is due again at `due_at`, if ever.
pub(super) async fn settle(
    tx: &mut Tx,
    order: i64,
    state: &str,
    attempts: i32,
    due_at: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    on!(tx, conn => diesel::update(receipts::table.find(order))
        .set((receipts::state.eq(state), receipts::attempts.eq(attempts), receipts::due_at.eq(due_at.map(Time))))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}
