//! The connection to a node, and more of them for streams: made when first needed, kept alive, made anew when they
//! broke. What calls learn about the node's health stays here too; a node that failed is asked again in the background
//! until it answers.

use std::{
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use codepop_shared::{
    identity::{Certified, SpiffeId},
    tls::{Connector, Trust},
};
use http::{Uri, uri::PathAndQuery};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::OwnedSemaphorePermit;
use tower::Service as _;
use uuid::Uuid;

use super::{
    Security,
    grpc::{self, Answer, Call, CallError, Content, Sender},
    places::{PLACES, Places},
    questions,
};

/// How long dialling may take: far longer than any healthy node needs, short enough to try another one in time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A silent connection is asked for a sign of life this often.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// And given up when none comes for this long.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);

/// A node that lets so many calls in a row wait in vain is taken for frozen; one may be a slow query.
const SILENCES_MAX: u32 = 3;

/// Shorter waits do not count: they tell of the caller's hurry.
const SILENCE_MIN: Duration = Duration::from_secs(1);

/// Flow control windows: an answer of the largest size goes through without waiting.
const WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// Flow control window of a stream that is listened to: a listener who does not keep up holds no more than this, and so
/// not the whole connection.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;

/// Header bytes that are taken from a node.
const HEADER_BYTES_MAX: u32 = 64 * 1024;

/// First and longest pause between two questions to a node that is away. Its return is noticed within the latter.
const PROBE_PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));

/// How long a node that was away may take to say that it is back.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long before the end of a certificate its connections are given up: as long as the longest call. Less for one that
/// is good for a short time.
const RETIRED_BEFORE: TimeDelta = TimeDelta::seconds(60);

/// The connection to one node.
#[derive(Debug)]
pub(crate) struct Link {
    uri: Uri,
    connector: Connector,
    /// Whether only a known node may answer.
    pub(super) expect: Option<Uuid>,
    /// The connection for calls, and when it is given up because one of the two certificates ends soon.
    sender: RwLock<Option<(Sender, Option<DateTime<Utc>>)>>,
    trust: Option<Trust>,
    streams: Places,
    dialling: tokio::sync::Mutex<()>,
    down: AtomicBool,
    /// Calls in a row that waited in vain.
    silences: AtomicU32,
    probing: AtomicBool,
}

impl Link {
    /// A link to an address `https://host:port`; nothing is dialled yet. The error says what is wrong with the address.
    pub(super) fn new(security: &Security, url: &str, expect: Option<Uuid>) -> Result<Arc<Self>, String> {
        let connector = security.connector(expect).map_err(|error| error.to_string())?;
        connector.endpoint(url).map_err(|error| error.to_string())?;
        Ok(Arc::new(Self {
            uri: url.parse().map_err(|_| format!("{url:?} is no address"))?,
            connector,
            expect,
            sender: RwLock::default(),
            trust: security.trust(),
            streams: Places::default(),
            dialling: tokio::sync::Mutex::default(),
            down: AtomicBool::new(false),
            silences: AtomicU32::new(0),
            probing: AtomicBool::new(false),
        }))
    }

    /// Whether the node answered when it was last asked.
    pub(crate) fn is_up(&self) -> bool {
        !self.down.load(Ordering::Relaxed)
    }

    /// Sends a call, until `limit` at most, and notes what that says about the node: it is down when it cannot be
    /// dialled or is silent again and again. A connection that broke says less, because nodes cut connections, for
    /// example to renew certificates; the next call dials anew.
    pub(crate) async fn call(self: &Arc<Self>, call: &Call, limit: Instant) -> Result<Answer, CallError> {
        let start = Instant::now();
        let answer = self.send(call, limit).await;
        self.note(start, &answer);
        answer
    }

    /// As [`Link::call`], for a stream of answers; `limit` is for its beginning.
    pub(crate) async fn open(self: &Arc<Self>, call: &Call, limit: Instant) -> Result<Answer, CallError> {
        let start = Instant::now();
        let answer = self.begin(call, limit).await;
        self.note(start, &answer);
        answer
    }

    fn note(self: &Arc<Self>, start: Instant, answer: &Result<Answer, CallError>) {
        match answer {
            Err(CallError::NotSent(problem)) => self.mark_down(problem),
            Err(CallError::Late) if start.elapsed() >= SILENCE_MIN => {
                if self.silences.fetch_add(1, Ordering::Relaxed) + 1 >= SILENCES_MAX {
                    self.close();
                    self.mark_down("several calls waited in vain");
                }
            }
            Err(CallError::Late | CallError::Lost(_)) => {}
            Ok(_) | Err(CallError::Answered(..)) => self.mark_up(),
        }
    }

    async fn send(&self, call: &Call, limit: Instant) -> Result<Answer, CallError> {
        if let Some(sender) = self.open_sender() {
            match grpc::unary(sender, self.at(&call.path), call, limit).await {
                // The connection ended just now, which says nothing about the node: it may have closed an idle one.
                Err(CallError::NotSent(_)) if Instant::now() < limit => {}
                answer => return answer,
            }
        }
        let sender = self.connect(limit, Self::open_sender, || self.dial_for_calls()).await?;
        grpc::unary(sender, self.at(&call.path), call, limit).await
    }

    async fn begin(&self, call: &Call, limit: Instant) -> Result<Answer, CallError> {
        let uri = self.at(&call.path);
        let (mut sender, mut place) = self.place(limit).await?;
        let mut answer = grpc::stream(sender, uri.clone(), call, limit).await;
        if matches!(answer, Err(CallError::NotSent(_))) && Instant::now() < limit {
            // As for calls: the connection may have ended just now.
            (sender, place) = self.place(limit).await?;
            answer = grpc::stream(sender, uri, call, limit).await;
        }
        if let Ok(Answer { content: Content::Stream(messages), .. }) = &mut answer {
            messages.hold(place, self.expect.unwrap_or_default());
        }
        answer
    }

    /// A place for a stream.
    async fn place(&self, limit: Instant) -> Result<(Sender, OwnedSemaphorePermit), CallError> {
        match self.streams.find() {
            Some(found) => Ok(found),
            None => self.connect(limit, |link| link.streams.find(), || self.dial_for_streams()).await,
        }
    }

    /// What the certificate said that the node showed last.
    pub(super) fn certified(&self) -> Option<SpiffeId> {
        self.connector.peer().get()?.certified.map(|certified| certified.id.clone())
    }

    /// The hub that signed that certificate, if one did.
    pub(super) fn certified_by(&self) -> Option<Uuid> {
        Some(self.connector.peer().get()?.certified?.issuer.as_ref()?.hub.uuid)
    }

    /// Until when a connection made now is used: certificates end connections at once, with the calls that are under way.
    fn good_until(&self) -> Option<DateTime<Utc>> {
        let theirs = self.connector.peer().get()?.certified?;
        let ours = self.trust.as_ref()?.credentials();
        let until = |certified: &Certified| {
            let life = certified.not_after - certified.not_before;
            certified.not_after - RETIRED_BEFORE.min(life / 20)
        };
        Some(until(&theirs).min(until(ours.certified())))
    }

    fn at(&self, path: &PathAndQuery) -> Uri {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(path.clone());
        Uri::from_parts(parts).unwrap_or_else(|_| self.uri.clone())
    }

    fn open_sender(&self) -> Option<Sender> {
        let sender = self.sender.read().unwrap_or_else(PoisonError::into_inner);
        let is_good = |(sender, until): &&(Sender, Option<DateTime<Utc>>)| {
            !sender.is_closed() && until.is_none_or(|until| Utc::now() < until)
        };
        sender.as_ref().filter(is_good).map(|(sender, _)| sender.clone())
    }

    /// What an open connection has to offer, or a new one.
    async fn connect<T, D>(
        &self,
        limit: Instant,
        find: impl Fn(&Self) -> Option<T>,
        dial: impl Fn() -> D,
    ) -> Result<T, CallError>
    where
        D: Future<Output = Result<T, String>>,
    {
        let patience = Instant::now() + CONNECT_TIMEOUT;
        let dialled = tokio::time::timeout_at(limit.min(patience).into(), async {
            // One dials, the others wait for what comes of it.
            let _turn = self.dialling.lock().await;
            match find(self) {
                Some(found) => Ok(found),
                None => dial().await,
            }
        });
        match dialled.await {
            Ok(done) => done.map_err(CallError::NotSent),
            // A caller in a hurry says nothing about the node.
            Err(_) if limit < patience => Err(CallError::Late),
            Err(_) => Err(CallError::NotSent("no connection in time".to_owned())),
        }
    }

    async fn dial_for_calls(&self) -> Result<Sender, String> {
        let sender = self.dial(WINDOW_BYTES, WINDOW_BYTES).await?;
        let until = self.good_until();
        *self.sender.write().unwrap_or_else(PoisonError::into_inner) = Some((sender.clone(), until));
        Ok(sender)
    }

    async fn dial_for_streams(&self) -> Result<(Sender, OwnedSemaphorePermit), String> {
        self.streams.add(self.dial(STREAM_WINDOW_BYTES, STREAM_WINDOW_BYTES * PLACES).await?);
        self.streams.find().ok_or_else(|| "the connection ended at once".to_owned())
    }

    /// Makes a connection with these windows for each stream and for all of them.
    async fn dial(&self, stream_bytes: u32, connection_bytes: u32) -> Result<Sender, String> {
        let io = self.connector.clone().call(self.uri.clone()).await.map_err(|error| error.to_string())?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(stream_bytes)
            .initial_connection_window_size(connection_bytes)
            .max_header_list_size(HEADER_BYTES_MAX)
            .handshake(io)
            .await
            .map_err(|error| error.to_string())?;
        let node = self.uri.to_string();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(node.url = node, %error, "connection ended");
            }
        });
        Ok(sender)
    }

    /// Ends the connections once the calls under way are done.
    pub(super) fn close(&self) {
        *self.sender.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.streams.clear();
    }

    /// Notes that the node does not answer, and begins to ask it whether it is back.
    fn mark_down(self: &Arc<Self>, problem: &str) {
        if !self.down.swap(true, Ordering::Relaxed) {
            tracing::warn!(node.url = %self.uri, problem, "node does not answer");
        }
        // Only links of known nodes carry users' calls; those of seeds are asked by the discovery anyway.
        if self.expect.is_some() && !self.probing.swap(true, Ordering::Relaxed) {
            tokio::spawn(probe(Arc::downgrade(self)));
        }
    }

    fn mark_up(&self) {
        if self.silences.load(Ordering::Relaxed) > 0 {
            self.silences.store(0, Ordering::Relaxed);
        }
        if !self.is_up() && self.down.swap(false, Ordering::Relaxed) {
            tracing::info!(node.url = %self.uri, "node answers again");
        }
    }

    /// Asks the node for a sign of life.
    async fn ping(&self) -> bool {
        let limit = Instant::now() + PROBE_TIMEOUT;
        match self.send(&questions::health(limit), limit).await {
            Ok(_) | Err(CallError::Answered(..)) => true,
            Err(_) => false,
        }
    }
}

/// Asks a node again and again until it answers or is forgotten.
async fn probe(link: Weak<Link>) {
    let mut pause = PROBE_PAUSE.0;
    loop {
        tokio::time::sleep(super::jittered(pause)).await;
        let Some(link) = link.upgrade() else { return };
        if link.ping().await {
            link.probing.store(false, Ordering::Relaxed);
            link.mark_up();
            return;
        }
        pause = (pause * 2).min(PROBE_PAUSE.1);
    }
}
