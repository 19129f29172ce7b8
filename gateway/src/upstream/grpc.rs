//! One gRPC call on an HTTP/2 connection, with messages as bytes: one answer, or a stream of them.
//!
//! No generated client and no tonic channel: the messages are bytes already, and the failover must know for certain
//! whether a request can have reached the node, which only the connection itself can tell.

use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use tonic::{Code, Status};

use super::{messages::Messages, said::Said};

/// Largest answer that is taken from a node, as generated clients have it.
pub(super) const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes in front of a message: a flag and the length.
pub(super) const FRAME_BYTES: usize = 5;

/// How long a node is told that a stream may last. Streams end earlier at the gateway; this is for nodes that it lost.
const STREAM_LIMIT: Duration = Duration::from_secs(3 * 60 * 60);

/// What a connection sends.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// A call, ready to be sent to any node.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: PathAndQuery,
    /// Metadata, without what gRPC itself needs.
    pub(crate) metadata: HeaderMap,
    /// The framed message.
    pub(crate) framed: Bytes,
    /// When the answer is of no use any more.
    pub(crate) deadline: Instant,
    /// Whether a stream of answers has begun only when its first one is there.
    pub(crate) awaits_first: bool,
}

/// Why there is no answer message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Nothing was sent: the node is as if it had never been asked.
    #[error("not sent: {0}")]
    NotSent(String),
    /// Something may have been sent, and no answer came.
    #[error("the connection broke: {0}")]
    Lost(String),
    /// The time ran out, perhaps after something was sent.
    #[error("no answer in time")]
    Late,
    /// The node answered with an error.
    #[error("answered: {0}")]
    Answered(Box<Status>, Said),
}

impl CallError {
    pub(super) fn answered(status: Status) -> Self {
        Self::Answered(Box::new(status), Said::default())
    }

    /// The error with what the head of the answer said.
    fn after(self, said: Said) -> Self {
        match self {
            Self::Answered(status, later) => Self::Answered(status, later.or(said)),
            error => error,
        }
    }

    /// An error whose metadata says more.
    fn refused(mut status: Status, said: Said) -> Self {
        let mut metadata = std::mem::take(status.metadata_mut()).into_headers();
        let said = Said::take(&mut metadata).or(said);
        Self::Answered(Box::new(status), said)
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) content: Content,
    pub(crate) said: Said,
    /// Under which name a file is to be saved, as `Content-Disposition` has it.
    pub(crate) disposition: Option<HeaderValue>,
}

/// One message, or a stream of them.
#[derive(Debug)]
pub(crate) enum Content {
    Message(Bytes),
    Stream(Box<Messages>),
}

/// Puts the frame around a message.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(FRAME_BYTES + message.len());
    framed.put_u8(0);
    // Requests are limited to far less than 4 GiB.
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}

/// Sends a call and waits for its one answer, until `limit` at most.
pub(super) async fn unary(sender: Sender, uri: Uri, call: &Call, limit: Instant) -> Result<Answer, CallError> {
    let left = call.deadline.saturating_duration_since(Instant::now());
    let exchange = async {
        let Head { body, said, disposition } = head(send(sender, request(uri, call, left), limit).await?)?;
        match message(body).await {
            Ok(message) => Ok(Answer { content: Content::Message(message), said, disposition }),
            Err(error) => Err(error.after(said)),
        }
    };
    tokio::time::timeout_at(limit.into(), exchange).await.unwrap_or(Err(CallError::Late))
}

/// Sends a call and waits until its stream of answers begins, until `limit` at most.
pub(super) async fn stream(sender: Sender, uri: Uri, call: &Call, limit: Instant) -> Result<Answer, CallError> {
    let open = async {
        let answer = send(sender, request(uri, call, STREAM_LIMIT), limit).await?;
        let Head { body, said, disposition } = head(answer)?;
        match Messages::begin(body, call.awaits_first).await {
            Ok(messages) => Ok(Answer { content: Content::Stream(Box::new(messages)), said, disposition }),
            Err(error) => Err(error.after(said)),
        }
    };
    tokio::time::timeout_at(limit.into(), open).await.unwrap_or(Err(CallError::Late))
}

/// Sends a request and waits for the head of its answer.
async fn send(
    mut sender: Sender,
    request: Request<Full<Bytes>>,
    limit: Instant,
) -> Result<Response<Incoming>, CallError> {
    match tokio::time::timeout_at(limit.into(), sender.ready()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(CallError::NotSent(error.to_string())),
        Err(_) => return Err(CallError::NotSent("the connection takes no more requests".to_owned())),
    }
    sender.try_send_request(request).await.map_err(|error| match error.message() {
        Some(_) => CallError::NotSent(error.error().to_string()),
        None => CallError::Lost(error.error().to_string()),
    })
}

fn request(uri: Uri, call: &Call, left: Duration) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(call.framed.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = call.metadata.clone();
    let headers = request.headers_mut();
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-timeout", timeout(left));
    request
}

/// A `grpc-timeout`; at most eight digits are allowed, so milliseconds reach for a day.
fn timeout(left: Duration) -> HeaderValue {
    let millis = left.as_millis().clamp(1, 99_999_999);
    HeaderValue::try_from(format!("{millis}m")).unwrap_or(HeaderValue::from_static("1m"))
}

/// An answer whose body is worth reading: its head is no error.
struct Head {
    body: Incoming,
    said: Said,
    disposition: Option<HeaderValue>,
}

/// What the head of an answer says.
fn head(response: Response<Incoming>) -> Result<Head, CallError> {
    let (mut head, body) = response.into_parts();
    let said = Said::take(&mut head.headers);
    if let Some(status) = Status::from_header_map(&head.headers) {
        return Err(CallError::refused(status, said));
    }
    if head.status != StatusCode::OK {
        let message = format!("the node answered with HTTP status {}", head.status);
        return Err(CallError::answered(Status::new(of_http(head.status), message)));
    }
    let disposition = head.headers.remove(header::CONTENT_DISPOSITION);
    Ok(Head { body, said, disposition })
}

async fn message(body: Incoming) -> Result<Bytes, CallError> {
    let collected = Limited::new(body, ANSWER_BYTES_MAX + FRAME_BYTES).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            CallError::answered(Status::internal("the node's answer is larger than allowed"))
        } else {
            CallError::Lost(error.to_string())
        }
    })?;
    end(collected.trailers())?;
    unframe(collected.to_bytes())
}

/// What the trailers say about the whole answer.
pub(super) fn end(trailers: Option<&HeaderMap>) -> Result<(), CallError> {
    match trailers.and_then(Status::from_header_map) {
        Some(status) if status.code() == Code::Ok => Ok(()),
        Some(status) => Err(CallError::refused(status, Said::default())),
        None => Err(CallError::Lost("the answer ended without a status".to_owned())),
    }
}

fn unframe(framed: Bytes) -> Result<Bytes, CallError> {
    let broken = || CallError::answered(Status::internal("the node's answer is not one uncompressed message"));
    let (head, message) = framed.split_first_chunk::<FRAME_BYTES>().ok_or_else(broken)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    if head[0] != 0 || length as usize != message.len() {
        return Err(broken());
    }
    Ok(framed.slice(FRAME_BYTES..))
}

/// The gRPC code for an HTTP status of something that is no gRPC server, by the gRPC specification.
fn of_http(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502..=504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_fit() {
        assert_eq!(frame(b"abc").as_ref(), b"\0\0\0\0\x03abc");
        assert_eq!(unframe(frame(b"abc")).unwrap(), "abc");
        for broken in [&b""[..], b"\0\0\0\0", b"\x01\0\0\0\0", b"\0\0\0\0\x02a", b"\0\0\0\0\x01ab"] {
            assert!(unframe(Bytes::copy_from_slice(broken)).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn timeouts_have_at_most_eight_digits() {
        assert_eq!(timeout(Duration::from_secs(10)), "10000m");
        assert_eq!(timeout(Duration::ZERO), "1m");
        assert_eq!(timeout(Duration::from_secs(1_000_000)), "99999999m");
    }
}
