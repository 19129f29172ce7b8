//! Rows of orders and of the drinks in them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    AsChangeset, BoolExpressionMethods as _, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _,
    Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::Status;
use crate::{
    auth::Customer,
    catalog::Recipe,
    each, on,
    storage::{
        Error, Tx,
        schema::{order_drinks, orders},
        types::{Id, Time},
    },
};

/// Orders that one query names: SQLite takes 32,766 parameters.
const ORDERS_AT_A_TIME: usize = 1_000;

/// An order.
#[derive(Clone, Debug, PartialEq, Insertable, AsChangeset, Queryable, Selectable)]
#[diesel(table_name = orders, treat_none_as_null = true)]
pub struct Order {
    /// Its number.
    pub id: i64,
    /// Number of the customer, if it is a user's.
    pub user_id: Option<i64>,
    /// Session of the customer, if it is a guest's.
    pub guest: Option<Id>,
    /// How it stands.
    #[diesel(serialize_as = String, deserialize_as = String)]
    pub status: Status,
    /// Id of the payment at the provider, without its secret; empty where there is none.
    pub payment_intent: String,
    /// How it stands with the money, where no payment of this node says so: of imported orders, and `remade`.
    pub payment_status: Option<String>,
    /// Number of the order whose drinks are made again with this one.
    pub remake_of: Option<i64>,
    /// What it cost, in cents.
    pub total_cents: i64,
    /// Combination of the locker, five digits.
    pub locker_code: String,
    /// Whether the customer has said the combination.
    pub locker_from_owner: bool,
    /// When it was placed.
    pub created_at: Time,
    /// When the customer wants it.
    pub pickup_time: Option<Time>,
    /// Whether preparation waits for the customer.
    pub await_arrival: bool,
    /// Minutes that the drinks take.
    pub preparation_minutes: i32,
    /// When preparation will begin, or began; unknown while it waits for the customer.
    pub begins_at: Option<Time>,
    /// When it will be, or was, ready.
    pub ready_at: Option<Time>,
    /// When something happens to it by itself.
    pub due_at: Option<Time>,
    /// Where the customer was last, latitude in degrees; kept only while the order is open.
    pub latitude: Option<f64>,
    /// Where the customer was last, longitude in degrees.
    pub longitude: Option<f64>,
}

impl Order {
    /// Session of the guest whose it is.
    pub fn guest(&self) -> Option<Uuid> {
        self.guest.map(|guest| guest.0)
    }

    /// Whether nothing of it has been made: it waits for its time or its customer, or for the robot to make those before it.
    pub fn waits(&self, now: DateTime<Utc>) -> bool {
        match self.status {
            Status::Pending => true,
            Status::Processing => self.begins_at.is_some_and(|begins| begins.0 > now),
            Status::Ready | Status::Completed | Status::Cancelled | Status::Expired => false,
        }
    }
}

/// A drink of an order, as it was when it was ordered.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = order_drinks)]
pub struct OrderDrink {
    /// Number of the order.
    pub order_id: i64,
    /// Its place in the order, from 0.
    pub position: i32,
    /// Number of the drink.
    pub drink_id: i64,
    /// Its name.
    pub name: String,
    /// Its syrups, as JSON.
    pub syrups: String,
    /// Its sodas, as JSON.
    pub sodas: String,
    /// Its add-ins, as JSON.
    pub add_ins: String,
    /// What it cost, in cents.
    pub price_cents: i64,
    /// Size of the cup.
    pub size: String,
    /// Amount of ice.
    pub ice: String,
}

impl OrderDrink {
    /// The copy of a drink.
    pub fn new(order: i64, position: i32, drink: i64, recipe: &Recipe) -> Self {
        let json = |list: &[String]| serde_json::Value::from(list).to_string();
        Self {
            order_id: order,
            position,
            drink_id: drink,
            name: recipe.name.clone(),
            syrups: json(&recipe.syrups),
            sodas: json(&recipe.sodas),
            add_ins: json(&recipe.add_ins),
            price_cents: recipe.price.get(),
            size: recipe.size.word().to_owned(),
            ice: recipe.ice.word().to_owned(),
        }
    }
}

/// An order by its number.
pub(super) async fn order(tx: &mut Tx, id: i64) -> Result<Option<Order>, Error> {
    Ok(on!(tx, conn => orders::table.find(id).select(Order::as_select()).first(conn).await.optional())?)
}

/// Keeps a new order.
pub(super) async fn insert(tx: &mut Tx, order: &Order, drinks: Vec<OrderDrink>) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(orders::table).values(order.clone()).cached().execute(conn).await)?;
    insert_drinks(tx, drinks).await
}

/// Keeps drinks of an order.
pub(super) async fn insert_drinks(tx: &mut Tx, drinks: Vec<OrderDrink>) -> Result<(), Error> {
    each!(tx, drinks, drink => diesel::insert_into(order_drinks::table).values(drink))?;
    Ok(())
}

/// Drops the drinks of an order.
pub(super) async fn drop_drinks(tx: &mut Tx, order: i64) -> Result<(), Error> {
    on!(tx, conn => diesel::delete(order_drinks::table.filter(order_drinks::order_id.eq(order))).execute(conn).await)?;
    Ok(())
}

/// Keeps a changed order.
pub(super) async fn update(tx: &mut Tx, order: &Order) -> Result<(), Error> {
    on!(tx, conn => diesel::update(orders::table.find(order.id)).set(order.clone()).cached().execute(conn).await)?;
    Ok(())
}

/// The drinks of orders, by order, as the customer named them.
pub(super) async fn drinks_of(tx: &mut Tx, ids: &[i64]) -> Result<HashMap<i64, Vec<OrderDrink>>, Error> {
    let mut all: HashMap<i64, Vec<OrderDrink>> = HashMap::new();
    for some in ids.chunks(ORDERS_AT_A_TIME) {
        let rows: Vec<OrderDrink> = on!(tx, conn => order_drinks::table
            .filter(order_drinks::order_id.eq_any(some))
            .order((order_drinks::order_id, order_drinks::position))
            .select(OrderDrink::as_select())
            .load(conn)
            .await)?;
        for row in rows {
            all.entry(row.order_id).or_default().push(row);
        }
    }
    Ok(all)
}

/// The drinks that were ordered last.
pub(super) async fn latest_drinks(tx: &mut Tx, limit: i64) -> Result<Vec<OrderDrink>, Error> {
    Ok(on!(tx, conn => order_drinks::table
        .order((order_drinks::order_id.desc(), order_drinks::position))
        .limit(limit)
        .select(OrderDrink::as_select())
        .load(conn)
        .await)?)
}

/// Which orders are listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// Of this state alone.
    pub(super) status: Option<Status>,
    /// Only smaller numbers.
    pub(super) before: i64,
    /// How many.
    pub(super) limit: i64,
}

macro_rules! listed {
    ($tx:expr, $page:expr, $base:expr) => {{
        let page = $page;
        match page.status {
            Some(status) => on!($tx, conn => $base
                .filter(orders::id.lt(page.before))
                .filter(orders::status.eq(status.word()))
                .order(orders::id.desc())
                .limit(page.limit)
                .select(Order::as_select())
                .load::<Order>(conn)
                .await)?,
            None => on!($tx, conn => $base
                .filter(orders::id.lt(page.before))
                .order(orders::id.desc())
                .limit(page.limit)
                .select(Order::as_select())
                .load::<Order>(conn)
                .await)?,
        }
    }};
}

/// Orders of everybody, newest first.
pub(super) async fn all(tx: &mut Tx, page: Page) -> Result<Vec<Order>, Error> {
    Ok(listed!(tx, page, orders::table))
}

/// Orders of a user, newest first.
pub(super) async fn of_user(tx: &mut Tx, user: i64, page: Page) -> Result<Vec<Order>, Error> {
    Ok(listed!(tx, page, orders::table.filter(orders::user_id.eq(user))))
}

/// Orders of a customer, newest first: the user's, and those of the session in which they were a guest.
pub(super) async fn of_customer(tx: &mut Tx, customer: Customer, page: Page) -> Result<Vec<Order>, Error> {
    let mut found = match customer.user {
        Some(user) => of_user(tx, user, page).await?,
        None => Vec::new(),
    };
    if let Some(guest) = customer.guest {
        let own = listed!(tx, page, orders::table.filter(orders::guest.eq(Id(guest)).and(orders::user_id.is_null())));
        found.extend(own);
        found.sort_by_key(|order| std::cmp::Reverse(order.id));
        found.truncate(usize::try_from(page.limit).unwrap_or(usize::MAX));
    }
    Ok(found)
}

/// Orders to which something happens by `now`, the earliest first.
pub(super) async fn due(tx: &mut Tx, now: DateTime<Utc>, limit: i64) -> Result<Vec<Order>, Error> {
    Ok(on!(tx, conn => orders::table
        .filter(orders::due_at.le(Time(now)))
        .order((orders::due_at, orders::id))
        .limit(limit)
        .select(Order::as_select())
        .load(conn)
        .await)?)
}

/// When the next thing happens.
pub(super) async fn next_due(tx: &mut Tx) -> Result<Option<DateTime<Utc>>, Error> {
    let next: Option<Option<Time>> = on!(tx, conn => orders::table
        .filter(orders::due_at.is_not_null())
        .order(orders::due_at)
        .select(orders::due_at)
        .first(conn)
        .await
        .optional())?;
    Ok(next.flatten().map(|at| at.0))
}

/// Open orders, by number, above `after`.
pub(super) async fn open(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<Order>, Error> {
    let states = [Status::Pending, Status::Processing, Status::Ready].map(Status::word);
    Ok(on!(tx, conn => orders::table
        .filter(orders::status.eq_any(states))
        .filter(orders::id.gt(after))
        .order(orders::id)
        .limit(limit)
        .select(Order::as_select())
        .load(conn)
        .await)?)
}

/// Orders of any state, by number, above `after`.
pub(super) async fn after(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<Order>, Error> {
    Ok(on!(tx, conn => orders::table
        .filter(orders::id.gt(after))
        .order(orders::id)
        .limit(limit)
        .select(Order::as_select())
        .load(conn)
        .await)?)
}

/// When the robot has made all that it was given.
pub(super) async fn busy_until(tx: &mut Tx) -> Result<Option<DateTime<Utc>>, Error> {
    let until: Option<Option<Time>> = on!(tx, conn => orders::table
        .filter(orders::status.eq(Status::Processing.word()))
        .filter(orders::ready_at.is_not_null())
        .order(orders::ready_at.desc())
        .select(orders::ready_at)
        .first(conn)
        .await
        .optional())?;
    Ok(until.flatten().map(|at| at.0))
}

/// How many orders are being made.
pub(super) async fn in_preparation(tx: &mut Tx) -> Result<i64, Error> {
    Ok(on!(tx, conn => orders::table
        .filter(orders::status.eq(Status::Processing.word()))
        .count()
        .get_result(conn)
        .await)?)
}
