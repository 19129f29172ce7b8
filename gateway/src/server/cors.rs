//! Which web pages may use the gateway from a browser: those on the list, by exact origin, and no others.

use std::collections::HashSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use http_body_util::Full;

/// Headers that a page may send.
const ALLOWED_HEADERS: &str =
    "authorization, content-type, idempotency-key, x-codepop-store, x-request-id, x-request-timeout";

/// Headers of an answer that a page may read.
const EXPOSED_HEADERS: &str = "x-request-id, retry-after";

/// Methods that a page may use.
const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// Seconds for which a browser may remember the answer to a preflight.
const MAX_AGE: &str = "600";

/// The origins that are allowed.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(HashSet<HeaderValue>);

impl AllowedOrigins {
    /// Reads a list like `https://shop.example, http://localhost:8081`.
    ///
    /// # Errors
    ///
    /// Names the first entry that is no origin. `*` is none.
    pub fn parse(list: &str) -> Result<Self, String> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(origin).collect::<Result<_, _>>().map(Self)
    }

    /// The request's origin, if it is on the list.
    pub(crate) fn allowed<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        headers.get(header::ORIGIN).filter(|origin| self.0.contains(*origin))
    }

    /// Whether the request only asks what it may do.
    pub(crate) fn is_preflight(request: &Parts) -> bool {
        request.method == Method::OPTIONS
            && request.headers.contains_key(header::ORIGIN)
            && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// The answer to a preflight; without permission for origins that are not on the list.
    pub(crate) fn preflight(&self, request: &Parts) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if self.allowed(&request.headers).is_some() {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOWED_METHODS));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        }
        response
    }

    /// Adds to any answer what browsers need to know.
    pub(crate) fn decorate(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        // Caches must not give one origin's answer to another.
        answer.insert(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = self.allowed(request) {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
        }
    }
}

fn origin(entry: &str) -> Result<HeaderValue, String> {
    let problem = || format!("{entry:?} is no origin like https://shop.example");
    let rest = entry.strip_prefix("https://").or_else(|| entry.strip_prefix("http://")).ok_or_else(problem)?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | ':' | '[' | ']');
    if rest.is_empty() || !rest.chars().all(allowed) {
        return Err(problem());
    }
    HeaderValue::try_from(entry).map_err(|_| problem())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact() {
        let origins = AllowedOrigins::parse("https://shop.example, http://localhost:8081").unwrap();
        let sent = |origin: &str| HeaderMap::from_iter([(header::ORIGIN, HeaderValue::try_from(origin).unwrap())]);
        assert!(origins.allowed(&sent("https://shop.example")).is_some());
        for other in ["http://shop.example", "https://shop.example:444", "https://x.shop.example", "null", "*"] {
            assert!(origins.allowed(&sent(other)).is_none(), "{other}");
        }
        for bad in ["*", "shop.example", "https://", "https://shop.example/", "https://Shop.example"] {
            assert!(AllowedOrigins::parse(bad).is_err(), "{bad}");
        }
    }
}
