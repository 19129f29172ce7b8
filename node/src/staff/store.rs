//! The rows of invitations.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;

use super::State;
use crate::{
    on,
    storage::{
        Error, Tx,
        schema::staff_invitations,
        types::{Id, Time},
    },
};

/// Invitations in one answer: ten times what may wait at a place.
const LISTED_MAX: i64 = 200;

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = staff_invitations)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) role: i16,
    pub(super) scope: String,
    pub(super) hub: Option<Id>,
    pub(super) code_hash: Vec<u8>,
    /// Empty where nobody's is known, and when the invitation is over.
    pub(super) email: String,
    pub(super) state: i16,
    pub(super) invited_by: i64,
    pub(super) invited_at: Time,
    pub(super) expires_at: Time,
    pub(super) user_id: Option<i64>,
}

pub(super) async fn insert(tx: &mut Tx, row: &Row) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(staff_invitations::table).values(row).cached().execute(conn).await)?;
    Ok(())
}

pub(super) async fn get(tx: &mut Tx, id: i64) -> Result<Option<Row>, Error> {
    Ok(on!(tx, conn => staff_invitations::table
        .find(id)
        .select(Row::as_select())
        .first(conn)
        .await
        .optional())?)
}

/// How many wait at a place.
pub(super) async fn open_at(tx: &mut Tx, scope: &str, now: DateTime<Utc>) -> Result<i64, Error> {
    Ok(on!(tx, conn => staff_invitations::table
        .filter(staff_invitations::scope.eq(scope))
        .filter(staff_invitations::state.eq(State::Open as i16))
        .filter(staff_invitations::expires_at.gt(Time(now)))
        .count()
        .get_result(conn)
        .await)?)
}

/// The invitations to a place, or all; newest first.
pub(super) async fn list(tx: &mut Tx, scope: Option<&str>) -> Result<Vec<Row>, Error> {
    Ok(match scope {
        Some(scope) => on!(tx, conn => staff_invitations::table
            .filter(staff_invitations::scope.eq(scope))
            .order(staff_invitations::id.desc())
            .limit(LISTED_MAX)
            .select(Row::as_select())
            .load(conn)
            .await)?,
        None => on!(tx, conn => staff_invitations::table
            .order(staff_invitations::id.desc())
            .limit(LISTED_MAX)
            .select(Row::as_select())
            .load(conn)
            .await)?,
    })
}

/// What becomes of an invitation; nobody needs the address any more.
pub(super) async fn settle(tx: &mut Tx, id: i64, state: State, user: Option<i64>) -> Result<(), Error> {
    on!(tx, conn => diesel::update(staff_invitations::table.find(id))
        .set((
            staff_invitations::state.eq(state as i16),
            staff_invitations::user_id.eq(user),
            staff_invitations::email.eq(""),
        ))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Drops the addresses of those that have expired.
pub(super) async fn forget_addresses(tx: &mut Tx, now: DateTime<Utc>) -> Result<(), Error> {
    on!(tx, conn => diesel::update(
            staff_invitations::table
                .filter(staff_invitations::expires_at.le(Time(now)))
                .filter(staff_invitations::email.ne("")),
        )
        .set(staff_invitations::email.eq(""))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Drops those that have expired before a time.
pub(super) async fn forget_before(tx: &mut Tx, time: DateTime<Utc>) -> Result<(), Error> {
    on!(tx, conn => diesel::delete(staff_invitations::table.filter(staff_invitations::expires_at.lt(Time(time))))
        .execute(conn)
        .await)?;
    Ok(())
}
