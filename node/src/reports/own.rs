//! What a store reads of its own rows to report it: sums, not rows, because a store has hundreds of thousands of them.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use codepop_proto::reports as pb;
use diesel::{
    AggregateExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    QueryDsl as _,
    dsl::{count, sql, sum},
    sql_types::BigInt,
};
use diesel_async::RunQueryDsl as _;

use crate::{
    inventory::{Kind, Reason},
    on,
    orders::Status,
    storage::{
        Error, Tx,
        schema::{complaints, inventory_items, order_drinks, orders, revenue_entries, stock_movements},
        types::Time,
    },
};

/// A sum of cents as the whole number that it is: databases sum whole numbers into other types.
const CENTS: &str = "CAST(COALESCE(SUM(amount_cents), 0) AS BIGINT)";

/// The day of a moment in a time zone, counted from 1970-01-01.
pub(super) fn day_of(zone: Tz, at: DateTime<Utc>) -> i32 {
    let days = at.with_timezone(&zone).date_naive().signed_duration_since(NaiveDate::default()).num_days();
    i32::try_from(days).unwrap_or_default()
}

/// From when to when a day lasts in a time zone; `None` far from our times.
fn span(zone: Tz, day: i32) -> Option<(Time, Time)> {
    let begins = |day: i32| {
        let date = NaiveDate::default().checked_add_days(Days::new(u64::try_from(day).ok()?))?;
        let midnight = date.and_hms_opt(0, 0, 0)?;
        // Where clocks are put forward at midnight, the day begins an hour later.
        let local = zone.from_local_datetime(&midnight).earliest();
        let local = local.or_else(|| zone.from_local_datetime(&(midnight + TimeDelta::hours(1))).earliest())?;
        Some(Time(local.with_timezone(&Utc)))
    };
    Some((begins(day)?, begins(day.checked_add(1)?)?))
}

/// How this store stands: of all time, and now.
pub(super) async fn totals(tx: &mut Tx) -> Result<pb::Totals, Error> {
    let placed: i64 = on!(tx, conn => orders::table
        .filter(orders::status.ne(Status::Cancelled.word()))
        .count()
        .get_result(conn)
        .await)?;
    let customers: i64 =
        on!(tx, conn => orders::table.select(count(orders::user_id).aggregate_distinct()).get_result(conn).await)?;
    let waiting = [Status::Pending, Status::Processing].map(Status::word);
    let pending: i64 =
        on!(tx, conn => orders::table.filter(orders::status.eq_any(waiting)).count().get_result(conn).await)?;
    let sales: i64 = on!(tx, conn => revenue_entries::table
        .filter(revenue_entries::amount_cents.ge(0_i64))
        .select(sql::<BigInt>(CENTS))
        .get_result(conn)
        .await)?;
    let refunds: i64 = on!(tx, conn => revenue_entries::table
        .filter(revenue_entries::amount_cents.lt(0_i64))
        .select(sql::<BigInt>(CENTS))
        .get_result(conn)
        .await)?;
    let made: i64 = on!(tx, conn => complaints::table.count().get_result(conn).await)?;
    let open: i64 =
        on!(tx, conn => complaints::table.filter(complaints::helped_at.is_null()).count().get_result(conn).await)?;
    Ok(pb::Totals {
        orders: placed,
        sales_cents: sales,
        refunds_cents: -refunds,
        customers,
        pending_orders: pending,
        complaints: made,
        open_complaints: open,
    })
}

/// What happened at this store on a day.
pub(super) async fn day(tx: &mut Tx, zone: Tz, day: i32) -> Result<pb::Day, Error> {
    let Some((from, until)) = span(zone, day) else { return Ok(pb::Day { day, ..pb::Day::default() }) };
    let (placed, drinks) = placed(tx, from, until).await?;
    let sales: i64 = on!(tx, conn => revenue_entries::table
        .filter(revenue_entries::at.ge(from))
        .filter(revenue_entries::at.lt(until))
        .filter(revenue_entries::amount_cents.ge(0_i64))
        .select(sql::<BigInt>(CENTS))
        .get_result(conn)
        .await)?;
    let refunds: i64 = on!(tx, conn => revenue_entries::table
        .filter(revenue_entries::at.ge(from))
        .filter(revenue_entries::at.lt(until))
        .filter(revenue_entries::amount_cents.lt(0_i64))
        .select(sql::<BigInt>(CENTS))
        .get_result(conn)
        .await)?;
    let used = used(tx, from, until).await?;
    Ok(pb::Day { day, orders: placed, drinks, sales_cents: sales, refunds_cents: -refunds, used: Some(used) })
}

/// Orders of a span that were not cancelled, and the drinks in them.
async fn placed(tx: &mut Tx, from: Time, until: Time) -> Result<(i64, i64), Error> {
    let placed: i64 = on!(tx, conn => orders::table
        .filter(orders::created_at.ge(from))
        .filter(orders::created_at.lt(until))
        .filter(orders::status.ne(Status::Cancelled.word()))
        .count()
        .get_result(conn)
        .await)?;
    let drinks: i64 = on!(tx, conn => order_drinks::table
        .inner_join(orders::table.on(orders::id.eq(order_drinks::order_id)))
        .filter(orders::created_at.ge(from))
        .filter(orders::created_at.lt(until))
        .filter(orders::status.ne(Status::Cancelled.word()))
        .count()
        .get_result(conn)
        .await)?;
    Ok((placed, drinks))
}

/// Units that orders took in a span, less those that they gave back in it.
async fn used(tx: &mut Tx, from: Time, until: Time) -> Result<pb::Used, Error> {
    let reasons = [Reason::Order, Reason::Returned].map(Reason::word);
    let sums: Vec<(String, Option<i64>)> = on!(tx, conn => stock_movements::table
        .inner_join(inventory_items::table.on(inventory_items::id.eq(stock_movements::item_id)))
        .filter(stock_movements::at.ge(from))
        .filter(stock_movements::at.lt(until))
        .filter(stock_movements::reason.eq_any(reasons))
        .group_by(inventory_items::item_type)
        .select((inventory_items::item_type, sum(stock_movements::change).nullable()))
        .load(conn)
        .await)?;
    let of =
        |kind: Kind| sums.iter().find(|(word, _)| word == kind.word()).map_or(0, |(_, change)| -change.unwrap_or(0));
    Ok(pb::Used {
        sodas: of(Kind::Soda),
        syrups: of(Kind::Syrup),
        add_ins: of(Kind::AddIn),
        physical: of(Kind::Physical),
    })
}

#[cfg(test)]
mod tests {
    use chrono_tz::America::{Denver, Sao_Paulo};

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_that_of_the_store() {
        let day = day_of(Denver, at("2026-11-23T06:59:59Z"));
        assert_eq!(day_of(Denver, at("2026-11-23T07:00:00Z")), day + 1);
        let (from, until) = span(Denver, day + 1).unwrap();
        assert_eq!((from.0, until.0), (at("2026-11-23T07:00:00Z"), at("2026-11-24T07:00:00Z")));
    }

    #[test]
    fn days_join_without_a_gap_whatever_clocks_do() {
        // Denver has a day of 23 and one of 25 hours; in São Paulo of 2018 midnight did not exist on 4 November.
        for (zone, date) in [(Denver, "2026-03-08"), (Denver, "2026-11-01"), (Sao_Paulo, "2018-11-04")] {
            let noon = at(&format!("{date}T15:00:00Z"));
            let day = day_of(zone, noon);
            let (from, until) = span(zone, day).unwrap();
            assert_eq!(span(zone, day + 1).unwrap().0, until);
            assert_eq!(span(zone, day - 1).unwrap().1, from);
            assert_eq!((day_of(zone, from.0), day_of(zone, from.0 - TimeDelta::microseconds(1))), (day, day - 1));
            let hours = (until.0 - from.0).num_hours();
            assert!((23..=25).contains(&hours) && hours != 24, "{zone} {hours}");
        }
        assert_eq!(span(Denver, -1), None);
        assert_eq!(span(Denver, i32::MAX), None);
    }
}
