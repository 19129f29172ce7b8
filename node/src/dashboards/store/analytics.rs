//! How the store went over some days.

use std::collections::HashMap;

use chrono::{DateTime, Days as Count, NaiveDate, TimeDelta, Utc};
use codepop_proto::dashboards as pb;
use codepop_shared::{Code, Failure};

use super::{
    Error,
    days::{Days, local, written},
    dollars,
    forecast::{DAYS_NEEDED, Line},
    peaks::peaks,
    ratio, rational, rounded,
    trend::trend,
    usage::usage,
};
use crate::{
    app::edge::timestamp,
    inventory::{self, Item},
    orders::{self, figures::Customers},
    payments::revenue::{self, figures::Quarter},
    storage::Tx,
    stores::Found,
};

/// Drinks that are named as the most popular.
const POPULAR_MAX: i64 = 20;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// How many days.
    pub(super) period: u32,
    /// How many days to look ahead; `None` for no forecast.
    pub(super) ahead: Option<u32>,
}

/// So many days up to now by the store's clocks.
pub(super) fn days(found: &Found, now: DateTime<Utc>, count: u32) -> Result<Days, Error> {
    let days = Days::until(now, found.store.time_zone.0, count);
    days.ok_or_else(|| Failure::new(Code::Internal, "This node's clock is far from our times.").into())
}

/// The end of what was until now: databases keep microseconds, and what was written this instant counts.
pub(super) fn after(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::microseconds(1)
}

/// The analysis of this node's store.
pub(super) async fn analyse(
    tx: &mut Tx,
    found: &Found,
    question: Question,
) -> Result<pb::GetStoreAnalyticsResponse, Error> {
    let now = tx.clock.wall();
    let (days, end) = (days(found, now, question.period)?, after(now));
    let sold = revenue::figures::by_quarter(tx, days.start, end).await?;
    let placed = orders::figures::by_quarter(tx, days.start, end).await?;
    let first_sale = revenue::figures::first(tx).await?.map(|at| at.with_timezone(&days.zone).date_naive());
    let daily = Daily::of(&days, &sold, &placed);
    let whole = daily.whole_days(&days, first_sale);
    let guest_and_account: i64 = placed.iter().map(|(_, orders)| orders).sum();
    let customers = orders::figures::customers(tx, days.start, end).await?;
    let popular = orders::figures::popular(tx, days.start, end, POPULAR_MAX).await?;
    Ok(pb::GetStoreAnalyticsResponse {
        as_of: Some(timestamp(now)),
        store_id: found.store.id.0.to_string(),
        period: question.period.try_into().unwrap_or(i32::MAX),
        start_date: written(days.first),
        end_date: written(days.today),
        time_zone: days.zone.name().to_owned(),
        revenue_trends: Some(daily.trends(&days, &whole)),
        peak_hours: Some(peaks(&days, &placed)),
        inventory_usage: usages(tx, days.start, now).await?,
        drink_popularity: popular.into_iter().map(drink).collect(),
        customer_insights: Some(insights(customers, guest_and_account)),
        revenue_forecast: question.ahead.map(|ahead| forecast(&whole, days.today, ahead)),
    })
}

/// Cents and orders by day.
struct Daily {
    cents: HashMap<NaiveDate, i64>,
    orders: HashMap<NaiveDate, i64>,
}

impl Daily {
    fn of(days: &Days, sold: &[Quarter], placed: &[(i64, i64)]) -> Self {
        let (mut cents, mut orders) = (HashMap::new(), HashMap::new());
        for quarter in sold {
            if let Some(at) = local(days.zone, quarter.quarter) {
                *cents.entry(at.date_naive()).or_default() += quarter.sales_cents - quarter.refunds_cents;
            }
        }
        for (quarter, count) in placed {
            if let Some(at) = local(days.zone, *quarter) {
                *orders.entry(at.date_naive()).or_default() += count;
            }
        }
        Self { cents, orders }
    }

    /// Cents of the days that are over, from the store's first sale on.
    fn whole_days(&self, days: &Days, first_sale: Option<NaiveDate>) -> Vec<i64> {
        let Some(first) = first_sale else { return Vec::new() };
        let whole = days.dates().filter(|date| *date >= first && *date < days.today);
        whole.map(|date| self.cents.get(&date).copied().unwrap_or_default()).collect()
    }

    fn trends(&self, days: &Days, whole: &[i64]) -> pb::RevenueTrends {
        let day = |date: NaiveDate| {
            let cents = self.cents.get(&date).copied().unwrap_or_default();
            let orders = self.orders.get(&date).copied().unwrap_or_default();
            (cents, orders, date)
        };
        let all: Vec<(i64, i64, NaiveDate)> = days.dates().map(day).collect();
        let cents: i64 = all.iter().map(|day| day.0).sum();
        let orders: i64 = all.iter().map(|day| day.1).sum();
        let count = i64::try_from(all.len()).unwrap_or(i64::MAX);
        let trend = trend(whole);
        pb::RevenueTrends {
            daily: all
                .into_iter()
                .map(|(cents, orders, date)| pb::RevenueDay {
                    date: written(date),
                    revenue: dollars(cents),
                    orders,
                    average_order_value: ratio(dollars(cents), rational(orders)),
                })
                .collect(),
            total_revenue: dollars(cents),
            total_orders: orders,
            average_order_value: ratio(dollars(cents), rational(orders)),
            average_daily_revenue: ratio(dollars(cents), rational(count)),
            trend: trend.word.to_owned(),
            change_percent: trend.change_percent,
        }
    }
}

/// What was used of every item, the most urgent first.
async fn usages(tx: &mut Tx, start: DateTime<Utc>, now: DateTime<Utc>) -> Result<Vec<pb::ItemUsage>, Error> {
    let used = inventory::figures::used(tx, start, after(now)).await?;
    let since = inventory::figures::first_use(tx).await?.map_or(start, |first| first.max(start));
    let days = (now - since).as_seconds_f64() / TimeDelta::days(1).as_seconds_f64();
    let items = inventory::report(tx).await?;
    let mut all: Vec<(Option<f64>, pb::ItemUsage)> =
        items.into_iter().map(|item| item_usage(used.get(&item.id).copied().unwrap_or_default(), item, days)).collect();
    // Stable: those that are equally urgent stay as the stock lists them.
    all.sort_by(|a, b| a.0.unwrap_or(f64::INFINITY).total_cmp(&b.0.unwrap_or(f64::INFINITY)));
    Ok(all.into_iter().map(|(_, usage)| usage).collect())
}

fn item_usage(used: i64, item: Item, days: f64) -> (Option<f64>, pb::ItemUsage) {
    let usage = usage(item.quantity, item.threshold, used, days);
    let shown = pb::ItemUsage {
        inventory_id: item.id,
        item_name: item.name,
        item_type: item.item_type.into(),
        quantity: item.quantity,
        threshold_level: item.threshold,
        used,
        average_daily_use: rounded(usage.per_day),
        days_until_restock: usage.days_left.map(rounded),
        status: usage.status.to_owned(),
        suggested_monthly_order: usage.monthly,
    };
    (usage.days_left, shown)
}

fn drink(drink: orders::figures::Popular) -> pb::PopularDrink {
    pb::PopularDrink {
        drink_id: drink.drink_id,
        name: drink.name,
        ordered: drink.ordered,
        revenue: dollars(drink.cents),
    }
}

fn insights(by: Customers, all_orders: i64) -> pb::CustomerInsights {
    let customers = rational(by.customers);
    pb::CustomerInsights {
        customers: by.customers,
        new_customers: by.newcomers,
        repeat_customers: by.repeated,
        repeat_rate_percent: ratio(rational(by.repeated) * 100.0, customers),
        account_orders: by.orders,
        guest_orders: all_orders - by.orders,
        orders_per_customer: ratio(rational(by.orders), customers),
        average_spend: ratio(dollars(by.cents), customers),
    }
}

/// The line through the days that are over, continued from tomorrow on.
fn forecast(whole: &[i64], today: NaiveDate, ahead: u32) -> pb::RevenueForecast {
    let data_days = i32::try_from(whole.len()).unwrap_or(i32::MAX);
    let past: Vec<f64> = whole.iter().map(|cents| dollars(*cents)).collect();
    let Some(line) = Line::fit(&past) else {
        let note = format!(
            "{DAYS_NEEDED} whole days within the period, from the store's first sale on, are needed; there are {data_days}."
        );
        return pb::RevenueForecast { data_days, note, ..Default::default() };
    };
    // The line's next day is today; tomorrow is the one after it.
    let day = |after: u32| {
        let date = today.checked_add_days(Count::new(after.into()))?;
        Some(pb::ForecastDay {
            date: written(date),
            revenue: rounded(line.at(u32::try_from(data_days).ok()?.saturating_add(after))),
        })
    };
    let days: Vec<pb::ForecastDay> = (1..=ahead).filter_map(day).collect();
    pb::RevenueForecast {
        total: rounded(days.iter().map(|day| day.revenue).sum()),
        confidence: Some(rounded(line.confidence)),
        slope: rounded(line.slope),
        data_days,
        note: String::new(),
        days,
    }
}
