//! One REST request becomes one gRPC call: decode, call, encode.

use std::{
    borrow::Cow,
    net::IpAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use codepop_shared::{Code, Failure};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;

use super::{Gateway, body, headers, problem::Problem};
use crate::{
    contract::{Binding, Rpc},
    json::{self, Body, Fault, Input, wire},
    upstream::{Outgoing, grpc},
};

/// What is known of a request before anything of it is decoded.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) request_id: HeaderValue,
    pub(crate) client: IpAddr,
    pub(crate) received: Instant,
}

impl Gateway {
    /// Answers a request for an RPC; `vars` are the values of the path's variables.
    pub(crate) async fn transcode(
        &self,
        (rpc_index, binding_index): (usize, usize),
        request: &Parts,
        payload: Incoming,
        vars: Vec<Cow<'_, str>>,
        context: &Context,
    ) -> Result<Response<Full<Bytes>>, Problem> {
        let rpc = &self.contract.rpcs[rpc_index];
        let binding = &rpc.bindings[binding_index];
        if let Some(pause) = self.throttle.pause(context.client, rpc_index, context.received) {
            return Err(throttled(pause));
        }
        let deadline = context.received + headers::deadline(&request.headers)?;
        let metadata = metadata(&request.headers, context)?;
        let payload = match binding.body {
            Body::None => Bytes::new(),
            _ => body::read(&request.headers, payload).await?,
        };
        let message = self.decode(rpc, binding, request, &payload, vars)?;
        let outgoing = Outgoing {
            rpc,
            message: &message,
            call: grpc::Call { path: rpc.path.clone(), metadata, framed: grpc::frame(&message), deadline },
            preferred: headers::preferred_store(&request.headers),
        };
        let answer = self.upstream.call(&outgoing).await;
        self.count_login(rpc_index, &answer, context);
        match answer {
            Ok(answer) => self.encode(rpc, binding, &answer),
            Err(failure) => Err(self.spelled(rpc, failure).into()),
        }
    }

    fn decode(
        &self,
        rpc: &Rpc,
        binding: &Binding,
        request: &Parts,
        payload: &[u8],
        vars: Vec<Cow<'_, str>>,
    ) -> Result<Vec<u8>, Failure> {
        let vars: Vec<_> = binding.vars.iter().zip(vars).collect();
        let input = Input { body_is: binding.body, body: payload, query: request.uri.query(), vars: &vars };
        json::decode(&self.contract.schema, rpc.input, &input).map_err(|fault| match fault {
            Fault::Malformed(at) => {
                let detail = format!("JSON parse error: {} (line {}, column {}).", at.problem, at.line, at.column);
                Failure::new(Code::Malformed, detail)
            }
            Fault::Invalid(problems) => {
                let sentences: Vec<String> =
                    problems.iter().map(|(field, problem)| format!("{field}: {problem}")).collect();
                Failure { fields: problems, ..Failure::new(Code::Invalid, sentences.join("; ")) }
            }
        })
    }

    fn encode(&self, rpc: &Rpc, binding: &Binding, answer: &[u8]) -> Result<Response<Full<Bytes>>, Problem> {
        let is_ok = rpc.ok_when.is_some_and(|field| matches!(wire::last(answer, field), Some(wire::Raw::Varint(1..))));
        let status = if is_ok { 200 } else { rpc.success };
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        if status == 204 {
            return Ok(response);
        }
        let text =
            json::encode(&self.contract.schema, rpc.output, answer, binding.response_body).map_err(|broken| {
                tracing::error!(rpc.path = %rpc.path, error = %broken, "a node's answer cannot be read");
                Problem::new(Code::Internal, "The node's answer cannot be read.")
            })?;
        *response.body_mut() = Full::new(Bytes::from(text));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }

    fn count_login(&self, rpc: usize, answer: &Result<Bytes, Failure>, context: &Context) {
        match answer {
            Ok(_) => self.throttle.succeeded(context.client, rpc),
            Err(failure) if failure.code == Code::LoginFailed => {
                self.throttle.failed(context.client, rpc, Instant::now());
            }
            Err(_) => {}
        }
    }

    /// A node's error with its fields in the JSON spelling.
    fn spelled(&self, rpc: &Rpc, mut failure: Failure) -> Failure {
        for (field, _) in &mut failure.fields {
            if let Some(path) = self.contract.schema.path(rpc.input, field) {
                *field = self.contract.schema.spell(&path);
            }
        }
        failure
    }
}

fn metadata(sent: &HeaderMap, context: &Context) -> Result<HeaderMap, Failure> {
    let mut metadata = HeaderMap::with_capacity(8);
    metadata.extend(headers::authorization(sent)?.map(|token| (header::AUTHORIZATION, token)));
    metadata.insert(headers::REQUEST_ID, context.request_id.clone());
    if let Ok(client) = HeaderValue::try_from(context.client.to_string()) {
        metadata.insert("x-codepop-client", client);
    }
    Ok(metadata)
}

fn throttled(pause: Duration) -> Problem {
    let detail = format!("Too many failed attempts; try again in {} seconds.", pause.as_millis().div_ceil(1000));
    Failure::new(Code::TooManyAttempts, detail).retry_after(pause).into()
}
