//! Answers that are no JSON: a file, whole or in pieces, as the contract's `google.api.HttpBody` brings it. Its name comes
//! beside it, in the metadata `content-disposition`.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use codepop_shared::{Code, Failure};
use futures::{Stream, StreamExt as _};
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::Full;
use tokio::{sync::mpsc, time::Instant};

use crate::json::wire::{Broken, Raw, Records};

/// Pieces that may wait for a client that is slow to take them.
const QUEUE_PIECES: usize = 4;

/// A client that takes nothing, or a node that sends nothing, for so long is given up.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);

/// A file that takes longer is given up: the largest of them needs seconds, a bad line some minutes.
const AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// Field numbers of the standard's message.
const CONTENT_TYPE: u32 = 1;
const DATA: u32 = 2;

/// The rest of the file does not come.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the file broke off")]
pub(crate) struct BrokenOff;

/// The body of a file in pieces. Dropping it ends the stream behind it.
#[derive(Debug)]
pub(crate) struct Pieces {
    /// `None` is the good end: without it the client must see that the file is not whole.
    receiver: mpsc::Receiver<Option<Bytes>>,
    over: bool,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let came = std::task::ready!(self.receiver.poll_recv(cx));
        Poll::Ready(match came {
            Some(Some(piece)) => Some(Ok(Frame::data(piece))),
            Some(None) => {
                self.over = true;
                None
            }
            None => {
                self.over = true;
                Some(Err(BrokenOff))
            }
        })
    }
}

/// What is known of a file before its first byte.
#[derive(Debug)]
pub(crate) struct File<'a> {
    /// Its content type, unless it says its own.
    pub(crate) kind: &'a HeaderValue,
    pub(crate) disposition: Option<HeaderValue>,
    /// HTTP status of success.
    pub(crate) status: u16,
}

impl File<'_> {
    /// The answer for a file that came as one message.
    pub(crate) fn whole(self, message: &Bytes) -> Result<Response<Full<Bytes>>, Failure> {
        let (kind, data) = read(message)?;
        Ok(self.response(kind, Full::new(data)))
    }

    /// The answer for a file that comes as a stream of messages; what goes wrong before the first one is an ordinary
    /// error. `kept` is held for as long as the file is on its way.
    pub(crate) async fn in_pieces(
        self,
        messages: impl Stream<Item = Result<Bytes, Failure>> + Send + 'static,
        kept: impl Send + 'static,
    ) -> Result<Response<Pieces>, Failure> {
        let mut messages = Box::pin(messages);
        let first = messages.next().await.transpose()?.unwrap_or_default();
        let (kind, first) = read(&first)?;
        let (sender, receiver) = mpsc::channel(QUEUE_PIECES);
        tokio::spawn(async move {
            if tokio::time::timeout_at(Instant::now() + AGE_MAX, pump(first, messages, &sender)).await.is_err() {
                tracing::debug!("a file took too long");
            }
            drop(kept);
        });
        Ok(self.response(kind, Pieces { receiver, over: false }))
    }

    fn response<B>(self, kind: Option<HeaderValue>, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, kind.unwrap_or_else(|| self.kind.clone()));
        headers.extend(self.disposition.map(|value| (header::CONTENT_DISPOSITION, value)));
        response
    }
}

/// Sends pieces until the good end, or until one of the two sides is gone or too slow.
async fn pump(
    mut piece: Bytes,
    mut messages: impl Stream<Item = Result<Bytes, Failure>> + Unpin,
    sender: &mpsc::Sender<Option<Bytes>>,
) {
    loop {
        if !piece.is_empty() && sender.send_timeout(Some(piece), PIECE_TIMEOUT).await.is_err() {
            return;
        }
        let message = tokio::select! {
            biased;
            () = sender.closed() => return,
            message = tokio::time::timeout(PIECE_TIMEOUT, messages.next()) => message,
        };
        let next = message.map(|message| message.map(|message| message.and_then(|message| read(&message))));
        match next {
            Ok(Some(Ok((_, data)))) => piece = data,
            Ok(Some(Err(failure))) => {
                tracing::warn!(code = failure.code.word(), "a file broke off");
                return;
            }
            Ok(None) => {
                // Nobody is there to be told when this fails.
                let _ = sender.send_timeout(None, PIECE_TIMEOUT).await;
                return;
            }
            Err(_) => {
                tracing::warn!("a node sent nothing more of a file");
                return;
            }
        }
    }
}

/// The content type, if it is said, and the bytes of one message.
fn read(message: &Bytes) -> Result<(Option<HeaderValue>, Bytes), Failure> {
    let parts = || -> Result<_, Broken> {
        let (mut records, mut kind, mut data) = (Records::new(message), None, Bytes::new());
        while let Some((number, value)) = records.next()? {
            match (number, value) {
                (CONTENT_TYPE, Raw::Bytes(text)) => kind = HeaderValue::from_bytes(text).ok(),
                (DATA, Raw::Bytes(bytes)) => data = message.slice_ref(bytes),
                _ => {}
            }
        }
        Ok((kind.filter(|kind| !kind.is_empty()), data))
    };
    parts().map_err(|_| Failure::new(Code::Internal, "The node's answer cannot be read."))
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::json::wire;

    fn message(kind: &str, data: &[u8]) -> Bytes {
        let mut out = Vec::new();
        wire::put_bytes(&mut out, CONTENT_TYPE, kind.as_bytes());
        wire::put_bytes(&mut out, DATA, data);
        out.into()
    }

    async fn answer(
        messages: impl Stream<Item = Result<Bytes, Failure>> + Send + 'static,
        kept: impl Send + 'static,
    ) -> Result<Response<Pieces>, Failure> {
        let kind = HeaderValue::from_static("text/plain");
        File { kind: &kind, disposition: None, status: 200 }.in_pieces(messages, kept).await
    }

    #[tokio::test]
    async fn the_first_piece_decides_and_all_arrive() {
        let pieces = [message("text/csv", b"a,"), message("image/png", b""), message("", b"b\n")].map(Ok);
        let response = answer(stream::iter(pieces), ()).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/csv");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "a,b\n");
        let empty = answer(stream::empty(), ()).await.unwrap();
        assert_eq!(empty.headers()["content-type"], "text/plain");
        assert_eq!(empty.into_body().collect().await.unwrap().to_bytes(), "");
    }

    #[tokio::test]
    async fn a_fault_is_an_error_before_the_first_piece_and_a_broken_file_after_it() {
        let fault = || Err(Failure::new(Code::Forbidden, ""));
        assert_eq!(answer(stream::iter([fault()]), ()).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(answer(stream::iter([Ok("\x0a\x05a".into())]), ()).await.unwrap_err().code, Code::Internal);
        for broken in [fault(), Ok("\x0a\x05a".into())] {
            let response = answer(stream::iter([Ok(message("", b"a")), broken]), ()).await.unwrap();
            assert!(response.into_body().collect().await.is_err(), "not taken for a whole file");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn neither_side_may_stand_still() {
        let silent = stream::iter([Ok(message("", b"a"))]).chain(stream::pending());
        assert!(answer(silent, ()).await.unwrap().into_body().collect().await.is_err());
        let held = std::sync::Arc::new(());
        let endless = stream::repeat_with(|| Ok(message("", b"a")));
        let response = answer(endless, std::sync::Arc::clone(&held)).await.unwrap();
        tokio::time::sleep(PIECE_TIMEOUT * 2).await;
        assert_eq!(std::sync::Arc::strong_count(&held), 1, "a client that takes nothing is given up");
        assert!(response.into_body().collect().await.is_err());
    }
}
