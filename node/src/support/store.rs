//! Rows of complaints.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;

use crate::{
    auth::Customer,
    on,
    storage::{
        Error, Tx,
        schema::{complaints, users},
        types::{Id, Time},
    },
};

/// Nothing was given for it yet.
pub(super) const OPEN: &str = "open";
/// The money is to go back.
pub(super) const REFUNDING: &str = "refunding";
/// The drinks are made again.
pub(super) const REMADE: &str = "remade";

/// A complaint.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = complaints)]
pub(super) struct Complaint {
    pub(super) id: i64,
    pub(super) order_id: i64,
    pub(super) user_id: Option<i64>,
    pub(super) guest: Option<Id>,
    pub(super) kind: String,
    pub(super) message: String,
    pub(super) outcome: String,
    pub(super) at: Time,
    /// A keyed hash of the network from which it came last.
    pub(super) network: Vec<u8>,
    /// When something was given for it.
    pub(super) helped_at: Option<Time>,
}

/// The complaint about an order.
pub(super) async fn of_order(tx: &mut Tx, order: i64) -> Result<Option<Complaint>, Error> {
    Ok(on!(tx, conn => complaints::table
        .filter(complaints::order_id.eq(order))
        .select(Complaint::as_select())
        .first(conn)
        .await
        .optional())?)
}

/// Keeps a new complaint.
pub(super) async fn insert(tx: &mut Tx, complaint: &Complaint) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(complaints::table).values(complaint).cached().execute(conn).await)?;
    Ok(())
}

/// Keeps what is wanted, from where, and what became of it.
pub(super) async fn settle(tx: &mut Tx, complaint: &Complaint) -> Result<(), Error> {
    on!(tx, conn => diesel::update(complaints::table.find(complaint.id))
        .set((
            complaints::kind.eq(&complaint.kind),
            complaints::outcome.eq(&complaint.outcome),
            complaints::network.eq(&complaint.network),
            complaints::helped_at.eq(complaint.helped_at),
        ))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// How often a customer was helped since a point of time.
pub(super) async fn helped_since(tx: &mut Tx, owner: Customer, since: DateTime<Utc>) -> Result<i64, Error> {
    let count = match (owner.user, owner.guest) {
        (Some(user), _) => on!(tx, conn => complaints::table
            .filter(complaints::user_id.eq(user))
            .filter(complaints::helped_at.ge(Time(since)))
            .count()
            .get_result(conn)
            .await)?,
        (None, guest) => on!(tx, conn => complaints::table
            .filter(complaints::guest.eq(guest.map(Id)))
            .filter(complaints::helped_at.ge(Time(since)))
            .count()
            .get_result(conn)
            .await)?,
    };
    Ok(count)
}

/// How often guests were helped since a point of time: those of one network, or all.
pub(super) async fn guests_helped_since(
    tx: &mut Tx,
    network: Option<&[u8]>,
    since: DateTime<Utc>,
) -> Result<i64, Error> {
    let count = match network {
        Some(network) => on!(tx, conn => complaints::table
            .filter(complaints::guest.is_not_null())
            .filter(complaints::network.eq(network))
            .filter(complaints::helped_at.ge(Time(since)))
            .count()
            .get_result(conn)
            .await)?,
        None => on!(tx, conn => complaints::table
            .filter(complaints::guest.is_not_null())
            .filter(complaints::helped_at.ge(Time(since)))
            .count()
            .get_result(conn)
            .await)?,
    };
    Ok(count)
}

/// Complaints, newest first.
pub(super) async fn newest(tx: &mut Tx, limit: i64) -> Result<Vec<Complaint>, Error> {
    Ok(on!(tx, conn => complaints::table
        .order((complaints::at.desc(), complaints::id.desc()))
        .limit(limit)
        .select(Complaint::as_select())
        .load(conn)
        .await)?)
}

/// Takes the words, the network and the user out of complaints of users who are deleted. Says whether there were any.
pub(super) async fn forget_deleted(tx: &mut Tx) -> Result<bool, Error> {
    use diesel::NullableExpressionMethods as _;
    let deleted = users::table.filter(users::deleted.eq(true)).select(users::id.nullable());
    let changed = on!(tx, conn => diesel::update(complaints::table.filter(complaints::user_id.eq_any(deleted)))
        .set((
            complaints::user_id.eq(None::<i64>),
            complaints::message.eq(""),
            complaints::network.eq(Vec::<u8>::new()),
        ))
        .execute(conn)
        .await)?;
    Ok(changed > 0)
}
