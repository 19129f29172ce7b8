//! The rows of accounts.

use chrono::{DateTime, Utc};
use diesel::{
    AsChangeset, BoolExpressionMethods as _, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _,
    Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::NameKey;
use crate::{
    clock::Hlc,
    on,
    storage::{
        Error, Tx,
        schema::{credentials, ended_sessions, users},
        types::{Id, Time},
    },
};

/// Accounts of one name that can log in with it; more than that are forged.
pub const CLAIMANTS_MAX: i64 = 4;

/// A user, whether registered, not yet (something about it came first), or deleted.
#[derive(Clone, Debug, PartialEq, Eq, AsChangeset, Insertable, Queryable, Selectable)]
#[diesel(table_name = users, treat_none_as_null = true)]
pub(super) struct User {
    pub(super) id: i64,
    pub(super) username: String,
    pub(super) name_key: Vec<u8>,
    pub(super) name_hlc: i64,
    pub(super) name_origin: Id,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) email: String,
    pub(super) preferred_store: Option<Id>,
    pub(super) disabled: bool,
    pub(super) deleted: bool,
    pub(super) created_at: Time,
    pub(super) clocks: Vec<u8>,
    /// How firmly the account is held, by the numbers of the contract's `Hold`; 0 when it is not.
    pub(super) hold: i16,
    /// Why; local.
    pub(super) hold_reason: String,
}

impl User {
    /// What is there before any event.
    pub(super) fn absent(id: i64) -> Self {
        Self {
            id,
            username: String::new(),
            name_key: Vec::new(),
            name_hlc: Hlc(0).to_sql(),
            name_origin: Id(Uuid::nil()),
            first_name: String::new(),
            last_name: String::new(),
            email: String::new(),
            preferred_store: None,
            disabled: false,
            deleted: false,
            created_at: unregistered(),
            clocks: Vec::new(),
            hold: 0,
            hold_reason: String::new(),
        }
    }

    /// Whether the account exists for the world: registered and not deleted.
    pub(super) fn is_there(&self) -> bool {
        !self.deleted && self.created_at != unregistered()
    }
}

/// The registration time of who is not registered yet; no event sets it.
pub(super) fn unregistered() -> Time {
    Time(DateTime::UNIX_EPOCH)
}

/// A password's hash and the time before which sessions have ended.
#[derive(Clone, Debug, PartialEq, Eq, AsChangeset, Insertable, Queryable, Selectable)]
#[diesel(table_name = credentials, primary_key(user_id))]
pub(super) struct Credential {
    pub(super) user_id: i64,
    /// Empty where this node may not hold it or has not got it yet.
    pub(super) password_hash: String,
    pub(super) sessions_since: i64,
    pub(super) clocks: Vec<u8>,
}

impl Credential {
    /// What is there before any event.
    pub(super) fn absent(user_id: i64) -> Self {
        Self { user_id, password_hash: String::new(), sessions_since: Hlc(0).to_sql(), clocks: Vec::new() }
    }
}

/// The row of a user in any state.
pub(super) async fn user(tx: &mut Tx, id: i64) -> Result<Option<User>, Error> {
    Ok(on!(tx, conn => users::table.find(id).select(User::as_select()).first(conn).await.optional())?)
}

pub(super) async fn save_user(tx: &mut Tx, user: &User) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(users::table)
        .values(user)
        .on_conflict(users::id)
        .do_update()
        .set(user)
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// The accounts that claim a name, the earliest claims first.
pub(super) async fn claimants(tx: &mut Tx, key: &NameKey) -> Result<Vec<User>, Error> {
    Ok(on!(tx, conn => users::table
        .filter(users::name_key.eq(key.to_vec()))
        .filter(users::deleted.eq(false))
        .filter(users::created_at.ne(unregistered()))
        .order((users::name_hlc, users::name_origin, users::id))
        .limit(CLAIMANTS_MAX)
        .select(User::as_select())
        .load(conn)
        .await)?)
}

/// Whose the plain name is: the earliest claim, even of a deleted account.
pub(super) async fn name_owner(tx: &mut Tx, key: &[u8]) -> Result<Option<i64>, Error> {
    Ok(on!(tx, conn => users::table
        .filter(users::name_key.eq(key))
        .filter(users::deleted.eq(true).or(users::created_at.ne(unregistered())))
        .order((users::name_hlc, users::name_origin, users::id))
        .select(users::id)
        .first(conn)
        .await
        .optional())?)
}

/// Who else claims a name, the earliest first.
pub(super) async fn rival(tx: &mut Tx, key: &[u8], user: i64) -> Result<Option<i64>, Error> {
    Ok(on!(tx, conn => users::table
        .filter(users::name_key.eq(key))
        .filter(users::id.ne(user))
        .filter(users::deleted.eq(true).or(users::created_at.ne(unregistered())))
        .order((users::name_hlc, users::name_origin, users::id))
        .select(users::id)
        .first(conn)
        .await
        .optional())?)
}

/// Whether anybody but `user` has ever claimed the name and not given it up.
pub(super) async fn is_claimed_by_others(tx: &mut Tx, key: &NameKey, user: i64) -> Result<bool, Error> {
    let other: Option<i64> = on!(tx, conn => users::table
        .filter(users::name_key.eq(key.to_vec()))
        .filter(users::id.ne(user))
        .select(users::id)
        .first(conn)
        .await
        .optional())?;
    Ok(other.is_some())
}

pub(super) async fn credential(tx: &mut Tx, user: i64) -> Result<Option<Credential>, Error> {
    Ok(on!(tx, conn => credentials::table
        .find(user)
        .select(Credential::as_select())
        .first(conn)
        .await
        .optional())?)
}

pub(super) async fn save_credential(tx: &mut Tx, credential: &Credential) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(credentials::table)
        .values(credential)
        .on_conflict(credentials::user_id)
        .do_update()
        .set(credential)
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

pub(super) async fn drop_credential(tx: &mut Tx, user: i64) -> Result<(), Error> {
    on!(tx, conn => diesel::delete(credentials::table.find(user)).execute(conn).await)?;
    Ok(())
}

/// When an ended session would have ended by itself; `None` when it was not ended.
pub(super) async fn ended(tx: &mut Tx, user: i64, session: Uuid) -> Result<Option<DateTime<Utc>>, Error> {
    let expires_at: Option<Time> = on!(tx, conn => ended_sessions::table
        .find((user, Id(session)))
        .select(ended_sessions::expires_at)
        .first(conn)
        .await
        .optional())?;
    Ok(expires_at.map(|time| time.0))
}

pub(super) async fn end_session(tx: &mut Tx, user: i64, session: Uuid, expires_at: DateTime<Utc>) -> Result<(), Error> {
    let expires_at = Time(expires_at);
    on!(tx, conn => diesel::insert_into(ended_sessions::table)
        .values((
            ended_sessions::user_id.eq(user),
            ended_sessions::session.eq(Id(session)),
            ended_sessions::expires_at.eq(expires_at),
        ))
        .on_conflict((ended_sessions::user_id, ended_sessions::session))
        .do_update()
        .set(ended_sessions::expires_at.eq(expires_at))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Drops the records of sessions that have expired anyway.
pub(super) async fn forget_expired(tx: &mut Tx, now: DateTime<Utc>) -> Result<usize, Error> {
    Ok(on!(tx, conn => diesel::delete(ended_sessions::table.filter(ended_sessions::expires_at.le(Time(now))))
        .execute(conn)
        .await)?)
}

/// Users after `after`, by number.
pub(super) async fn user_page(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<User>, Error> {
    Ok(on!(tx, conn => users::table
        .filter(users::id.gt(after))
        .order(users::id)
        .limit(limit)
        .select(User::as_select())
        .load(conn)
        .await)?)
}

/// Users who are there after `after`, by number: all, or those born at one node.
pub(super) async fn present_page(
    tx: &mut Tx,
    after: i64,
    born_at: Option<u32>,
    limit: i64,
) -> Result<Vec<User>, Error> {
    use diesel::{
        dsl::sql,
        sql_types::{BigInt, Bool},
    };
    let is_there = || users::deleted.eq(false).and(users::created_at.ne(unregistered()));
    Ok(match born_at {
        None => on!(tx, conn => users::table
            .filter(users::id.gt(after))
            .filter(is_there())
            .order(users::id)
            .limit(limit)
            .select(User::as_select())
            .load(conn)
            .await)?,
        Some(node) => {
            let born = || sql::<Bool>("users.id % 100000 = ").bind::<BigInt, _>(i64::from(node));
            on!(tx, conn => users::table
                .filter(users::id.gt(after).and(users::id.ge(codepop_shared::number::STRIDE)))
                .filter(born())
                .filter(is_there())
                .order(users::id)
                .limit(limit)
                .select(User::as_select())
                .load(conn)
                .await)?
        }
    })
}

/// Users with numbers of the old system who are there after `after`, by number.
pub(super) async fn imported_page(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<User>, Error> {
    Ok(on!(tx, conn => users::table
        .filter(users::id.gt(after).and(users::id.lt(codepop_shared::number::STRIDE)))
        .filter(users::deleted.eq(false).and(users::created_at.ne(unregistered())))
        .order(users::id)
        .limit(limit)
        .select(User::as_select())
        .load(conn)
        .await)?)
}

/// Those of the users who are there.
pub(super) async fn present_among(tx: &mut Tx, ids: Vec<i64>) -> Result<Vec<User>, Error> {
    Ok(on!(tx, conn => users::table
        .filter(users::id.eq_any(ids))
        .filter(users::deleted.eq(false).and(users::created_at.ne(unregistered())))
        .select(User::as_select())
        .load(conn)
        .await)?)
}

/// Credentials after `after`, by number.
pub(super) async fn credential_page(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<Credential>, Error> {
    Ok(on!(tx, conn => credentials::table
        .filter(credentials::user_id.gt(after))
        .order(credentials::user_id)
        .limit(limit)
        .select(Credential::as_select())
        .load(conn)
        .await)?)
}

/// Ended sessions after `after` that have not expired at `now`, by user and session.
pub(super) async fn ended_page(
    tx: &mut Tx,
    (user, session): (i64, Uuid),
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<(i64, Uuid, DateTime<Utc>)>, Error> {
    let rows: Vec<(i64, Id, Time)> = on!(tx, conn => ended_sessions::table
        .filter(
            ended_sessions::user_id
                .gt(user)
                .or(ended_sessions::user_id.eq(user).and(ended_sessions::session.gt(Id(session)))),
        )
        .filter(ended_sessions::expires_at.gt(Time(now)))
        .order((ended_sessions::user_id, ended_sessions::session))
        .limit(limit)
        .select((ended_sessions::user_id, ended_sessions::session, ended_sessions::expires_at))
        .load(conn)
        .await)?;
    Ok(rows.into_iter().map(|(user, session, expires_at)| (user, session.0, expires_at.0)).collect())
}

/// How many accounts are there.
pub(super) async fn count(tx: &mut Tx) -> Result<i64, Error> {
    Ok(on!(tx, conn => users::table
        .filter(users::deleted.eq(false))
        .filter(users::created_at.ne(unregistered()))
        .count()
        .get_result(conn)
        .await)?)
}
