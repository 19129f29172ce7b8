//! `google.protobuf.Timestamp` as text: UTC with microseconds and `Z` out, any offset in.

use std::io::Write as _;

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};

use super::wire::{self, Broken, Raw, Records};

/// What to say about a text that is no time.
pub(crate) const PROBLEM: &str = "must be a time such as 2026-02-02T10:00:00.123456Z";

/// Appends the fields of the message for a text.
pub(crate) fn read(text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| PROBLEM.to_owned())?.with_timezone(&Utc);
    if !(1..=9999).contains(&time.year()) {
        return Err(PROBLEM.to_owned());
    }
    // A leap second counts as the last nanosecond of the second before.
    let nanos = time.timestamp_subsec_nanos().min(999_999_999);
    wire::put_tag(out, 1, 0);
    wire::put_varint(out, time.timestamp() as u64);
    if nanos > 0 {
        wire::put_tag(out, 2, 0);
        wire::put_varint(out, u64::from(nanos));
    }
    Ok(())
}

/// Appends the message as a JSON string.
pub(crate) fn write(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut records = Records::new(bytes);
    while let Some(record) = records.next()? {
        match record {
            (1, Raw::Varint(value)) => seconds = value as i64,
            (2, Raw::Varint(value)) => nanos = u32::try_from(value).map_err(|_| Broken)?,
            _ => {}
        }
    }
    let time = DateTime::from_timestamp(seconds, nanos).ok_or(Broken)?;
    if !(1..=9999).contains(&time.year()) {
        return Err(Broken);
    }
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second, micros) = (time.hour(), time.minute(), time.second(), nanos / 1000);
    // Writing to a vector cannot fail.
    let _ = write!(out, "\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z\"");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(text: &str) -> Result<String, String> {
        let (mut message, mut json) = (Vec::new(), Vec::new());
        read(text, &mut message)?;
        write(&message, &mut json).unwrap();
        Ok(String::from_utf8(json).unwrap())
    }

    #[test]
    fn offsets_become_utc_and_micros_are_six() {
        assert_eq!(through("2026-02-02T12:00:00+02:00").unwrap(), "\"2026-02-02T10:00:00.000000Z\"");
        assert_eq!(through("2026-02-02T10:00:00.1234567Z").unwrap(), "\"2026-02-02T10:00:00.123456Z\"");
        assert_eq!(through("1969-12-31T23:59:59.5Z").unwrap(), "\"1969-12-31T23:59:59.500000Z\"");
        assert_eq!(through("2016-12-31T23:59:60Z").unwrap(), "\"2016-12-31T23:59:59.999999Z\"");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "yesterday", "2026-02-30T00:00:00Z", "2026-02-02", "2026-02-02T10:00:00", "0000-12-31T23:00:00Z"]
        {
            assert_eq!(through(text), Err(PROBLEM.to_owned()), "{text}");
        }
    }
}
