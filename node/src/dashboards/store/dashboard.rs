//! How the store stands now.

use chrono::{DateTime, Utc};
use codepop_proto::dashboards as pb;

use super::{
    Error,
    days::{Days, local, written},
    dollars,
};
use crate::{
    accounts,
    app::edge::timestamp,
    inventory,
    orders::{self, OwnQueue, Viewer},
    payments::revenue,
    storage::Tx,
    stores::{self, Found, QueueLength as _},
    support,
};

/// Items that are named as running low.
const LOW_MAX: usize = 200;

/// Orders that are shown as not made yet, and as waiting in lockers.
const OPEN_MAX: i64 = 50;

/// Newest orders that are shown.
const RECENT_MAX: i64 = 10;

/// Days over which the longest sum goes.
const MONTH_DAYS: u32 = 30;

/// Days of the shorter sum.
const WEEK_DAYS: i64 = 7;

/// The dashboard of this node's store; `with_accounts` for who administers them.
pub(super) async fn dashboard(
    tx: &mut Tx,
    found: Found,
    viewer: Viewer,
    with_accounts: bool,
) -> Result<pb::GetStoreDashboardResponse, Error> {
    let now = tx.clock.wall();
    let days = super::analytics::days(&found, now, MONTH_DAYS)?;
    let today = Days::until(now, days.zone, 1).map_or(now, |today| today.start);
    let (queue, stock) = (OwnQueue.queue(tx).await?, inventory::status(tx).await?);
    let mut store = stores::view(&found, now, Some(now));
    stores::add_own(&mut store, queue, stock);
    let accounts = if with_accounts { Some(accounts::born_here(tx).await?) } else { None };
    Ok(pb::GetStoreDashboardResponse {
        as_of: Some(timestamp(now)),
        store: Some(store),
        inventory: Some(inventory(tx).await?),
        orders: Some(orders(tx, viewer, now, today).await?),
        revenue: Some(revenue(tx, &days, now).await?),
        complaints: Some(pb::DashboardComplaints {
            open: support::figures::open(tx).await?,
            today: support::figures::made_since(tx, today).await?,
            last_30_days: support::figures::made_since(tx, days.start).await?,
        }),
        accounts: accounts.map(|total| pb::DashboardAccounts { total }),
    })
}

async fn inventory(tx: &mut Tx) -> Result<pb::DashboardInventory, Error> {
    let items = inventory::report(tx).await?;
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let total_items = count(items.len());
    let out_of_stock = count(items.iter().filter(|item| item.quantity == 0).count());
    let mut low: Vec<_> = items.into_iter().filter(|item| item.quantity <= item.threshold).collect();
    let low_stock_count = count(low.len());
    // Those of equal quantity stay as the stock lists them.
    low.sort_by_key(|item| item.quantity);
    low.truncate(LOW_MAX);
    let low_stock = low.into_iter().map(inventory::view).collect();
    Ok(pb::DashboardInventory { total_items, out_of_stock, low_stock_count, low_stock })
}

async fn orders(
    tx: &mut Tx,
    viewer: Viewer,
    now: DateTime<Utc>,
    today: DateTime<Utc>,
) -> Result<pb::DashboardOrders, Error> {
    let locked = |(order_id, ready_at): (i64, DateTime<Utc>)| pb::LockedOrder {
        order_id,
        ready_at: Some(timestamp(ready_at)),
        minutes: (now - ready_at).num_minutes().max(0),
    };
    Ok(pb::DashboardOrders {
        pending_count: orders::figures::pending_count(tx).await?,
        pending: orders::figures::pending(tx, viewer, OPEN_MAX).await?,
        recent: orders::figures::recent(tx, viewer, RECENT_MAX).await?,
        today: orders::figures::placed_since(tx, today).await?,
        lockers: orders::figures::in_lockers(tx, OPEN_MAX).await?.into_iter().map(locked).collect(),
    })
}

async fn revenue(tx: &mut Tx, days: &Days, now: DateTime<Utc>) -> Result<pb::DashboardRevenue, Error> {
    let mut revenue = pb::DashboardRevenue { date: written(days.today), ..Default::default() };
    let (mut today, mut yesterday, mut week, mut month, mut back) = (0, 0, 0, 0, 0);
    for quarter in revenue::figures::by_quarter(tx, days.start, super::analytics::after(now)).await? {
        let Some(at) = local(days.zone, quarter.quarter) else { continue };
        let net = quarter.sales_cents - quarter.refunds_cents;
        let age = (days.today - at.date_naive()).num_days();
        month += net;
        if age < WEEK_DAYS {
            week += net;
        }
        if age == 1 {
            yesterday += net;
        }
        if age <= 0 {
            today += net;
            back += quarter.refunds_cents;
            revenue.sales_today += quarter.sales;
        }
    }
    (revenue.today, revenue.yesterday) = (dollars(today), dollars(yesterday));
    (revenue.last_7_days, revenue.last_30_days) = (dollars(week), dollars(month));
    revenue.refunds_today = dollars(back);
    Ok(revenue)
}
