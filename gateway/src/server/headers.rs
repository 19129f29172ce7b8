//! What a request's headers say: who asks, by which id, how long the answer may take, and which store is preferred.

use std::time::Duration;

use codepop_shared::{Code, Failure};
use http::{HeaderMap, HeaderValue, header};
use uuid::Uuid;

/// Longest request id that is taken over.
const REQUEST_ID_MAX: usize = 128;

/// How long an answer may take unless the client asks for less.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// The header with a request's id, in and out, and to the node.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// The header, or cookie, with the store that the client would like.
const PREFERRED_STORE: &str = "x-codepop-store";

/// The header, and metadata, under which a node carries a request out only once.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Longest idempotency key.
const IDEMPOTENCY_KEY_MAX: usize = 255;

/// The client's id for the request, or a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let fits = |id: &&HeaderValue| {
        (1..=REQUEST_ID_MAX).contains(&id.len()) && id.as_bytes().iter().all(|byte| (0x21..=0x7e).contains(byte))
    };
    let made = || HeaderValue::try_from(Uuid::now_v7().to_string()).unwrap_or(HeaderValue::from_static("-"));
    headers.get(REQUEST_ID).filter(fits).cloned().unwrap_or_else(made)
}

/// The client's credentials as nodes take them; none for the words that the app sends when nobody is logged in.
pub(crate) fn authorization(headers: &HeaderMap) -> Result<Option<HeaderValue>, Failure> {
    let wrong = |detail: &str| Failure::new(Code::NotAuthenticated, detail);
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(wrong("The header Authorization may be sent once only."));
    }
    let text = value.to_str().map_err(|_| wrong("The header Authorization holds characters that are not allowed."))?;
    let (scheme, token) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let token = token.trim();
    if scheme.is_empty() {
        return Ok(None);
    }
    if !scheme.eq_ignore_ascii_case("token") && !scheme.eq_ignore_ascii_case("bearer") {
        return Err(wrong("The header Authorization must be \"Token …\" or \"Bearer …\"."));
    }
    if matches!(token, "" | "null" | "undefined") {
        return Ok(None);
    }
    if token.contains(char::is_whitespace) {
        return Err(wrong("A token holds no spaces."));
    }
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| wrong("The header Authorization holds characters that are not allowed."))?;
    bearer.set_sensitive(true);
    Ok(Some(bearer))
}

/// How long the answer may take: ten seconds, or less if the client says so.
pub(crate) fn deadline(headers: &HeaderMap) -> Result<Duration, Failure> {
    let Some(value) = headers.get("x-request-timeout") else { return Ok(DEADLINE) };
    let seconds = value.to_str().ok().and_then(|text| text.trim().parse::<f64>().ok());
    match seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0) {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds.min(DEADLINE.as_secs_f64()))),
        None => Err(Failure::invalid("X-Request-Timeout", "must be a number of seconds above 0")),
    }
}

/// The store that the client would like to answer, by header or cookie.
pub(crate) fn preferred_store(headers: &HeaderMap) -> Option<Uuid> {
    let by_header = headers.get(PREFERRED_STORE).and_then(|value| value.to_str().ok());
    match by_header {
        Some(text) => Uuid::parse_str(text.trim()).ok(),
        None => store_cookie(headers),
    }
}

/// The store that the client names for this request, by header. A cookie is kept from before and does not count here.
pub(crate) fn chosen_store(headers: &HeaderMap) -> Option<Uuid> {
    headers.get(PREFERRED_STORE).and_then(|value| Uuid::parse_str(value.to_str().ok()?.trim()).ok())
}

/// The store in the cookie.
pub(super) fn store_cookie(headers: &HeaderMap) -> Option<Uuid> {
    let (_, text) = cookies(headers).find(|(name, _)| name.eq_ignore_ascii_case(PREFERRED_STORE))?;
    Uuid::parse_str(text.trim()).ok()
}

/// Names and values of all cookies.
pub(super) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// The key under which the request is to be carried out only once.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<HeaderValue>, Failure> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let is_printable = |key: &str| (1..=IDEMPOTENCY_KEY_MAX).contains(&key.len());
    if keys.next().is_none() && key.to_str().is_ok_and(is_printable) {
        return Ok(Some(key.clone()));
    }
    let problem = format!("must be given once and have 1 to {IDEMPOTENCY_KEY_MAX} printable ASCII characters");
    Err(Failure::invalid("Idempotency-Key", problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::try_from(value).unwrap())])
    }

    #[test]
    fn tokens_are_understood() {
        for text in ["Token abc", "token abc", "BEARER abc", "Bearer  abc "] {
            let value = authorization(&headers("authorization", text)).unwrap();
            assert_eq!(value.unwrap(), "Bearer abc", "{text}");
        }
        for text in ["Token null", "Token undefined", "Token", "Bearer ", ""] {
            assert_eq!(authorization(&headers("authorization", text)).unwrap(), None, "{text}");
        }
        for text in ["Basic abc", "abc", "Token a b"] {
            let failure = authorization(&headers("authorization", text)).unwrap_err();
            assert_eq!(failure.code, Code::NotAuthenticated, "{text}");
        }
    }

    #[test]
    fn request_ids_are_checked() {
        assert_eq!(request_id(&headers(REQUEST_ID, "my-id:1")), "my-id:1");
        for bad in ["a b".to_owned(), "x".repeat(129), String::new(), "\u{e9}".to_owned()] {
            let id = request_id(&headers(REQUEST_ID, &bad));
            assert!(Uuid::parse_str(id.to_str().unwrap()).is_ok(), "{bad}");
        }
    }

    #[test]
    fn timeouts_only_shorten() {
        assert_eq!(deadline(&HeaderMap::new()).unwrap(), DEADLINE);
        assert_eq!(deadline(&headers("x-request-timeout", "0.25")).unwrap(), Duration::from_millis(250));
        assert_eq!(deadline(&headers("x-request-timeout", "1e300")).unwrap(), DEADLINE);
        for bad in ["0", "-1", "NaN", "soon", "inf"] {
            assert!(deadline(&headers("x-request-timeout", bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn idempotency_keys_are_checked() {
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
        for good in ["a", "0192f0c1-2d3e-7abc-8def-0123456789ab", &"x".repeat(255)] {
            assert_eq!(idempotency_key(&headers(IDEMPOTENCY_KEY, good)).unwrap().unwrap(), good);
        }
        for bad in ["", "\u{e9}", &"x".repeat(256)] {
            let failure = idempotency_key(&headers(IDEMPOTENCY_KEY, bad)).unwrap_err();
            assert_eq!(failure.fields[0].0, "Idempotency-Key", "{bad}");
        }
        let mut twice = headers(IDEMPOTENCY_KEY, "a");
        twice.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        assert!(idempotency_key(&twice).is_err());
    }

    #[test]
    fn the_preferred_store_is_header_or_cookie() {
        let id = Uuid::now_v7();
        assert_eq!(preferred_store(&headers("x-codepop-store", &id.to_string())), Some(id));
        assert_eq!(preferred_store(&headers("cookie", &format!("a=b; X-CodePop-Store={id}"))), Some(id));
        assert_eq!(preferred_store(&headers("x-codepop-store", "logan")), None);
    }
}
