//! The one door through which what others said comes in: verify, check authority, store, advance, merge, all in one
//! transaction. Nothing unsigned is ever believed, whoever brings it.

use std::{collections::HashMap, sync::Arc};

use codepop_proto::{
    journal::SignedEvent,
    mesh::{CertificateRevoked, NodeAnnounced, NodeReplaced},
};
use codepop_shared::identity::{Certified, KeyId, Kind, Signed, SpiffeId, are_signed};
use futures::future::BoxFuture;
use prost::{Message as _, Name as _};
use uuid::Uuid;

use super::apply::{apply, apply_guarded, is_never_held};
use crate::{
    accounts, audit,
    auth::Permit,
    clock::Hlc,
    journal::{Event, Outcome, Stamp, State, Stream, StreamKey, conflicts, entries, snapshots, streams},
    mesh::{registry, replaced, revocations},
    storage::{self, Db, Tx},
};

/// Signatures that are checked in one go at the least: fewer are not worth another thread.
const VERIFIED_AT_ONCE_MIN: usize = 64;

/// Why events are not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The peer sent what it must not send or what its origin did not sign: drop the link, fetch it from another.
    #[error("{0}")]
    Fault(String),
    /// The database failed; nothing was taken. Try again.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

fn fault<T>(why: impl Into<String>) -> Result<T, Error> {
    Err(Error::Fault(why.into()))
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The stream and how far it is known now.
    pub reached: (StreamKey, u64),
    /// How many events were new.
    pub new: usize,
    /// The batch does not join what is known.
    pub gap: bool,
    /// The batch holds events that this very node signed and does not have: where its stream ends here, and the last
    /// that it once made.
    pub forgotten: Option<(u64, u64)>,
    /// The origin signed two events of one seq: those after ours are not taken. Other streams go on, or one bad origin
    /// could part honest nodes from each other.
    pub forked: bool,
}

impl Taken {
    /// Nothing was new; the stream is known up to `head`.
    fn nothing(key: StreamKey, head: u64) -> Self {
        Self { reached: (key, head), new: 0, gap: false, forgotten: None, forked: false }
    }
}

/// Takes in events of one stream, in order without gaps, that `from` brought.
pub async fn batch(db: &Db, from: &SpiffeId, signed: Vec<SignedEvent>) -> Result<Taken, Error> {
    verify(db, from, signed, None).await?.take(db, &Permit::default()).await
}

/// As [`batch`], by somebody's leave: what is new is written down, an audit entry an event, in the same transaction.
pub async fn batch_by(db: &Db, from: &SpiffeId, signed: Vec<SignedEvent>, by: &Permit) -> Result<Taken, Error> {
    verify(db, from, signed, None).await?.take(db, by).await
}

/// Takes in a piece of a snapshot: the live events of a run of one stream, in order. Each is verified by its own
/// signature; that none was left out from `after` on says only who brings them, so that it must be a hub or the origin.
pub async fn live(db: &Db, from: &SpiffeId, signed: Vec<SignedEvent>, after: u64) -> Result<Taken, Error> {
    verify(db, from, signed, Some(after)).await?.take(db, &Permit::default()).await
}

/// Who may bring pieces of snapshots: whoever is to be believed that nothing but what was superseded is left out. That is
/// a hub, and the origin itself.
pub fn may_bring_live_only(from: &SpiffeId, origin: Uuid) -> bool {
    from.kind == Kind::Hub || from.uuid == origin
}

/// Reads events of one stream that `from` brought to `me` and checks what can be known without a database: form, chain,
/// audience, order, and who may bring live events alone. Signatures are not checked.
///
/// # Errors
/// What is wrong, as a [`Error::Fault`] of the peer.
pub fn read(
    signed: Vec<SignedEvent>,
    from: &SpiffeId,
    me: &SpiffeId,
    live_only: bool,
) -> Result<(StreamKey, Vec<Event>), Error> {
    let run = Run::read(signed, from, me, live_only.then_some(0))?;
    Ok((run.key, Arc::unwrap_or_clone(run.events)))
}

/// Events of one stream whose form and signatures are in order.
pub struct Verified {
    run: Run,
    keys: Keys,
}

/// The first half of taking events in, which changes nothing: while one batch is merged, the next is verified.
///
/// # Errors
/// They are not in order, or the database failed. A key that is not known may be announced in a batch before, which is
/// not merged yet.
pub async fn verify(
    db: &Db,
    from: &SpiffeId,
    signed: Vec<SignedEvent>,
    live_after: Option<u64>,
) -> Result<Verified, Error> {
    let run = Run::read(signed, from, &db.author().id, live_after)?;
    let keys = run.verify(db).await?;
    Ok(Verified { run, keys })
}

impl Verified {
    /// The second half: stores and merges them, in one transaction.
    ///
    /// # Errors
    /// They don't fit what is known, or the database failed.
    pub async fn take(self, db: &Db, by: &Permit) -> Result<Taken, Error> {
        let Self { run, keys } = self;
        if run.key.0 == db.author().id.uuid {
            return own(db, run).await;
        }
        let (again, same_keys) = (run.clone(), keys.clone());
        let (by, by_again) = (by.clone(), by.clone());
        match db.receive(move |tx| Box::pin(async move { run.take(tx, &keys, apply, &by).await })).await {
            // One event that the database refuses must not hold up the rest: this time each has a savepoint of its own.
            Err(Error::Storage(error)) if error.is_refusal() => {
                db.receive(move |tx| {
                    Box::pin(async move { again.take(tx, &same_keys, apply_guarded, &by_again).await })
                })
                .await
            }
            taken => taken,
        }
    }
}

/// Our own words come back to us only when this database lost them. They are not taken: the proof is enough.
async fn own(db: &Db, run: Run) -> Result<Taken, Error> {
    let (origin, audience) = run.key.clone();
    let events = run.events;
    let found = db.read(move |tx| {
        Box::pin(async move {
            let stream = streams::find(tx, origin, &audience).await?;
            let head = stream.as_ref().map_or(0, |stream: &Stream| stream.head);
            let last = events.last().map_or(0, |event| event.header.seq);
            let common = events.iter().rev().find(|event| event.header.seq <= head);
            let other = match (&stream, common) {
                (Some(stream), Some(event)) => {
                    let ours = entries::get(tx, stream.id, event.header.seq.cast_signed()).await?;
                    ours.is_some_and(|ours| ours.header != event.header_bytes).then_some(event.header.seq)
                }
                _ => None,
            };
            Ok::<_, storage::Error>((head, (last > head).then_some(last).or(other)))
        })
    });
    let (head, made) = found.await?;
    Ok(Taken { forgotten: made.map(|made| (head, made)), ..Taken::nothing(run.key, head) })
}

/// Merges one event into the rows.
type Merge =
    for<'a> fn(&'a mut Tx, &'a SpiffeId, &'a Event, &'a Stamp) -> BoxFuture<'a, Result<Outcome, storage::Error>>;

/// Events of one stream whose form and chaining are in order.
#[derive(Clone)]
struct Run {
    key: StreamKey,
    events: Arc<Vec<Event>>,
    /// What was superseded may be missing between them; from this position on nothing else is.
    live_after: Option<u64>,
    /// Who brought them.
    from: Uuid,
}

/// Who signed with which key.
type Keys = HashMap<KeyId, Arc<Certified>>;

impl Run {
    fn read(signed: Vec<SignedEvent>, from: &SpiffeId, me: &SpiffeId, live_after: Option<u64>) -> Result<Self, Error> {
        let live_only = live_after.is_some();
        let mut events = Vec::with_capacity(signed.len());
        for event in signed {
            events.push(Event::parse(event).or_else(|error| fault(error.to_string()))?);
        }
        let Some(first) = events.first() else { return fault("an empty batch") };
        let key = (first.header.origin, first.header.audience.clone());
        if !key.1.may_travel(key.0, from.uuid, me) {
            return fault(format!("events for {} are not for this node, or not from this peer", key.1));
        }
        for event in &events {
            let header = &event.header;
            if is_stripped(event) {
                return fault("an event came without its body, which nobody may erase");
            }
            if header.chain != me.chain || header.origin != key.0 || header.audience != key.1 {
                return fault("events of several streams or of another chain in one batch");
            }
        }
        if live_only && !may_bring_live_only(from, key.0) {
            return fault("only a hub or their origin may bring live events alone");
        }
        for pair in events.windows(2) {
            let (seq, next) = (pair[0].header.seq, pair[1].header.seq);
            let is_next = next == seq + 1 && pair[1].header.previous == Some(pair[0].hash());
            let may_follow = is_next || (live_only && next > seq + 1);
            if !may_follow {
                return fault("the events do not follow each other");
            }
        }
        Ok(Self { key, events: Arc::new(events), live_after, from: from.uuid })
    }

    /// One event, out of the order of its stream.
    fn alone(event: Event) -> Self {
        let key = (event.header.origin, event.header.audience.clone());
        Self { from: key.0, key, events: Arc::new(vec![event]), live_after: Some(0) }
    }

    /// Checks every signature, off the async threads, on all cores and on each many at once: 7 µs each, alone 33.
    async fn verify(&self, db: &Db) -> Result<Keys, Error> {
        let mut keys = Keys::new();
        for event in self.events.iter() {
            let id = event.header.key_id;
            if keys.contains_key(&id) {
                continue;
            }
            let certified = certificate(db, event).await?;
            if !event.is_of(&certified.id) {
                return fault("the key belongs to another than the event's origin");
            }
            keys.insert(id, certified);
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let share = self.events.len().div_ceil(cores).max(VERIFIED_AT_ONCE_MIN);
        let checks = (0..self.events.len()).step_by(share).map(|from| {
            let (events, keys) = (Arc::clone(&self.events), keys.clone());
            tokio::task::spawn_blocking(move || {
                let some = events.iter().skip(from).take(share);
                some.map(|event| signed(event, &keys)).collect::<Option<Vec<_>>>().is_some_and(are_signed)
            })
        });
        for good in futures::future::join_all(checks).await {
            match good {
                Ok(true) => {}
                Ok(false) => return fault("a signature does not hold"),
                Err(_) => return Err(storage::Error::Unavailable("the node is stopping".into()).into()),
            }
        }
        Ok(keys)
    }

    async fn take(self, tx: &mut Tx, keys: &Keys, merge: Merge, by: &Permit) -> Result<Taken, Error> {
        let origin = self.key.0;
        let ends = revocations::ends(tx, &[origin, self.from]).await?;
        if ends.contains_key(&self.from) {
            return fault("the certificate of who brings them is revoked");
        }
        let mut end = ends.get(&origin).copied();
        let mut stream = streams::find_or_make(tx, origin, &self.key.1).await?;
        let new: Vec<&Event> = self.events.iter().filter(|event| event.header.seq > stream.head).collect();
        let Some(first) = new.first() else {
            return Ok(Taken::nothing(self.key, stream.head));
        };
        let follows = first.header.seq == stream.head + 1;
        // A piece of a snapshot says from where on it is whole: whoever is not that far lacks what it passes over.
        if !follows && self.live_after.is_none_or(|after| stream.head < after) {
            return Ok(Taken { gap: true, ..Taken::nothing(self.key, stream.head) });
        }
        if follows && first.header.previous != stream.head_hash {
            note_fork(tx, &stream).await?;
            return Ok(Taken { forked: true, ..Taken::nothing(self.key, stream.head) });
        }
        let count = new.last().map_or(0, |last| last.header.seq - stream.head);
        let has_gaps = count > new.len() as u64;
        let mut before = entries::latest_valid(tx, stream.id).await?;
        for event in &new {
            let Some(certified) = keys.get(&event.header.key_id) else { return fault("an unknown key") };
            if event.message().is_none() && !accounts::is_deleted(tx, event.header.subject).await? {
                return fault("an event came without its body, and without the deletion of its user");
            }
            // What ends something harms nobody by being old, and must bite.
            let is_back = before.is_some_and(|before| event.header.hlc <= before) && !is_never_held(&event.header.kind);
            let merge = if is_late(event, end) {
                too_late
            } else if is_back {
                set_back
            } else {
                merge
            };
            before = before.max(Some(event.header.hlc));
            one(tx, &mut stream, event, &certified.id, merge).await?;
            note(tx, event, by).await?;
            if event.header.kind == CertificateRevoked::full_name() {
                end = revocations::end_of(tx, origin).await?;
            }
        }
        streams::advance(tx, &stream).await?;
        if let Some(latest) = before {
            replaced::note_late(tx, &stream, latest).await?;
        }
        if has_gaps {
            streams::raise_floor(tx, stream.id, stream.head).await?;
            snapshots::brought(tx, &stream.audience, self.from).await?;
        }
        Ok(Taken { new: new.len(), ..Taken::nothing(self.key, stream.head) })
    }
}

/// Writes down what was said, and about whom.
async fn note(tx: &mut Tx, event: &Event, by: &Permit) -> Result<(), storage::Error> {
    if by.trail.is_none() {
        return Ok(());
    }
    let header = &event.header;
    tx.about.detail = Some(header.kind.clone());
    tx.about.target = (header.subject != 0).then(|| format!("user:{}", header.subject));
    audit::done(tx, by).await
}

/// Stands in for merging an event that claims to be older than the one before it: only a stolen key or a broken clock
/// says so, and with it could claim what others claimed long ago.
fn set_back<'a>(
    _tx: &'a mut Tx,
    _origin: &'a SpiffeId,
    _event: &'a Event,
    _stamp: &'a Stamp,
) -> BoxFuture<'a, Result<Outcome, storage::Error>> {
    let outcome = Outcome::withheld(State::Void, "it claims to be older than the event before it");
    Box::pin(std::future::ready(Ok(outcome)))
}

/// Whether an event was made after its origin's certificate was revoked, by the time of the two events: so that all
/// nodes decide alike. Revocations by operators who were revoked are judged with all others of their kind.
fn is_late(event: &Event, end: Option<Hlc>) -> bool {
    end.is_some_and(|end| event.header.hlc > end) && event.header.kind != CertificateRevoked::full_name()
}

/// The same, for an event that comes by itself.
pub(super) async fn is_late_here(tx: &mut Tx, event: &Event) -> Result<bool, storage::Error> {
    Ok(is_late(event, revocations::end_of(tx, event.header.origin).await?))
}

pub(super) fn is_void_now() -> Outcome {
    Outcome::withheld(State::Void, "the certificate of its origin was revoked before")
}

/// Stands in for merging what a revoked origin said later.
fn too_late<'a>(
    _tx: &'a mut Tx,
    _origin: &'a SpiffeId,
    _event: &'a Event,
    _stamp: &'a Stamp,
) -> BoxFuture<'a, Result<Outcome, storage::Error>> {
    Box::pin(std::future::ready(Ok(is_void_now())))
}

/// What must have been signed, and by whom.
fn signed<'a>(event: &'a Event, keys: &'a Keys) -> Option<Signed<'a>> {
    let key = keys.get(&event.header.key_id)?.event_key.as_ref()?;
    Some((key, &event.header_bytes, &event.signature))
}

/// Bodies are erased for one reason alone: their user is deleted. Whoever leaves out another one would have it lost here
/// and at all who hear it from us.
fn is_stripped(event: &Event) -> bool {
    event.body.is_empty() && event.header.subject == 0
}

/// Notes that a stream was forked, once: it is offered again and again.
pub(super) async fn note_fork(tx: &mut Tx, stream: &Stream) -> Result<(), storage::Error> {
    if conflicts::is_noted(tx, "fork", stream.id).await? {
        return Ok(());
    }
    let (origin, seq) = (stream.origin, stream.head);
    let detail = format!(
        "node {origin} signed two events {seq} for {}: its key was stolen or its database cloned; nothing after them is taken",
        stream.audience
    );
    conflicts::note(tx, "fork", detail, Some((stream.id, seq.cast_signed()))).await
}

/// Stores and merges one event that follows the stream's head.
async fn one(
    tx: &mut Tx,
    stream: &mut Stream,
    event: &Event,
    origin: &SpiffeId,
    merge: Merge,
) -> Result<(), storage::Error> {
    let stamp = stamp(stream.id, event);
    let outcome = merge(tx, origin, event, &stamp).await?;
    entries::insert(tx, stream.id, event, &outcome).await?;
    if outcome.state == State::Void {
        let reason = outcome.reason.as_deref().unwrap_or_default();
        let detail = format!("{} of {origin} is void: {reason}", event.header.kind);
        conflicts::note(tx, "void", detail, Some((stamp.stream, stamp.seq))).await?;
    }
    stream.head = event.header.seq;
    stream.head_hash = Some(event.hash());
    tx.clock.observe(event.header.hlc);
    Ok(())
}

pub(super) fn stamp(stream: i64, event: &Event) -> Stamp {
    let header = &event.header;
    Stamp { hlc: header.hlc, origin: header.origin, stream, seq: header.seq.cast_signed() }
}

/// The certificate of an event's key: from the registry, or from the event itself when it announces its origin.
async fn certificate(db: &Db, event: &Event) -> Result<Arc<Certified>, Error> {
    let id = event.header.key_id;
    let known = db.read(|tx| Box::pin(registry::find_by_key(tx, id))).await?;
    if let Some(known) = known {
        return Ok(known.certified);
    }
    let announced = announced(event).and_then(|certificate| Certified::verify(&certificate, &db.author().ca).ok());
    match announced {
        Some(certified) if certified.key_id() == Some(id) => Ok(Arc::new(certified)),
        _ => fault(format!("node {} is not known by this key", event.header.origin)),
    }
}

fn announced(event: &Event) -> Option<Vec<u8>> {
    if event.header.kind != NodeAnnounced::full_name() {
        return None;
    }
    Some(NodeAnnounced::decode(event.message()?).ok()?.certificate)
}

/// Takes in announcements of nodes, as [`singles`], and nothing else: who introduces others has no other say.
pub async fn announcements(db: &Db, signed: Vec<SignedEvent>) -> Result<usize, Error> {
    for event in &signed {
        let event = Event::parse(event.clone()).or_else(|error| fault(error.to_string()))?;
        if event.header.kind != NodeAnnounced::full_name() {
            return fault("not an announcement of a node");
        }
    }
    singles(db, signed).await
}

/// Takes in what proves whose links are refused, with the announcements of those who say so, and nothing else: revocations
/// (known before what those say whom they concern), and that a node's place was taken.
pub async fn refusals(db: &Db, signed: Vec<SignedEvent>) -> Result<(), Error> {
    for event in &signed {
        let event = Event::parse(event.clone()).or_else(|error| fault(error.to_string()))?;
        let kinds = [NodeAnnounced::full_name(), NodeReplaced::full_name(), CertificateRevoked::full_name()];
        if !kinds.contains(&event.header.kind) {
            return fault("an event that refuses nobody");
        }
    }
    proofs(db, signed).await
}

/// Takes in what proves that erased bodies were erased rightly: announcements first, then what they signed.
pub async fn proofs(db: &Db, signed: Vec<SignedEvent>) -> Result<(), Error> {
    let is_announcement = |event: &SignedEvent| {
        Event::parse(event.clone()).is_ok_and(|event| event.header.kind == NodeAnnounced::full_name())
    };
    let (announced, others) = signed.into_iter().partition(is_announcement);
    singles(db, announced).await?;
    singles(db, others).await?;
    Ok(())
}

/// Takes in single live events out of their streams' order: an account that is fetched before its streams arrive. They
/// are merged now and stored when the stream brings them.
pub async fn singles(db: &Db, signed: Vec<SignedEvent>) -> Result<usize, Error> {
    let me = db.author().id.clone();
    let mut verified = Vec::with_capacity(signed.len());
    for event in signed {
        let event = Event::parse(event).or_else(|error| fault(error.to_string()))?;
        if event.header.chain != me.chain || !event.header.audience.reaches(&me) || is_stripped(&event) {
            return fault("an event that is not for this node");
        }
        let run = Run::alone(event);
        let keys = run.verify(db).await?;
        verified.extend(Arc::unwrap_or_clone(run.events).into_iter().zip(keys.into_values()));
    }
    let count = verified.len();
    db.receive(move |tx| {
        Box::pin(async move {
            for (event, certified) in &verified {
                let stream = streams::find_or_make(tx, event.header.origin, &event.header.audience).await?;
                let is_new = event.header.seq > stream.head && event.header.origin != tx.author.id.uuid;
                if is_new && !is_late_here(tx, event).await? {
                    apply_guarded(tx, &certified.id, event, &stamp(stream.id, event)).await?;
                }
            }
            Ok::<_, Error>(())
        })
    })
    .await?;
    Ok(count)
}

/// Verifies one event out of the order of its stream that a peer brought: form, chain, audience, body and signature.
pub(super) async fn verified(db: &Db, from: &SpiffeId, signed: SignedEvent) -> Result<(Event, Arc<Certified>), Error> {
    let me = &db.author().id;
    let event = Event::parse(signed).or_else(|error| fault(error.to_string()))?;
    let header = &event.header;
    let is_for_us = header.chain == me.chain && header.audience.may_travel(header.origin, from.uuid, me);
    if !is_for_us || event.message().is_none() {
        return fault("an event that is not for this node, or without its body");
    }
    let key = header.key_id;
    let run = Run::alone(event);
    let mut keys = run.verify(db).await?;
    match (Arc::unwrap_or_clone(run.events).into_iter().next(), keys.remove(&key)) {
        (Some(event), Some(certified)) => Ok((event, certified)),
        _ => fault("an unknown key"),
    }
}

/// Checks one event that is read here and not kept: form, chain and signature. Returns it with its origin; what it says
/// is the caller's to judge.
pub async fn attested(db: &Db, signed: SignedEvent) -> Result<(Event, SpiffeId), Error> {
    let event = Event::parse(signed).or_else(|error| fault(error.to_string()))?;
    if event.header.chain != db.author().id.chain || event.message().is_none() {
        return fault("an event of another chain, or without its body");
    }
    let run = Run::alone(event.clone());
    let keys = run.verify(db).await?;
    let origin = event.header.origin;
    let end = db.read(move |tx| Box::pin(revocations::end_of(tx, origin))).await?;
    if is_late(&event, end) {
        return fault("its origin's certificate was revoked before");
    }
    match keys.get(&event.header.key_id) {
        Some(certified) => Ok((event, certified.id.clone())),
        None => fault("an unknown key"),
    }
}

#[cfg(test)]
#[path = "accept_tests.rs"]
pub(super) mod tests;
