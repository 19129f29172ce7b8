//! Revenue of this node's store. The node alone makes entries: one a sale, in the order's transaction, and a negative one
//! for what was given back, when it was.

pub mod figures;
pub mod import;
mod rpc;

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

pub use self::rpc::RevenueRpc;
use crate::{
    journal, on,
    storage::{
        Error, Tx,
        schema::revenue_entries,
        types::{Id, Time},
    },
};

/// Entries in one answer: a year of a busy store, and still within the largest message.
pub const LISTED_MAX: i64 = 10_000;

/// Entries that are summed at a time.
const SUMMED_AT_A_TIME: i64 = 10_000;

/// The first second of year 1, since 1970.
const FIRST_SECOND: i64 = -62_135_596_800;

/// The last second of the year 9999, since 1970.
const LAST_SECOND: i64 = 253_402_300_799;

/// Why there is an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// An order was paid.
    Sale,
    /// Money was given back.
    Refund,
    /// The money was let go, or never came: the sale was none.
    Undone,
}

impl Reason {
    const fn word(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Refund => "refund",
            Self::Undone => "undone",
        }
    }
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Insertable, Queryable, Selectable)]
#[diesel(table_name = revenue_entries)]
pub struct Entry {
    /// Its number.
    pub id: i64,
    /// `sale`, `refund`, `undone`, or another word for what came from elsewhere.
    pub kind: String,
    /// The payment or the refund from which it came.
    pub source: Option<Id>,
    /// Number of the order.
    pub order_id: Option<i64>,
    /// How much, in cents; negative for what was given back.
    pub amount_cents: i64,
    /// Whether it is money that was given back.
    pub refunded: bool,
    /// When.
    pub at: Time,
}

impl Entry {
    /// An entry for what came from a payment or a refund.
    pub(super) fn new(
        id: i64,
        reason: Reason,
        source: Uuid,
        order: Option<i64>,
        cents: i64,
        at: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            kind: reason.word().to_owned(),
            source: Some(Id(source)),
            order_id: order,
            amount_cents: cents,
            refunded: reason != Reason::Sale,
            at: Time(at),
        }
    }
}

/// Makes an entry; each source has one a reason.
pub(super) async fn add(
    tx: &mut Tx,
    reason: Reason,
    source: Uuid,
    order: Option<i64>,
    cents: i64,
) -> Result<(), Error> {
    let id = journal::next_number(tx, "revenue entry").await?;
    let at = super::to_the_microsecond(tx.clock.wall());
    insert(tx, Entry::new(id, reason, source, order, cents, at)).await
}

/// Keeps an entry; each source has one a reason.
pub(super) async fn insert(tx: &mut Tx, entry: Entry) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(revenue_entries::table)
        .values(entry)
        .on_conflict((revenue_entries::kind, revenue_entries::source))
        .do_nothing()
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// From a moment on, and before one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: DateTime<Utc>,
    pub(super) end: DateTime<Utc>,
}

impl Span {
    /// All that databases can hold where a bound is left out.
    pub(super) fn new(start: Option<DateTime<Utc>>, end: Option<DateTime<Utc>>) -> Self {
        let [first, last] = [FIRST_SECOND, LAST_SECOND].map(|at| DateTime::from_timestamp(at, 0).unwrap_or_default());
        Self { start: start.unwrap_or(first), end: end.unwrap_or(last) }
    }
}

/// Entries of a span, newest first.
pub(super) async fn list(tx: &mut Tx, span: Span, limit: i64) -> Result<Vec<Entry>, Error> {
    Ok(on!(tx, conn => revenue_entries::table
        .filter(revenue_entries::at.ge(Time(span.start)))
        .filter(revenue_entries::at.lt(Time(span.end)))
        .order((revenue_entries::at.desc(), revenue_entries::id.desc()))
        .limit(limit)
        .select(Entry::as_select())
        .load(conn)
        .await)?)
}

/// All entries above a number, by number: a page of them, for who reads all.
///
/// # Errors
/// The database failed.
pub async fn page(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<Entry>, Error> {
    Ok(on!(tx, conn => revenue_entries::table
        .filter(revenue_entries::id.gt(after))
        .order(revenue_entries::id)
        .limit(limit)
        .select(Entry::as_select())
        .load(conn)
        .await)?)
}

/// One entry.
pub(super) async fn find(tx: &mut Tx, id: i64) -> Result<Option<Entry>, Error> {
    Ok(on!(tx, conn => revenue_entries::table
        .find(id)
        .select(Entry::as_select())
        .first(conn)
        .await
        .optional())?)
}

/// The sale of an order.
pub(super) async fn sale_of(tx: &mut Tx, order: i64) -> Result<Option<Entry>, Error> {
    Ok(on!(tx, conn => revenue_entries::table
        .filter(revenue_entries::order_id.eq(order))
        .filter(revenue_entries::amount_cents.ge(0))
        .order(revenue_entries::id)
        .select(Entry::as_select())
        .first(conn)
        .await
        .optional())?)
}

/// Sums in cents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) sales: i64,
    pub(super) sales_cents: i64,
    pub(super) refunds: i64,
    /// Not negative.
    pub(super) refunds_cents: i64,
}

impl Totals {
    fn add(&mut self, cents: i64) {
        if cents < 0 {
            self.refunds += 1;
            self.refunds_cents -= cents;
        } else {
            self.sales += 1;
            self.sales_cents += cents;
        }
    }
}

/// The sums of a span. Summed here, a bounded number of rows at a time: databases sum whole numbers into other types.
pub(super) async fn totals(tx: &mut Tx, span: Span) -> Result<Totals, Error> {
    let mut totals = Totals::default();
    let mut after = i64::MIN;
    loop {
        let some: Vec<(i64, i64)> = on!(tx, conn => revenue_entries::table
            .filter(revenue_entries::id.gt(after))
            .filter(revenue_entries::at.ge(Time(span.start)))
            .filter(revenue_entries::at.lt(Time(span.end)))
            .order(revenue_entries::id)
            .limit(SUMMED_AT_A_TIME)
            .select((revenue_entries::id, revenue_entries::amount_cents))
            .load(conn)
            .await)?;
        some.iter().for_each(|(_, cents)| totals.add(*cents));
        match some.last() {
            Some((last, _)) if i64::try_from(some.len()).unwrap_or(0) == SUMMED_AT_A_TIME => after = *last,
            _ => return Ok(totals),
        }
    }
}
