//! A replication session on a connection: frames in, frames out, the journal in between. A peer that reads slowly holds
//! up nobody but itself: its frames wait in a queue of its own, and what it lacks waits in the journal.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use codepop_proto::{
    journal::SignedEvent,
    mesh::{EventBatch, ReplicationFrame, replication_frame::Frame},
};
use codepop_shared::identity::{Kind, SpiffeId};
use futures::{Stream as FrameStream, StreamExt as _};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Duration, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

use super::{
    accept, lend,
    outbox::Outbox,
    session::{BATCH_BYTES_MAX, Next, Output, Session, framed},
    states::States,
};
use crate::{
    auth::Permit,
    journal::{Audience, Stream, conflicts, entries, streams},
    mesh::links::Links,
    storage::{self, Db},
};

/// Frames that may wait for a connection: two batches under way and their acknowledgements.
pub const QUEUE_FRAMES: usize = 8;

/// Batches of one peer that are between their arrival and their commit: while one is merged, the next is verified.
const UNDER_WAY: u32 = 2;

/// How often both sides compare what they have.
pub const TICK: Duration = Duration::from_secs(1);

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// It was cut on this side.
    #[error("cut here")]
    Cut,
    /// The peer ended it, or the connection broke.
    #[error("{0}")]
    Broken(String),
    /// The peer sent what it must not.
    #[error("fault of the peer: {0}")]
    Fault(String),
    /// Our own database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// What sessions need. Cheap to clone.
#[derive(Clone)]
pub struct Replicator {
    db: Db,
    links: Links,
    streams: watch::Receiver<Arc<Vec<Stream>>>,
    states: States,
}

impl Replicator {
    /// Sessions over a database.
    pub fn new(db: Db, links: Links, states: States) -> Self {
        let streams = streams::watch(&db);
        Self { db, links, streams, states }
    }

    /// What the state of each audience comes to.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// Replicates with a peer until the session ends.
    pub async fn run<S>(
        &self,
        peer: &SpiffeId,
        inbound: S,
        out: mpsc::Sender<ReplicationFrame>,
        cut: CancellationToken,
    ) -> End
    where
        S: FrameStream<Item = Result<ReplicationFrame, Status>> + Unpin + Send,
    {
        let mut session = Session::new(self.db.author().id.clone(), peer.clone(), self.pushes_to(peer));
        // What we have must be known before the peer's hello is looked at.
        let hello = match self.db.read(|tx| Box::pin(streams::all(tx))).await {
            Ok(known) => session.hello(&known),
            Err(error) => return End::Storage(error),
        };
        let (verified, waiting) = mpsc::channel(1);
        let run = Run {
            of: self,
            peer,
            session: Mutex::new(session),
            outbox: Mutex::default(),
            wake: Notify::new(),
            under_way: Arc::new(Semaphore::new(UNDER_WAY as usize)),
            verified,
            out,
        };
        // Before anything else: the peer may greet first, and then digests could overtake our own hello.
        if let Err(end) = run.put(hello).await {
            return end;
        }
        let end = tokio::select! {
            () = cut.cancelled() => End::Cut,
            end = run.send() => end,
            end = run.receive(inbound) => end,
            end = run.merge(waiting) => end,
            end = run.tick() => end,
        };
        if let End::Fault(why) = &end {
            self.report_fault(peer, why).await;
        }
        end
    }

    /// Events go out as they happen along hub links; elsewhere they are asked for, unless no hub is there to bring them.
    fn pushes_to(&self, peer: &SpiffeId) -> bool {
        peer.kind == Kind::Hub || !self.links.has_hub() || self.db.author().id.kind == Kind::Hub
    }

    async fn report_fault(&self, peer: &SpiffeId, why: &str) {
        let detail = format!("{peer} sent events that were refused: {why}; they are fetched from another peer");
        let noted = self
            .db
            .receive(move |tx| Box::pin(async move { conflicts::note(tx, "bad_event", detail, None).await }))
            .await;
        if let Err(error) = noted {
            tracing::warn!(error = %error, "a refused batch could not be noted");
        }
    }
}

/// One session while it runs.
struct Run<'a> {
    of: &'a Replicator,
    peer: &'a SpiffeId,
    session: Mutex<Session>,
    /// What is to be said besides events.
    outbox: Mutex<Outbox>,
    /// Something happened that may allow sending.
    wake: Notify,
    /// Room for [`UNDER_WAY`] batches.
    under_way: Arc<Semaphore>,
    /// Batches that may be merged.
    verified: mpsc::Sender<Waiting>,
    out: mpsc::Sender<ReplicationFrame>,
}

/// A batch whose signatures hold, and that waits for its turn.
struct Waiting {
    batch: accept::Verified,
    events: usize,
    room: OwnedSemaphorePermit,
}

impl Run<'_> {
    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self) -> End {
        let mut changes = self.of.streams.clone();
        loop {
            let heads = Arc::clone(&changes.borrow_and_update());
            {
                let mut session = self.session();
                session.journal_changed(&heads);
                session.set_push(self.of.pushes_to(self.peer));
            }
            if let Err(end) = self.send_what_may_go().await {
                return end;
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return End::Cut },
                () = self.wake.notified() => {}
            }
        }
    }

    async fn send_what_may_go(&self) -> Result<(), End> {
        loop {
            let waiting = self.outbox().take();
            for frame in waiting {
                self.put(frame).await?;
            }
            let Some(next) = self.session().next() else { return Ok(()) };
            let (batch, last) = self.load(&next).await?;
            let count = batch.events.len();
            if batch.live_only && !accept::may_bring_live_only(&self.of.db.author().id, next.key.0) {
                // A hub, or whoever made them, brings these.
                self.session().sent(next.key, u64::MAX, 0);
                continue;
            }
            if count == 0 {
                // Only a damaged database has nothing below its own heads.
                tracing::error!(peer = %self.peer, stream = next.stream, after = next.after, "the journal lacks events");
                self.session().sent(next.key, u64::MAX, 0);
                continue;
            }
            let mut proofs = self.proofs_for(&batch.events).await?;
            // Its first announcement may be superseded and gone, or this node may not bring it, being no hub and below the
            // floor; and then nobody would know the origin's key.
            let begins = next.after == 0 && next.key.1 != Audience::Everyone;
            if batch.live_only || begins {
                let Some(announcement) = self.announcement_of(next.key.0).await? else {
                    // It is known by introduction, and its stream has yet to bring it.
                    self.session().hold(next.key);
                    continue;
                };
                proofs.push(announcement);
            }
            self.put(Frame::Events(EventBatch { proofs, ..batch })).await?;
            self.session().sent(next.key, last, count);
        }
    }

    /// The next events, without proofs, and the seq of the last of them. Below the floor only what is live remains; both
    /// are read at once, because the floor may be rising.
    async fn load(&self, next: &Next) -> Result<(EventBatch, u64), End> {
        let (stream, after) = (next.stream, next.after);
        let read = self.of.db.read(move |tx| {
            Box::pin(async move {
                let floor = streams::floor(tx, stream).await?;
                let live_only = after < floor;
                let until = if live_only { floor } else { i64::MAX.cast_unsigned() };
                Ok::<_, storage::Error>((live_only, entries::between(tx, stream, after, until).await?))
            })
        });
        let (live_only, mut events) = read.await.map_err(End::Storage)?;
        events.truncate(next.limit);
        let mut bytes = 0;
        let fits = events.iter().position(|(_, event)| {
            bytes += event.header.len() + event.body.len() + event.signature.len();
            bytes > BATCH_BYTES_MAX
        });
        events.truncate(fits.unwrap_or(events.len()).max(1));
        let last = events.last().map_or(after, |(seq, _)| *seq);
        let events = events.into_iter().map(|(_, event)| event).collect();
        Ok((EventBatch { events, proofs: Vec::new(), live_only, after: if live_only { after } else { 0 } }, last))
    }

    async fn receive<S>(&self, mut inbound: S) -> End
    where
        S: FrameStream<Item = Result<ReplicationFrame, Status>> + Unpin,
    {
        while let Some(frame) = inbound.next().await {
            let frame = match frame {
                Ok(ReplicationFrame { frame: Some(frame) }) => frame,
                // A frame of a newer protocol.
                Ok(ReplicationFrame { frame: None }) => continue,
                Err(status) => return End::Broken(status.message().to_owned()),
            };
            let (outputs, compared) = {
                let mut session = self.session();
                (session.handle(frame), session.take_compared())
            };
            self.of.states.report(self.peer.uuid, compared);
            if let Err(end) = self.perform(outputs).await {
                return end;
            }
            if self.session().is_confirmed() {
                self.of.db.release_writes();
            }
            self.wake.notify_one();
        }
        End::Broken("ended by the peer".to_owned())
    }

    async fn perform(&self, outputs: Vec<Output>) -> Result<(), End> {
        for output in outputs {
            match output {
                Output::Send(frame) => self.post(frame),
                Output::Accept(events) => self.accept(events).await?,
                Output::Close(why) => return Err(End::Fault(why.to_owned())),
            }
        }
        Ok(())
    }

    /// Erased bodies go with the deletion of their user; most batches have none.
    async fn proofs_for(&self, events: &[SignedEvent]) -> Result<Vec<SignedEvent>, End> {
        if events.iter().all(|event| !event.body.is_empty()) {
            return Ok(Vec::new());
        }
        let events = events.to_vec();
        let proofs = self.of.db.read(move |tx| Box::pin(async move { lend::proofs_for(tx, &events).await })).await;
        proofs.map_err(End::Storage)
    }

    async fn announcement_of(&self, origin: Uuid) -> Result<Option<SignedEvent>, End> {
        let read = self.of.db.read(move |tx| Box::pin(lend::announcement_of(tx, origin)));
        read.await.map_err(End::Storage)
    }

    /// Verifies a batch and hands it on to be merged, in the order of arrival.
    async fn accept(&self, batch: EventBatch) -> Result<(), End> {
        let gone = |_| End::Cut;
        let events = batch.events.len();
        let room = Arc::clone(&self.under_way).acquire_owned().await.map_err(gone)?;
        if !batch.proofs.is_empty() {
            accept::proofs(&self.of.db, batch.proofs).await?;
        }
        let live_after = batch.live_only.then_some(batch.after);
        let verify = |signed| accept::verify(&self.of.db, self.peer, signed, live_after);
        let verified = match verify(batch.events.clone()).await {
            Err(accept::Error::Fault(_)) => {
                // What says whose key it is may be in the batch before: once that is merged, it is known.
                drop(self.under_way.acquire_many(UNDER_WAY - 1).await.map_err(gone)?);
                verify(batch.events).await?
            }
            verified => verified?,
        };
        self.verified.send(Waiting { batch: verified, events, room }).await.map_err(|_| End::Cut)
    }

    /// Merges what was verified, one batch after the other.
    async fn merge(&self, mut waiting: mpsc::Receiver<Waiting>) -> End {
        while let Some(Waiting { batch, events, room }) = waiting.recv().await {
            if let Err(end) = self.take(batch, events).await {
                return end;
            }
            drop(room);
        }
        End::Cut
    }

    async fn take(&self, batch: accept::Verified, count: usize) -> Result<(), End> {
        let taken = batch.take(&self.of.db, &Permit::default()).await?;
        metrics::counter!("codepop_events_received_total").increment(taken.new as u64);
        if let Some((have, made)) = taken.forgotten {
            self.fence(&taken.reached.0.1.to_string(), have, made).await;
        }
        let outputs = {
            let mut session = self.session();
            let outputs = session.took_in(count, Some(taken.reached.clone()), taken.gap);
            if taken.forked {
                session.prove(taken.reached.0);
            }
            outputs
        };
        for output in outputs {
            if let Output::Send(frame) = output {
                self.post(frame);
            }
        }
        Ok(())
    }

    /// The peer has writes of this node that its database has lost, with our own signature.
    async fn fence(&self, audience: &str, have: u64, made: u64) {
        let why = format!(
            "This node's database is older than what its peers hold of it: stream {audience} ends at {have} here, but {} holds an event {made} of it that this node signed and this database does not have. \
             It was restored from a backup or cloned. It takes no writes until it gets a new certificate (pki issue --replaces).",
            self.peer.uuid
        );
        if self.of.db.fenced().is_none() {
            tracing::error!(peer = %self.peer, "{why}");
            self.of.db.fence(why.clone());
            let note = self
                .of
                .db
                .receive(move |tx| Box::pin(async move { conflicts::note(tx, "stale_database", why, None).await }));
            if let Err(error) = note.await {
                tracing::warn!(error = %error, "the stale database could not be noted");
            }
        }
    }

    async fn tick(&self) -> End {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (outputs, lag, delivered, differs) = {
                let mut session = self.session();
                session.states_computed(self.of.states.digested());
                (session.tick(), session.lag(), session.delivered(), session.differs())
            };
            self.of.links.measured(self.peer.uuid, lag, delivered, differs);
            metrics::gauge!("codepop_replication_lag_events", "peer" => self.peer.uuid.to_string()).set(lag.0 as f64);
            if let Err(end) = self.perform(outputs).await {
                return end;
            }
        }
    }

    /// Has a frame sent by the one who sends: reading and ticking never wait for the peer to read.
    fn post(&self, frame: Frame) {
        self.outbox().push(frame);
        self.wake.notify_one();
    }

    async fn put(&self, frame: Frame) -> Result<(), End> {
        self.out.send(framed(frame)).await.map_err(|_| End::Broken("the connection is gone".to_owned()))
    }
}

impl From<accept::Error> for End {
    fn from(error: accept::Error) -> Self {
        match error {
            accept::Error::Fault(why) => Self::Fault(why),
            accept::Error::Storage(error) => Self::Storage(error),
        }
    }
}
