//! How many orders a store has on a day, and at what time they come: more towards the week's end, little on Sundays, most
//! at noon and after school.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use crate::seed::Random;

/// Fewest and most orders of a store and day (requirement 6.08).
const ORDERS: (i64, i64) = (5, 15);

/// A day's share of the usual, in percent, from Monday on.
const WEEK: [i64; 7] = [85, 85, 90, 100, 125, 140, 75];

/// The hour at which stores open.
const OPENS: u32 = 6;

/// How likely an order is in each hour from then on, until they close at 22.
const HOURS: [u64; 16] = [2, 5, 8, 6, 5, 9, 14, 12, 8, 10, 12, 11, 8, 9, 7, 3];

/// The days for which orders are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first of them.
    pub first: NaiveDate,
    /// How many.
    pub days: u32,
}

impl Span {
    /// So many days of which `last` is the last; `None` when the calendar does not reach that far.
    pub fn ending(last: NaiveDate, days: u32) -> Option<Self> {
        let first = last.checked_sub_days(Days::new(days.checked_sub(1)?.into()))?;
        Some(Self { first, days })
    }

    /// Its days.
    pub fn dates(self) -> impl Iterator<Item = NaiveDate> {
        self.first.iter_days().take(usize::try_from(self.days).unwrap_or_default())
    }

    /// The last of them.
    pub fn last(self) -> NaiveDate {
        self.dates().last().unwrap_or(self.first)
    }
}

/// A moment of the store's own time; one that the clock skips is the one an hour later.
pub(super) fn moment(date: NaiveDate, time: NaiveTime, zone: Tz) -> DateTime<Utc> {
    let local = date.and_time(time);
    let found = zone.from_local_datetime(&local).earliest();
    let found = found.or_else(|| zone.from_local_datetime(&(local + TimeDelta::hours(1))).earliest());
    found.map_or_else(|| local.and_utc(), |found| found.to_utc())
}

/// How many orders a store usually has on a day.
pub(super) fn usual(random: &mut Random) -> i64 {
    random.between(8, 11)
}

/// The moments of a day's orders, in order.
pub(super) fn times(random: &mut Random, usual: i64, date: NaiveDate, zone: Tz) -> Vec<DateTime<Utc>> {
    let weekday = usize::try_from(date.weekday().num_days_from_monday()).unwrap_or_default();
    let share = WEEK.get(weekday).copied().unwrap_or(100);
    // In ten-thousandths of an order, rounded.
    let wanted = (usual * share * random.between(80, 120) + 5_000) / 10_000;
    let count = wanted.clamp(ORDERS.0, ORDERS.1);
    let mut times: Vec<DateTime<Utc>> = (0..count)
        .map(|_| {
            let hour = OPENS + u32::try_from(random.weighted(&HOURS)).unwrap_or_default();
            let second = u32::try_from(random.below(3_600)).unwrap_or_default();
            let time = NaiveTime::from_num_seconds_from_midnight_opt(hour * 3_600 + second, 0).unwrap_or_default();
            moment(date, time, zone)
        })
        .collect();
    times.sort_unstable();
    times
}

#[cfg(test)]
mod tests {
    use chrono::Timelike as _;
    use chrono_tz::America::Denver;

    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_span_ends_where_it_should() {
        let span = Span::ending(date("2026-03-10"), 30).unwrap();
        assert_eq!((span.first, span.last()), (date("2026-02-09"), date("2026-03-10")));
        assert_eq!(span.dates().count(), 30);
        assert_eq!(Span::ending(date("2026-03-10"), 0), None);
    }

    #[test]
    fn weeks_and_hours_have_their_pattern() {
        let mut random = Random::new(1, "calendar");
        let mut by_weekday = [0_usize; 7];
        let mut by_hour = [0_usize; 24];
        for date in date("2026-01-05").iter_days().take(70 * 7) {
            let times = times(&mut random, 10, date, Denver);
            assert!((5..=15).contains(&times.len()) && times.is_sorted());
            by_weekday[date.weekday().num_days_from_monday() as usize] += times.len();
            for time in times {
                let local = time.with_timezone(&Denver);
                // On the day when the clock skips an hour nobody orders at that hour anyway: it is night.
                assert_eq!(local.date_naive(), date);
                by_hour[local.hour() as usize] += 1;
            }
        }
        assert!(by_weekday[5] > by_weekday[4] && by_weekday[4] > by_weekday[3] && by_weekday[6] < by_weekday[0]);
        assert_eq!(by_hour.iter().take(6).sum::<usize>() + by_hour[22] + by_hour[23], 0);
        assert!(by_hour[12] > by_hour[9] && by_hour[16] > by_hour[14], "{by_hour:?}");
    }

    #[test]
    fn skipped_hours_are_the_next_ones() {
        let at = |text: &str| moment(date("2026-03-08"), text.parse().unwrap(), Denver).to_rfc3339();
        assert_eq!(at("02:30:00"), "2026-03-08T09:30:00+00:00");
        assert_eq!(at("03:30:00"), "2026-03-08T09:30:00+00:00");
    }
}
