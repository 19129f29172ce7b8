//! Streams of messages as server-sent events: one `data:` line a message, a comment now and then so that nobody takes
//! the connection for dead, and an `event: error` when it ends because of a fault.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use codepop_shared::Failure;
use futures::{Stream, StreamExt as _};
use http::{HeaderValue, Response, header};
use http_body::{Body, Frame};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

/// A comment is sent after so long a silence: proxies and phones give up on connections after 30 s or more.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Streams end at this age. Clients connect again by themselves, perhaps to a nearer node; whoever forgot a stream does
/// not keep it for ever.
const AGE_MAX: Duration = Duration::from_secs(2 * 60 * 60);

/// Events that may wait for a client that is slow to take them.
const QUEUE_EVENTS: usize = 16;

/// A client that takes nothing for so long is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// The first line, so that proxies and clients see at once that the stream is open; ignored by all.
const GREETING: Bytes = Bytes::from_static(b": listening\n\n");

/// What is sent when there is nothing to send.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// The body of an answer that goes on and on. Dropping it ends the stream.
#[derive(Debug)]
pub(crate) struct Events(mpsc::Receiver<Bytes>);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

/// Where events come from and what they are held against.
pub(crate) struct Source<M, W, F> {
    /// The messages as nodes send them.
    pub(crate) messages: M,
    /// Writes a message as JSON.
    pub(crate) write: W,
    /// Writes an error as JSON.
    pub(crate) write_error: F,
    /// Ends the stream when the gateway stops.
    pub(crate) stop: CancellationToken,
}

impl<M, W, F> Source<M, W, F>
where
    M: Stream<Item = Result<Bytes, Failure>> + Send + 'static,
    W: Fn(&[u8]) -> Result<Vec<u8>, Failure> + Send + 'static,
    F: Fn(Failure) -> String + Send + 'static,
{
    /// The answer; `kept` is held for as long as the stream is open.
    pub(crate) fn answer(self, kept: impl Send + 'static) -> Response<Events> {
        let (sender, events) = mpsc::channel(QUEUE_EVENTS);
        tokio::spawn(async move {
            self.pump(&sender).await;
            drop(kept);
        });
        let mut response = Response::new(Events(events));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Proxies such as nginx would keep events back until they have enough of them.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    /// Sends until the node ends it, the client is gone or too slow, the stream is too old, or the gateway stops.
    async fn pump(self, sender: &mpsc::Sender<Bytes>) {
        let mut messages = std::pin::pin!(self.messages);
        let end = Instant::now() + AGE_MAX;
        let mut next = Some(GREETING);
        loop {
            if let Some(event) = next.take()
                && sender.send_timeout(event, SEND_TIMEOUT).await.is_err()
            {
                return;
            }
            let message = tokio::select! {
                biased;
                () = sender.closed() => return,
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep_until(end) => return,
                message = messages.next() => message,
                () = tokio::time::sleep(HEARTBEAT) => {
                    next = Some(COMMENT);
                    continue;
                }
            };
            match message.map(|message| message.and_then(|message| (self.write)(&message))) {
                Some(Ok(json)) => next = Some(event("data: ", &json)),
                Some(Err(failure)) => {
                    let last = event("event: error\ndata: ", (self.write_error)(failure).as_bytes());
                    // Nobody is there to be told when this fails.
                    let _ = sender.send_timeout(last, SEND_TIMEOUT).await;
                    return;
                }
                None => return,
            }
        }
    }
}

/// One event. JSON as the gateway writes it has no line breaks.
fn event(head: &str, json: &[u8]) -> Bytes {
    [head.as_bytes(), json, b"\n\n"].concat().into()
}

#[cfg(test)]
mod tests {
    use codepop_shared::Code;
    use futures::stream;
    use http_body_util::BodyExt as _;

    use super::*;

    fn answer(
        messages: impl Stream<Item = Result<Bytes, Failure>> + Send + 'static,
        stop: &CancellationToken,
        kept: impl Send + 'static,
    ) -> Events {
        let write = |message: &[u8]| Ok(message.to_vec());
        let write_error = |failure: Failure| failure.code.word().to_owned();
        Source { messages, write, write_error, stop: stop.clone() }.answer(kept).into_body()
    }

    async fn next(events: &mut Events) -> Option<String> {
        let data = events.frame().await?.unwrap().into_data().unwrap();
        Some(String::from_utf8(data.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_filled_and_age_is_bounded() {
        let start = Instant::now();
        let mut events = answer(stream::pending(), &CancellationToken::new(), ());
        assert_eq!(next(&mut events).await.as_deref(), Some(": listening\n\n"));
        assert_eq!(next(&mut events).await.as_deref(), Some(":\n\n"));
        assert_eq!(start.elapsed().as_secs(), HEARTBEAT.as_secs());
        while next(&mut events).await.is_some() {}
        assert_eq!(start.elapsed().as_secs(), AGE_MAX.as_secs());
    }

    #[tokio::test]
    async fn messages_become_events_and_a_fault_the_last_one() {
        let messages = [Ok("1".into()), Ok("2".into()), Err(Failure::new(Code::NotAuthenticated, "")), Ok("3".into())];
        let events = answer(stream::iter(messages), &CancellationToken::new(), ());
        let all = events.collect().await.unwrap().to_bytes();
        assert_eq!(all, ": listening\n\ndata: 1\n\ndata: 2\n\nevent: error\ndata: not_authenticated\n\n");
        let end = answer(stream::iter([Ok("1".into())]), &CancellationToken::new(), ());
        assert_eq!(end.collect().await.unwrap().to_bytes(), ": listening\n\ndata: 1\n\n");
    }

    #[tokio::test]
    async fn a_stop_and_a_client_that_leaves_end_it() {
        let (stop, held) = (CancellationToken::new(), std::sync::Arc::new(()));
        let mut events = answer(stream::pending(), &stop, std::sync::Arc::clone(&held));
        next(&mut events).await;
        stop.cancel();
        assert_eq!(next(&mut events).await, None);
        let mut events = answer(stream::pending(), &CancellationToken::new(), std::sync::Arc::clone(&held));
        next(&mut events).await;
        drop(events);
        while std::sync::Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let held = std::sync::Arc::new(());
        let events =
            answer(stream::repeat_with(|| Ok("x".into())), &CancellationToken::new(), std::sync::Arc::clone(&held));
        tokio::time::sleep(SEND_TIMEOUT * 2).await;
        assert_eq!(std::sync::Arc::strong_count(&held), 1);
        drop(events);
    }
}
