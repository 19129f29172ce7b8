//! The views on both databases, against figures worked out from the same sales in another way: one by one.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Timelike as _, Utc};
use chrono_tz::America::Denver;
use codepop_proto::{
    dashboards::{self as pb, store_dashboards_service_server::StoreDashboardsService as _},
    roles::Role,
};
use codepop_shared::{Code, Failure, geo};
use diesel::ExpressionMethods as _;
use futures::StreamExt as _;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::*;
use crate::{
    app::edge::timestamp,
    auth::{Grant, Place},
    each, laws, on_both,
    orders::{Order, OrderDrink},
    payments::revenue::Entry,
    storage::{
        schema::{order_drinks, orders as order_rows, revenue_entries, stock_movements},
        types::{Id, Time},
    },
    stores::{Described, describe_self},
    testing::Node,
};

/// One sale and what became of it.
#[derive(Clone, Debug)]
struct Sale {
    number: i64,
    at: DateTime<Utc>,
    user: Option<i64>,
    cents: i64,
    drink: i64,
    cancelled: bool,
    /// Cents given back, and when.
    back: Option<(i64, DateTime<Utc>)>,
}

impl Sale {
    fn day(at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&Denver).date_naive()
    }
}

/// 200 sales of the last 45 days, at all hours.
fn sales(now: DateTime<Utc>) -> Vec<Sale> {
    let sale = |number: i64| {
        let at = now - TimeDelta::days(number * 7 % 45) - TimeDelta::seconds(number * 3_607 % 80_000 + 1_300);
        let cents = 200 + number % 9 * 35;
        let cancelled = number % 11 == 0;
        let refunded = number % 13 == 0 && !cancelled;
        let back = (cancelled || refunded).then(|| {
            let (cents, later) = if cancelled { (cents, TimeDelta::minutes(10)) } else { (100, TimeDelta::hours(30)) };
            (cents, at + later)
        });
        let back = back.filter(|(_, at)| *at < now);
        let user = (number % 3 != 0).then_some(101_000 + number % 17 * 100_000);
        Sale { number: 1_000_000 + number, at, user, cents, drink: number % 27, cancelled, back }
    };
    (1..=200).map(sale).collect()
}

struct Shop {
    node: Node,
    sales: Vec<Sale>,
}

impl Shop {
    async fn open(node: Node) -> Self {
        let place = geo::Place::new(41.737, -111.8338).unwrap();
        let time_zone = Some(Denver);
        let described =
            Described { name: "own".into(), place, api_base_url: String::new(), time_zone, region_name: None };
        describe_self(&node.app, described).await.unwrap();
        let now = DateTime::from_timestamp(Utc::now().timestamp(), 0).unwrap();
        let shop = Self { node, sales: sales(now) };
        for (name, kind, quantity) in [
            ("Coke", inventory::Kind::Soda, 700),
            ("Vanilla", inventory::Kind::Syrup, 5),
            ("Lime", inventory::Kind::AddIn, 0),
        ] {
            let wanted = inventory::Wanted { name: name.into(), kind, quantity, threshold: Some(10) };
            let put = async move |tx: &mut Tx| inventory::put(tx, wanted, inventory::Reason::Restock, None).await;
            shop.node.db.write(move |tx| Box::pin(async move { put(tx).await })).await.unwrap();
        }
        shop.keep().await;
        shop
    }

    fn here(&self) -> Uuid {
        self.node.app.author().id.uuid
    }

    /// Keeps the sales as rows.
    async fn keep(&self) {
        let items = self.node.app.read(|tx| Box::pin(inventory::report(tx))).await.unwrap();
        let id = |name: &str| items.iter().find(|item| item.name == name).unwrap().id;
        let (coke, vanilla) = (id("Coke"), id("Vanilla"));
        let orders: Vec<Order> = self.sales.iter().map(order).collect();
        let drinks: Vec<OrderDrink> = self.sales.iter().map(drink).collect();
        let entries: Vec<Entry> = self.sales.iter().flat_map(entries).collect();
        let movements: Vec<(i64, i32, &'static str, DateTime<Utc>)> = self
            .sales
            .iter()
            .flat_map(|sale| {
                let back = sale.back.filter(|_| sale.cancelled);
                let taken = [(coke, -2, "order", sale.at), (vanilla, -1, "order", sale.at)];
                let given = back.map(|(_, at)| [(coke, 2, "returned", at), (vanilla, 1, "returned", at)]);
                taken.into_iter().chain(given.into_iter().flatten())
            })
            .collect();
        let keep = async move |tx: &mut Tx| {
            each!(tx, orders, row => diesel::insert_into(order_rows::table).values(row))?;
            each!(tx, drinks, row => diesel::insert_into(order_drinks::table).values(row))?;
            each!(tx, entries, row => diesel::insert_into(revenue_entries::table).values(row))?;
            each!(tx, movements, row => diesel::insert_into(stock_movements::table).values((
                stock_movements::item_id.eq(row.0),
                stock_movements::change.eq(row.1),
                stock_movements::quantity.eq(0),
                stock_movements::reason.eq(row.2),
                stock_movements::note.eq(""),
                stock_movements::at.eq(Time(row.3)),
            )))?;
            Ok::<_, storage::Error>(())
        };
        self.node.db.write(move |tx| Box::pin(async move { keep(tx).await })).await.unwrap();
    }

    fn rpc(&self) -> StoreDashboardsRpc {
        StoreDashboardsRpc::new(self.node.app.clone())
    }

    fn by<T>(role: Role, place: Place, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(laws::actor(Some(901_000), vec![Grant { role, place }]));
        request
    }

    fn by_manager<T>(&self, message: T) -> Request<T> {
        Self::by(Role::Manager, Place::Store(self.here()), message)
    }

    async fn analytics(
        &self,
        period: Option<i32>,
        forecast: Option<i32>,
    ) -> Result<pb::GetStoreAnalyticsResponse, Failure> {
        let store_id = self.here().to_string();
        let request = self.by_manager(pb::GetStoreAnalyticsRequest { store_id, period, forecast });
        answer(self.rpc().get_store_analytics(request).await)
    }

    async fn csv(&self, start: Option<&str>, end: Option<&str>) -> (String, String) {
        let (start_date, end_date) = (start.map(str::to_owned), end.map(str::to_owned));
        let store_id = self.here().to_string();
        let request = self.by_manager(pb::ExportRevenueRequest { store_id, start_date, end_date });
        let response = self.rpc().export_revenue(request).await.unwrap();
        let name = response.metadata().get("content-disposition").unwrap().to_str().unwrap().to_owned();
        let pieces: Vec<_> = response.into_inner().map(Result::unwrap).collect().await;
        assert!(pieces.iter().all(|piece| piece.content_type == "text/csv; charset=utf-8"));
        (String::from_utf8(pieces.into_iter().flat_map(|piece| piece.data).collect()).unwrap(), name)
    }
}

fn answer<T>(answer: Result<Response<T>, Status>) -> Result<T, Failure> {
    answer.map(Response::into_inner).map_err(|status| Failure::from(&status))
}

fn order(sale: &Sale) -> Order {
    Order {
        id: sale.number,
        user_id: sale.user,
        guest: sale.user.is_none().then(|| Id(Uuid::now_v7())),
        status: if sale.cancelled { orders::Status::Cancelled } else { orders::Status::Completed },
        payment_intent: String::new(),
        payment_status: Some(if sale.number == 1_000_001 { "=paid" } else { "paid" }.into()),
        remake_of: None,
        total_cents: sale.cents,
        locker_code: "00000".into(),
        locker_from_owner: false,
        created_at: Time(sale.at),
        pickup_time: None,
        await_arrival: false,
        preparation_minutes: 1,
        begins_at: None,
        ready_at: None,
        due_at: None,
        latitude: None,
        longitude: None,
    }
}

fn drink(sale: &Sale) -> OrderDrink {
    OrderDrink {
        order_id: sale.number,
        position: 0,
        drink_id: sale.drink,
        name: format!("Drink {}", sale.drink),
        syrups: "[]".into(),
        sodas: "[]".into(),
        add_ins: "[]".into(),
        price_cents: sale.cents,
        size: "24oz".into(),
        ice: "regular".into(),
    }
}

fn entries(sale: &Sale) -> Vec<Entry> {
    let entry = |id: i64, kind: &str, cents: i64, at: DateTime<Utc>| Entry {
        id,
        kind: kind.into(),
        source: Some(Id(Uuid::now_v7())),
        order_id: Some(sale.number),
        amount_cents: cents,
        refunded: cents < 0,
        at: Time(at),
    };
    let sold = entry(sale.number * 2, "sale", sale.cents, sale.at);
    let back = sale.back.map(|(cents, at)| entry(sale.number * 2 + 1, "refund", -cents, at));
    std::iter::once(sold).chain(back).collect()
}

fn dollars_of(cents: i64) -> f64 {
    format!("{}.{:02}", cents / 100, cents % 100).parse().unwrap()
}

fn two(number: f64) -> f64 {
    format!("{number:.2}").parse::<f64>().unwrap() + 0.0
}

on_both!(revenue_orders_and_hours_are_those_of_the_sales, |node: Node| async move {
    let shop = Shop::open(node).await;
    let said = shop.analytics(None, None).await.unwrap();
    let today = said.end_date.parse::<NaiveDate>().unwrap();
    let first = today - TimeDelta::days(29);
    assert_eq!((said.period, said.start_date, said.time_zone.as_str()), (30, first.to_string(), "America/Denver"));
    let (mut cents, mut count) = (BTreeMap::<NaiveDate, i64>::new(), BTreeMap::<NaiveDate, i64>::new());
    let (mut hours, mut weekdays) = ([0; 24], [0; 7]);
    for sale in &shop.sales {
        *cents.entry(Sale::day(sale.at)).or_default() += sale.cents;
        if let Some((back, at)) = sale.back {
            *cents.entry(Sale::day(at)).or_default() -= back;
        }
        let local = sale.at.with_timezone(&Denver);
        if !sale.cancelled {
            *count.entry(local.date_naive()).or_default() += 1;
        }
        if !sale.cancelled && local.date_naive() >= first {
            hours[local.hour() as usize] += 1;
            weekdays[local.weekday().num_days_from_monday() as usize] += 1;
        }
    }
    let trends = said.revenue_trends.unwrap();
    assert_eq!(trends.daily.len(), 30);
    for (day, date) in trends.daily.iter().zip(first.iter_days()) {
        let (cents, orders) = (cents.get(&date).copied().unwrap_or(0), count.get(&date).copied().unwrap_or(0));
        assert_eq!((&day.date, day.revenue, day.orders), (&date.to_string(), two(cents as f64 / 100.0), orders));
        let average = if orders == 0 { 0.0 } else { two(cents as f64 / 100.0 / orders as f64) };
        assert!((day.average_order_value - average).abs() < 0.011, "{day:?} {average}");
    }
    let all: i64 = cents.range(first..).map(|day| day.1).sum();
    let orders: i64 = count.range(first..).map(|day| day.1).sum();
    assert_eq!((trends.total_revenue, trends.total_orders), (dollars_of(all), orders));
    assert!((trends.average_daily_revenue - all as f64 / 3_000.0).abs() < 0.01);
    let days: Vec<i64> = first.iter_days().take(29).map(|date| cents.get(&date).copied().unwrap_or(0)).collect();
    let (early, late) = (days[..14].iter().sum::<i64>() as f64, days[15..].iter().sum::<i64>() as f64);
    let change = (late - early) / early * 100.0;
    assert!((trends.change_percent.unwrap() - change).abs() < 0.01, "{change}");
    let word = if change > 10.0 {
        "increasing"
    } else if change < -10.0 {
        "decreasing"
    } else {
        "stable"
    };
    assert_eq!(trends.trend, word);
    let peaks = said.peak_hours.unwrap();
    assert_eq!(peaks.hourly.iter().map(|hour| hour.orders).collect::<Vec<_>>(), hours);
    assert_eq!(peaks.weekdays.iter().map(|day| day.orders).collect::<Vec<_>>(), weekdays);
    assert!(said.revenue_forecast.is_none());
});

on_both!(use_drinks_and_customers_are_those_of_the_sales, |node: Node| async move {
    let shop = Shop::open(node).await;
    let said = shop.analytics(Some(10), None).await.unwrap();
    let first = said.start_date.parse::<NaiveDate>().unwrap();
    let within = |at: DateTime<Utc>| Sale::day(at) >= first;
    let start = days::Days::until(Utc::now(), Denver, 10).unwrap().start;
    let days = (Utc::now() - start).as_seconds_f64() / 86_400.0;
    let taken = shop.sales.iter().filter(|sale| within(sale.at)).count() as i64;
    let given = |sale: &&Sale| sale.cancelled && sale.back.is_some_and(|(_, at)| within(at));
    let used = taken - shop.sales.iter().filter(given).count() as i64;
    let item = |name: &str| said.inventory_usage.iter().find(|item| item.item_name == name).unwrap();
    let (coke, vanilla, lime) = (item("Coke"), item("Vanilla"), item("Lime"));
    assert_eq!((coke.used, vanilla.used, lime.used), (2 * used, used, 0));
    assert!((coke.average_daily_use - 2.0 * used as f64 / days).abs() < 0.01, "{coke:?} {days}");
    assert!((coke.days_until_restock.unwrap() - 690.0 / (2.0 * used as f64 / days)).abs() < 0.1, "{coke:?}");
    assert_eq!((vanilla.days_until_restock, vanilla.status.as_str()), (Some(0.0), "critical"));
    assert_eq!(said.inventory_usage.last().unwrap().item_name, "Coke", "the most urgent first");

    let good = || shop.sales.iter().filter(|sale| !sale.cancelled);
    let mut ordered: HashMap<i64, (i64, i64)> = HashMap::new();
    let mut by_user: HashMap<i64, (i64, i64)> = HashMap::new();
    for sale in good().filter(|sale| within(sale.at)) {
        let drink = ordered.entry(sale.drink).or_default();
        *drink = (drink.0 + 1, drink.1 + sale.cents);
        if let Some(user) = sale.user {
            let own = by_user.entry(user).or_default();
            *own = (own.0 + 1, own.1 + sale.cents);
        }
    }
    let mut expected: Vec<(i64, i64, i64)> = ordered.into_iter().map(|(id, (n, cents))| (-n, id, cents)).collect();
    expected.sort_unstable();
    expected.truncate(20);
    let shown = said
        .drink_popularity
        .iter()
        .map(|drink| (-drink.ordered, drink.drink_id, (drink.revenue * 100.0).round() as i64));
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    let earlier: HashSet<i64> = good().filter(|sale| !within(sale.at)).filter_map(|sale| sale.user).collect();
    let insights = said.customer_insights.unwrap();
    let new = by_user.keys().filter(|user| !earlier.contains(user)).count() as i64;
    let repeated = by_user.values().filter(|own| own.0 > 1).count() as i64;
    assert_eq!((insights.customers, insights.new_customers), (by_user.len() as i64, new));
    assert_eq!(
        (insights.repeat_customers, insights.account_orders),
        (repeated, by_user.values().map(|own| own.0).sum())
    );
    let guests = good().filter(|sale| within(sale.at) && sale.user.is_none()).count() as i64;
    assert_eq!(insights.guest_orders, guests);
    let spent: i64 = by_user.values().map(|own| own.1).sum();
    assert!((insights.average_spend - spent as f64 / 100.0 / by_user.len() as f64).abs() < 0.01);
});

on_both!(a_forecast_goes_by_whole_days, |node: Node| async move {
    let shop = Shop::open(node).await;
    let said = shop.analytics(Some(20), Some(3)).await.unwrap();
    let whole: Vec<f64> = said.revenue_trends.unwrap().daily[..19].iter().map(|day| day.revenue).collect();
    let forecast = said.revenue_forecast.unwrap();
    assert_eq!((forecast.data_days, forecast.note.as_str(), forecast.days.len()), (19, "", 3));
    // The textbook's formula with sums.
    let n = 19.0;
    let (sx, sy) = ((0..19).sum::<i32>() as f64, whole.iter().sum::<f64>());
    let sxy: f64 = whole.iter().enumerate().map(|(x, y)| x as f64 * y).sum();
    let sxx: f64 = (0..19).map(|x| (x * x) as f64).sum();
    let slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
    let start = (sy - slope * sx) / n;
    assert!((forecast.slope - slope).abs() < 0.01);
    for (day, x) in forecast.days.iter().zip([20.0, 21.0, 22.0]) {
        assert!((day.revenue - (start + slope * x).max(0.0)).abs() < 0.01, "{day:?}");
    }
    let today = said.end_date.parse::<NaiveDate>().unwrap();
    assert_eq!(forecast.days[0].date, (today + TimeDelta::days(1)).to_string());
    let short = shop.analytics(Some(7), Some(3)).await.unwrap().revenue_forecast.unwrap();
    assert!(short.days.is_empty() && short.confidence.is_none() && short.note.contains("there are 6"), "{short:?}");
    let long = shop.analytics(Some(365), Some(90)).await.unwrap();
    let from = shop.sales.iter().map(|sale| Sale::day(sale.at)).min().unwrap();
    assert_eq!(
        i64::from(long.revenue_forecast.unwrap().data_days),
        (today - from).num_days(),
        "from the first sale on"
    );
});

on_both!(the_dashboard_shows_the_day, |node: Node| async move {
    let shop = Shop::open(node).await;
    let ask = |role: Role, place: Place| {
        let request = pb::GetStoreDashboardRequest { store_id: shop.here().to_string() };
        let (rpc, request) = (shop.rpc(), Shop::by(role, place, request));
        async move { answer(rpc.get_store_dashboard(request).await) }
    };
    let here = || Place::Store(shop.here());
    let said = ask(Role::Manager, here()).await.unwrap();
    let revenue = said.revenue.unwrap();
    let today = revenue.date.parse::<NaiveDate>().unwrap();
    let net = |from: i64, to: i64| {
        let within = |at: DateTime<Utc>| (from..=to).contains(&(today - Sale::day(at)).num_days());
        let sold = shop.sales.iter().filter(|sale| within(sale.at)).map(|sale| sale.cents).sum::<i64>();
        let back = shop.sales.iter().filter_map(|sale| sale.back).filter(|(_, at)| within(*at));
        (sold - back.map(|(cents, _)| cents).sum::<i64>()) as f64 / 100.0
    };
    assert_eq!((revenue.today, revenue.yesterday), (two(net(0, 0)), two(net(1, 1))));
    assert_eq!((revenue.last_7_days, revenue.last_30_days), (two(net(0, 6)), two(net(0, 29))));
    assert_eq!(revenue.sales_today, shop.sales.iter().filter(|sale| Sale::day(sale.at) == today).count() as i64);
    let stock = said.inventory.unwrap();
    assert_eq!((stock.total_items, stock.out_of_stock, stock.low_stock_count), (3, 1, 2));
    let low: Vec<_> = stock.low_stock.iter().map(|item| (item.item_name.as_str(), item.quantity)).collect();
    assert_eq!(low, [("Lime", 0), ("Vanilla", 5)]);
    let orders = said.orders.unwrap();
    let good = shop.sales.iter().filter(|sale| !sale.cancelled && Sale::day(sale.at) == today).count() as i64;
    assert_eq!((orders.pending_count, orders.recent.len(), orders.today), (0, 10, good));
    let newest = shop.sales.iter().max_by_key(|sale| sale.at).unwrap();
    assert_eq!((orders.recent[0].order_id, &orders.recent[0].locker_code), (newest.number, &None));
    assert_eq!(orders.recent[0].creation_time, Some(timestamp(newest.at)));
    let shown = said.store.unwrap();
    assert_eq!((shown.store_id, shown.inventory_status.unwrap().low_stock_items), (shop.here().to_string(), 2));
    assert!(said.accounts.is_none(), "a manager administers no accounts");
    assert_eq!(ask(Role::Admin, here()).await.unwrap().accounts.unwrap().total, 0);
    assert!(ask(Role::SuperAdmin, Place::Chain).await.unwrap().accounts.is_some());
    let refused = [(Role::Manager, Place::Store(Uuid::now_v7())), (Role::RepairStaff, Place::Region("C".into()))];
    for (role, place) in refused {
        assert_eq!(ask(role, place).await.unwrap_err().code, Code::Forbidden);
    }
});

on_both!(nobody_learns_of_other_stores_or_by_nonsense, |node: Node| async move {
    let shop = Shop::open(node).await;
    let other = Uuid::now_v7().to_string();
    let request = pb::GetStoreDashboardRequest { store_id: other.clone() };
    let unknown = shop.rpc().get_store_dashboard(Shop::by(Role::SuperAdmin, Place::Chain, request)).await;
    assert_eq!(answer(unknown).unwrap_err().code, Code::NotFound);
    let request = pb::ExportRevenueRequest { store_id: other, start_date: Some("x".into()), ..Default::default() };
    let foreign = shop.rpc().export_revenue(shop.by_manager(request)).await.map(|_| ()).unwrap_err();
    assert_eq!(Failure::from(&foreign).code, Code::Forbidden, "before anything else is looked at");
    for (period, forecast, field) in
        [(Some(0), None, "period"), (Some(366), None, "period"), (None, Some(91), "forecast")]
    {
        let failure = shop.analytics(period, forecast).await.unwrap_err();
        assert_eq!((failure.code, failure.fields[0].0.as_str()), (Code::Invalid, field));
    }
    let failure = shop.analytics(Some(-1), Some(-1)).await.unwrap_err();
    assert_eq!(failure.fields.len(), 2, "both are named");
});

on_both!(the_table_has_every_entry_once, |node: Node| async move {
    let shop = Shop::open(node).await;
    let mut entries: Vec<Entry> = shop.sales.iter().flat_map(entries).collect();
    entries.sort_by_key(|entry| (entry.at, entry.id));
    let line = |entry: &Entry| {
        let date = entry.at.0.with_timezone(&Denver).format("%Y-%m-%d %H:%M:%S");
        let order = entry.order_id.unwrap();
        let (sign, refund) = if entry.amount_cents < 0 { ("-", "Yes") } else { ("", "No") };
        let cents = entry.amount_cents.abs();
        let word = if order == 1_000_001 { "'=paid" } else { "paid" };
        format!("{date},{order},{sign}{}.{:02},{refund},{word}\r\n", cents / 100, cents % 100)
    };
    let head = "Date,Order ID,Amount,Is Refund,Payment Status\r\n";
    let (first, last) = (Sale::day(entries[20].at.0), Sale::day(entries[150].at.0));
    let within = |entry: &&Entry| (first..=last).contains(&Sale::day(entry.at.0));
    let expected: String = entries.iter().filter(within).map(line).collect();
    let (csv, name) = shop.csv(Some(&first.to_string()), Some(&last.to_string())).await;
    assert_eq!(csv, format!("{head}{expected}"));
    assert!(name.starts_with("attachment; filename=\"revenue_") && name.ends_with(&format!("_{first}_{last}.csv\"")));
    let (none, _) = shop.csv(Some("2020-01-01"), Some("2020-12-31")).await;
    assert_eq!(none, head);

    // More than a page, most of it in the same microsecond.
    let at: DateTime<Utc> = "2021-06-01T12:00:00Z".parse().unwrap();
    let many: Vec<Entry> = (0..2_500_i64)
        .map(|number| Entry {
            id: 1 + number,
            kind: "brought".into(),
            source: None,
            order_id: None,
            amount_cents: number,
            refunded: false,
            at: Time(if number < 2_100 { at } else { at + TimeDelta::microseconds(number) }),
        })
        .collect();
    let keep = async move |tx: &mut Tx| {
        each!(tx, many, row => diesel::insert_into(revenue_entries::table).values(row))?;
        Ok::<_, storage::Error>(())
    };
    shop.node.db.write(move |tx| Box::pin(async move { keep(tx).await })).await.unwrap();
    let (csv, _) = shop.csv(Some("2021-06-01"), Some("2021-06-01")).await;
    let expected: String =
        (0..2_500).map(|n| format!("2021-06-01 06:00:00,,{}.{:02},No,\r\n", n / 100, n % 100)).collect();
    assert!(csv == format!("{head}{expected}"), "{} bytes", csv.len());
});
