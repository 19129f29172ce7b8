//! One live stream: what is for the reader, until the reader goes, is too slow, or has no session any more.

use std::{sync::Arc, time::Duration};

use codepop_shared::{Code, Failure};
use futures::{Stream, StreamExt as _};
use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    mpsc, oneshot,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::{Notice, feed::Listening, operations::Reader};

/// Notices that may wait for one reader; who lets more wait is dropped.
const WAITING_MAX: usize = 32;

/// How often it is looked whether the reader's session goes on: a stream outlives its session by this at most.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Tells whether the reader's session goes on, and as whom.
pub(super) type Check = Box<dyn Fn() -> futures::future::BoxFuture<'static, Result<Reader, Failure>> + Send + Sync>;

/// What a stream needs.
pub(super) struct Watch {
    /// Who reads.
    pub(super) reader: Reader,
    /// What is written.
    pub(super) feed: Receiver<Arc<Notice>>,
    /// The place among the user's streams.
    pub(super) listening: Listening,
    /// Whether the session goes on.
    pub(super) check: Check,
    /// The node stops.
    pub(super) stop: CancellationToken,
}

impl Watch {
    /// The stream; its last item says why it ended, when it was not the reader who left.
    pub(super) fn stream(self) -> impl Stream<Item = Result<Arc<Notice>, Failure>> + Send + 'static {
        let (to, from) = mpsc::channel(WAITING_MAX);
        let (end, ended) = oneshot::channel();
        tokio::spawn(async move {
            let why = self.run(to).await;
            // The reader may be gone.
            drop(end.send(why));
        });
        let last = futures::stream::once(ended).filter_map(async |why| why.ok().flatten().map(Err));
        ReceiverStream::new(from).map(Ok).chain(last)
    }

    /// Hands on until it ends; says why, when it was not the reader who left.
    async fn run(mut self, to: mpsc::Sender<Arc<Notice>>) -> Option<Failure> {
        let _place = self.listening;
        let mut check = tokio::time::interval(CHECK_EVERY);
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = to.closed() => return None,
                () = self.stop.cancelled() => {
                    return Some(Failure::new(Code::Unavailable, "The node stops. Listen again."));
                }
                _ = check.tick() => match (self.check)().await {
                    Ok(reader) => self.reader = reader,
                    // The session may well go on; a database that is away for a moment ends nothing.
                    Err(failure) if failure.code.http() >= 500 => {}
                    Err(failure) => return Some(failure),
                },
                said = self.feed.recv() => match said {
                    Ok(notice) if !self.reader.sees(&notice) => {}
                    Ok(notice) => if to.try_send(notice).is_err() {
                        return Some(too_slow());
                    },
                    Err(RecvError::Lagged(_)) => return Some(too_slow()),
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }
}

fn too_slow() -> Failure {
    Failure::new(Code::Overloaded, "More notices came than were read. List them and listen again.")
}
