//! Rows of the audit trail.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, Insertable, QueryDsl as _, Queryable, Selectable, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;

use super::{DONE, short};
use crate::{
    auth::{Place, Trail, permission_word},
    journal, on,
    storage::{
        Error, Tx,
        schema::{audit_entries, users},
        types::{Id, Time},
    },
};

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = audit_entries)]
pub struct Row {
    /// Public number.
    pub id: i64,
    /// When.
    pub at: Time,
    /// Number of the user.
    pub user_id: Option<i64>,
    /// Kind of the certificate that called.
    pub caller_kind: String,
    /// UUID of its holder.
    pub caller: Id,
    /// The client's address.
    pub client: Option<String>,
    /// Full name of the RPC.
    pub action: String,
    /// Word of the permission.
    pub permission: String,
    /// Where; empty when a refusal came before that was known.
    pub place: String,
    /// What it was done to.
    pub target: Option<String>,
    /// More about it.
    pub detail: Option<String>,
    /// `done`, or the code of a refusal.
    pub outcome: String,
    /// How many more refusals like it this entry counts.
    pub repeated: i32,
}

/// Which entries are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those about this place alone.
    pub place: Option<String>,
    /// What this user did or was done to.
    pub user: Option<i64>,
    /// These RPCs alone, by full name; empty for all.
    pub actions: Vec<String>,
    /// Entries with smaller numbers.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: i64,
}

pub(super) async fn row(tx: &mut Tx, trail: &Trail, outcome: &str, repeated: i32) -> Result<Row, Error> {
    Ok(Row {
        id: journal::next_number(tx, "audit").await?,
        at: Time(tx.clock.wall()),
        user_id: trail.user,
        caller_kind: trail.caller_kind.to_string(),
        caller: Id(trail.caller),
        client: Some(trail.client.to_string()),
        action: trail.action.to_owned(),
        permission: permission_word(trail.permission).to_owned(),
        place: trail.place.as_ref().map(Place::word).unwrap_or_default(),
        target: trail.target.as_deref().map(short),
        detail: trail.detail.as_deref().map(short),
        outcome: outcome.to_owned(),
        repeated,
    })
}

pub(super) async fn insert(tx: &mut Tx, row: &Row) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(audit_entries::table).values(row).cached().execute(conn).await)?;
    Ok(())
}

/// Entries, newest first.
///
/// # Errors
/// The database failed.
pub async fn list(tx: &mut Tx, filter: &Filter) -> Result<Vec<Row>, Error> {
    let before = filter.before.unwrap_or(i64::MAX);
    Ok(on!(tx, conn => {
        let mut wanted = audit_entries::table.select(Row::as_select()).into_boxed();
        if let Some(user) = filter.user {
            wanted = wanted
                .filter(audit_entries::user_id.eq(user))
                .or_filter(audit_entries::target.eq(format!("user:{user}")));
        }
        if let Some(place) = &filter.place {
            wanted = wanted.filter(audit_entries::place.eq(place));
        }
        if !filter.actions.is_empty() {
            wanted = wanted.filter(audit_entries::action.eq_any(&filter.actions));
        }
        wanted
            .filter(audit_entries::id.lt(before))
            .order(audit_entries::id.desc())
            .limit(filter.limit)
            .load(conn)
            .await
    })?)
}

/// Blanks the addresses of deleted users. Says whether there were any.
pub(super) async fn blank_deleted(tx: &mut Tx) -> Result<bool, Error> {
    use diesel::NullableExpressionMethods as _;
    let deleted = users::table.filter(users::deleted.eq(true)).select(users::id.nullable());
    let blanked = on!(tx, conn => diesel::update(
        audit_entries::table
            .filter(audit_entries::client.is_not_null())
            .filter(audit_entries::user_id.eq_any(deleted)),
    )
    .set(audit_entries::client.eq(None::<String>))
    .execute(conn)
    .await)?;
    Ok(blanked > 0)
}

/// Removes what was done before one time and refusals before another. Says how many.
pub(super) async fn remove_older(tx: &mut Tx, done: DateTime<Utc>, refused: DateTime<Utc>) -> Result<usize, Error> {
    let old = on!(tx, conn => diesel::delete(
        audit_entries::table.filter(audit_entries::at.lt(Time(done))).filter(audit_entries::outcome.eq(DONE)),
    )
    .execute(conn)
    .await)?;
    let refusals = on!(tx, conn => diesel::delete(
        audit_entries::table.filter(audit_entries::at.lt(Time(refused))).filter(audit_entries::outcome.ne(DONE)),
    )
    .execute(conn)
    .await)?;
    Ok(old + refusals)
}
