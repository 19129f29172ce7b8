//! Rows of the stock.

use diesel::{
    AsChangeset, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;

use super::Kind;
use crate::{
    each, on,
    storage::{Error, Tx, schema::inventory_items, types::Time},
};

/// An item in stock.
#[derive(Clone, Debug, PartialEq, Insertable, AsChangeset, Queryable, Selectable)]
#[diesel(table_name = inventory_items)]
pub struct Item {
    /// Its number.
    pub id: i64,
    /// Its name for people.
    pub name: String,
    /// Its folded name.
    pub name_key: String,
    /// What it is.
    #[diesel(serialize_as = String, deserialize_as = String)]
    pub item_type: Kind,
    /// How many units there are.
    pub quantity: i32,
    /// At or below this many it runs low.
    pub threshold: i32,
    /// When it last changed.
    pub updated_at: Time,
}

/// An item by its kind and folded name.
pub(super) async fn item(tx: &mut Tx, kind: Kind, key: &str) -> Result<Option<Item>, Error> {
    Ok(on!(tx, conn => inventory_items::table
        .filter(inventory_items::item_type.eq(kind.word()))
        .filter(inventory_items::name_key.eq(key))
        .select(Item::as_select())
        .first(conn)
        .await
        .optional())?)
}

/// An item by its number.
pub(super) async fn numbered(tx: &mut Tx, id: i64) -> Result<Option<Item>, Error> {
    Ok(on!(tx, conn => inventory_items::table.find(id).select(Item::as_select()).first(conn).await.optional())?)
}

/// All items, by type and name.
pub(super) async fn all(tx: &mut Tx, limit: i64) -> Result<Vec<Item>, Error> {
    let mut items: Vec<Item> = on!(tx, conn => inventory_items::table
        .order(inventory_items::id)
        .limit(limit)
        .select(Item::as_select())
        .load(conn)
        .await)?;
    // Sorted here: databases order text by rules of their own.
    items.sort_by(|a, b| (a.item_type, &a.name_key).cmp(&(b.item_type, &b.name_key)));
    Ok(items)
}

/// Items with these folded names, of any kind.
pub(super) async fn named(tx: &mut Tx, keys: Vec<String>) -> Result<Vec<Item>, Error> {
    Ok(on!(tx, conn => inventory_items::table
        .filter(inventory_items::name_key.eq_any(keys))
        .order(inventory_items::id)
        .select(Item::as_select())
        .load(conn)
        .await)?)
}

/// Items with these numbers.
pub(super) async fn all_numbered(tx: &mut Tx, ids: Vec<i64>) -> Result<Vec<Item>, Error> {
    Ok(on!(tx, conn => inventory_items::table
        .filter(inventory_items::id.eq_any(ids))
        .order(inventory_items::id)
        .select(Item::as_select())
        .load(conn)
        .await)?)
}

/// Kind and folded name of those of the items that have at least one unit.
pub(super) async fn available(tx: &mut Tx, keys: Vec<String>) -> Result<Vec<(String, String)>, Error> {
    Ok(on!(tx, conn => inventory_items::table
        .filter(inventory_items::quantity.gt(0))
        .filter(inventory_items::name_key.eq_any(keys))
        .select((inventory_items::item_type, inventory_items::name_key))
        .load(conn)
        .await)?)
}

/// How many items there are, and how many at or below their threshold.
pub(super) async fn counts(tx: &mut Tx) -> Result<(i64, i64), Error> {
    let items = on!(tx, conn => inventory_items::table.count().get_result(conn).await)?;
    let low = on!(tx, conn => inventory_items::table
        .filter(inventory_items::quantity.le(inventory_items::threshold))
        .count()
        .get_result(conn)
        .await)?;
    Ok((items, low))
}

/// Sets quantities: per item its number, its new and its old quantity. Gives how many rows each touched: none, where the
/// old quantity was another.
pub(super) async fn set_quantities(tx: &mut Tx, rows: Vec<(i64, i32, i32)>, at: Time) -> Result<Vec<usize>, Error> {
    Ok(each!(tx, rows, row => diesel::update(
            inventory_items::table.filter(inventory_items::id.eq(row.0)).filter(inventory_items::quantity.eq(row.2)),
        )
        .set((inventory_items::quantity.eq(row.1), inventory_items::updated_at.eq(at))))?)
}

/// Keeps an item.
pub(super) async fn put(tx: &mut Tx, item: &Item) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(inventory_items::table)
        .values(item.clone())
        .on_conflict(inventory_items::id)
        .do_update()
        .set(item.clone())
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}
