//! Rows of what was reported.

use diesel::{
    AsChangeset, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _, dsl::max,
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::{
    inventory::Kind,
    on,
    storage::{
        Error, Tx,
        schema::{reported_days, reported_items, reported_totals},
        types::{Id, Time},
    },
};

/// An item of a store as it was reported last.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, AsChangeset, Queryable, Selectable)]
#[diesel(table_name = reported_items, primary_key(store, item))]
pub struct Item {
    /// UUID of the store.
    pub store: Id,
    /// Number of the item.
    pub item: i64,
    /// Its name for people.
    pub name: String,
    /// What it is.
    #[diesel(serialize_as = String, deserialize_as = String)]
    pub item_type: Kind,
    /// How many units there are.
    pub quantity: i32,
    /// At or below this many it runs low.
    pub threshold: i32,
    /// The store has it no more.
    pub removed: bool,
    /// When it was reported.
    pub at: Time,
}

impl Item {
    /// Whether it is at or below its threshold.
    pub fn is_low(&self) -> bool {
        self.quantity <= self.threshold
    }
}

/// How a store stands, as it reported last.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, AsChangeset, Queryable, Selectable)]
#[diesel(table_name = reported_totals, primary_key(store))]
pub struct Totals {
    /// UUID of the store.
    pub store: Id,
    /// Orders that were not cancelled.
    pub orders: i64,
    /// Sales in cents.
    pub sales_cents: i64,
    /// What was given back, in cents.
    pub refunds_cents: i64,
    /// Users who have ordered.
    pub customers: i64,
    /// Orders that are not ready yet.
    pub pending_orders: i64,
    /// Complaints ever made.
    pub complaints: i64,
    /// Complaints for which nothing was given yet.
    pub open_complaints: i64,
    /// When it was reported.
    pub at: Time,
}

/// A day of a store, as it reported last.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, AsChangeset, Queryable, Selectable)]
#[diesel(table_name = reported_days, primary_key(store, day))]
pub struct Day {
    /// UUID of the store.
    pub store: Id,
    /// The day in the store's time zone, counted from 1970-01-01.
    pub day: i32,
    /// Orders placed on it and not cancelled.
    pub orders: i64,
    /// The drinks in them.
    pub drinks: i64,
    /// Sales in cents.
    pub sales_cents: i64,
    /// What was given back, in cents.
    pub refunds_cents: i64,
    /// Units of sodas used.
    pub sodas: i64,
    /// Units of syrups used.
    pub syrups: i64,
    /// Units of add-ins used.
    pub add_ins: i64,
    /// Cups, lids and straws used.
    pub physical: i64,
    /// When it was reported.
    pub at: Time,
}

/// Field clocks of an item; empty when it is not known.
pub(super) async fn item_clocks(tx: &mut Tx, store: Id, item: i64) -> Result<Vec<u8>, Error> {
    let clocks: Option<Vec<u8>> = on!(tx, conn => reported_items::table
        .find((store, item))
        .select(reported_items::clocks)
        .first(conn)
        .await
        .optional())?;
    Ok(clocks.unwrap_or_default())
}

/// Keeps an item with its clocks.
pub(super) async fn put_item(tx: &mut Tx, item: &Item, clocks: &[u8]) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(reported_items::table)
        .values((item.clone(), reported_items::clocks.eq(clocks)))
        .on_conflict((reported_items::store, reported_items::item))
        .do_update()
        .set((item.clone(), reported_items::clocks.eq(clocks)))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Field clocks of a store's totals; empty when they are not known.
pub(super) async fn totals_clocks(tx: &mut Tx, store: Id) -> Result<Vec<u8>, Error> {
    let clocks: Option<Vec<u8>> = on!(tx, conn => reported_totals::table
        .find(store)
        .select(reported_totals::clocks)
        .first(conn)
        .await
        .optional())?;
    Ok(clocks.unwrap_or_default())
}

/// Keeps a store's totals with their clocks.
pub(super) async fn put_totals(tx: &mut Tx, totals: &Totals, clocks: &[u8]) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(reported_totals::table)
        .values((totals, reported_totals::clocks.eq(clocks)))
        .on_conflict(reported_totals::store)
        .do_update()
        .set((totals, reported_totals::clocks.eq(clocks)))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Field clocks of a store's day; empty when it is not known.
pub(super) async fn day_clocks(tx: &mut Tx, store: Id, day: i32) -> Result<Vec<u8>, Error> {
    let clocks: Option<Vec<u8>> = on!(tx, conn => reported_days::table
        .find((store, day))
        .select(reported_days::clocks)
        .first(conn)
        .await
        .optional())?;
    Ok(clocks.unwrap_or_default())
}

/// Keeps a store's day with its clocks.
pub(super) async fn put_day(tx: &mut Tx, day: &Day, clocks: &[u8]) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(reported_days::table)
        .values((day, reported_days::clocks.eq(clocks)))
        .on_conflict((reported_days::store, reported_days::day))
        .do_update()
        .set((day, reported_days::clocks.eq(clocks)))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// All items of a store, by number, those that it has no more among them.
pub(super) async fn items_of(tx: &mut Tx, store: Uuid, limit: i64) -> Result<Vec<Item>, Error> {
    Ok(on!(tx, conn => reported_items::table
        .filter(reported_items::store.eq(Id(store)))
        .order(reported_items::item)
        .limit(limit)
        .select(Item::as_select())
        .load(conn)
        .await)?)
}

/// Items after one, by store and number, those that stores have no more among them.
pub(super) async fn items_after(tx: &mut Tx, (store, item): (Id, i64), limit: i64) -> Result<Vec<Item>, Error> {
    use diesel::BoolExpressionMethods as _;
    Ok(on!(tx, conn => reported_items::table
        .filter(reported_items::store.gt(store).or(reported_items::store.eq(store).and(reported_items::item.gt(item))))
        .order((reported_items::store, reported_items::item))
        .limit(limit)
        .select(Item::as_select())
        .load(conn)
        .await)?)
}

/// The totals of a store.
pub(super) async fn totals_of(tx: &mut Tx, store: Uuid) -> Result<Option<Totals>, Error> {
    Ok(on!(tx, conn => reported_totals::table
        .find(Id(store))
        .select(Totals::as_select())
        .first(conn)
        .await
        .optional())?)
}

/// The totals of all stores, by store.
pub(super) async fn all_totals(tx: &mut Tx, limit: i64) -> Result<Vec<Totals>, Error> {
    Ok(on!(tx, conn => reported_totals::table
        .order(reported_totals::store)
        .limit(limit)
        .select(Totals::as_select())
        .load(conn)
        .await)?)
}

/// A day of a store.
pub(super) async fn day(tx: &mut Tx, store: Uuid, day: i32) -> Result<Option<Day>, Error> {
    Ok(on!(tx, conn => reported_days::table
        .find((Id(store), day))
        .select(Day::as_select())
        .first(conn)
        .await
        .optional())?)
}

/// The newest day of a store.
pub(super) async fn newest_day(tx: &mut Tx, store: Uuid) -> Result<Option<i32>, Error> {
    Ok(on!(tx, conn => reported_days::table
        .filter(reported_days::store.eq(Id(store)))
        .select(max(reported_days::day))
        .get_result(conn)
        .await)?)
}

/// Days of all stores after one, by store and day.
pub(super) async fn days_after(tx: &mut Tx, (store, day): (Id, i32), limit: i64) -> Result<Vec<Day>, Error> {
    use diesel::BoolExpressionMethods as _;
    Ok(on!(tx, conn => reported_days::table
        .filter(reported_days::store.gt(store).or(reported_days::store.eq(store).and(reported_days::day.gt(day))))
        .order((reported_days::store, reported_days::day))
        .limit(limit)
        .select(Day::as_select())
        .load(conn)
        .await)?)
}

/// Days of all stores from a day on, the newest first.
pub(super) async fn days_since(tx: &mut Tx, day: i32, limit: i64) -> Result<Vec<Day>, Error> {
    Ok(on!(tx, conn => reported_days::table
        .filter(reported_days::day.ge(day))
        .order((reported_days::day.desc(), reported_days::store))
        .limit(limit)
        .select(Day::as_select())
        .load(conn)
        .await)?)
}

/// The newest day of all.
pub(super) async fn newest_of_all(tx: &mut Tx) -> Result<Option<i32>, Error> {
    Ok(on!(tx, conn => reported_days::table.select(max(reported_days::day)).get_result(conn).await)?)
}
