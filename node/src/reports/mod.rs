//! What stores report, so that regions and the chain can be seen without asking every store: the stock to the region, the
//! figures of the trade to its hub. A store says what changed since it said it last, and that not more often than its
//! operator wants; so events grow with what happens, not with time.
//!
//! Reading order: `own.rs` (what a store sums up), this file ([`report`], and what is asked of the rows), `worker.rs` (when
//! it reports), `events.rs` (how reports merge), `store.rs` (rows), `rpc.rs` (what hubs ask each other and stores).

mod digest;
mod events;
mod own;
mod rpc;
mod store;
mod worker;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use codepop_proto::reports as pb;
use codepop_shared::identity::Kind;
use uuid::Uuid;

pub use self::{
    digest::digest,
    rpc::{ReportsRpc, now, on_behalf_of, region},
    store::{Day, Item, Totals},
    worker::run,
};
use crate::{
    app::canonical::PAGE,
    inventory,
    journal::{self, Audience},
    storage::{self, Tx, types::Id},
    stores,
};

/// Items that one event says, as the contract has it: with the longest names 45 kB, and a body may have 64 KiB.
pub const ITEMS_PER_EVENT: usize = 100;

/// Days that one event says, as the contract has it: more than the worker looks back.
pub const DAYS_PER_EVENT: usize = 50;

/// How many days a store looks back at the most: a month and some, for a store that was just filled with its past.
pub const BACKFILL_DAYS: i32 = 35;

/// Stores of one region whose figures are read at once.
const TOTALS_READ_MAX: i64 = 10_000;

/// Days that a view shows.
const TREND_DAYS: i32 = 30;

/// Rows of days that a view reads: thirty days of the stores of a very large region.
const DAYS_READ_MAX: i64 = 30_000;

/// What a store can report, composed of its own rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Composed {
    /// All items of the stock.
    pub items: Vec<pb::StockItem>,
    /// How it stands.
    pub totals: pb::Totals,
    /// Some days.
    pub days: Vec<pb::Day>,
}

/// Composes what this node's store can report: its stock, how it stands, and the last days, `days_back` of them (at most
/// [`BACKFILL_DAYS`]) and that of `now`. `None` at a hub, and before the store has described itself.
///
/// # Errors
/// The database failed.
pub async fn compose(tx: &mut Tx, now: DateTime<Utc>, days_back: i32) -> Result<Option<Composed>, storage::Error> {
    let own = tx.author.id.uuid;
    if tx.author.id.kind != Kind::Store {
        return Ok(None);
    }
    let Some(described) = stores::described(tx, own).await? else { return Ok(None) };
    let zone = described.time_zone.0;
    let today = own::day_of(zone, now);
    let items = match inventory::report(tx).await {
        Ok(items) => items.iter().map(stock_item).collect(),
        Err(inventory::Error::Storage(error)) => return Err(error),
        // A store has a stock.
        Err(_) => Vec::new(),
    };
    let totals = own::totals(tx).await?;
    let mut days = Vec::new();
    for day in today - days_back.clamp(0, BACKFILL_DAYS)..=today {
        days.push(own::day(tx, zone, day).await?);
    }
    Ok(Some(Composed { items, totals, days }))
}

/// Names from elsewhere are cut to what events take.
fn stock_item(item: &inventory::Item) -> pb::StockItem {
    let name: String = item.name.chars().filter(|c| !c.is_control()).take(events::NAME_MAX).collect();
    pb::StockItem {
        item: item.id,
        name: if name.is_empty() { "?".to_owned() } else { name },
        r#type: item.item_type.word().to_owned(),
        quantity: item.quantity.max(0),
        threshold: item.threshold.max(0),
        removed: false,
    }
}

/// Says what of it is not said yet. Tells whether there was anything.
///
/// # Errors
/// The database failed.
pub async fn say(tx: &mut Tx, composed: Composed) -> Result<bool, journal::Error> {
    let said_stock = say_stock(tx, composed.items).await?;
    let said_figures = say_figures(tx, composed.totals, composed.days).await?;
    Ok(said_stock || said_figures)
}

/// Composes and says in the caller's transaction what this node's store has not reported yet of the last days,
/// `days_back` of them (at most [`BACKFILL_DAYS`]) and that of `now`. Tells whether there was anything.
///
/// # Errors
/// The database failed.
pub async fn report(tx: &mut Tx, now: DateTime<Utc>, days_back: i32) -> Result<bool, journal::Error> {
    match compose(tx, now, days_back).await? {
        Some(composed) => say(tx, composed).await,
        None => Ok(false),
    }
}

async fn say_stock(tx: &mut Tx, items: Vec<pb::StockItem>) -> Result<bool, journal::Error> {
    let own = tx.author.id.uuid;
    let known = store::items_of(tx, own, i64::MAX).await?;
    let known: HashMap<i64, Item> = known.into_iter().map(|item| (item.item, item)).collect();
    let there: std::collections::HashSet<i64> = items.iter().map(|item| item.item).collect();
    let is_news = |item: &pb::StockItem| known.get(&item.item).is_none_or(|known| !is_same(known, item));
    let mut news: Vec<pb::StockItem> = items.into_iter().filter(is_news).collect();
    let gone = known.values().filter(|item| !item.removed && !there.contains(&item.item));
    news.extend(gone.map(removed));
    news.sort_by_key(|item| item.item);
    let region = Audience::Region(tx.author.id.region.clone());
    for some in news.chunks(ITEMS_PER_EVENT) {
        let message = pb::StockReported { store: own.as_bytes().to_vec(), items: some.to_vec() };
        journal::emit(tx, &region, &message).await?;
    }
    Ok(!news.is_empty())
}

fn is_same(known: &Item, item: &pb::StockItem) -> bool {
    known.name == item.name
        && known.item_type.word() == item.r#type
        && (known.quantity, known.threshold, known.removed) == (item.quantity, item.threshold, item.removed)
}

fn removed(item: &Item) -> pb::StockItem {
    pb::StockItem {
        item: item.item,
        name: item.name.clone(),
        r#type: item.item_type.word().to_owned(),
        quantity: 0,
        threshold: 0,
        removed: true,
    }
}

async fn say_figures(tx: &mut Tx, totals: pb::Totals, days: Vec<pb::Day>) -> Result<bool, journal::Error> {
    let own = tx.author.id.uuid;
    let known = store::totals_of(tx, own).await?;
    let totals = (known.as_ref().map(said_totals) != Some(totals)).then_some(totals);
    let mut news = Vec::new();
    for day in days {
        let known = store::day(tx, own, day.day).await?;
        let old = known
            .as_ref()
            .map_or(pb::Day { day: day.day, used: Some(pb::Used::default()), ..pb::Day::default() }, said_day);
        // A day on which nothing happened is not spoken of.
        if old != day {
            news.push(day);
        }
    }
    if totals.is_none() && news.is_empty() {
        return Ok(false);
    }
    let hub = Audience::Hub(tx.author.id.region.clone());
    let message = pb::StoreFiguresReported { store: own.as_bytes().to_vec(), totals, days: news };
    journal::emit(tx, &hub, &message).await?;
    Ok(true)
}

fn said_totals(row: &Totals) -> pb::Totals {
    pb::Totals {
        orders: row.orders,
        sales_cents: row.sales_cents,
        refunds_cents: row.refunds_cents,
        customers: row.customers,
        pending_orders: row.pending_orders,
        complaints: row.complaints,
        open_complaints: row.open_complaints,
    }
}

fn said_day(row: &Day) -> pb::Day {
    pb::Day {
        day: row.day,
        orders: row.orders,
        drinks: row.drinks,
        sales_cents: row.sales_cents,
        refunds_cents: row.refunds_cents,
        used: Some(pb::Used { sodas: row.sodas, syrups: row.syrups, add_ins: row.add_ins, physical: row.physical }),
    }
}

/// How the stock of a store stands, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockSums {
    /// Different items.
    pub items: i64,
    /// Units of all of them.
    pub units: i64,
    /// Items at or below their threshold.
    pub low: i64,
    /// Items of which nothing is left.
    pub missing: i64,
}

impl StockSums {
    /// Counts an item in.
    pub fn add(&mut self, item: &Item) {
        self.items += 1;
        self.units += i64::from(item.quantity);
        self.low += i64::from(item.is_low());
        self.missing += i64::from(item.quantity == 0);
    }
}

/// All that a store reported of how it stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Its figures; only at its hub and at the store itself.
    pub totals: Option<Totals>,
    /// Its stock, if it reported any.
    pub stock: StockSums,
    /// When it reported anything of this last.
    pub as_of: Option<DateTime<Utc>>,
}

impl Standing {
    fn heard(&mut self, at: DateTime<Utc>) {
        self.as_of = self.as_of.max(Some(at));
    }
}

/// How the stores stand whose reports are here, and their stock, by item.
///
/// # Errors
/// The database failed.
pub async fn standings(tx: &mut Tx) -> Result<(HashMap<Uuid, Standing>, Vec<Item>), storage::Error> {
    let mut all: HashMap<Uuid, Standing> = HashMap::new();
    for totals in store::all_totals(tx, TOTALS_READ_MAX).await? {
        let standing = all.entry(totals.store.0).or_default();
        standing.heard(totals.at.0);
        standing.totals = Some(totals);
    }
    let (mut items, mut last) = (Vec::new(), (Id(Uuid::nil()), i64::MIN));
    loop {
        let page = store::items_after(tx, last, PAGE).await?;
        let Some(end) = page.last() else { return Ok((all, items)) };
        last = (end.store, end.item);
        for item in page.into_iter().filter(|item| !item.removed) {
            let standing = all.entry(item.store.0).or_default();
            standing.heard(item.at.0);
            standing.stock.add(&item);
            items.push(item);
        }
    }
}

/// The stock of a store as it was reported, by type and name.
///
/// # Errors
/// The database failed.
pub async fn items_of(tx: &mut Tx, store: Uuid, limit: i64) -> Result<Vec<Item>, storage::Error> {
    let mut items = store::items_of(tx, store, limit).await?;
    items.retain(|item| !item.removed);
    // Sorted here: databases order text by rules of their own.
    items.sort_by(|a, b| (a.item_type, &a.name, a.item).cmp(&(b.item_type, &b.name, b.item)));
    Ok(items)
}

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// The last thirty days that were reported, those of the newest first, by store.
///
/// # Errors
/// The database failed.
pub async fn recent_days(tx: &mut Tx) -> Result<Vec<Day>, storage::Error> {
    match store::newest_of_all(tx).await? {
        Some(newest) => {
            // A store whose clock is wrong does not hide the days of the others.
            let today = i32::try_from(tx.clock.wall().timestamp() / DAY_SECONDS).unwrap_or(i32::MAX);
            let newest = newest.min(today.saturating_add(1));
            store::days_since(tx, newest - TREND_DAYS + 1, DAYS_READ_MAX).await
        }
        None => Ok(Vec::new()),
    }
}

/// The date of a day that is counted from 1970-01-01.
pub fn date(day: i32) -> NaiveDate {
    NaiveDate::default().checked_add_signed(TimeDelta::days(day.into())).unwrap_or_default()
}
