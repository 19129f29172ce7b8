//! The messages of a stream that a node answers with, taken out of their frames as they arrive.

use std::{sync::Arc, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use codepop_shared::Failure;
use futures::{Stream, stream};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use uuid::Uuid;

use super::{
    failover::broken_off,
    grpc::{self, ANSWER_BYTES_MAX, CallError, FRAME_BYTES},
};
use crate::contract::Contract;

/// How long the first message is waited for. A node that refuses does so at once, and then the refusal can still be an
/// ordinary error; a stream that is merely quiet must not look slow.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// A stream of messages. Dropping it tells the node that nobody listens any more.
#[derive(Debug)]
pub(crate) struct Messages {
    body: Incoming,
    buffer: BytesMut,
    /// A message that came while the stream was opened.
    first: Option<Bytes>,
    over: bool,
    /// The stream's place on its connection.
    place: Option<OwnedSemaphorePermit>,
    /// Who sends them.
    node: Uuid,
}

impl Messages {
    /// Begins to read. An error that comes at once is returned here; one that comes instead of the first message too,
    /// if that is awaited.
    pub(super) async fn begin(body: Incoming, awaits_first: bool) -> Result<Self, CallError> {
        let mut messages =
            Self { body, buffer: BytesMut::new(), first: None, over: false, place: None, node: Uuid::nil() };
        if awaits_first {
            messages.first = messages.next().await?;
        } else if let Ok(first) = tokio::time::timeout(FIRST_WAIT, messages.next()).await {
            messages.first = first?;
        }
        Ok(messages)
    }

    /// Keeps the stream's place on its connection until the stream ends.
    pub(super) fn hold(&mut self, place: OwnedSemaphorePermit, node: Uuid) {
        (self.place, self.node) = (Some(place), node);
    }

    /// The messages one by one, until the first error.
    pub(crate) fn listen(
        self,
        contract: Arc<Contract>,
        rpc: usize,
    ) -> impl Stream<Item = Result<Bytes, Failure>> + Send {
        stream::try_unfold(self, move |mut messages| {
            let contract = Arc::clone(&contract);
            async move {
                match messages.next().await {
                    Ok(message) => Ok(message.map(|message| (message, messages))),
                    Err(error) => Err(broken_off(&error, &contract.rpcs[rpc], messages.node)),
                }
            }
        })
    }

    /// The next message; `None` at the end. May be dropped and called again: nothing is lost.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        loop {
            if let Some(message) = cut(&mut self.buffer)? {
                return Ok(Some(message));
            }
            if self.over {
                return Ok(None);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.buffer.extend_from_slice(&data),
                    Err(frame) => {
                        self.over = true;
                        grpc::end(frame.trailers_ref())?;
                    }
                },
                Some(Err(error)) => return Err(CallError::Lost(error.to_string())),
                None => {
                    self.over = true;
                    grpc::end(None)?;
                }
            }
        }
    }
}

/// Cuts the first whole message off.
fn cut(buffer: &mut BytesMut) -> Result<Option<Bytes>, CallError> {
    let Some(head) = buffer.first_chunk::<FRAME_BYTES>() else { return Ok(None) };
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if head[0] != 0 || length > ANSWER_BYTES_MAX {
        return Err(CallError::answered(Status::internal("the node's message is compressed or larger than allowed")));
    }
    if buffer.len() < FRAME_BYTES + length {
        return Ok(None);
    }
    buffer.advance(FRAME_BYTES);
    Ok(Some(buffer.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_wherever_frames_end() {
        let all = [grpc::frame(b"one"), grpc::frame(b""), grpc::frame(b"three")].concat();
        for size in 1..=all.len() {
            let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
            for piece in all.chunks(size) {
                buffer.extend_from_slice(piece);
                while let Some(message) = cut(&mut buffer).unwrap() {
                    found.push(message);
                }
            }
            assert_eq!(found, ["one", "", "three"], "pieces of {size}");
        }
    }

    #[test]
    fn what_is_too_long_or_compressed_is_refused() {
        for broken in [&b"\x01\0\0\0\x01a"[..], b"\0\xff\xff\xff\xff"] {
            assert!(cut(&mut BytesMut::from(broken)).is_err(), "{broken:?}");
        }
    }
}
