//! What is seen of every request: a span with the request's id, under which everything is logged, and counters by method
//! and code.

use std::{
    task::{Context, Poll},
    time::Instant,
};

use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};
use tracing::Instrument as _;
use uuid::Uuid;

use super::access::is_known;

/// Metadata that carries the request's id from the gateway.
const REQUEST_ID: &str = "x-request-id";

/// Longest request id that is taken over.
const REQUEST_ID_MAX: usize = 128;

/// Observes every service behind it.
#[derive(Clone, Copy)]
pub(super) struct ObserveLayer;

impl<S> Layer<S> for ObserveLayer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner }
    }
}

/// A service that is observed.
#[derive(Clone)]
pub(super) struct Observed<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Observed<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let span = tracing::info_span!("rpc", request.id = %request_id(&request), rpc.method = method);
        let called = self.inner.call(request);
        let started = Instant::now();
        Box::pin(
            async move {
                let answered = called.await;
                if let Ok(response) = &answered {
                    count(method, code(response), started);
                }
                answered
            }
            .instrument(span),
        )
    }
}

fn request_id(request: &Request<Body>) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let good = given.filter(|id| (1..=REQUEST_ID_MAX).contains(&id.len()));
    good.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// The status of an answer; that of a stream is not known yet when it begins.
fn code(response: &Response<Body>) -> Code {
    Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
}

fn count(method: String, code: Code, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    // Methods that there are not would let callers make up label values.
    let method = if is_known(&method) { method } else { "unknown".to_owned() };
    tracing::debug!(rpc.code = ?code, rpc.seconds = seconds, "answered");
    metrics::counter!("codepop_rpc_requests_total", "method" => method.clone(), "code" => format!("{code:?}"))
        .increment(1);
    metrics::histogram!("codepop_rpc_seconds", "method" => method).record(seconds);
}
