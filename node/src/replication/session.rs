//! The replication protocol between two nodes, without I/O: frames and changes of the journal go in, decisions come out.
//! Both sides run the same code; it knows no sockets, no database and no clock, so that it can be simulated.
//!
//! Digest, delta, reset: say what you have (hello, digest), get what you lack (want, events), start over when the other
//! side lost its place (want again).

use std::collections::{BTreeMap, BTreeSet};

use codepop_proto::mesh::{
    Ack, AudienceState, Digest, EventBatch, Hello, ReplicationFrame, Want, replication_frame::Frame,
};
use codepop_shared::identity::SpiffeId;

use crate::journal::{Audience, Positions, Stream, StreamKey};

/// Events that may be under way without an acknowledgement: a quarter of a second of catch-up, and a bound on what a
/// slow peer makes us hold.
pub const WINDOW_EVENTS: u64 = 2_000;

/// Events in one frame at the most, as the contract says.
pub const BATCH_EVENTS_MAX: usize = 500;

/// Proofs in one frame at the most: for each event a deletion and an announcement.
const PROOFS_MAX: usize = 2 * BATCH_EVENTS_MAX;

/// Bytes in one frame at the most, as the contract says; below gRPC's limit of 4 MiB.
pub const BATCH_BYTES_MAX: usize = 1_024 * 1_024;

/// A digest is sent again after so many ticks even when nothing changed here: the other side may have changed.
const DIGEST_EVERY_TICKS: u32 = 10;

/// Where events are not pushed, a difference must last so many ticks before they are asked for: most are of events that
/// the hub is bringing to both at this moment, and asking names every stream and has them sent once more. Doubled while
/// the difference lasts, up to [`DIGEST_EVERY_TICKS`]: on a busy chain two nodes are never equal at one moment.
const WANT_AFTER_TICKS: u32 = 3;

/// Audiences that a peer may tell the state of; two nodes share three at the most.
const STATES_MAX: usize = 16;

/// What the state of an audience came to at one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digested {
    /// The audience.
    pub audience: Audience,
    /// What it depends on.
    pub basis: [u8; 16],
    /// Over rows and live events.
    pub state: [u8; 32],
}

/// The states of an audience at two nodes, found after the same events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The audience.
    pub audience: Audience,
    /// Whether they are equal; otherwise one of the two nodes has lost something.
    pub equal: bool,
}

/// What is to be done about a frame.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Send this frame.
    Send(Frame),
    /// Take in these events of one stream and report with [`Session::took_in`].
    Accept(EventBatch),
    /// The peer breaks the protocol: end the session.
    Close(&'static str),
}

/// The next run of events to send: of which stream, after which seq, how many at the most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The stream's number in our database.
    pub stream: i64,
    /// Its name among all nodes.
    pub key: StreamKey,
    /// Events after this seq.
    pub after: u64,
    /// Not more than this many.
    pub limit: usize,
}

/// One session with one peer.
#[derive(Debug)]
pub struct Session {
    me: SpiffeId,
    peer: SpiffeId,
    /// Whether events are sent as they happen, or only when asked for.
    push: bool,
    greeted: bool,
    /// What we have.
    heads: BTreeMap<StreamKey, (i64, u64)>,
    /// What the peer said that it has.
    peer_has: Positions,
    /// How far we have sent.
    sent: Positions,
    /// How far the peer asked us to send, when it must ask.
    wanted: Positions,
    /// The peer's own streams of which we hold more than it does: it gets one run of them as a proof.
    owed: BTreeSet<StreamKey>,
    /// Streams that cannot go before something more has arrived here.
    held: BTreeSet<StreamKey>,
    sent_events: u64,
    acknowledged_events: u64,
    received_events: u64,
    /// Whether the peer's first acknowledgement holds no more of our own words than we do.
    confirmed: Option<bool>,
    /// Digest of what both hold alike; `None` after a change. Without it every tick of every link would hash all streams.
    digest: Option<[u8; 16]>,
    digest_sent: Option<[u8; 16]>,
    digest_heard: Option<[u8; 16]>,
    /// Ticks for which the digests have differed, and how many it may be.
    differing_ticks: u32,
    differing_ticks_max: u32,
    /// What our state came to.
    states: Vec<Digested>,
    /// Whether the peer was not told yet.
    states_changed: bool,
    /// What comparisons of states showed.
    compared: Vec<Compared>,
    ticks: u32,
}

impl Session {
    /// A session with a peer. `push`: send events as they happen.
    pub fn new(me: SpiffeId, peer: SpiffeId, push: bool) -> Self {
        Self {
            me,
            peer,
            push,
            greeted: false,
            heads: BTreeMap::new(),
            peer_has: Positions::default(),
            sent: Positions::default(),
            wanted: Positions::default(),
            owed: BTreeSet::new(),
            held: BTreeSet::new(),
            sent_events: 0,
            acknowledged_events: 0,
            received_events: 0,
            confirmed: None,
            digest: None,
            digest_sent: None,
            digest_heard: None,
            differing_ticks: 0,
            differing_ticks_max: WANT_AFTER_TICKS,
            states: Vec::new(),
            states_changed: false,
            compared: Vec::new(),
            ticks: 0,
        }
    }

    /// The first frame to send.
    pub fn hello(&mut self, streams: &[Stream]) -> Frame {
        self.journal_changed(streams);
        Frame::Hello(Hello { vector: Some(self.receivable().to_vector()) })
    }

    /// What we have has changed.
    pub fn journal_changed(&mut self, streams: &[Stream]) {
        for stream in streams {
            let key = (stream.origin, stream.audience.clone());
            let held = self.heads.insert(key, (stream.id, stream.head));
            if held.is_none_or(|(_, head)| head != stream.head) {
                self.digest = None;
                self.held.clear();
            }
        }
    }

    /// Whether events are sent as they happen from now on.
    pub fn set_push(&mut self, push: bool) {
        self.push = push;
    }

    /// Takes a frame.
    pub fn handle(&mut self, frame: Frame) -> Vec<Output> {
        match frame {
            Frame::Hello(_) if self.greeted => vec![Output::Close("a second hello")],
            Frame::Hello(hello) => self.greet(&hello),
            _ if !self.greeted => vec![Output::Close("a frame before hello")],
            Frame::Events(batch) => Self::take(batch),
            Frame::Ack(ack) => self.acknowledge(&ack),
            Frame::Digest(digest) => self.compare(&digest),
            Frame::Want(want) => {
                self.rewind(&want);
                vec![]
            }
        }
    }

    /// The result of an [`Output::Accept`]: events of that frame, and how far its stream is known here now. `gap`: the
    /// frame did not join what is known, so the peer must start over.
    pub fn took_in(&mut self, events: usize, reached: Option<(StreamKey, u64)>, gap: bool) -> Vec<Output> {
        self.received_events += events as u64;
        let mut acknowledged = Positions::default();
        if let Some((key, seq)) = reached {
            acknowledged.raise(key.clone(), seq);
            // The peer has what it sent.
            self.peer_has.raise(key.clone(), seq);
            self.sent.raise(key, seq);
        }
        let ack = Ack { vector: Some(acknowledged.to_vector()), received: self.received_events };
        let mut outputs = vec![Output::Send(Frame::Ack(ack))];
        if gap {
            outputs.push(self.want());
        }
        outputs
    }

    /// About once a second: compare what both have, where events are not pushed.
    pub fn tick(&mut self) -> Vec<Output> {
        if !self.greeted {
            return vec![];
        }
        self.ticks += 1;
        let digest = self.common_digest();
        let mut outputs = self.want_what_stays_lacking(digest);
        let is_new = self.digest_sent != Some(digest) || self.states_changed;
        if !is_new && !self.ticks.is_multiple_of(DIGEST_EVERY_TICKS) {
            return outputs;
        }
        self.digest_sent = Some(digest);
        self.states_changed = false;
        let state = |state: &Digested| AudienceState {
            audience: state.audience.to_string(),
            basis: state.basis.to_vec(),
            state: state.state.to_vec(),
        };
        let states = self.states.iter().filter(|state| self.shares(&state.audience)).map(state).collect();
        outputs.push(Output::Send(Frame::Digest(Digest { vector_hash: digest.to_vec(), states })));
        outputs
    }

    /// Where events are not pushed: asks for what is lacking, once the digests have differed for a while.
    fn want_what_stays_lacking(&mut self, digest: [u8; 16]) -> Vec<Output> {
        if self.push || self.digest_heard.is_none_or(|heard| heard == digest) {
            self.differing_ticks = 0;
            self.differing_ticks_max = WANT_AFTER_TICKS;
            return vec![];
        }
        self.differing_ticks += 1;
        if self.differing_ticks < self.differing_ticks_max {
            return vec![];
        }
        self.differing_ticks = 0;
        self.differing_ticks_max = (2 * self.differing_ticks_max).min(DIGEST_EVERY_TICKS);
        vec![self.want()]
    }

    /// What our state came to, when it was computed again.
    pub fn states_computed(&mut self, states: Vec<Digested>) {
        if self.states != states {
            self.states = states;
            self.states_changed = true;
        }
    }

    /// What the peer's last digests showed about states, once.
    pub fn take_compared(&mut self) -> Vec<Compared> {
        std::mem::take(&mut self.compared)
    }

    /// The next events to send, if there are any and the window is open.
    pub fn next(&self) -> Option<Next> {
        let under_way = self.sent_events.saturating_sub(self.acknowledged_events);
        let room = usize::try_from(WINDOW_EVENTS.saturating_sub(under_way)).unwrap_or(0);
        if !self.greeted || room == 0 {
            return None;
        }
        // What people need first goes first: what is for everyone (who an origin is, accounts, roles, stores), and of it
        // the streams that lack least, so that nobody's few words wait for another's thousands.
        let goes = |key: &StreamKey| (self.may_send(key) || self.owed.contains(key)) && !self.held.contains(key);
        // Whom this node knows by introduction alone it cannot introduce to others yet.
        let is_announced = |(origin, audience): &StreamKey| {
            *origin == self.me.uuid
                || *audience == Audience::Everyone
                || self.heads.get(&(*origin, Audience::Everyone)).is_some_and(|(_, head)| *head > 0)
        };
        let lacking = self.heads.iter().filter(|(key, _)| goes(key)).filter_map(|(key, (stream, head))| {
            let until = if self.push || self.owed.contains(key) { *head } else { (*head).min(self.wanted.get(key)) };
            let after = self.sent.get(key);
            (after < until && is_announced(key)).then(|| (key, *stream, after, until - after))
        });
        let (key, stream, after, _) = lacking.min_by_key(|(key, _, _, lacking)| (&key.1, *lacking))?;
        Some(Next { stream, key: key.clone(), after, limit: room.min(BATCH_EVENTS_MAX) })
    }

    /// These events were handed to the connection, up to `seq`.
    pub fn sent(&mut self, key: StreamKey, seq: u64, events: usize) {
        self.owed.remove(&key);
        self.sent.raise(key, seq);
        self.sent_events += events as u64;
    }

    /// The stream cannot go yet, because the peer could not know its origin: not before something more has arrived here.
    pub fn hold(&mut self, key: StreamKey) {
        self.held.insert(key);
    }

    /// The stream was forked. If it is the peer's own, the peer gets our last event of it: its own signature under what it
    /// does not have.
    pub fn prove(&mut self, key: StreamKey) {
        let head = self.heads.get(&key).map_or(0, |(_, head)| *head);
        if key.0 == self.peer.uuid && head > 0 {
            self.sent.0.insert(key.clone(), head - 1);
            self.owed.insert(key);
        }
    }

    /// Events that the peer should get and has not acknowledged, and how many of them are under way.
    pub fn lag(&self) -> (u64, u64) {
        let lacking = |(key, (_, head)): (&StreamKey, &(i64, u64))| {
            if self.may_send(key) { head.saturating_sub(self.peer_has.get(key)) } else { 0 }
        };
        let under_way = self.sent_events.saturating_sub(self.acknowledged_events);
        (self.heads.iter().map(lacking).sum(), under_way)
    }

    /// Events of our own streams that the peer has.
    pub fn delivered(&self) -> u64 {
        let own = |(key, _): &(&StreamKey, &(i64, u64))| key.0 == self.me.uuid && self.may_send(key);
        self.heads.iter().filter(own).map(|(key, (_, head))| self.peer_has.get(key).min(*head)).sum()
    }

    /// Whether the last digests heard and computed differ: one of the two is behind.
    pub fn differs(&mut self) -> bool {
        !self.greeted || self.digest_heard.is_some_and(|heard| heard != self.common_digest())
    }

    /// Whether the peer has confirmed that we have all of our own words that it has.
    pub fn is_confirmed(&self) -> bool {
        self.confirmed == Some(true)
    }

    fn greet(&mut self, hello: &Hello) -> Vec<Output> {
        self.greeted = true;
        self.peer_has = Positions::from_vector(&hello.vector.clone().unwrap_or_default());
        self.sent = self.peer_has.clone();
        // Whoever says hello asks for everything that it lacks.
        self.wanted = self.heads.iter().map(|(key, (_, head))| (key.clone(), *head)).collect();
        let theirs =
            |(key, (_, head)): &(&StreamKey, &(i64, u64))| key.0 == self.peer.uuid && *head > self.peer_has.get(key);
        self.owed = self.heads.iter().filter(theirs).map(|(key, _)| key.clone()).collect();
        // Tells the peer how far its own words are known here: until it has heard that, it holds its writes.
        let own = self.heads.iter().filter(|(key, _)| key.0 == self.peer.uuid);
        let known: Positions = own.map(|(key, (_, head))| (key.clone(), *head)).collect();
        vec![Output::Send(Frame::Ack(Ack { vector: Some(known.to_vector()), received: self.received_events }))]
    }

    fn take(batch: EventBatch) -> Vec<Output> {
        let bytes: usize = batch.events.iter().map(|event| event.header.len() + event.body.len()).sum();
        if batch.events.is_empty()
            || batch.events.len() > BATCH_EVENTS_MAX
            || batch.proofs.len() > PROOFS_MAX
            || bytes > 2 * BATCH_BYTES_MAX
        {
            return vec![Output::Close("a batch of a size that is not allowed")];
        }
        vec![Output::Accept(batch)]
    }

    fn acknowledge(&mut self, ack: &Ack) -> Vec<Output> {
        if ack.received > self.sent_events || ack.received < self.acknowledged_events {
            return vec![Output::Close("an acknowledgement of what was not sent")];
        }
        self.acknowledged_events = ack.received;
        let vector = Positions::from_vector(&ack.vector.clone().unwrap_or_default());
        let have = |key: &StreamKey| self.heads.get(key).map_or(0, |(_, head)| *head);
        let forgot = vector.0.iter().any(|(key, seq)| key.0 == self.me.uuid && *seq > have(key));
        self.confirmed = self.confirmed.or(Some(!forgot));
        for (key, seq) in vector.0 {
            // Only what was sent can be acknowledged: whatever else it names must not pile up here.
            if self.heads.contains_key(&key) {
                self.peer_has.raise(key, seq);
            }
        }
        vec![]
    }

    fn compare(&mut self, digest: &Digest) -> Vec<Output> {
        let Ok(theirs) = <[u8; 16]>::try_from(digest.vector_hash.as_slice()) else {
            return vec![Output::Close("a digest that has not 16 bytes")];
        };
        if digest.states.len() > STATES_MAX {
            return vec![Output::Close("a digest of more audiences than there can be")];
        }
        self.compared = self.states.iter().filter_map(|ours| compare_states(ours, &digest.states)).collect();
        self.digest_heard = Some(theirs);
        if theirs != self.common_digest() {
            return if self.push { vec![self.want()] } else { vec![] };
        }
        // The peer has all of this, whoever brought it: nothing of it is under way or lacking.
        for (key, seq) in self.common().0 {
            self.peer_has.raise(key.clone(), seq);
            self.sent.raise(key, seq);
        }
        vec![]
    }

    fn want(&self) -> Output {
        Output::Send(Frame::Want(Want { vector: Some(self.receivable().to_vector()) }))
    }

    /// The peer says what it has: from there on, and up to what we have now.
    fn rewind(&mut self, want: &Want) {
        let has = Positions::from_vector(&want.vector.clone().unwrap_or_default());
        self.wanted = self.heads.iter().map(|(key, (_, head))| (key.clone(), *head)).collect();
        self.sent = has.clone();
        self.peer_has = has;
    }

    /// Whether events of a stream may go to the peer.
    fn may_send(&self, (origin, audience): &StreamKey) -> bool {
        *origin != self.peer.uuid && audience.may_travel(*origin, self.me.uuid, &self.peer)
    }

    /// What we have of all that the peer may send us.
    fn receivable(&self) -> Positions {
        let fits = |(origin, audience): &StreamKey| {
            *origin == self.me.uuid || audience.may_travel(*origin, self.peer.uuid, &self.me)
        };
        self.heads.iter().filter(|(key, _)| fits(key)).map(|(key, (_, head))| (key.clone(), *head)).collect()
    }

    /// Digest of [`Session::common`].
    fn common_digest(&mut self) -> [u8; 16] {
        match self.digest {
            Some(digest) => digest,
            None => *self.digest.insert(self.common().digest()),
        }
    }

    /// Whether both hold an audience alike.
    fn shares(&self, audience: &Audience) -> bool {
        audience.is_relayed() && audience.reaches(&self.me) && audience.reaches(&self.peer)
    }

    /// What we have of what both hold alike.
    fn common(&self) -> Positions {
        let known = self.heads.iter().filter(|(key, (_, head))| self.shares(&key.1) && *head > 0);
        known.map(|(key, (_, head))| (key.clone(), *head)).collect()
    }
}

/// Compares our state of an audience with the peer's, if both depend on the same.
fn compare_states(ours: &Digested, theirs: &[AudienceState]) -> Option<Compared> {
    let name = ours.audience.to_string();
    let theirs = theirs.iter().find(|theirs| theirs.audience == name && theirs.basis == ours.basis)?;
    Some(Compared { audience: ours.audience.clone(), equal: theirs.state == ours.state })
}

/// Wraps a frame for the wire.
pub fn framed(frame: Frame) -> ReplicationFrame {
    ReplicationFrame { frame: Some(frame) }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
