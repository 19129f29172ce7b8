//! From the database to those who listen: one task a node looks for new notices after each commit that wrote some, and
//! hands them to all streams.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use codepop_shared::{Code, Failure};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{Notice, store};
use crate::{app::App, storage};

/// Notices that may wait for the slowest stream: far more than come in the time that a stream needs to look.
const WAITING_MAX: usize = 256;

/// Notices that one look reads; after a full look comes another.
const LOOK_MAX: i64 = 200;

/// How long to wait after the database failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Streams that one user may have: a phone, a tablet, and some that have not noticed that their connection is gone.
pub(super) const STREAMS_PER_USER_MAX: usize = 5;

/// Streams that all users may have: a node's memory is bounded.
pub(super) const STREAMS_MAX: usize = 2_000;

/// The live notices of a node. Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    notices: broadcast::Sender<Arc<Notice>>,
    streams: Arc<Mutex<HashMap<i64, usize>>>,
    pub(super) stop: CancellationToken,
}

impl Feed {
    /// Starts looking, until stopped.
    pub fn start(app: App, stop: CancellationToken) -> Self {
        let (notices, _) = broadcast::channel(WAITING_MAX);
        tokio::spawn(Look { app, to: notices.clone(), seen: None }.run(stop.clone()));
        Self { notices, streams: Arc::default(), stop }
    }

    /// What is written from now on, for one stream of a user.
    ///
    /// # Errors
    /// There are too many streams.
    pub(super) fn listen(&self, user: i64) -> Result<(broadcast::Receiver<Arc<Notice>>, Listening), Failure> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = streams.values().sum();
        let own = streams.entry(user).or_insert(0);
        if *own >= STREAMS_PER_USER_MAX {
            let detail =
                format!("A user can listen {STREAMS_PER_USER_MAX} times at once; end one of the streams first.");
            return Err(Failure::new(Code::TooManyAttempts, detail).retry_after(RETRY_AFTER));
        }
        if all >= STREAMS_MAX {
            return Err(Failure::new(Code::Overloaded, "Too many people listen at this node. Try again later."));
        }
        *own += 1;
        drop(streams);
        Ok((self.notices.subscribe(), Listening { streams: Arc::clone(&self.streams), user }))
    }
}

/// One stream of a user; given back when it ends, however it ends.
pub(super) struct Listening {
    streams: Arc<Mutex<HashMap<i64, usize>>>,
    user: i64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = streams.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                streams.remove(&self.user);
            }
        }
    }
}

/// The task that looks.
struct Look {
    app: App,
    to: broadcast::Sender<Arc<Notice>>,
    /// The last own number and the last arrival that were handed on; `None` before the first look.
    seen: Option<(i64, i64)>,
}

impl Look {
    async fn run(mut self, stop: CancellationToken) {
        let mut changes = self.app.db.notice_changes();
        loop {
            changes.borrow_and_update();
            match self.look().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(error = %error, "new notices could not be read; trying again");
                    if stop.run_until_cancelled(tokio::time::sleep(RETRY_AFTER)).await.is_none() {
                        return;
                    }
                    continue;
                }
            }
            if stop.run_until_cancelled(changes.changed()).await.is_none_or(|changed| changed.is_err()) {
                return;
            }
        }
    }

    /// Hands on what is new. True when there may be more.
    async fn look(&mut self) -> Result<bool, storage::Error> {
        let Some((own, arrived)) = self.seen else {
            self.seen = Some(self.app.read(|tx| Box::pin(store::newest(tx))).await?);
            return Ok(true);
        };
        let read = self.app.read(move |tx| {
            Box::pin(async move {
                Ok::<_, storage::Error>((
                    store::after(tx, own, LOOK_MAX).await?,
                    store::arrived_after(tx, arrived, LOOK_MAX).await?,
                ))
            })
        });
        let (of_node, of_chain) = read.await?;
        let full = |count: usize| i64::try_from(count).is_ok_and(|count| count >= LOOK_MAX);
        let more = full(of_node.len()) || full(of_chain.len());
        self.seen = Some((
            of_node.last().map_or(own, |notice| notice.id),
            of_chain.last().map_or(arrived, |(arrived, _)| *arrived),
        ));
        for notice in of_node.into_iter().chain(of_chain.into_iter().map(|(_, notice)| notice)) {
            // Nobody may be listening.
            drop(self.to.send(Arc::new(notice)));
        }
        Ok(more)
    }
}
