//! The ledger of the stock. Every change of a quantity goes through here and leaves a movement in the same transaction; per
//! item the movements add up to the quantity.

use diesel::{ExpressionMethods as _, Insertable, QueryDsl as _, Queryable, Selectable, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;

use super::{Item, import::Past, now, store};
use crate::{
    each, notifications, on,
    storage::{Error, Tx, schema::stock_movements, types::Time},
};

/// Why a quantity changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An order took it.
    Order,
    /// An order gave it back.
    Returned,
    /// It was filled up.
    Restock,
    /// It was counted.
    Correction,
    /// It came from the system before this one.
    Imported,
}

impl Reason {
    /// Its word in the contract and in rows.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Returned => "returned",
            Self::Restock => "restock",
            Self::Correction => "correction",
            Self::Imported => "imported",
        }
    }
}

/// What is behind a change.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Why.
    pub reason: Reason,
    /// Number of the order, if one is behind it.
    pub order: Option<i64>,
    /// Number of the user, if one is behind it.
    pub user: Option<i64>,
    /// What that user wrote.
    pub note: String,
}

impl Cause {
    /// A cause without more.
    pub fn of(reason: Reason) -> Self {
        Self { reason, order: None, user: None, note: String::new() }
    }
}

/// One change of a quantity.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = stock_movements)]
pub struct Movement {
    /// Its number in the ledger.
    pub id: i64,
    /// Units added; negative for units taken.
    pub change: i32,
    /// Units after it.
    pub quantity: i32,
    /// Why.
    pub reason: String,
    /// The order behind it.
    pub order_id: Option<i64>,
    /// The user behind it.
    pub user_id: Option<i64>,
    /// What that user wrote.
    pub note: String,
    /// When.
    pub at: Time,
}

#[derive(Clone, Insertable)]
#[diesel(table_name = stock_movements)]
struct NewMovement {
    item_id: i64,
    change: i32,
    quantity: i32,
    reason: &'static str,
    order_id: Option<i64>,
    user_id: Option<i64>,
    note: String,
    at: Time,
}

impl NewMovement {
    fn new(item: i64, old: i32, new: i32, cause: &Cause, at: Time) -> Self {
        Self {
            item_id: item,
            change: new - old,
            quantity: new,
            reason: cause.reason.word(),
            order_id: cause.order,
            user_id: cause.user,
            note: cause.note.clone(),
            at,
        }
    }
}

/// Keeps an item whose quantity was `old`.
pub(super) async fn put(tx: &mut Tx, old: i32, item: &Item, cause: &Cause) -> Result<(), Error> {
    store::put(tx, item).await?;
    if item.quantity != old {
        insert(tx, vec![NewMovement::new(item.id, old, item.quantity, cause, item.updated_at)]).await?;
        warn_if_low(tx, item, old, item.quantity).await?;
    }
    Ok(())
}

/// Keeps a new item with all that happened to it elsewhere. Gives it as it is now.
pub(super) async fn put_past(tx: &mut Tx, mut item: Item, past: Vec<Past>) -> Result<Item, Error> {
    let mut movements = Vec::with_capacity(past.len());
    for Past { change, cause, at } in past {
        let new = item.quantity.checked_add(change).filter(|units| *units >= 0);
        let new = new.ok_or_else(|| Error::Damaged(format!("{} would have had less than nothing", item.name)))?;
        movements.push(NewMovement::new(item.id, item.quantity, new, &cause, Time(at)));
        item.quantity = new;
    }
    store::put(tx, &item).await?;
    insert(tx, movements).await?;
    Ok(item)
}

/// Adds to the quantities of items (takes, where the number is negative), which the caller has just read in this
/// transaction.
pub(super) async fn add(tx: &mut Tx, changes: &[(&Item, i32)], cause: &Cause) -> Result<(), Error> {
    let at = now(tx);
    let after = |item: &Item, change: i32| {
        let units = item.quantity.checked_add(change).filter(|units| *units >= 0);
        units.ok_or_else(|| Error::Damaged(format!("the quantity of item {} is out of range", item.id)))
    };
    let mut rows = Vec::with_capacity(changes.len());
    let mut movements = Vec::with_capacity(changes.len());
    for (item, change) in changes {
        let new = after(item, *change)?;
        rows.push((item.id, new, item.quantity));
        movements.push(NewMovement::new(item.id, item.quantity, new, cause, at));
    }
    let touched = store::set_quantities(tx, rows, at).await?;
    if touched.iter().any(|rows| *rows != 1) {
        return Err(Error::Damaged("a quantity changed behind the ledger's back".into()));
    }
    insert(tx, movements).await?;
    for (item, change) in changes {
        warn_if_low(tx, item, item.quantity, item.quantity + change).await?;
    }
    Ok(())
}

/// Tells the store's people when an item falls to its threshold; once, until it is above again.
async fn warn_if_low(tx: &mut Tx, item: &Item, old: i32, new: i32) -> Result<(), Error> {
    if new < old && old > item.threshold && new <= item.threshold {
        let message = format!("{} is running low: {new} left.", item.name);
        notifications::notify(tx, notifications::To::Staff, "low_stock", &message).await?;
    }
    Ok(())
}

async fn insert(tx: &mut Tx, movements: Vec<NewMovement>) -> Result<(), Error> {
    each!(tx, movements, movement => diesel::insert_into(stock_movements::table).values(movement))?;
    Ok(())
}

/// What changed an item, newest first.
pub(super) async fn of_item(tx: &mut Tx, item: i64, limit: i64) -> Result<Vec<Movement>, Error> {
    Ok(on!(tx, conn => stock_movements::table
        .filter(stock_movements::item_id.eq(item))
        .order(stock_movements::id.desc())
        .limit(limit)
        .select(Movement::as_select())
        .load(conn)
        .await)?)
}

/// Item and change of all that an order took and gave back.
pub(super) async fn of_order(tx: &mut Tx, order: i64) -> Result<Vec<(i64, i32)>, Error> {
    Ok(on!(tx, conn => stock_movements::table
        .filter(stock_movements::order_id.eq(order))
        .order(stock_movements::id)
        .select((stock_movements::item_id, stock_movements::change))
        .load(conn)
        .await)?)
}
