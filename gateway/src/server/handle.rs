//! What happens with every request, whatever it is for: id, client address, dispatch, common headers, log, metrics.

use std::{net::SocketAddr, time::Instant};

use bytes::Bytes;
use codepop_shared::{Code, Failure};
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{Either, Full};
use hyper::body::{Body as _, Incoming};
use serde_json::json;

use super::{AllowedOrigins, Answer, Gateway, headers, problem::Problem, session::Cookies, transcode::Context};
use crate::{
    router::{Endpoint, Match},
    upstream::Said,
};

/// Retry time for requests turned away while too many are under way.
const BUSY_RETRY: std::time::Duration = std::time::Duration::from_secs(1);

/// What the log says of paths that lead nowhere.
const UNMATCHED: &str = "unmatched";

/// What is found out about a request on the way to its answer.
struct Notes<'g> {
    /// The path as the contract has it.
    route: &'g str,
    /// What the node said beside its answer.
    said: Said,
}

impl Gateway {
    /// Answers a request.
    pub(crate) async fn handle(&self, peer: SocketAddr, request: Request<Incoming>) -> Answer {
        let (parts, body) = request.into_parts();
        let secure = self.proxies.is_tls(peer.ip(), &parts.headers);
        let context = Context {
            request_id: headers::request_id(&parts.headers),
            client: self.proxies.client(peer.ip(), &parts.headers),
            received: Instant::now(),
            cookies: Cookies::of(&parts, !body.is_end_stream(), &self.origins, secure),
        };
        let mut notes = Notes { route: UNMATCHED, said: Said::default() };
        let answer = self.dispatch(&parts, body, &context, &mut notes).await;
        let code = answer.as_ref().err().map_or("ok", |problem| problem.failure.code.word());
        let id = context.request_id.to_str().unwrap_or_default();
        let mut response = answer.unwrap_or_else(|problem| problem.into_response(id).map(Either::Left));
        self.decorate(&parts, &context, &mut response);
        context.cookies.set(&notes.said, response.headers_mut());
        if parts.method == Method::HEAD {
            strip_body(&mut response);
        }
        self.record(&parts, &context, notes.route, code, response.status());
        response
    }

    async fn dispatch<'g>(
        &'g self,
        request: &Parts,
        body: Incoming,
        context: &Context,
        notes: &mut Notes<'g>,
    ) -> Result<Answer, Problem> {
        if AllowedOrigins::is_preflight(request) {
            return Ok(self.origins.preflight(request).map(Either::Left));
        }
        let Ok(_permit) = self.permits.try_acquire() else {
            return Err(Failure::new(Code::Overloaded, "The gateway has more to do than it can.")
                .retry_after(BUSY_RETRY)
                .into());
        };
        let method = if request.method == Method::HEAD { &Method::GET } else { &request.method };
        match self.router.find(method, request.uri.path()) {
            Match::Found(Endpoint::Rpc { rpc, binding }, vars) => {
                notes.route = &self.contract.rpcs[rpc].bindings[binding].shown;
                self.transcode((rpc, binding), request, body, vars, context, &mut notes.said).await
            }
            Match::Found(Endpoint::Retired(index), _) => {
                notes.route = "retired";
                let rpc = &self.contract.retired[index].rpc;
                Err(Problem::new(Code::Gone, format!("Nodes speak gRPC to each other now; this is the RPC {rpc}.")))
            }
            Match::Found(Endpoint::OpenApi, _) => {
                notes.route = super::OPENAPI_PATH;
                Ok(json_response(self.openapi.clone()))
            }
            Match::Found(Endpoint::Health, _) => {
                notes.route = super::HEALTH_PATH;
                Ok(json_response(self.health()))
            }
            Match::OtherMethods(methods) => other_methods(request, methods),
            Match::Nothing => Err(Problem::new(Code::NotFound, "There is nothing at this path.")),
        }
    }

    fn health(&self) -> Bytes {
        let table = self.upstream.table();
        let healthy = table.nodes.iter().filter(|node| node.link.is_up()).count();
        let body = json!({"status": "ok", "nodes": {"known": table.nodes.len(), "healthy": healthy}});
        Bytes::from(body.to_string())
    }

    fn decorate(&self, request: &Parts, context: &Context, response: &mut Answer) {
        let is_error = !response.status().is_success();
        let headers = response.headers_mut();
        headers.insert(headers::REQUEST_ID, context.request_id.clone());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if is_error || request.headers.contains_key(header::AUTHORIZATION) || context.cookies.is_personal() {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        self.origins.decorate(&request.headers, headers);
    }

    fn record(&self, request: &Parts, context: &Context, route: &str, code: &'static str, status: StatusCode) {
        let took = context.received.elapsed();
        // Unknown methods would make a label without bound.
        let method = if route == UNMATCHED { "-" } else { request.method.as_str() };
        self.meters.record(route, method, code, took);
        tracing::info!(
            request.id = context.request_id.to_str().unwrap_or_default(),
            client.address = %context.client,
            http.method = request.method.as_str(),
            http.route = route,
            http.status = status.as_u16(),
            code,
            took_ms = took.as_secs_f64() * 1000.0,
            "request"
        );
    }
}

fn json_response(body: Bytes) -> Answer {
    let mut response = Response::new(Either::Left(Full::new(body)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn other_methods(request: &Parts, mut methods: Vec<Method>) -> Result<Answer, Problem> {
    if methods.contains(&Method::GET) {
        methods.push(Method::HEAD);
    }
    methods.push(Method::OPTIONS);
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let allow = HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"));
    if request.method != Method::OPTIONS {
        return Err(Problem::method_not_allowed(&request.method, allow));
    }
    let mut response = Response::new(Either::Left(Full::default()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::ALLOW, allow);
    Ok(response)
}

/// The answer to HEAD is that to GET without its body; a stream ends before its first event.
fn strip_body(response: &mut Answer) {
    if let Some(length) = response.body().size_hint().exact().filter(|length| *length > 0) {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    *response.body_mut() = Either::Left(Full::default());
}
