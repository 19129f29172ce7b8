//! PostgreSQL's text form of rows, as `COPY … TO STDOUT` and `pg_dump` write it: fields between tabs, `\N` for NULL,
//! backslash escapes; and of arrays and times within fields. Pure.

use chrono::{DateTime, FixedOffset, NaiveDateTime, TimeZone as _, Utc};

/// Splits a row into its fields; NULL is `None`.
///
/// # Errors
/// The row is not UTF-8 or ends within an escape.
pub(super) fn fields(row: &[u8]) -> Result<Vec<Option<String>>, &'static str> {
    row.split(|byte| *byte == b'\t').map(field).collect()
}

fn field(raw: &[u8]) -> Result<Option<String>, &'static str> {
    if raw == b"\\N" {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'\\' { rest = escape(rest, &mut bytes)? } else { bytes.push(*first) }
    }
    let text = String::from_utf8(bytes).map_err(|_| "the row is not UTF-8")?;
    // PostgreSQL holds no NUL; a forged file may.
    if text.contains('\0') { Err("the row has a NUL in it") } else { Ok(Some(text)) }
}

/// Reads what follows a backslash; returns what follows that.
fn escape<'a>(rest: &'a [u8], bytes: &mut Vec<u8>) -> Result<&'a [u8], &'static str> {
    let (first, after) = rest.split_first().ok_or("the row ends within an escape")?;
    let plain = match first {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'0'..=b'7' => return Ok(number(rest, 8, 3, bytes)),
        b'x' if after.first().is_some_and(u8::is_ascii_hexdigit) => return Ok(number(after, 16, 2, bytes)),
        other => *other,
    };
    bytes.push(plain);
    Ok(after)
}

/// A byte by its number in base `radix`, of at most `digits_max` digits.
fn number<'a>(digits: &'a [u8], radix: u32, digits_max: usize, bytes: &mut Vec<u8>) -> &'a [u8] {
    let count = digits.iter().take(digits_max).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    let (digits, after) = digits.split_at(count);
    let value = digits.iter().filter_map(|byte| char::from(*byte).to_digit(radix)).fold(0, |sum, d| sum * radix + d);
    // As PostgreSQL: what is above a byte is cut off.
    bytes.push((value & 0xff) as u8);
    after
}

/// Reads an array of text of one dimension; elements that are NULL are left out.
///
/// # Errors
/// It is none.
pub(super) fn array(text: &str) -> Result<Vec<String>, &'static str> {
    const NONE: &str = "is not a list";
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).ok_or(NONE)?;
    let (mut list, mut chars) = (Vec::new(), inner.chars().peekable());
    if inner.is_empty() {
        return Ok(list);
    }
    loop {
        let quoted = chars.next_if_eq(&'"').is_some();
        let mut item = String::new();
        loop {
            match chars.peek() {
                None if quoted => return Err(NONE),
                None => break,
                Some(',') if !quoted => break,
                Some('"') if quoted => break,
                Some('{' | '}' | '"') if !quoted => return Err(NONE),
                Some(_) => {}
            }
            let char = chars.next().ok_or(NONE)?;
            item.push(if char == '\\' { chars.next().ok_or(NONE)? } else { char });
        }
        if quoted {
            chars.next();
        }
        if quoted || item != "NULL" {
            list.push(item);
        }
        match chars.next() {
            None => return Ok(list),
            Some(',') => {}
            Some(_) => return Err(NONE),
        }
    }
}

/// Reads a time stamp with its offset from UTC: `2026-11-23 00:57:19.101048+00`. None when it is not one, or no time
/// between 1970 and 9999.
pub(super) fn time(text: &str) -> Option<DateTime<Utc>> {
    let at = text.char_indices().skip(11).find(|(_, char)| matches!(char, '+' | '-')).map(|(at, _)| at)?;
    let (local, offset) = text.split_at(at);
    let local = NaiveDateTime::parse_from_str(local, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    let time = offset_of(offset)?.from_local_datetime(&local).single()?.with_timezone(&Utc);
    let storable = (1..=253_402_300_799_999_999).contains(&time.timestamp_micros());
    storable.then_some(time)
}

/// `+00`, `-06`, `+05:30` or `+05:53:28`.
fn offset_of(text: &str) -> Option<FixedOffset> {
    let (sign, digits) = text.split_at_checked(1)?;
    let mut seconds = 0;
    for (part, unit) in digits.splitn(3, ':').zip([3_600, 60, 1]) {
        if part.len() != 2 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        seconds += part.parse::<i32>().ok()? * unit;
    }
    FixedOffset::east_opt(if sign == "-" { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_read_as_postgresql_writes_them() {
        let row = b"1\ta\\tb\\nc\\\\d\t\\N\t\t\\101\\x42\\q";
        let expected = [Some("1"), Some("a\tb\nc\\d"), None, Some(""), Some("ABq")];
        assert_eq!(fields(row).unwrap(), expected.map(|field| field.map(str::to_owned)));
        assert!(fields(b"a\\").is_err());
        assert!(fields(b"\xff").is_err());
        assert!(fields(b"a\\000").is_err());
    }

    #[test]
    fn arrays_are_read() {
        assert_eq!(array("{}").unwrap(), Vec::<String>::new());
        assert_eq!(
            array(r#"{Vanilla,"Pumpkin Spice","a\"b\\c","NULL",NULL,""}"#).unwrap(),
            ["Vanilla", "Pumpkin Spice", "a\"b\\c", "NULL", ""]
        );
        for bad in ["", "{", "a", "{\"a}", "{\"a\"b}", "{{a},{b}}", "{a\\"] {
            assert!(array(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_read() {
        let micros = |text| time(text).map(|time| time.timestamp_micros());
        assert_eq!(micros("2026-11-23 00:57:19.101048+00"), Some(1_795_395_439_101_048));
        assert_eq!(micros("2026-11-22 18:57:19.101048-06"), Some(1_795_395_439_101_048));
        assert_eq!(micros("2026-11-23 06:27:19+05:30"), Some(1_795_395_439_000_000));
        for bad in ["", "infinity", "-infinity", "0044-03-15 00:00:00+00 BC", "2026-11-23", "1969-01-01 00:00:00+00"] {
            assert_eq!(micros(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_a_row_or_an_error(row in prop::collection::vec(any::<u8>(), 0..60), text in "\\PC{0,40}") {
            let _ = fields(&row);
            let _ = array(&text);
            let _ = time(&text);
        }
    }
}
