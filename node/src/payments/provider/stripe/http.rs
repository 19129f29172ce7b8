//! Calls of Stripe's HTTP API, and what their answers mean.

use std::{fmt::Write as _, time::Duration};

use ::http::{Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioTimer},
};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{super::Fault, connect::Connector};
use crate::payments::Secret;

/// The version of the API whose forms are used here.
const VERSION: &str = "2024-09-30.acacia";

/// How long a call may take, with dialling: a capture asks the card's bank, which takes seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// Calls at the same time: Stripe takes 100 a second from an account, and a call takes about half a second.
const CALLS_MAX: usize = 48;

/// Largest answer, in bytes: a hundred refunds with all they hold.
const ANSWER_MAX: usize = 512 * 1_024;

/// Idle connections that are kept.
const IDLE_MAX: usize = 8;

/// How long they are kept: less than Stripe does.
const IDLE_FOR: Duration = Duration::from_secs(30);

/// How a call is made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Method<'a> {
    /// Reads.
    Get,
    /// Changes, once a key.
    Post {
        /// The key.
        key: &'a str,
    },
}

/// Calls Stripe.
pub(super) struct Client {
    http: legacy::Client<Connector, Full<Bytes>>,
    base: String,
    secret: Secret,
    calls: Semaphore,
}

impl Client {
    /// Of the API at `base`.
    pub(super) fn new(base: String, secret: Secret) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_FOR)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(Connector::new());
        let base = base.trim_end_matches('/').to_owned();
        Self { http, base, secret, calls: Semaphore::new(CALLS_MAX) }
    }

    /// One call.
    pub(super) async fn call(&self, method: Method<'_>, path: &str, form: &[(&str, &str)]) -> Result<Value, Fault> {
        let request = self.request(method, path, form)?;
        let answer = tokio::time::timeout(CALL_TIMEOUT, self.exchange(request)).await;
        let (status, body) = answer.map_err(|_| Fault::unavailable(format!("no answer in {CALL_TIMEOUT:?}")))??;
        judge(status, &body)
    }

    fn request(&self, method: Method<'_>, path: &str, form: &[(&str, &str)]) -> Result<Request<Full<Bytes>>, Fault> {
        let mut bearer = header::HeaderValue::from_str(&format!("Bearer {}", self.secret.reveal()))
            .map_err(|_| Fault::unavailable("the secret key has characters that no header can hold"))?;
        bearer.set_sensitive(true);
        let (form, base) = (encode(form), &self.base);
        let request = Request::builder().header(header::AUTHORIZATION, bearer).header("stripe-version", VERSION);
        let request = match method {
            Method::Get if form.is_empty() => request.uri(format!("{base}{path}")).body(Full::default()),
            Method::Get => request.uri(format!("{base}{path}?{form}")).body(Full::default()),
            Method::Post { key } => request
                .method(::http::Method::POST)
                .uri(format!("{base}{path}"))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header("idempotency-key", key)
                .body(Full::new(Bytes::from(form))),
        };
        request.map_err(|error| Fault::unavailable(format!("the request has no form: {error}")))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Fault> {
        let _permit = self.calls.acquire().await.map_err(|error| Fault::unavailable(error.to_string()))?;
        let answer = self.http.request(request).await.map_err(|error| Fault::unavailable(chain(&error)))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        let body = body.map_err(|error| Fault::unavailable(format!("its answer broke off: {error}")))?;
        Ok((status, body.to_bytes()))
    }
}

/// What an answer means. Its text goes to the log, except where it may quote a key.
fn judge(status: StatusCode, body: &[u8]) -> Result<Value, Fault> {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    if status.is_success() {
        return body.ok_or_else(|| Fault::unavailable("its answer is no JSON"));
    }
    let error = body.as_ref().map_or(&Value::Null, |body| &body["error"]);
    let word = |field: &str| error[field].as_str().unwrap_or_default();
    let unavailable = |is_final| Fault::Unavailable { why: format!("{status} {}", word("code")), is_final };
    Err(match status.as_u16() {
        // Another answers at that address, for example a proxy.
        400..=499 if !error.is_object() => Fault::unavailable(format!("{status} without an error of Stripe's")),
        401 | 403 => Fault::unavailable(format!("{status}: it does not take the secret key")),
        409 | 425 | 429 => unavailable(false),
        _ if word("type") == "idempotency_error" => unavailable(true),
        404 => Fault::Missing,
        _ if word("code") == "resource_missing" => Fault::Missing,
        400..=499 => Fault::Declined(format!("{} {}", word("code"), word("message")).trim().to_owned()),
        _ => unavailable(true),
    })
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// `application/x-www-form-urlencoded`.
fn encode(form: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in form {
        let between = if text.is_empty() { "" } else { "&" };
        // Writing to a string never fails.
        let _ = write!(text, "{between}{}={}", Escaped(name), Escaped(value));
    }
    text
}

/// A text with all but letters, digits and `-._~` as `%XX`.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                f.write_char(char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded() {
        assert_eq!(
            encode(&[("metadata[a]", "x y&z=ü"), ("amount", "230")]),
            "metadata%5Ba%5D=x%20y%26z%3D%C3%BC&amount=230"
        );
        assert_eq!(encode(&[]), "");
    }

    #[test]
    fn answers_are_judged() {
        let judged = |status: u16, body: &str| judge(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        let error = |fields: &str| format!(r#"{{"error":{{{fields}}}}}"#);
        assert_eq!(judged(200, r#"{"id":"x"}"#).unwrap()["id"], "x");
        assert!(matches!(judged(200, "<html>"), Err(Fault::Unavailable { is_final: false, .. })));
        let declined = judged(402, &error(r#""code":"card_declined","message":"No.""#));
        assert_eq!(declined.unwrap_err(), Fault::Declined("card_declined No.".into()));
        assert_eq!(judged(404, &error("")).unwrap_err(), Fault::Missing);
        assert_eq!(judged(400, &error(r#""code":"resource_missing""#)).unwrap_err(), Fault::Missing);
        for (status, body, is_final) in [
            (404, "<html>".to_owned(), false),
            (401, error(r#""message":"Invalid API Key provided: sk_live_x""#), false),
            (409, error(r#""code":"lock_timeout""#), false),
            (429, error(r#""code":"rate_limit""#), false),
            (400, error(r#""type":"idempotency_error""#), true),
            (500, error(r#""type":"api_error""#), true),
            (502, "<html>".to_owned(), true),
        ] {
            let fault = judged(status, &body).unwrap_err();
            assert!(
                matches!(&fault, Fault::Unavailable { is_final: said, .. } if *said == is_final),
                "{status} {fault}"
            );
            assert!(!fault.to_string().contains("sk_"), "{fault}");
        }
    }
}
