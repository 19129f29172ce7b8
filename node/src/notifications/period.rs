//! Points of time as people and programs write them in a query: ISO 8601, with an offset or in UTC, or a date alone.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use crate::app::edge::is_storable;

/// Forms with a time of day but no offset.
const NAIVE: &[&str] = &["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];

/// What is wrong with a time that is none.
const ALLOWED: &str = "must be a point of time in ISO 8601, for example 2026-03-01T08:30:00Z, or a date";

/// Which end of a range a time is: a date alone is its first or its last moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// From here on.
    Start,
    /// To here, included.
    End,
}

/// Reads one end of a range, to the microsecond.
///
/// # Errors
/// It is no point of time, or one that no calendar has.
pub(super) fn parse(text: &str, end: End) -> Result<DateTime<Utc>, &'static str> {
    // In a query a plus sign stands for a space, so an offset often arrives with one in its place.
    let text = text.trim();
    let text = match text.char_indices().rfind(|(at, char)| *char == ' ' && *at > 10) {
        Some((at, _)) => format!("{}+{}", &text[..at], &text[at + 1..]),
        None => text.to_owned(),
    };
    let text = text.replacen(' ', "T", 1);
    let moment = if let Ok(date) = NaiveDate::parse_from_str(&text, "%Y-%m-%d") {
        of_date(date, end)
    } else if let Ok(exact) = DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%#z") {
        Some(exact.to_utc())
    } else if let Ok(exact) = DateTime::parse_from_rfc3339(&text) {
        Some(exact.to_utc())
    } else {
        NAIVE.iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok()).map(|naive| naive.and_utc())
    };
    let moment = moment.and_then(|moment| DateTime::from_timestamp_micros(moment.timestamp_micros()));
    moment.filter(is_storable).ok_or(ALLOWED)
}

fn of_date(date: NaiveDate, end: End) -> Option<DateTime<Utc>> {
    let first = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc();
    match end {
        End::Start => Some(first(date)),
        End::End => first(date.checked_add_days(Days::new(1))?).checked_sub_signed(TimeDelta::microseconds(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, end: End) -> Result<String, &'static str> {
        parse(text, end).map(|moment| moment.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
    }

    #[test]
    fn all_forms_are_read() {
        for (text, expected) in [
            ("2026-03-01T08:30:00Z", "2026-03-01T08:30:00.000000Z"),
            ("2026-03-01T08:30:00.123456789", "2026-03-01T08:30:00.123456Z"),
            ("2026-03-01T08:30:00+02:00", "2026-03-01T06:30:00.000000Z"),
            ("2026-03-01T08:30:00 02:00", "2026-03-01T06:30:00.000000Z"),
            ("2026-03-01T08:30:00-0200", "2026-03-01T10:30:00.000000Z"),
            ("2026-03-01 08:30:00", "2026-03-01T08:30:00.000000Z"),
            (" 2026-03-01T08:30 ", "2026-03-01T08:30:00.000000Z"),
            ("2024-02-29", "2024-02-29T00:00:00.000000Z"),
        ] {
            assert_eq!(read(text, End::Start).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(read("2024-02-29", End::End).as_deref(), Ok("2024-02-29T23:59:59.999999Z"));
    }

    #[test]
    fn what_no_calendar_has_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-02-30",
            "2026-13-01T00:00:00Z",
            "2026-01-01T25:00:00",
            "2025-02-29",
            "20260101x",
            "99999-01-01",
            "2026-01-01T00:00:00+99:99",
            "١٢٣٤-٠١-٠١",
            "2026-01-01T00:00:00 ü",
        ] {
            assert!(parse(text, End::Start).is_err(), "{text}");
        }
    }
}
