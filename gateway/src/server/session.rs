//! The session that a client keeps in a cookie, so that it need not send its token itself. The gateway knows nothing of
//! sessions: it hands the cookie's token to the node, and makes a cookie of what the node answers.
//!
//! A cookie comes along by itself, so it counts only when no foreign web page can have sent the request.

use codepop_shared::{Code, Failure};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use uuid::Uuid;

use super::{AllowedOrigins, body, headers};
use crate::upstream::{Said, said::SESSION};

/// Name of the cookie with the session's token.
pub(crate) const COOKIE: &str = "codepop_session";

/// Name of the cookie with the preferred store.
const STORE_COOKIE: &str = "X-CodePop-Store";

/// How long clients keep the cookies: 180 days, as long as a token is good.
const MAX_AGE: u32 = 180 * 24 * 60 * 60;

/// Longest token that is passed on. Tokens of nodes have at most 1 KiB.
const TOKEN_MAX: usize = 2048;

/// The header with which browsers say how far the page is away that sends the request.
const FETCH_SITE: &str = "sec-fetch-site";

/// The cookies of one request.
#[derive(Debug)]
pub(crate) struct Cookies {
    /// The token as it came. Never to be shown.
    session: Option<HeaderValue>,
    store: Option<Uuid>,
    /// Whether the request can be the client's own will: only then the cookie counts, and only then one is set.
    count: bool,
    /// Whether the client came over TLS.
    secure: bool,
}

impl Cookies {
    /// Reads a request's cookies and decides whether they count.
    pub(crate) fn of(request: &Parts, has_body: bool, origins: &AllowedOrigins, secure: bool) -> Self {
        let headers = &request.headers;
        let session = headers::cookies(headers).find(|(name, _)| *name == COOKIE).and_then(|(_, token)| value(token));
        let store = headers::store_cookie(headers);
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        // No form of a web page can send JSON, and a script that does asks the gateway first.
        let is_plain = !has_body && !headers.contains_key(header::CONTENT_TYPE);
        let count = is_own(headers, origins) && (is_read || is_plain || body::is_json(headers));
        Self { session, store, count, secure }
    }

    /// Whether the answer depends on the cookie.
    pub(crate) fn is_personal(&self) -> bool {
        self.session.is_some()
    }

    /// What tells the node who asks: the header, or else the cookie. Credentials that are not understood count as none
    /// when `lenient`.
    pub(crate) fn credentials(
        &self,
        sent: &HeaderMap,
        lenient: bool,
    ) -> Result<Option<(HeaderName, HeaderValue)>, Failure> {
        let header = match headers::authorization(sent) {
            Err(failure) if lenient && failure.code == Code::NotAuthenticated => None,
            header => header?,
        };
        let by_header = header.map(|token| (header::AUTHORIZATION, token));
        let by_cookie =
            || self.session.clone().filter(|_| self.count).map(|token| (HeaderName::from_static(SESSION), token));
        Ok(by_header.or_else(by_cookie))
    }

    /// Sets what the node said, where that is not what the client has already.
    pub(crate) fn set(&self, said: &Said, answer: &mut HeaderMap) {
        if !self.count {
            return;
        }
        let before = answer.len();
        let session = said.session.as_ref().and_then(|said| said.to_str().ok());
        if let Some(token) = session.filter(|token| self.is_new(token)) {
            self.add(COOKIE, token, "; HttpOnly", answer);
        }
        let store =
            said.store.as_ref().and_then(|said| said.to_str().ok()).map(|text| (text, Uuid::parse_str(text).ok()));
        match store {
            Some(("", _)) => self.add(STORE_COOKIE, "", "", answer),
            Some((_, Some(store))) if self.store != Some(store) => {
                self.add(STORE_COOKIE, &store.to_string(), "", answer);
            }
            _ => {}
        }
        if answer.len() > before {
            answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }

    /// Whether the token is one that the client does not have; the empty one always ends what it has.
    fn is_new(&self, token: &str) -> bool {
        token.is_empty() || (value(token).is_some() && self.session.as_ref().is_none_or(|came| came != token))
    }

    fn add(&self, name: &str, content: &str, more: &str, answer: &mut HeaderMap) {
        let age = if content.is_empty() { 0 } else { MAX_AGE };
        let secure = if self.secure { "; Secure" } else { "" };
        let line = format!("{name}={content}; Path=/; Max-Age={age}; SameSite=Strict{more}{secure}");
        if let Ok(mut line) = HeaderValue::try_from(line) {
            line.set_sensitive(true);
            answer.append(header::SET_COOKIE, line);
        }
    }
}

/// A token that fits into a cookie and into metadata.
fn value(token: &str) -> Option<HeaderValue> {
    // What RFC 6265 allows in a cookie.
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e);
    if token.is_empty() || token.len() > TOKEN_MAX || !token.bytes().all(allowed) {
        return None;
    }
    let mut value = HeaderValue::try_from(token).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether no foreign web page sent the request: apps send no origin, and pages that may use the gateway are listed.
fn is_own(headers: &HeaderMap, origins: &AllowedOrigins) -> bool {
    if headers.contains_key(header::ORIGIN) {
        return origins.allowed(headers).is_some();
    }
    // Links and images of foreign pages send no origin, but today's browsers say where they come from.
    headers.get(FETCH_SITE).is_none_or(|site| site == "same-origin" || site == "none")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const ID: &str = "0192f0c1-2d3e-7abc-8def-0123456789ab";

    type Headers<'h> = &'h [(&'h str, &'h str)];

    fn request(method: &Method, headers: Headers<'_>) -> Parts {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn cookies(method: &Method, has_body: bool, headers: Headers<'_>) -> Cookies {
        let origins = AllowedOrigins::parse("https://shop.example").unwrap();
        Cookies::of(&request(method, headers), has_body, &origins, false)
    }

    fn said(session: Option<&'static str>, store: Option<&'static str>) -> Said {
        Said { session: session.map(HeaderValue::from_static), store: store.map(HeaderValue::from_static) }
    }

    fn lines(cookies: &Cookies, said: &Said) -> Vec<String> {
        let mut answer = HeaderMap::new();
        cookies.set(said, &mut answer);
        let lines: Vec<String> =
            answer.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().unwrap().to_owned()).collect();
        assert_eq!(answer.contains_key(header::CACHE_CONTROL), !lines.is_empty());
        lines
    }

    #[test]
    fn cookies_count_only_when_no_foreign_page_can_have_sent_them() {
        const JSON: (&str, &str) = ("content-type", "application/json");
        const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
        const TEXT: (&str, &str) = ("content-type", "text/plain");
        const GOOD: (&str, &str) = ("origin", "https://shop.example");
        const EVIL: (&str, &str) = ("origin", "https://evil.example");
        const NULL: (&str, &str) = ("origin", "null");
        let site = |site| ("sec-fetch-site", site);
        let cases: [(Method, bool, Headers<'_>, bool); 22] = [
            (Method::GET, false, &[], true),
            (Method::HEAD, false, &[], true),
            (Method::GET, false, &[JSON], true),
            (Method::GET, false, &[TEXT], true),
            (Method::GET, false, &[GOOD], true),
            (Method::GET, false, &[EVIL], false),
            (Method::GET, false, &[NULL], false),
            (Method::GET, false, &[site("cross-site")], false),
            (Method::GET, false, &[site("same-site")], false),
            (Method::GET, false, &[site("same-origin")], true),
            (Method::GET, false, &[site("none")], true),
            (Method::GET, false, &[GOOD, site("cross-site")], true),
            (Method::POST, true, &[JSON], true),
            (Method::POST, true, &[JSON, GOOD], true),
            (Method::POST, true, &[JSON, EVIL], false),
            (Method::POST, true, &[FORM], false),
            (Method::POST, true, &[TEXT], false),
            (Method::POST, true, &[], false),
            (Method::POST, false, &[FORM], false),
            (Method::POST, false, &[], true),
            (Method::DELETE, false, &[JSON], true),
            (Method::DELETE, false, &[NULL], false),
        ];
        for (method, has_body, headers, counts) in cases {
            let with_cookie = [headers, &[("cookie", "a=b; codepop_session=v4.public.abc")]].concat();
            let found = cookies(&method, has_body, &with_cookie);
            let token = found.credentials(&HeaderMap::new(), false).unwrap();
            let expected = counts.then(|| (SESSION.parse().unwrap(), HeaderValue::from_static("v4.public.abc")));
            assert_eq!(token, expected, "{method} {has_body} {headers:?}");
            let lines = lines(&found, &said(Some("other"), Some(ID)));
            assert_eq!(lines.len(), if counts { 2 } else { 0 }, "{method} {has_body} {headers:?}");
        }
    }

    #[test]
    fn the_header_beats_the_cookie() {
        let headers = [("cookie", "codepop_session=c")];
        let found = cookies(&Method::GET, false, &headers);
        let with = |value: &str, lenient| {
            let sent = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::try_from(value).unwrap())]);
            found.credentials(&sent, lenient).map(|found| found.map(|(name, value)| (name.to_string(), value)))
        };
        let by_cookie = Ok(Some((SESSION.to_owned(), HeaderValue::from_static("c"))));
        assert_eq!(
            with("Token h", false),
            Ok(Some(("authorization".to_owned(), HeaderValue::from_static("Bearer h"))))
        );
        assert_eq!(with("Token null", false), by_cookie);
        assert_eq!(with("Token undefined", false), by_cookie);
        assert_eq!(with("Token a b", false).unwrap_err().code, Code::NotAuthenticated);
        assert_eq!(with("Token a b", true), by_cookie);
        assert!(
            with("Token h", false).unwrap().unwrap().1.is_sensitive()
                && with("null", true).unwrap().unwrap().1.is_sensitive()
        );
    }

    #[test]
    fn tokens_that_are_none_are_left_out() {
        let long = format!("codepop_session={}", "x".repeat(TOKEN_MAX + 1));
        for line in
            ["codepop_session=", "codepop_session=a,b", "codepop_session=\"a\"", "Codepop_Session=a", "x=a", &long]
        {
            let found = cookies(&Method::GET, false, &[("cookie", line)]);
            assert_eq!(found.credentials(&HeaderMap::new(), false), Ok(None), "{line}");
        }
    }

    #[test]
    fn cookies_are_set_when_they_are_new() {
        let none = cookies(&Method::GET, false, &[]);
        let line = "codepop_session=t; Path=/; Max-Age=15552000; SameSite=Strict; HttpOnly";
        assert_eq!(lines(&none, &said(Some("t"), None)), [line]);
        let secure = Cookies { secure: true, ..cookies(&Method::GET, false, &[]) };
        assert_eq!(lines(&secure, &said(Some("t"), None)), [format!("{line}; Secure")]);
        let cleared = "codepop_session=; Path=/; Max-Age=0; SameSite=Strict; HttpOnly";
        assert_eq!(lines(&none, &said(Some(""), None)), [cleared]);
        assert_eq!(lines(&none, &said(Some("a;b"), Some("logan"))), [""; 0], "what is no token and no store");

        let both = format!("codepop_session=t; x-codepop-store={ID}");
        let same = cookies(&Method::GET, false, &[("cookie", &both)]);
        assert_eq!(lines(&same, &said(Some("t"), Some(ID))), [""; 0]);
        assert_eq!(lines(&same, &said(Some("u"), None)).len(), 1);
        assert_eq!(lines(&same, &said(None, None)), [""; 0]);
        let store = format!("X-CodePop-Store={ID}; Path=/; Max-Age=15552000; SameSite=Strict");
        assert_eq!(lines(&none, &said(None, Some(ID))), [store]);
        assert_eq!(lines(&none, &said(None, Some(""))), ["X-CodePop-Store=; Path=/; Max-Age=0; SameSite=Strict"]);
    }

    #[test]
    fn nothing_shows_a_token() {
        let found = cookies(&Method::GET, false, &[("cookie", "codepop_session=hush")]);
        assert!(!format!("{found:?}").contains("hush"));
    }
}
