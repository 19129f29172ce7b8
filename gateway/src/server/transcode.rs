//! One REST request becomes one gRPC call: decode, call, encode.

use std::{
    borrow::Cow,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use codepop_shared::{Code, Failure};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts};
use http_body_util::{Either, Full};
use hyper::body::Incoming;

use super::{
    Answer, Gateway, body, events::Source, file::File, headers, places::Place, problem::Problem, session::Cookies,
};
use crate::{
    contract::{Binding, Contract, Rpc},
    json::{self, Body, Fault, Input, wire},
    upstream::{
        Messages, Outgoing, Refusal, Said,
        grpc::{self, Content},
        said::SESSION,
    },
};

/// What is known of a request before anything of it is decoded.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) request_id: HeaderValue,
    pub(crate) client: IpAddr,
    pub(crate) received: Instant,
    pub(crate) cookies: Cookies,
}

impl Gateway {
    /// Answers a request for an RPC; `vars` are the values of the path's variables, and `said` becomes what the node
    /// says beside its answer, also beside an error.
    pub(crate) async fn transcode(
        &self,
        (rpc_index, binding_index): (usize, usize),
        request: &Parts,
        payload: Incoming,
        vars: Vec<Cow<'_, str>>,
        context: &Context,
        said: &mut Said,
    ) -> Result<Answer, Problem> {
        let rpc = &self.contract.rpcs[rpc_index];
        let binding = &rpc.bindings[binding_index];
        if let Some(pause) = self.throttle.pause(context.client, rpc_index, context.received) {
            return Err(throttled(pause));
        }
        let place = rpc.is_stream.then(|| self.places.take(context.client)).transpose()?;
        let deadline = context.received + headers::deadline(&request.headers)?;
        let metadata = metadata(rpc, &request.headers, context)?;
        let payload = match binding.body {
            Body::None => Bytes::new(),
            Body::Raw(_) => body::read_raw(payload).await?,
            Body::Whole | Body::Field(_) => body::read_json(&request.headers, payload).await?,
        };
        let message = self.decode(rpc, binding, request, &payload, vars)?;
        let outgoing = Outgoing {
            rpc,
            message: &message,
            is_known_again: is_known_again(rpc, &metadata),
            call: grpc::Call {
                path: rpc.path.clone(),
                metadata,
                framed: grpc::frame(&message),
                deadline,
                awaits_first: rpc.file.is_some(),
            },
            preferred: headers::preferred_store(&request.headers),
            chosen: headers::chosen_store(&request.headers),
        };
        let answer = self.upstream.call(&outgoing).await;
        self.count_login(rpc_index, &answer, context);
        let (answered, heard) = match answer {
            Ok(grpc::Answer { content, said, disposition }) => (Ok((content, disposition)), said),
            Err(Refusal { failure, said }) => (Err(self.spelled(rpc, failure)), said),
        };
        *said = heard;
        let (content, disposition) = answered?;
        match (content, &rpc.file) {
            (Content::Message(message), None) => self.encode(rpc, binding, &message),
            (Content::Stream(messages), None) => Ok(self.events((rpc_index, binding_index), *messages, context, place)),
            (content, Some(kind)) => {
                let file = File { kind, disposition, status: rpc.success };
                self.file(rpc_index, file, content, place).await
            }
        }
    }

    /// A file, whole or in pieces.
    async fn file(&self, rpc: usize, file: File<'_>, content: Content, kept: Option<Place>) -> Result<Answer, Problem> {
        match content {
            Content::Message(message) => Ok(file.whole(&message)?.map(Either::Left)),
            Content::Stream(messages) => {
                let pieces = file.in_pieces(messages.listen(Arc::clone(&self.contract), rpc), kept).await?;
                Ok(pieces.map(|pieces| Either::Right(Either::Right(pieces))))
            }
        }
    }

    /// A stream of answers as server-sent events.
    fn events(
        &self,
        (rpc, binding): (usize, usize),
        messages: Messages,
        context: &Context,
        kept: Option<Place>,
    ) -> Answer {
        let contract = Arc::clone(&self.contract);
        let write = move |message: &[u8]| {
            let rpc = &contract.rpcs[rpc];
            written(&contract, rpc, &rpc.bindings[binding], message)
        };
        let request_id = context.request_id.clone();
        let write_error =
            move |failure| Problem::from(failure).body(request_id.to_str().unwrap_or_default()).to_string();
        let messages = messages.listen(Arc::clone(&self.contract), rpc);
        Source { messages, write, write_error, stop: self.stop.clone() }
            .answer(kept)
            .map(|events| Either::Right(Either::Left(events)))
    }

    fn decode(
        &self,
        rpc: &Rpc,
        binding: &Binding,
        request: &Parts,
        payload: &[u8],
        vars: Vec<Cow<'_, str>>,
    ) -> Result<Vec<u8>, Failure> {
        let mut vars: Vec<_> = binding.vars.iter().zip(vars).collect();
        for (name, field) in &rpc.headers {
            let sent = request.headers.get(name).map_or(Ok(""), HeaderValue::to_str);
            let text =
                sent.map_err(|_| Failure::invalid(name.as_str(), "must have printable ASCII characters only"))?;
            vars.push((field, Cow::Borrowed(text)));
        }
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

    fn encode(&self, rpc: &Rpc, binding: &Binding, answer: &[u8]) -> Result<Answer, Problem> {
        let is_ok = rpc.ok_when.is_some_and(|field| matches!(wire::last(answer, field), Some(wire::Raw::Varint(1..))));
        let status = if is_ok { 200 } else { rpc.success };
        let mut response = Response::new(Either::Left(Full::default()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        if status == 204 {
            return Ok(response);
        }
        let text = written(&self.contract, rpc, binding, answer)?;
        *response.body_mut() = Either::Left(Full::new(Bytes::from(text)));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }

    fn count_login(&self, rpc: usize, answer: &Result<grpc::Answer, Refusal>, context: &Context) {
        match answer {
            Ok(_) => self.throttle.succeeded(context.client, rpc),
            Err(refusal) if refusal.failure.code == Code::LoginFailed => {
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

/// A node's message as JSON.
fn written(contract: &Contract, rpc: &Rpc, binding: &Binding, message: &[u8]) -> Result<Vec<u8>, Failure> {
    json::encode(&contract.schema, rpc.output, message, binding.response_body).map_err(|broken| {
        tracing::error!(rpc.path = %rpc.path, error = %broken, "a node's answer cannot be read");
        Failure::new(Code::Internal, "The node's answer cannot be read.")
    })
}

fn metadata(rpc: &Rpc, sent: &HeaderMap, context: &Context) -> Result<HeaderMap, Failure> {
    let mut metadata = HeaderMap::with_capacity(8);
    metadata.extend(context.cookies.credentials(sent, rpc.lenient)?);
    let key = headers::idempotency_key(sent)?;
    metadata.extend(key.map(|key| (HeaderName::from_static(headers::IDEMPOTENCY_KEY), key)));
    metadata.insert(headers::REQUEST_ID, context.request_id.clone());
    if let Ok(client) = HeaderValue::try_from(context.client.to_string()) {
        metadata.insert("x-codepop-client", client);
    }
    Ok(metadata)
}

/// Whether the node tells by key and sender that it carried the request out before. A sender who is given a new session
/// by each call is another one each time.
fn is_known_again(rpc: &Rpc, metadata: &HeaderMap) -> bool {
    let has_session = metadata.contains_key(header::AUTHORIZATION) || metadata.contains_key(SESSION);
    metadata.contains_key(headers::IDEMPOTENCY_KEY) && (has_session || !rpc.begins_session)
}

fn throttled(pause: Duration) -> Problem {
    let detail = format!("Too many failed attempts; try again in {} seconds.", pause.as_millis().div_ceil(1000));
    Failure::new(Code::TooManyAttempts, detail).retry_after(pause).into()
}
