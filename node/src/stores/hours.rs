//! Hours of operation: when a store opens and closes on each day of the week, and whether it is open at a given moment in
//! its own time zone.

use std::{collections::HashMap, fmt};

use chrono::{DateTime, Datelike as _, Days, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use codepop_proto::stores::DayHours;
use serde::{Deserialize, Serialize};

/// Days of the week as the contract spells them.
pub const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Minutes of a day; as a closing time it is `24:00`.
const DAY_END: u16 = 24 * 60;

/// The longest gap in any zone's local time, in minutes: Samoa left out a whole day in 2011.
const GAP_MAX: i64 = 24 * 60;

/// A time of day in minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Minute(u16);

impl Minute {
    fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let number = |digits: &str| {
            (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| digits.parse::<u16>().ok())?
        };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let minute = hours * 60 + minutes;
        (minutes < 60 && minute <= DAY_END).then_some(Self(minute))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// Opening and closing time of one day. A close at or before the open is on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    open: Minute,
    close: Minute,
}

impl Day {
    /// Both moments in UTC for the day that begins on `date`. A local time that the clock skips is the moment after the
    /// gap; of one that comes twice, the first opens and the last closes.
    fn on(self, date: NaiveDate, zone: Tz) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let next = if self.close <= self.open { 1 } else { 0 };
        let open = moment(date, self.open, zone)?.0;
        let close = moment(date.checked_add_days(Days::new(next))?, self.close, zone)?.1;
        Some((open, close))
    }
}

/// The first and the last moment at which the zone's clocks show this time.
fn moment(date: NaiveDate, minute: Minute, zone: Tz) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let local: NaiveDateTime = date.and_hms_opt(0, 0, 0)? + TimeDelta::minutes(minute.0.into());
    let found =
        (0..=GAP_MAX).find_map(|skipped| match zone.from_local_datetime(&(local + TimeDelta::minutes(skipped))) {
            LocalResult::None => None,
            LocalResult::Single(only) => Some((only, only)),
            // After a gap, or of a time that comes twice: `first` is the earlier.
            LocalResult::Ambiguous(first, last) => Some((first, last)),
        });
    found.map(|(first, last)| (first.to_utc(), last.to_utc()))
}

/// When a day begins in a zone; `None` far from our times.
pub fn day_start(date: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    Some(moment(date, Minute(0), zone)?.0)
}

/// Hours by day of the week; a day without is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours([Option<Day>; 7]);

#[derive(Serialize, Deserialize)]
struct Words {
    open: String,
    close: String,
}

impl Hours {
    /// The same hours on every day, given in minutes since midnight; `None` when they are no times of day.
    pub fn every_day(open: &str, close: &str) -> Option<Self> {
        Some(Self([Some(day(open, close).ok()?); 7]))
    }

    /// Reads hours.
    ///
    /// # Errors
    /// Each wrong day or time, by its place (`monday.open`) and what is wrong with it.
    pub fn parse(map: &HashMap<String, DayHours>) -> Result<Self, Vec<(String, &'static str)>> {
        let words = map.iter().map(|(name, hours)| (name.as_str(), hours.open.as_str(), hours.close.as_str()));
        Self::collect(words)
    }

    fn collect<'a>(
        days: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
    ) -> Result<Self, Vec<(String, &'static str)>> {
        let (mut hours, mut wrong) = (Self::default(), Vec::new());
        for (name, open, close) in days {
            let Some(slot) = DAYS.iter().position(|known| *known == name) else {
                wrong.push((name.to_owned(), "must be a day of the week in lower-case English, like monday"));
                continue;
            };
            match day(open, close) {
                Ok(day) => hours.0[slot] = Some(day),
                Err(bad) => wrong.extend(bad.into_iter().map(|(part, why)| (format!("{name}.{part}"), why))),
            }
        }
        wrong.sort_unstable();
        if wrong.is_empty() { Ok(hours) } else { Err(wrong) }
    }

    /// The hours as the contract has them.
    pub fn to_map(&self) -> HashMap<String, DayHours> {
        let day = |(name, day): (&str, &Day)| {
            (name.to_owned(), DayHours { open: day.open.to_string(), close: day.close.to_string() })
        };
        self.days().map(day).collect()
    }

    /// Whether the store is open at `now`.
    pub fn is_open(&self, zone: Tz, now: DateTime<Utc>) -> bool {
        let today = now.with_timezone(&zone).date_naive();
        // Yesterday's hours may reach into today.
        [today.pred_opt(), Some(today)].into_iter().flatten().any(|date| {
            let day = self.0[date.weekday().num_days_from_monday() as usize];
            day.and_then(|day| day.on(date, zone)).is_some_and(|(open, close)| open <= now && now < close)
        })
    }

    fn days(&self) -> impl Iterator<Item = (&'static str, &Day)> {
        DAYS.into_iter().zip(&self.0).filter_map(|(name, day)| Some((name, day.as_ref()?)))
    }
}

fn day(open: &str, close: &str) -> Result<Day, Vec<(&'static str, &'static str)>> {
    let opens = Minute::parse(open).filter(|minute| minute.0 < DAY_END);
    let closes = Minute::parse(close);
    match (opens, closes) {
        (Some(open), Some(close)) => Ok(Day { open, close }),
        (open, close) => {
            let bad_open = open.is_none().then_some(("open", "must be HH:MM from 00:00 to 23:59"));
            let bad_close = close.is_none().then_some(("close", "must be HH:MM from 00:00 to 24:00"));
            Err(bad_open.into_iter().chain(bad_close).collect())
        }
    }
}

/// The stored form: JSON in the order of the week.
impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        let words = |day: &Day| Words { open: day.open.to_string(), close: day.close.to_string() };
        let map: serde_json::Map<Self, serde_json::Value> = hours
            .days()
            .filter_map(|(name, day)| Some((name.to_owned(), serde_json::to_value(words(day)).ok()?)))
            .collect();
        serde_json::Value::Object(map).to_string()
    }
}

impl TryFrom<String> for Hours {
    type Error = &'static str;

    fn try_from(stored: String) -> Result<Self, Self::Error> {
        let map: HashMap<String, Words> = serde_json::from_str(&stored).map_err(|_| "stored hours are not JSON")?;
        let words = map.iter().map(|(name, words)| (name.as_str(), words.open.as_str(), words.close.as_str()));
        Self::collect(words).map_err(|_| "stored hours make no sense")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENVER: Tz = chrono_tz::America::Denver;

    fn hours(days: &[(&str, &str, &str)]) -> Hours {
        Hours::collect(days.iter().copied()).unwrap()
    }

    /// Whether open at a moment given as `2026-07-06T12:00:00-06:00`.
    fn open(hours: &Hours, zone: Tz, at: &str) -> bool {
        hours.is_open(zone, at.parse::<DateTime<Utc>>().unwrap())
    }

    #[test]
    fn an_ordinary_day() {
        // 2026-07-06 is a Monday.
        let hours = hours(&[("monday", "06:00", "22:00")]);
        assert!(open(&hours, DENVER, "2026-07-06T06:00:00-06:00"));
        assert!(!open(&hours, DENVER, "2026-07-06T05:59:59-06:00"));
        assert!(open(&hours, DENVER, "2026-07-06T21:59:59-06:00"));
        assert!(!open(&hours, DENVER, "2026-07-06T22:00:00-06:00"));
        assert!(!open(&hours, DENVER, "2026-07-07T12:00:00-06:00"), "a day left out is closed");
        assert!(!open(&Hours::default(), DENVER, "2026-07-06T12:00:00-06:00"));
    }

    #[test]
    fn over_midnight() {
        let hours = hours(&[("saturday", "18:00", "02:00")]);
        assert!(open(&hours, DENVER, "2026-07-11T23:00:00-06:00"));
        assert!(open(&hours, DENVER, "2026-07-12T01:59:00-06:00"), "Sunday morning belongs to Saturday");
        assert!(!open(&hours, DENVER, "2026-07-12T02:00:00-06:00"));
        assert!(!open(&hours, DENVER, "2026-07-11T01:00:00-06:00"), "Saturday morning belongs to Friday");
    }

    #[test]
    fn the_whole_day_in_both_spellings() {
        for close in ["24:00", "00:00"] {
            let hours = hours(&[("monday", "00:00", close)]);
            assert!(open(&hours, DENVER, "2026-07-06T00:00:00-06:00"));
            assert!(open(&hours, DENVER, "2026-07-06T23:59:59-06:00"));
            assert!(!open(&hours, DENVER, "2026-07-07T00:00:00-06:00"));
        }
        let round = hours(&[("monday", "06:00", "06:00")]);
        assert!(open(&round, DENVER, "2026-07-07T05:59:00-06:00"));
        assert!(!open(&round, DENVER, "2026-07-07T06:00:00-06:00"));
    }

    #[test]
    fn the_hour_that_is_skipped() {
        // Denver goes from 02:00 MST to 03:00 MDT on Sunday 2026-03-08.
        let opens = hours(&[("sunday", "02:30", "04:00")]);
        assert!(!open(&opens, DENVER, "2026-03-08T01:59:59-07:00"));
        assert!(open(&opens, DENVER, "2026-03-08T03:00:00-06:00"), "opens after the gap");
        let closes = hours(&[("sunday", "01:00", "02:30")]);
        assert!(open(&closes, DENVER, "2026-03-08T01:59:59-07:00"));
        assert!(!open(&closes, DENVER, "2026-03-08T03:00:00-06:00"), "closes at the gap");
        let night = hours(&[("saturday", "20:00", "03:00")]);
        assert!(open(&night, DENVER, "2026-03-08T01:59:59-07:00"));
        assert!(!open(&night, DENVER, "2026-03-08T03:00:00-06:00"));
    }

    #[test]
    fn the_hour_that_comes_twice() {
        // Denver goes from 02:00 MDT back to 01:00 MST on Sunday 2026-11-01.
        let closes = hours(&[("saturday", "20:00", "01:30")]);
        assert!(open(&closes, DENVER, "2026-11-01T01:45:00-06:00"), "open through the first pass");
        assert!(open(&closes, DENVER, "2026-11-01T01:29:00-07:00"));
        assert!(!open(&closes, DENVER, "2026-11-01T01:30:00-07:00"), "closes at the last pass");
        let opens = hours(&[("sunday", "01:30", "05:00")]);
        assert!(!open(&opens, DENVER, "2026-11-01T01:29:00-06:00"));
        assert!(open(&opens, DENVER, "2026-11-01T01:30:00-06:00"), "opens at the first pass");
        assert!(open(&opens, DENVER, "2026-11-01T01:10:00-07:00"), "and does not close in between");
    }

    #[test]
    fn a_day_that_never_was_harms_nothing() {
        // Samoa had no 2011-12-30 (a Friday).
        let hours = hours(&[("friday", "06:00", "22:00"), ("saturday", "06:00", "22:00")]);
        let zone = chrono_tz::Pacific::Apia;
        assert!(open(&hours, zone, "2011-12-31T06:00:00+14:00"));
        assert!(!open(&hours, zone, "2011-12-29T23:00:00-10:00"));
    }

    #[test]
    fn nonsense_is_named_by_its_place() {
        let map = |name: &str, open: &str, close: &str| {
            HashMap::from([(name.to_owned(), DayHours { open: open.into(), close: close.into() })])
        };
        let wrong = |name, open, close| Hours::parse(&map(name, open, close)).unwrap_err()[0].0.clone();
        assert_eq!(wrong("Monday", "06:00", "22:00"), "Monday");
        for open in ["", "6:00", "24:00", "06:60", "+6:00", "06:00:00", "0600", "99:99"] {
            assert_eq!(wrong("monday", open, "22:00"), "monday.open", "{open}");
        }
        assert_eq!(wrong("friday", "06:00", "24:01"), "friday.close");
    }

    #[test]
    fn the_stored_form_is_one_only() {
        let hours = hours(&[("sunday", "08:00", "24:00"), ("monday", "06:00", "22:00")]);
        let stored = String::from(hours.clone());
        assert_eq!(stored, r#"{"monday":{"open":"06:00","close":"22:00"},"sunday":{"open":"08:00","close":"24:00"}}"#);
        assert_eq!(Hours::try_from(stored).unwrap(), hours);
        assert_eq!(Hours::parse(&hours.to_map()).unwrap(), hours);
        assert!(Hours::try_from("{".to_owned()).is_err());
    }
}
