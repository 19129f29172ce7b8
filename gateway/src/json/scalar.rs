//! One scalar value: from JSON or from text (a query parameter, a path variable, a map key) to wire bytes.

use codepop_shared::number;

use super::{
    Kind, Schema,
    reader::Token,
    timestamp,
    wire::{self, zigzag},
};

/// Texts for numbers longer than this are refused: no number of 64 bits needs more.
const NUMBER_CHARS_MAX: usize = 64;

/// 2^53 - 1 has so many digits.
const EXACT_DIGITS_MAX: usize = 16;

/// Whole numbers up to here are exact as floating point.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Appends tag and value of a field. The error says what is wrong with the value.
pub(crate) fn put(
    schema: &Schema,
    kind: Kind,
    number: u32,
    token: &Token<'_>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    wire::put_tag(out, number, wire_type(kind));
    put_bare(schema, kind, token, out)
}

/// Appends a value without its tag, as packed lists hold it.
pub(crate) fn put_bare(schema: &Schema, kind: Kind, token: &Token<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    match kind {
        Kind::Double => out.extend(double(token)?.to_le_bytes()),
        Kind::Float => out.extend(float(token)?.to_le_bytes()),
        Kind::Int32 => wire::put_varint(out, i64::from(whole::<i32>(token)?) as u64),
        Kind::Int64 => wire::put_varint(out, whole::<i64>(token)? as u64),
        Kind::Uint32 => wire::put_varint(out, u64::from(whole::<u32>(token)?)),
        Kind::Uint64 => wire::put_varint(out, whole::<u64>(token)?),
        Kind::Sint32 => wire::put_varint(out, zigzag(i64::from(whole::<i32>(token)?))),
        Kind::Sint64 => wire::put_varint(out, zigzag(whole(token)?)),
        Kind::Fixed32 => out.extend(whole::<u32>(token)?.to_le_bytes()),
        Kind::Fixed64 => out.extend(whole::<u64>(token)?.to_le_bytes()),
        Kind::Sfixed32 => out.extend(whole::<i32>(token)?.to_le_bytes()),
        Kind::Sfixed64 => out.extend(whole::<i64>(token)?.to_le_bytes()),
        Kind::Bool => out.push(u8::from(boolean(token)?)),
        Kind::String | Kind::NumberOrWord => put_sized(out, text_or_number(token)?.as_bytes()),
        Kind::Bytes => put_sized(out, &base64(text(token)?)?),
        Kind::Enum(id) => {
            let words = schema.words(id);
            let number = text(token).ok().and_then(|word| words.number(word)).ok_or_else(|| words.problem())?;
            wire::put_varint(out, i64::from(number) as u64);
        }
        Kind::Timestamp => {
            let mut message = Vec::with_capacity(16);
            timestamp::read(text(token).map_err(|_| timestamp::PROBLEM)?, &mut message)?;
            put_sized(out, &message);
        }
        Kind::Message(_) => return Err("must be an object".to_owned()),
    }
    Ok(())
}

fn put_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    wire::put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn wire_type(kind: Kind) -> u32 {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => 1,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => 5,
        Kind::String | Kind::NumberOrWord | Kind::Bytes | Kind::Timestamp | Kind::Message(_) => 2,
        _ => 0,
    }
}

/// A whole number type with its bounds.
trait Whole: TryFrom<i128> {
    const RANGE: (i128, i128);
}

macro_rules! whole {
    ($($type:ty),+) => {
        $(impl Whole for $type {
            const RANGE: (i128, i128) = (<$type>::MIN as i128, <$type>::MAX as i128);
        })+
    };
}

whole!(i32, i64, u32, u64);

fn whole<T: Whole>(token: &Token<'_>) -> Result<T, String> {
    let text = number_text(token).ok_or("must be a whole number")?;
    let value = digits(text)?;
    let (low, high) = T::RANGE;
    value
        .and_then(|value| T::try_from(value).ok())
        .ok_or_else(|| format!("must be a whole number from {low} to {high}"))
}

/// The number of a text; `None` when it is too large to say.
fn digits(text: &str) -> Result<Option<i128>, String> {
    if !text.contains(['.', 'e', 'E']) {
        return match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_)
                if text.trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit()) && text.len() > 1 =>
            {
                Ok(None)
            }
            Err(_) => Err("must be a whole number".to_owned()),
        };
    }
    if let Some((whole, fraction)) = text.split_once('.')
        && !whole.is_empty()
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte == b'0')
    {
        return digits(whole);
    }
    let value: f64 = text.parse().map_err(|_| "must be a whole number")?;
    if value.fract() != 0.0 {
        return Err("must be a whole number".to_owned());
    }
    Ok((value.abs() <= EXACT_MAX).then_some(value as i128))
}

/// The text of a number, also of one in quotes.
fn number_text<'t>(token: &'t Token<'_>) -> Option<&'t str> {
    let text = match token {
        Token::Number(text) => text,
        Token::Text(text) => &**text,
        _ => return None,
    };
    let allowed = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    (!text.is_empty() && text.len() <= NUMBER_CHARS_MAX && text.bytes().all(allowed)).then_some(text)
}

fn double(token: &Token<'_>) -> Result<f64, String> {
    let value: f64 = number_text(token).and_then(|text| text.parse().ok()).ok_or("must be a number")?;
    if value.is_finite() { Ok(value) } else { Err("is a larger number than can be held".to_owned()) }
}

fn float(token: &Token<'_>) -> Result<f32, String> {
    let value = double(token)? as f32;
    if value.is_finite() { Ok(value) } else { Err("is a larger number than can be held".to_owned()) }
}

fn boolean(token: &Token<'_>) -> Result<bool, String> {
    match token {
        Token::Bool(value) => Ok(*value),
        Token::Text(text) if text == "true" => Ok(true),
        Token::Text(text) if text == "false" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

fn text<'t>(token: &'t Token<'_>) -> Result<&'t str, String> {
    match token {
        Token::Text(text) => Ok(text),
        _ => Err("must be a text".to_owned()),
    }
}

/// A text, or a number as it was written: the app sends some numbers where texts belong, and the old server took them.
fn text_or_number<'t>(token: &'t Token<'_>) -> Result<&'t str, String> {
    match token {
        Token::Number(digits) => Ok(digits),
        _ => text(token),
    }
}

/// Whether a text can be written as a JSON number that every reader holds exactly and writes back alike.
pub(crate) fn is_plain_number(text: &str) -> bool {
    let digits = (1..=EXACT_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0')) && text.parse().is_ok_and(|value: i64| value <= number::MAX)
}

/// Both alphabets, with or without padding.
fn base64(text: &str) -> Result<Vec<u8>, String> {
    let problem = || "must be base64".to_owned();
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2
        || digits.len() % 4 == 1
        || (digits.len() < text.len() && !text.len().is_multiple_of(4))
    {
        return Err(problem());
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in digits.bytes() {
        bits = bits << 6 | u32::from(sextet(byte).ok_or_else(problem)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    // What is left over must be zero, or two texts would mean the same bytes.
    if bits == 0 { Ok(bytes) } else { Err(problem()) }
}

fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

/// Appends bytes as base64 with padding.
pub(crate) fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { digit } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_keep_every_digit() {
        let number = |text| whole::<i64>(&Token::Number(text));
        assert_eq!(number("9223372036854775807"), Ok(i64::MAX));
        assert_eq!(number("-9223372036854775808.0"), Ok(i64::MIN));
        assert_eq!(number("1e3"), Ok(1000));
        for text in ["9223372036854775808", "1.5", "1e400", "1e-1", "99999999999999999999999999999999999999999999"] {
            assert!(number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_in_quotes_count() {
        let number = |text: &'static str| whole::<i32>(&Token::Text(text.into()));
        assert_eq!(number("00431"), Ok(431));
        for text in ["", " 1", "1 ", "0x10", "one", "inf", "-", "+", "--1", "2147483648", ".", "e", "1.5"] {
            assert!(number(text).is_err(), "{text}");
        }
        for text in ["NaN", "inf", "Infinity", "1e999", ""] {
            assert!(double(&Token::Text(text.into())).is_err(), "{text}");
        }
    }

    #[test]
    fn plain_numbers_are_known() {
        for text in ["0", "7", "104200017", "9007199254740991"] {
            assert!(is_plain_number(text), "{text}");
        }
        for text in
            ["", "none", "00431", "-1", "+1", "1.0", "1e3", " 1", "9007199254740992", "99999999999999999999", "\u{661}"]
        {
            assert!(!is_plain_number(text), "{text}");
        }
    }

    #[test]
    fn base64_goes_both_ways() {
        for bytes in [&b""[..], b"f", b"fo", b"foo", b"\xff\xfe\xfd\xfc"] {
            let mut written = Vec::new();
            write_base64(bytes, &mut written);
            let written = String::from_utf8(written).unwrap();
            assert_eq!(base64(&written).as_deref(), Ok(bytes));
            assert_eq!(
                base64(&written.trim_end_matches('=').replace('/', "_").replace('+', "-")).as_deref(),
                Ok(bytes)
            );
        }
        for text in ["a", "Zh==", "Zg=", "Z===", "Z g=", "Zg==Zg=="] {
            assert!(base64(text).is_err(), "{text}");
        }
    }
}
