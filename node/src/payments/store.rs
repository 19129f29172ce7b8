//! Rows of payments and refunds.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, Insertable, JoinOnDsl as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::state::{RefundState, State};
use crate::{
    auth::Customer,
    on,
    storage::{
        Error, Tx,
        schema::{payments, refunds},
        types::{Id, Time},
    },
};

/// A payment.
#[derive(Clone, Debug, PartialEq, Insertable, Queryable, Selectable)]
#[diesel(table_name = payments)]
pub(super) struct Payment {
    pub(super) id: Id,
    /// The owner in one word.
    pub(super) owner: String,
    pub(super) owner_user: Option<i64>,
    pub(super) owner_guest: Option<Id>,
    pub(super) amount_cents: i64,
    pub(super) provider: String,
    /// Id of the intent at the provider.
    pub(super) intent: String,
    /// Customer at the provider.
    pub(super) customer: String,
    #[diesel(serialize_as = String, deserialize_as = String)]
    pub(super) state: State,
    pub(super) order_id: Option<i64>,
    pub(super) problem: Option<String>,
    /// Tries of the step under way that had no answer.
    pub(super) attempts: i32,
    /// When the settler is to look at it; `None` when there is nothing to do.
    pub(super) next_at: Option<Time>,
    /// When it is let go, if no order has it by then.
    pub(super) expires_at: Time,
    pub(super) created_at: Time,
}

impl Payment {
    /// Whether it is the customer's.
    pub(super) fn is_of(&self, customer: &Customer) -> bool {
        customer.owns(self.owner_user, self.owner_guest.map(Uuid::from))
    }
}

/// A refund.
#[derive(Clone, Debug, PartialEq, Insertable, Queryable, Selectable)]
#[diesel(table_name = refunds)]
pub(super) struct Refund {
    pub(super) id: Id,
    pub(super) payment: Id,
    pub(super) amount_cents: i64,
    pub(super) why: String,
    #[diesel(serialize_as = String, deserialize_as = String)]
    pub(super) state: RefundState,
    pub(super) problem: Option<String>,
    /// Tries without an answer since the last one.
    pub(super) attempts: i32,
    /// How often the provider said no.
    pub(super) declines: i32,
    /// Counts the provider's final answers: each question after one has a key of its own.
    pub(super) round: i32,
    /// When the settler is to look at it; `None` while the payment is not captured, and when it is done.
    pub(super) next_at: Option<Time>,
    pub(super) created_at: Time,
}

pub(super) async fn insert(tx: &mut Tx, payment: &Payment) -> Result<(), Error> {
    let payment = payment.clone();
    on!(tx, conn => diesel::insert_into(payments::table).values(payment).cached().execute(conn).await)?;
    Ok(())
}

pub(super) async fn insert_refund(tx: &mut Tx, refund: &Refund) -> Result<(), Error> {
    let refund = refund.clone();
    on!(tx, conn => diesel::insert_into(refunds::table).values(refund).cached().execute(conn).await)?;
    Ok(())
}

pub(super) async fn payment(tx: &mut Tx, id: Uuid) -> Result<Option<Payment>, Error> {
    Ok(on!(tx, conn => payments::table
        .find(Id(id))
        .select(Payment::as_select())
        .first(conn)
        .await
        .optional())?)
}

pub(super) async fn by_intent(tx: &mut Tx, intent: &str) -> Result<Option<Payment>, Error> {
    Ok(on!(tx, conn => payments::table
        .filter(payments::intent.eq(intent))
        .select(Payment::as_select())
        .first(conn)
        .await
        .optional())?)
}

pub(super) async fn of_orders(tx: &mut Tx, orders: &[i64]) -> Result<Vec<Payment>, Error> {
    Ok(on!(tx, conn => payments::table
        .filter(payments::order_id.eq_any(orders))
        .select(Payment::as_select())
        .load(conn)
        .await)?)
}

pub(super) async fn refunds_of(tx: &mut Tx, payments: &[Id]) -> Result<Vec<Refund>, Error> {
    Ok(on!(tx, conn => refunds::table
        .filter(refunds::payment.eq_any(payments))
        .order((refunds::created_at, refunds::id))
        .select(Refund::as_select())
        .load(conn)
        .await)?)
}

/// The open payments of an owner, oldest first.
pub(super) async fn open_of(tx: &mut Tx, owner: &str) -> Result<Vec<Payment>, Error> {
    Ok(on!(tx, conn => payments::table
        .filter(payments::owner.eq(owner))
        .filter(payments::state.eq(State::Open.word()))
        .order((payments::created_at, payments::id))
        .select(Payment::as_select())
        .load(conn)
        .await)?)
}

/// The customer under which the provider knows the owner.
pub(super) async fn customer_of(tx: &mut Tx, owner: &str, provider: &str) -> Result<Option<String>, Error> {
    Ok(on!(tx, conn => payments::table
        .filter(payments::owner.eq(owner))
        .filter(payments::provider.eq(provider))
        .order(payments::created_at.desc())
        .select(payments::customer)
        .first(conn)
        .await
        .optional())?)
}

/// Moves a payment on from `from`; false when it stands elsewhere by now.
pub(super) async fn advance(
    tx: &mut Tx,
    id: Id,
    (from, to): (State, State),
    next_at: Option<DateTime<Utc>>,
    problem: Option<&str>,
) -> Result<bool, Error> {
    let rows = on!(tx, conn => diesel::update(payments::table.find(id).filter(payments::state.eq(from.word())))
        .set((
            payments::state.eq(to.word()),
            payments::attempts.eq(0),
            payments::next_at.eq(next_at.map(Time)),
            payments::problem.eq(problem),
        ))
        .cached()
        .execute(conn)
        .await)?;
    Ok(rows == 1)
}

/// Gives an open payment to an order; false when it is no longer open.
pub(super) async fn take(tx: &mut Tx, id: Id, order: i64, now: DateTime<Utc>) -> Result<bool, Error> {
    let open = payments::table.find(id).filter(payments::state.eq(State::Open.word()));
    let rows = on!(tx, conn => diesel::update(open)
        .set((
            payments::state.eq(State::Capturing.word()),
            payments::order_id.eq(order),
            payments::next_at.eq(Time(now)),
        ))
        .cached()
        .execute(conn)
        .await)?;
    Ok(rows == 1)
}

/// Lets an open payment live on; false when it is no longer open.
pub(super) async fn extend(tx: &mut Tx, id: Id, until: DateTime<Utc>) -> Result<bool, Error> {
    let open = payments::table.find(id).filter(payments::state.eq(State::Open.word()));
    let set = payments::expires_at.eq(Time(until));
    Ok(on!(tx, conn => diesel::update(open).set(set).cached().execute(conn).await)? == 1)
}

/// Notes that a step had no answer.
pub(super) async fn postpone(tx: &mut Tx, payment: &Payment, until: DateTime<Utc>, why: &str) -> Result<(), Error> {
    let same = payments::table.find(payment.id).filter(payments::state.eq(payment.state.word()));
    on!(tx, conn => diesel::update(same)
        .set((
            payments::attempts.eq(payment.attempts.saturating_add(1)),
            payments::next_at.eq(Time(until)),
            payments::problem.eq(why),
        ))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Lets the settler look at what a payment has to do, if anything.
pub(super) async fn arm(tx: &mut Tx, payment: &Payment, at: DateTime<Utc>) -> Result<(), Error> {
    match payment.state {
        State::Capturing | State::Releasing => {
            let same = payments::table.find(payment.id).filter(payments::state.eq(payment.state.word()));
            on!(tx, conn => diesel::update(same).set(payments::next_at.eq(Time(at))).cached().execute(conn).await)?;
            Ok(())
        }
        State::Captured => arm_refunds(tx, payment.id, at).await,
        State::Open | State::Released | State::Failed => Ok(()),
    }
}

/// Lets the settler look at the waiting refunds of a payment.
pub(super) async fn arm_refunds(tx: &mut Tx, payment: Id, at: DateTime<Utc>) -> Result<(), Error> {
    let waiting =
        refunds::table.filter(refunds::payment.eq(payment)).filter(refunds::state.ne(RefundState::Done.word()));
    on!(tx, conn => diesel::update(waiting).set(refunds::next_at.eq(Time(at))).cached().execute(conn).await)?;
    Ok(())
}

/// Writes what changed in a refund, unless it is done by now.
pub(super) async fn update_refund(tx: &mut Tx, refund: &Refund) -> Result<bool, Error> {
    let same = refunds::table.find(refund.id).filter(refunds::state.ne(RefundState::Done.word()));
    let rows = on!(tx, conn => diesel::update(same)
        .set((
            refunds::state.eq(refund.state.word()),
            refunds::problem.eq(refund.problem.as_deref()),
            refunds::attempts.eq(refund.attempts),
            refunds::declines.eq(refund.declines),
            refunds::round.eq(refund.round),
            refunds::next_at.eq(refund.next_at),
        ))
        .cached()
        .execute(conn)
        .await)?;
    Ok(rows == 1)
}

/// Payments with something to do, longest waiting first.
pub(super) async fn due(tx: &mut Tx, now: DateTime<Utc>, limit: i64) -> Result<Vec<Payment>, Error> {
    let mut found = Vec::new();
    for state in [State::Capturing, State::Releasing] {
        let some: Vec<Payment> = on!(tx, conn => payments::table
            .filter(payments::state.eq(state.word()))
            .filter(payments::next_at.le(Time(now)))
            .order(payments::next_at)
            .limit(limit)
            .select(Payment::as_select())
            .load(conn)
            .await)?;
        found.extend(some);
    }
    Ok(found)
}

/// Open payments whose time has run out.
pub(super) async fn expired(tx: &mut Tx, now: DateTime<Utc>, limit: i64) -> Result<Vec<Id>, Error> {
    Ok(on!(tx, conn => payments::table
        .filter(payments::state.eq(State::Open.word()))
        .filter(payments::expires_at.le(Time(now)))
        .order(payments::expires_at)
        .limit(limit)
        .select(payments::id)
        .load(conn)
        .await)?)
}

/// Refunds with something to do, each with its payment, longest waiting first.
pub(super) async fn due_refunds(tx: &mut Tx, now: DateTime<Utc>, limit: i64) -> Result<Vec<(Refund, Payment)>, Error> {
    let mut found = Vec::new();
    for state in [RefundState::Intended, RefundState::Declined] {
        let some: Vec<(Refund, Payment)> = on!(tx, conn => refunds::table
            .inner_join(payments::table.on(payments::id.eq(refunds::payment)))
            .filter(refunds::state.eq(state.word()))
            .filter(refunds::next_at.le(Time(now)))
            .order(refunds::next_at)
            .limit(limit)
            .select((Refund::as_select(), Payment::as_select()))
            .load(conn)
            .await)?;
        found.extend(some);
    }
    Ok(found)
}
