//! The rows of roles.

use chrono::DateTime;
use diesel::{
    AsChangeset, BoolExpressionMethods as _, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _,
    Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::{
    on,
    storage::{
        Error, Tx,
        schema::role_assignments,
        types::{Id, Time},
    },
};

/// Roles of one user that count; more than anybody has.
const GRANTS_MAX: i64 = 200;

/// A role given, or taken away before it arrived.
#[derive(Clone, Debug, PartialEq, Eq, AsChangeset, Insertable, Queryable, Selectable)]
#[diesel(table_name = role_assignments, primary_key(id, scope), treat_none_as_null = true)]
pub(super) struct Row {
    pub(super) id: Id,
    pub(super) user_id: i64,
    pub(super) role: i16,
    pub(super) scope: String,
    pub(super) assigned_by: i64,
    pub(super) assigned_at: Time,
    pub(super) revoked: bool,
    pub(super) clocks: Vec<u8>,
    pub(super) hub: Option<Id>,
}

impl Row {
    /// What is there before any event.
    pub(super) fn absent(id: Uuid, scope: &str, user_id: i64) -> Self {
        Self {
            id: Id(id),
            user_id,
            role: 0,
            scope: scope.to_owned(),
            assigned_by: 0,
            assigned_at: Time(DateTime::UNIX_EPOCH),
            revoked: false,
            clocks: Vec::new(),
            hub: None,
        }
    }
}

pub(super) async fn get(tx: &mut Tx, id: Uuid, scope: &str) -> Result<Option<Row>, Error> {
    Ok(on!(tx, conn => role_assignments::table
        .find((Id(id), scope))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional())?)
}

pub(super) async fn save(tx: &mut Tx, row: &Row) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(role_assignments::table)
        .values(row)
        .on_conflict((role_assignments::id, role_assignments::scope))
        .do_update()
        .set(row)
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// What is known of an assignment, in whatever scopes.
pub(super) async fn of_id(tx: &mut Tx, id: Uuid) -> Result<Vec<Row>, Error> {
    Ok(on!(tx, conn => role_assignments::table
        .filter(role_assignments::id.eq(Id(id)))
        .limit(GRANTS_MAX)
        .select(Row::as_select())
        .load(conn)
        .await)?)
}

/// What a user has and was not taken away.
pub(super) async fn in_force(tx: &mut Tx, user: i64) -> Result<Vec<Row>, Error> {
    Ok(on!(tx, conn => role_assignments::table
        .filter(role_assignments::user_id.eq(user))
        .filter(role_assignments::revoked.eq(false))
        .filter(role_assignments::role.gt(0_i16))
        .order((role_assignments::assigned_at, role_assignments::id, role_assignments::scope))
        .limit(GRANTS_MAX)
        .select(Row::as_select())
        .load(conn)
        .await)?)
}

/// What was given and not taken away, in some scopes or in all; those after `after`, by assignment.
pub(super) async fn page(tx: &mut Tx, scopes: Option<Vec<String>>, after: Uuid, limit: i64) -> Result<Vec<Row>, Error> {
    let in_force = || role_assignments::revoked.eq(false).and(role_assignments::role.gt(0_i16));
    Ok(match scopes {
        Some(scopes) => on!(tx, conn => role_assignments::table
            .filter(role_assignments::scope.eq_any(scopes))
            .filter(in_force())
            .filter(role_assignments::id.gt(Id(after)))
            .order((role_assignments::id, role_assignments::scope))
            .limit(limit)
            .select(Row::as_select())
            .load(conn)
            .await)?,
        None => on!(tx, conn => role_assignments::table
            .filter(in_force())
            .filter(role_assignments::id.gt(Id(after)))
            .order((role_assignments::id, role_assignments::scope))
            .limit(limit)
            .select(Row::as_select())
            .load(conn)
            .await)?,
    })
}

/// Users with what they have in one scope and was not taken away.
pub(super) async fn in_force_at(tx: &mut Tx, scope: &str) -> Result<Vec<(i64, Id, i16)>, Error> {
    Ok(on!(tx, conn => role_assignments::table
        .filter(role_assignments::scope.eq(scope))
        .filter(role_assignments::revoked.eq(false))
        .filter(role_assignments::role.gt(0_i16))
        .order((role_assignments::user_id, role_assignments::id))
        .select((role_assignments::user_id, role_assignments::id, role_assignments::role))
        .load(conn)
        .await)?)
}

/// All rows, by assignment and scope. Roles are few: some for every store. Sorted here, because databases order text each
/// in its own way.
pub(super) async fn all(tx: &mut Tx) -> Result<Vec<Row>, Error> {
    let mut rows: Vec<Row> = on!(tx, conn => role_assignments::table.select(Row::as_select()).load(conn).await)?;
    rows.sort_by(|a, b| (a.id, &a.scope).cmp(&(b.id, &b.scope)));
    Ok(rows)
}
