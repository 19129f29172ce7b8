//! Rows of notices.

use chrono::{DateTime, Utc};
use diesel::{
    AsChangeset, BoolExpressionMethods as _, ExpressionMethods as _, Insertable, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;

use super::{Notice, To};
use crate::{
    on,
    storage::{
        Error, Tx,
        schema::{chain_notices, notices, users},
        types::Time,
    },
};

/// As `notices.audience` has it.
const USER: i16 = 1;
const STAFF: i16 = 2;
const EVERYBODY: i16 = 3;

/// A notice of this node.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = notices)]
struct Row {
    id: i64,
    audience: i16,
    user_id: Option<i64>,
    author: Option<i64>,
    kind: String,
    message: String,
    at: Time,
}

impl From<Row> for Notice {
    fn from(row: Row) -> Self {
        let to = match (row.audience, row.user_id) {
            (USER, Some(user)) => To::User(user),
            (EVERYBODY, _) => To::Everybody,
            // What makes no sense is at least not shown to everybody.
            _ => To::Staff,
        };
        Self { id: row.id, to: Some(to), author: row.author, kind: row.kind, message: row.message, at: row.at.0 }
    }
}

/// A notice for the chain, or what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, AsChangeset, Insertable, Queryable, Selectable)]
#[diesel(table_name = chain_notices)]
pub(super) struct ChainRow {
    pub(super) id: i64,
    pub(super) kind: String,
    pub(super) message: String,
    pub(super) at: Time,
    pub(super) withdrawn: bool,
    pub(super) arrived: i64,
    pub(super) clocks: Vec<u8>,
}

impl From<ChainRow> for Notice {
    fn from(row: ChainRow) -> Self {
        Self { id: row.id, to: None, author: None, kind: row.kind, message: row.message, at: row.at.0 }
    }
}

fn key(to: To) -> (i16, Option<i64>) {
    match to {
        To::User(user) => (USER, Some(user)),
        To::Staff => (STAFF, None),
        To::Everybody => (EVERYBODY, None),
    }
}

/// Keeps a new notice of this node.
pub(super) async fn insert(tx: &mut Tx, notice: &Notice, to: To) -> Result<(), Error> {
    let (audience, user_id) = key(to);
    let (kind, message) = (notice.kind.clone(), notice.message.clone());
    let row = Row { id: notice.id, audience, user_id, author: notice.author, kind, message, at: Time(notice.at) };
    on!(tx, conn => diesel::insert_into(notices::table).values(&row).cached().execute(conn).await)?;
    Ok(())
}

/// A notice of this node.
pub(super) async fn find(tx: &mut Tx, id: i64) -> Result<Option<Notice>, Error> {
    let row: Option<Row> =
        on!(tx, conn => notices::table.find(id).select(Row::as_select()).first(conn).await.optional())?;
    Ok(row.map(Notice::from))
}

/// Notices of this node to one of `to`, of a time range, newest first.
pub(super) async fn list(
    tx: &mut Tx,
    to: To,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    limit: i64,
) -> Result<Vec<Notice>, Error> {
    let (audience, user) = key(to);
    let rows: Vec<Row> = match user {
        Some(user) => on!(tx, conn => notices::table
            .filter(notices::audience.eq(audience))
            .filter(notices::user_id.eq(user))
            .filter(notices::at.ge(Time(from)))
            .filter(notices::at.le(Time(until)))
            .order((notices::at.desc(), notices::id.desc()))
            .limit(limit)
            .select(Row::as_select())
            .load(conn)
            .await)?,
        None => on!(tx, conn => notices::table
            .filter(notices::audience.eq(audience))
            .filter(notices::at.ge(Time(from)))
            .filter(notices::at.le(Time(until)))
            .order((notices::at.desc(), notices::id.desc()))
            .limit(limit)
            .select(Row::as_select())
            .load(conn)
            .await)?,
    };
    Ok(rows.into_iter().map(Notice::from).collect())
}

/// How many notices a user has from this node.
pub(super) async fn count(tx: &mut Tx, user: i64) -> Result<i64, Error> {
    Ok(on!(tx, conn => notices::table
        .filter(notices::audience.eq(USER))
        .filter(notices::user_id.eq(user))
        .count()
        .get_result(conn)
        .await)?)
}

/// Changes what a notice of this node says.
pub(super) async fn update(tx: &mut Tx, id: i64, kind: &str, message: &str) -> Result<(), Error> {
    on!(tx, conn => diesel::update(notices::table.find(id))
        .set((notices::kind.eq(kind), notices::message.eq(message)))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Removes a notice of this node.
pub(super) async fn delete(tx: &mut Tx, id: i64) -> Result<(), Error> {
    on!(tx, conn => diesel::delete(notices::table.find(id)).execute(conn).await)?;
    Ok(())
}

/// Notices of this node after a number, in the order in which they were written.
pub(super) async fn after(tx: &mut Tx, id: i64, limit: i64) -> Result<Vec<Notice>, Error> {
    let rows: Vec<Row> = on!(tx, conn => notices::table
        .filter(notices::id.gt(id))
        .order(notices::id)
        .limit(limit)
        .select(Row::as_select())
        .load(conn)
        .await)?;
    Ok(rows.into_iter().map(Notice::from).collect())
}

/// The newest number and the newest arrival.
pub(super) async fn newest(tx: &mut Tx) -> Result<(i64, i64), Error> {
    use diesel::dsl::max;
    let id: Option<i64> = on!(tx, conn => notices::table.select(max(notices::id)).first(conn).await)?;
    let arrived: Option<i64> =
        on!(tx, conn => chain_notices::table.select(max(chain_notices::arrived)).first(conn).await)?;
    Ok((id.unwrap_or(0), arrived.unwrap_or(0)))
}

/// A row of a chain-wide notice, withdrawn ones too.
pub(super) async fn chain_row(tx: &mut Tx, id: i64) -> Result<Option<ChainRow>, Error> {
    Ok(on!(tx, conn => chain_notices::table
        .find(id)
        .select(ChainRow::as_select())
        .first(conn)
        .await
        .optional())?)
}

/// Keeps a row of a chain-wide notice.
pub(super) async fn put_chain(tx: &mut Tx, row: &ChainRow) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(chain_notices::table)
        .values(row)
        .on_conflict(chain_notices::id)
        .do_update()
        .set(row)
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Chain-wide notices of a time range, newest first.
pub(super) async fn chain(
    tx: &mut Tx,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    limit: i64,
) -> Result<Vec<Notice>, Error> {
    let rows: Vec<ChainRow> = on!(tx, conn => chain_notices::table
        .filter(chain_notices::withdrawn.eq(false))
        .filter(chain_notices::at.ge(Time(from)).and(chain_notices::at.le(Time(until))))
        .order((chain_notices::at.desc(), chain_notices::id.desc()))
        .limit(limit)
        .select(ChainRow::as_select())
        .load(conn)
        .await)?;
    Ok(rows.into_iter().map(Notice::from).collect())
}

/// Chain-wide notices that came after another, with their place in the order of arrival.
pub(super) async fn arrived_after(tx: &mut Tx, arrived: i64, limit: i64) -> Result<Vec<(i64, Notice)>, Error> {
    let rows: Vec<ChainRow> = on!(tx, conn => chain_notices::table
        .filter(chain_notices::withdrawn.eq(false))
        .filter(chain_notices::arrived.gt(arrived))
        .order(chain_notices::arrived)
        .limit(limit)
        .select(ChainRow::as_select())
        .load(conn)
        .await)?;
    Ok(rows.into_iter().map(|row| (row.arrived, Notice::from(row))).collect())
}

/// Rows of chain-wide notices after a number, in order.
pub(super) async fn chain_after(tx: &mut Tx, id: i64, limit: i64) -> Result<Vec<ChainRow>, Error> {
    Ok(on!(tx, conn => chain_notices::table
        .filter(chain_notices::id.gt(id))
        .order(chain_notices::id)
        .limit(limit)
        .select(ChainRow::as_select())
        .load(conn)
        .await)?)
}

/// Removes the notices of this node from before a point of time; tells how many.
pub(super) async fn forget_before(tx: &mut Tx, before: DateTime<Utc>) -> Result<usize, Error> {
    Ok(on!(tx, conn => diesel::delete(notices::table.filter(notices::at.lt(Time(before)))).execute(conn).await)?)
}

/// Removes the notices to users who are deleted. Says whether there were any.
pub(super) async fn forget_deleted(tx: &mut Tx) -> Result<bool, Error> {
    let deleted = users::table.filter(users::deleted.eq(true)).select(users::id.nullable());
    let removed = on!(tx, conn => diesel::delete(notices::table.filter(notices::user_id.eq_any(deleted)))
        .execute(conn)
        .await)?;
    Ok(removed > 0)
}
