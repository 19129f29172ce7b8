//! Rows of preferences.

use diesel::{
    AsChangeset, BoolExpressionMethods as _, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _,
    Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;

use super::Preference;
use crate::{
    on,
    storage::{
        Error, Tx,
        schema::{preferences, users},
    },
};

/// A preference, or what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, AsChangeset, Insertable, Queryable, Selectable)]
#[diesel(table_name = preferences, primary_key(user_id, name))]
pub(super) struct Row {
    pub(super) user_id: i64,
    pub(super) name: String,
    pub(super) id: i64,
    pub(super) present: bool,
    pub(super) clocks: Vec<u8>,
}

impl From<Row> for Preference {
    fn from(row: Row) -> Self {
        Self { id: row.id, user: row.user_id, name: row.name }
    }
}

/// The row of a user and a name, removed ones too.
pub(super) async fn row(tx: &mut Tx, user: i64, name: &str) -> Result<Option<Row>, Error> {
    Ok(on!(tx, conn => preferences::table
        .find((user, name))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional())?)
}

/// A user's preference by number.
pub(super) async fn find(tx: &mut Tx, user: i64, id: i64) -> Result<Option<Preference>, Error> {
    let row: Option<Row> = on!(tx, conn => preferences::table
        .filter(preferences::user_id.eq(user))
        .filter(preferences::present.eq(true))
        .filter(preferences::id.eq(id))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional())?;
    Ok(row.map(Preference::from))
}

/// A user's preferences in order of number.
pub(super) async fn list(tx: &mut Tx, user: i64, limit: i64) -> Result<Vec<Preference>, Error> {
    let rows: Vec<Row> = on!(tx, conn => preferences::table
        .filter(preferences::user_id.eq(user))
        .filter(preferences::present.eq(true))
        .order(preferences::id)
        .limit(limit)
        .select(Row::as_select())
        .load(conn)
        .await)?;
    Ok(rows.into_iter().map(Preference::from).collect())
}

/// Keeps a row.
pub(super) async fn put(tx: &mut Tx, row: &Row) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(preferences::table)
        .values(row)
        .on_conflict((preferences::user_id, preferences::name))
        .do_update()
        .set(row)
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// The rows of users after a number up to another, to be sorted: databases order text each in its own way.
pub(super) async fn of_users(tx: &mut Tx, after: i64, until: i64) -> Result<Vec<Row>, Error> {
    Ok(on!(tx, conn => preferences::table
        .filter(preferences::user_id.gt(after).and(preferences::user_id.le(until)))
        .select(Row::as_select())
        .load(conn)
        .await)?)
}

/// Users with preferences after a number, in order.
pub(super) async fn users_after(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<i64>, Error> {
    Ok(on!(tx, conn => preferences::table
        .filter(preferences::user_id.gt(after))
        .select(preferences::user_id)
        .distinct()
        .order(preferences::user_id)
        .limit(limit)
        .load(conn)
        .await)?)
}

/// Removes every row about users who are deleted. Says whether there were any.
pub(super) async fn forget_deleted(tx: &mut Tx) -> Result<bool, Error> {
    let deleted = users::table.filter(users::deleted.eq(true)).select(users::id);
    let removed = on!(tx, conn => diesel::delete(preferences::table.filter(preferences::user_id.eq_any(deleted)))
        .execute(conn)
        .await)?;
    Ok(removed > 0)
}
