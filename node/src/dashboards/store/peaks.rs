//! When orders are placed, by the store's clocks: a pure rule.

use chrono::{Datelike as _, Timelike as _};
use codepop_proto::dashboards as pb;

use super::{
    days::{Days, local},
    ratio, rational,
};
use crate::stores::hours::DAYS;

/// Hours that are named as the busiest.
const BUSIEST_MAX: usize = 3;

/// Counts orders by hour and weekday; each with its quarter of an hour and how many.
pub(super) fn peaks(days: &Days, quarters: &[(i64, i64)]) -> pb::PeakHours {
    let (mut hours, mut weekdays) = ([0_i64; 24], [0_i64; 7]);
    for (quarter, orders) in quarters {
        let Some(at) = local(days.zone, *quarter) else { continue };
        hours[at.hour() as usize] += orders;
        weekdays[at.weekday().num_days_from_monday() as usize] += orders;
    }
    let mut occurrences = [0_i64; 7];
    for date in days.dates() {
        occurrences[date.weekday().num_days_from_monday() as usize] += 1;
    }
    let all = rational(hours.iter().sum());
    let weekdays: Vec<pb::DayOfWeek> = DAYS
        .iter()
        .zip(weekdays.iter().zip(occurrences))
        .map(|(name, (orders, times))| pb::DayOfWeek {
            weekday: (*name).to_owned(),
            orders: *orders,
            average_orders: ratio(rational(*orders), rational(times)),
        })
        .collect();
    let hourly = (0..).zip(hours).map(|(hour, orders)| pb::HourOfDay {
        hour,
        orders,
        share_percent: ratio(rational(orders) * 100.0, all),
    });
    pb::PeakHours {
        hourly: hourly.collect(),
        busiest_hours: busiest_hours(hours),
        busiest_weekday: busiest_weekday(&weekdays),
        weekdays,
    }
}

/// The hours with most orders; of equals the earlier first.
fn busiest_hours(hours: [i64; 24]) -> Vec<i32> {
    let mut order: Vec<(i32, i64)> = (0..).zip(hours).filter(|(_, orders)| *orders > 0).collect();
    order.sort_by_key(|(hour, orders)| (std::cmp::Reverse(*orders), *hour));
    order.into_iter().take(BUSIEST_MAX).map(|(hour, _)| hour).collect()
}

/// The day with most orders on average; of equals the earlier in the week.
fn busiest_weekday(weekdays: &[pb::DayOfWeek]) -> Option<String> {
    let with_orders = weekdays.iter().rev().filter(|day| day.orders > 0);
    let busiest = with_orders.max_by(|a, b| a.average_orders.total_cmp(&b.average_orders));
    busiest.map(|day| day.weekday.clone())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    #[test]
    fn hours_and_weekdays_are_the_stores() {
        let now: DateTime<Utc> = "2026-11-23T20:00:00Z".parse().unwrap();
        // Eight days in Denver, Monday the 16th to Monday the 23rd.
        let days = Days::until(now, chrono_tz::America::Denver, 8).unwrap();
        let quarter = |text: &str| text.parse::<DateTime<Utc>>().unwrap().timestamp() / 900;
        let quarters = [
            // 23:45 on Tuesday, 0:15 on Wednesday, 8:00 on both Mondays.
            (quarter("2026-11-18T06:45:00Z"), 2),
            (quarter("2026-11-18T07:15:00Z"), 1),
            (quarter("2026-11-16T15:00:00Z"), 3),
            (quarter("2026-11-23T15:00:00Z"), 4),
        ];
        let peaks = peaks(&days, &quarters);
        let at = |hour: usize| (peaks.hourly[hour].orders, peaks.hourly[hour].share_percent);
        assert_eq!((at(23), at(0), at(8), at(15)), ((2, 20.0), (1, 10.0), (7, 70.0), (0, 0.0)));
        let on = |day: usize| (peaks.weekdays[day].orders, peaks.weekdays[day].average_orders);
        assert_eq!((on(0), on(1), on(2), on(6)), ((7, 3.5), (2, 2.0), (1, 1.0), (0, 0.0)));
        assert_eq!(peaks.busiest_hours, [8, 23, 0]);
        assert_eq!(peaks.busiest_weekday.as_deref(), Some("monday"));
        assert_eq!(peaks.weekdays[6].weekday, "sunday");
    }

    #[test]
    fn without_orders_nothing_is_busy() {
        let days = Days::until(DateTime::UNIX_EPOCH, chrono_tz::UTC, 1).unwrap();
        let peaks = peaks(&days, &[]);
        assert_eq!((peaks.hourly.len(), peaks.busiest_hours.len(), peaks.busiest_weekday), (24, 0, None));
    }

    #[test]
    fn of_equals_the_earlier_is_named() {
        let days = Days::until("2026-11-22T12:00:00Z".parse().unwrap(), chrono_tz::UTC, 7).unwrap();
        let noon = |day: u32| format!("2026-11-{day}T12:00:00Z").parse::<DateTime<Utc>>().unwrap().timestamp() / 900;
        let peaks = peaks(&days, &[(noon(20), 1), (noon(18), 1), (noon(18) + 4, 1), (noon(20) - 4, 1)]);
        assert_eq!(peaks.busiest_weekday.as_deref(), Some("wednesday"));
        assert_eq!(peaks.busiest_hours, [12, 11, 13]);
    }
}
