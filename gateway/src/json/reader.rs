//! A pull parser for JSON (RFC 8259), strict: it refuses what the grammar does not allow, says where, and keeps numbers
//! as they were written, so that no digit is lost on the way to a 64-bit field.

use std::{borrow::Cow, collections::HashSet};

use super::DEPTH_MAX;

/// The text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// What is wrong.
    pub(crate) problem: String,
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
}

/// A value, read as far as it is not made of others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    Null,
    Bool(bool),
    /// A number as it was written.
    Number(&'a str),
    Text(Cow<'a, str>),
    /// `[`, not consumed.
    List,
    /// `{`, not consumed.
    Object,
}

/// Reads a text.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader of bytes that ought to be UTF-8.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { text, at: 0 }),
            Err(error) => {
                let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
                Err(Self { text: good, at: good.len() }.malformed("the text is not UTF-8"))
            }
        }
    }

    /// An error at the present place.
    pub(crate) fn malformed(&self, problem: impl Into<String>) -> Malformed {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        Malformed { problem: problem.into(), line, column }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The next byte that is no white space, not consumed.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes().get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Consumes a byte if it is the next one.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.eat(byte) { Ok(()) } else { Err(self.unexpected(&format!("'{}'", byte as char))) }
    }

    fn unexpected(&self, wanted: &str) -> Malformed {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => self.malformed(format!("expected {wanted}, found {found:?}")),
            None => self.malformed(format!("expected {wanted}, found the end of the text")),
        }
    }

    /// Nothing but white space may be left.
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unexpected("the end of the text")) }
    }

    /// The next value; lists and objects are not consumed.
    pub(crate) fn token(&mut self) -> Result<Token<'a>, Malformed> {
        match self.peek() {
            Some(b'{') => Ok(Token::Object),
            Some(b'[') => Ok(Token::List),
            Some(b'"') => self.string().map(Token::Text),
            Some(b't') => self.word("true").map(|()| Token::Bool(true)),
            Some(b'f') => self.word("false").map(|()| Token::Bool(false)),
            Some(b'n') => self.word("null").map(|()| Token::Null),
            Some(b'-' | b'0'..=b'9') => self.number().map(Token::Number),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Malformed> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.unexpected("a value"))
    }

    fn digits(&mut self) -> usize {
        let count = self.bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn number(&mut self) -> Result<&'a str, Malformed> {
        let start = self.at;
        self.at += usize::from(self.bytes()[self.at] == b'-');
        let zero = self.bytes().get(self.at) == Some(&b'0');
        let whole = self.digits();
        if whole == 0 || (zero && whole > 1) {
            return Err(self.malformed("a number must start with one digit that is not 0, or be 0"));
        }
        if self.bytes().get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.unexpected("a digit"));
            }
        }
        if let Some(b'e' | b'E') = self.bytes().get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes().get(self.at), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err(self.unexpected("a digit"));
            }
        }
        Ok(&self.text[start..self.at])
    }

    /// A string; borrowed unless it holds escapes.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        if !self.eat(b'"') {
            return Err(self.unexpected("a text in double quotes"));
        }
        let mut start = self.at;
        let mut owned: Option<String> = None;
        loop {
            match self.bytes().get(self.at) {
                Some(b'"') => {
                    let piece = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(match owned {
                        None => Cow::Borrowed(piece),
                        Some(text) => Cow::Owned(text + piece),
                    });
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_default();
                    text.push_str(&self.text[start..self.at]);
                    self.at += 1;
                    let c = self.escape()?;
                    text.push(c);
                    start = self.at;
                }
                Some(0..0x20) => return Err(self.malformed("control characters must be escaped in a text")),
                Some(_) => self.at += 1,
                None => return Err(self.unexpected("the end of a text")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        let byte = self.bytes().get(self.at).copied();
        let c = match byte {
            Some(c @ (b'"' | b'\\' | b'/')) => c as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.unexpected("an escape")),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode(&mut self) -> Result<char, Malformed> {
        let first = self.hex4()?;
        let code = match first {
            0xd800..0xdc00 if self.text[self.at..].starts_with("\\u") => {
                self.at += 2;
                let second = self.hex4()?;
                if !(0xdc00..0xe000).contains(&second) {
                    return Err(self.malformed("half of a surrogate pair"));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| self.malformed("half of a surrogate pair"))
    }

    fn hex4(&mut self) -> Result<u32, Malformed> {
        let digits = self.text.get(self.at..self.at + 4).filter(|four| four.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|four| u32::from_str_radix(four, 16).ok());
        let code = code.ok_or_else(|| self.malformed("expected four hexadecimal digits"))?;
        self.at += 4;
        Ok(code)
    }

    /// Begins a list or an object; the byte is known to be there.
    pub(crate) fn begin(&mut self, byte: u8) -> Result<(), Malformed> {
        self.expect(byte)
    }

    /// Whether another element follows in a list or an object that ends with `close`.
    pub(crate) fn more(&mut self, first: &mut bool, close: u8) -> Result<bool, Malformed> {
        if self.eat(close) {
            return Ok(false);
        }
        if !std::mem::take(first) {
            self.expect(b',')?;
            if self.peek() == Some(close) {
                return Err(self.unexpected("a value"));
            }
        }
        Ok(true)
    }

    /// A key and its colon.
    pub(crate) fn key(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let key = self.string()?;
        self.expect(b':')?;
        Ok(key)
    }

    /// Skips a value of any kind, `depth` levels deep.
    pub(crate) fn skip(&mut self, depth: usize) -> Result<(), Malformed> {
        match self.token()? {
            Token::List => self.skip_list(self.deeper(depth)?),
            Token::Object => self.skip_object(self.deeper(depth)?),
            _ => Ok(()),
        }
    }

    /// One level more, if it is still allowed.
    pub(crate) fn deeper(&self, depth: usize) -> Result<usize, Malformed> {
        if depth < DEPTH_MAX {
            Ok(depth + 1)
        } else {
            Err(self.malformed(format!("nested deeper than {DEPTH_MAX} levels")))
        }
    }

    fn skip_list(&mut self, depth: usize) -> Result<(), Malformed> {
        self.begin(b'[')?;
        let mut first = true;
        while self.more(&mut first, b']')? {
            self.skip(depth)?;
        }
        Ok(())
    }

    fn skip_object(&mut self, depth: usize) -> Result<(), Malformed> {
        self.begin(b'{')?;
        let (mut first, mut keys) = (true, HashSet::new());
        while self.more(&mut first, b'}')? {
            let key = self.key()?;
            if let Some(key) = keys.replace(key) {
                return Err(self.malformed(format!("the key {key:?} occurs twice")));
            }
            self.skip(depth)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), Malformed> {
        let mut reader = Reader::new(text.as_bytes())?;
        reader.skip(0)?;
        reader.end()
    }

    #[test]
    fn json_is_accepted() {
        for text in
            ["0", "-1.5e+3", " [ ] ", "{}", r#"{"a":[1,{"b":null}],"c":"\u00e9\ud83e\udd80\n"}"#, "[[],[1 , 2]]"]
        {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            "01",
            "+1",
            ".5",
            "1.",
            "1e",
            "-",
            "NaN",
            "Infinity",
            "nul",
            "'a'",
            "\"a",
            "\"\t\"",
            r#""\x""#,
            r#""\ud800""#,
            r#""\ud800\u0041""#,
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "[1",
            "1 2",
            "{\"a\":1,\"a\":2}",
            "// x\n1",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
        assert!(Reader::new(b"\"\xff\"").is_err());
    }

    #[test]
    fn the_place_is_named() {
        let error = check("{\n  \"é\": x}").unwrap_err();
        assert_eq!((error.line, error.column), (2, 8));
        assert_eq!(error.problem, "expected a value, found 'x'");
    }

    #[test]
    fn nesting_is_bounded() {
        assert_eq!(check(&("[".repeat(DEPTH_MAX) + &"]".repeat(DEPTH_MAX))), Ok(()));
        assert!(check(&("[".repeat(DEPTH_MAX + 1) + &"]".repeat(DEPTH_MAX + 1))).is_err());
        assert!(check(&"[".repeat(1_000_000)).is_err());
    }
}
