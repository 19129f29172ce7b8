//! The days that figures are about, by the store's clocks. Databases sum by quarters of hours, in UTC; here they become days,
//! hours and weekdays, so that summer time and odd zones are counted right.

use chrono::{DateTime, Days as Count, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::{storage::figures::QUARTER_SECONDS, stores::hours::day_start};

/// Some days, the last of which is today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Days {
    pub(super) zone: Tz,
    pub(super) first: NaiveDate,
    pub(super) today: NaiveDate,
    /// When the first day began.
    pub(super) start: DateTime<Utc>,
}

impl Days {
    /// So many days up to now; `None` far from our times.
    pub(super) fn until(now: DateTime<Utc>, zone: Tz, count: u32) -> Option<Self> {
        let today = now.with_timezone(&zone).date_naive();
        let first = today.checked_sub_days(Count::new(u64::from(count.saturating_sub(1))))?;
        Some(Self { zone, first, today, start: day_start(first, zone)? })
    }

    /// All of them, the oldest first.
    pub(super) fn dates(&self) -> impl Iterator<Item = NaiveDate> {
        let today = self.today;
        self.first.iter_days().take_while(move |date| *date <= today)
    }
}

/// What the store's clocks show in a quarter of an hour counted from 1970; `None` far from our times.
pub(super) fn local(zone: Tz, quarter: i64) -> Option<DateTime<Tz>> {
    let moment = DateTime::from_timestamp(quarter.checked_mul(QUARTER_SECONDS)?, 0)?;
    Some(moment.with_timezone(&zone))
}

/// A date as the contract has it.
pub(super) fn written(date: NaiveDate) -> String {
    date.format("%Y-%m-%d").to_string()
}

/// Reads a date; only the one form with ten characters.
pub(super) fn parse(text: &str) -> Result<NaiveDate, &'static str> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|date| written(*date) == text);
    date.ok_or("must be a date like 2026-07-31")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENVER: Tz = chrono_tz::America::Denver;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_day_is_today_by_the_stores_clocks() {
        // In Denver it is still the 22nd.
        let days = Days::until(at("2026-11-23T05:00:00Z"), DENVER, 3).unwrap();
        assert_eq!(days.dates().map(written).collect::<Vec<_>>(), ["2026-11-20", "2026-11-21", "2026-11-22"]);
        assert_eq!(days.start, at("2026-11-20T07:00:00Z"));
        let one = Days::until(at("2026-11-23T05:00:00Z"), DENVER, 1).unwrap();
        assert_eq!((one.first, one.start), (one.today, at("2026-11-22T07:00:00Z")));
    }

    #[test]
    fn summer_time_moves_hours_and_not_days() {
        // Denver put its clocks forward on 2026-03-08 at 2 and back on 2026-11-01 at 2.
        let quarter = |text: &str| at(text).timestamp() / QUARTER_SECONDS;
        let shown = |text: &str| local(DENVER, quarter(text)).unwrap().format("%d %H:%M").to_string();
        assert_eq!(
            (shown("2026-03-08T08:45:00Z"), shown("2026-03-08T09:00:00Z")),
            ("08 01:45".into(), "08 03:00".into())
        );
        assert_eq!(
            (shown("2026-11-01T07:30:00Z"), shown("2026-11-01T08:30:00Z")),
            ("01 01:30".into(), "01 01:30".into())
        );
        let nepal = local(chrono_tz::Asia::Kathmandu, quarter("2026-01-01T18:15:00Z")).unwrap();
        assert_eq!(nepal.format("%d %H:%M").to_string(), "02 00:00");
    }

    #[test]
    fn dates_have_one_form() {
        assert_eq!(parse("2024-02-29").map(written), Ok("2024-02-29".into()));
        for bad in ["", "2026-2-28", "2026-02-30", "28.02.2026", "2026-02-28T00:00:00Z", " 2026-02-28", "+2026-02-28"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
