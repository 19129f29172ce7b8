//! Reads a site's data back, as its node would see them: for the summary, the tables, and a digest that is the same whenever
//! the data are.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{
    fill::{Data, Error},
    network::Site,
    people::{self, Person},
};
use crate::{
    accounts,
    app::App,
    inventory::{self, Item},
    maintenance::{self, Machine},
    orders::{self, Order, OrderDrink},
    payments::revenue::{self, Entry},
    storage::Tx,
};

/// Rows read at a time.
const PAGE: i64 = 1_000;

/// What a site's database has.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The site.
    pub site: Site,
    /// Whose accounts were born there and are there.
    pub people: Vec<Person>,
    /// The stock.
    pub stock: Vec<Item>,
    /// Orders with their drinks, by number.
    pub orders: Vec<(Order, Vec<OrderDrink>)>,
    /// Revenue, by number.
    pub revenue: Vec<Entry>,
    /// The machines.
    pub machines: Vec<Machine>,
}

impl Contents {
    /// Reads the contents of a site's database.
    ///
    /// # Errors
    /// The database failed.
    pub async fn read(app: &App, data: &Data, site: &Site) -> Result<Self, Error> {
        let people = people::of(data.seed, site, &data.sites);
        let site = site.clone();
        app.read(move |tx| {
            Box::pin(async move {
                let people = those_there(tx, people).await?;
                if site.is_hub() {
                    return Ok(Self::of_hub(site, people));
                }
                let stock = inventory::report(tx).await?;
                let (orders, revenue) = (all_orders(tx).await?, all_revenue(tx).await?);
                Ok(Self { site, people, stock, orders, revenue, machines: maintenance::own(tx).await? })
            })
        })
        .await
    }

    fn of_hub(site: Site, people: Vec<Person>) -> Self {
        let (stock, orders) = (Vec::new(), Vec::new());
        Self { site, people, stock, orders, revenue: Vec::new(), machines: Vec::new() }
    }

    /// Items at or below their threshold.
    pub fn low(&self) -> usize {
        self.stock.iter().filter(|item| item.quantity <= item.threshold).count()
    }

    /// What was sold, in cents.
    pub fn sold(&self) -> i64 {
        self.revenue.iter().filter(|entry| !entry.refunded).map(|entry| entry.amount_cents).sum()
    }

    /// What was given back, in cents, not negative.
    pub fn given_back(&self) -> i64 {
        self.revenue.iter().filter(|entry| entry.refunded).map(|entry| -entry.amount_cents).sum()
    }

    /// One line a row, without anything that is made anew in every run.
    fn lines(&self) -> String {
        let mut text = format!("{} {}\n", self.site.code, self.site.number);
        // Writing into a string does not fail.
        for person in &self.people {
            let _ = writeln!(text, "user {} {} {:?}", person.user, person.username, person.post);
        }
        for machine in &self.machines {
            let _ = writeln!(text, "machine {} {} {}", machine.id, machine.serial_number, machine.state.word());
        }
        for item in &self.stock {
            let kind = item.item_type.word();
            let _ = writeln!(text, "item {} {kind} {} {} {}", item.id, item.name, item.quantity, item.threshold);
        }
        for (order, drinks) in &self.orders {
            let at = order.created_at.0.timestamp_micros();
            let _ = writeln!(
                text,
                "order {} {:?} {} {} {at} {}",
                order.id,
                order.user_id,
                order.status.word(),
                order.total_cents,
                order.locker_code
            );
            for drink in drinks {
                let _ = writeln!(text, "drink {} {} {} {}", drink.drink_id, drink.name, drink.size, drink.price_cents);
            }
        }
        for entry in &self.revenue {
            let at = entry.at.0.timestamp_micros();
            let _ = writeln!(text, "{} {} {:?} {} {at}", entry.kind, entry.id, entry.order_id, entry.amount_cents);
        }
        text
    }
}

async fn those_there(tx: &mut Tx, people: Vec<Person>) -> Result<Vec<Person>, Error> {
    let mut there = Vec::with_capacity(people.len());
    for person in people {
        if accounts::username(tx, person.user).await?.is_some_and(|name| name == person.username) {
            there.push(person);
        }
    }
    Ok(there)
}

async fn all_orders(tx: &mut Tx) -> Result<Vec<(Order, Vec<OrderDrink>)>, Error> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map_or(0, |(order, _): &(Order, _)| order.id);
        let page = orders::page(tx, after, PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

async fn all_revenue(tx: &mut Tx) -> Result<Vec<Entry>, Error> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map_or(0, |entry: &Entry| entry.id);
        let page = revenue::page(tx, after, PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// The digest of all sites' data, in the order given.
pub fn digest(all: &[Contents]) -> String {
    let mut hasher = Sha256::new();
    all.iter().for_each(|contents| hasher.update(contents.lines()));
    hex::encode(hasher.finalize())
}
