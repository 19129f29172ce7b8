//! Errors as JSON: a short sentence, a longer one, a word for programs, and the fields concerned.

use std::time::Duration;

use bytes::Bytes;
use codepop_shared::{Code, Failure};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Map, Value, json};

/// When to try again after 503 and 429 of nodes that did not say it.
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// An error answer.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) failure: Box<Failure>,
    /// When it is not the code's own.
    status: Option<StatusCode>,
    /// The methods that the path knows, for 405.
    allow: Option<HeaderValue>,
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self { failure: Box::new(failure), status: None, allow: None }
    }
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Failure::new(code, detail).into()
    }

    /// 405 with the methods that would do.
    pub(crate) fn method_not_allowed(method: &http::Method, allow: HeaderValue) -> Self {
        let detail = format!("{method} is not possible here; {} is.", allow.to_str().unwrap_or_default());
        Self { allow: Some(allow), ..Self::new(Code::MethodNotAllowed, detail) }
    }

    /// 408: the body took too long to arrive.
    pub(crate) fn body_too_slow() -> Self {
        let status = Some(StatusCode::REQUEST_TIMEOUT);
        Self { status, ..Self::new(Code::DeadlineExceeded, "The body did not arrive in time.") }
    }

    fn status(&self) -> StatusCode {
        let own = StatusCode::from_u16(self.failure.code.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.status.unwrap_or(own)
    }

    pub(crate) fn into_response(self, request_id: &str) -> Response<Full<Bytes>> {
        let status = self.status();
        let mut response = Response::new(Full::new(Bytes::from(self.body(request_id).to_string())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Token"));
        }
        headers.extend(self.allow.map(|allow| (header::ALLOW, allow)));
        if let Some(after) = self.failure.retry_after.or(retry_after(status)) {
            // Whole seconds, rounded up: earlier would be too early.
            let seconds = after.as_millis().div_ceil(1000).max(1);
            headers
                .extend(HeaderValue::try_from(seconds.to_string()).ok().map(|seconds| (header::RETRY_AFTER, seconds)));
        }
        response
    }

    /// The error as JSON.
    pub(crate) fn body(&self, request_id: &str) -> Value {
        let failure = &self.failure;
        let mut body = Map::new();
        body.insert("error".to_owned(), title(failure.code).into());
        let detail = if failure.detail.is_empty() { title(failure.code) } else { &failure.detail };
        body.insert("detail".to_owned(), detail.into());
        body.insert("code".to_owned(), failure.code.word().into());
        body.insert("request_id".to_owned(), request_id.into());
        if !failure.fields.is_empty() {
            body.insert("fields".to_owned(), fields(&failure.fields));
        }
        if failure.code == Code::LoginFailed {
            body.insert("non_field_errors".to_owned(), json!([failure.detail]));
        }
        if let Some(alternatives) = failure.metadata.get("alternatives") {
            body.insert("alternatives".to_owned(), alternatives_of(alternatives));
        }
        Value::Object(body)
    }
}

/// When to try again, if nobody said it.
fn retry_after(status: StatusCode) -> Option<Duration> {
    matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS).then_some(RETRY_AFTER)
}

/// Each field once, with all that is wrong with it.
fn fields(problems: &[(String, String)]) -> Value {
    let mut fields: Map<String, Value> = Map::new();
    for (field, problem) in problems {
        match fields.entry(field.as_str()).or_insert_with(|| json!([])) {
            Value::Array(list) => list.push(problem.as_str().into()),
            _ => continue,
        }
    }
    Value::Object(fields)
}

/// A list as JSON, or names between commas.
fn alternatives_of(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Array(list)) => Value::Array(list),
        _ => text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
    }
}

/// What happened, in a few words.
fn title(code: Code) -> &'static str {
    match code {
        Code::Invalid => "Some fields are not valid.",
        Code::Malformed => "The body is not valid JSON.",
        Code::NotAuthenticated => "You are not logged in.",
        Code::LoginFailed => "The log-in failed.",
        Code::Forbidden => "You may not do this.",
        Code::HubNeeded => "This needs a supply hub.",
        Code::NotFound => "There is no such thing.",
        Code::MethodNotAllowed => "The method is not possible here.",
        Code::NameTaken => "The name is taken.",
        Code::Conflict => "This is not possible at the moment.",
        Code::InsufficientItems => "The store lacks ingredients.",
        Code::PaymentRequired => "The order is not paid.",
        Code::KeyReused => "The idempotency key was used before.",
        Code::StoreClosed => "The store takes no orders now.",
        Code::ProviderUnavailable => "Payments are not possible at the moment.",
        Code::Gone => "This interface is gone.",
        Code::TooLarge => "The request is too large.",
        Code::UnsupportedMediaType => "The body must be JSON.",
        Code::AskHub => "Only a supply hub can answer this.",
        Code::AskStore => "Only a store can answer this.",
        Code::TooManyAttempts => "Too many attempts.",
        Code::DeadlineExceeded => "It took too long.",
        Code::Unavailable | Code::StorageUnavailable | Code::StaleDatabase => "The service is away at the moment.",
        Code::Overloaded => "The service is busy.",
        Code::Internal => "Something went wrong.",
    }
}
