//! A node's database, in memory: the streams and rows that the product keeps in tables, under the same rules
//! (`replication/accept.rs`, `replication/apply.rs`, `journal/compact.rs`). Forms, hashes, audiences and merges are the
//! product's own code.

use std::{collections::BTreeMap, rc::Rc};

use codepop_node::{
    clock::Hlc,
    journal::{Audience, Event, Stamp, Stream, StreamKey},
    replication::{
        accept::Taken,
        apply::is_never_held,
        session::{BATCH_BYTES_MAX, Next},
    },
};
use codepop_proto::journal::SignedEvent;
use codepop_shared::identity::SpiffeId;
use uuid::Uuid;

use super::{
    clock::{Clock, Micros},
    event::{self, Body},
    law::Law,
    rows::Rows,
};

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Merged.
    Applied,
    /// Waits until the own clock gets there.
    Quarantined,
    /// It claims to be older than the event before it.
    Void,
}

/// One stored event.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The event.
    pub event: Rc<Event>,
    /// Its bytes.
    pub signed: SignedEvent,
    /// What became of it.
    pub state: State,
    /// How many fields it holds.
    pub live: i32,
    /// How often the stream's order had it merged: once at the most.
    pub merged: u32,
}

/// A write of the node itself.
#[derive(Clone, Debug)]
pub struct Write {
    /// For whom.
    pub audience: Audience,
    /// What.
    pub body: Body,
    /// Tells it from every other.
    pub number: u64,
}

/// The database of one node: what of it is on disk. What was not synced yet waits in the writer's queue.
#[derive(Clone, Debug)]
pub struct Journal {
    me: SpiffeId,
    law: Law,
    streams: BTreeMap<StreamKey, Stream>,
    entries: BTreeMap<i64, BTreeMap<u64, Entry>>,
    /// The merged rows.
    pub rows: Rows,
    /// Counts changes of the streams.
    pub version: u64,
    known: (u64, Rc<Vec<Stream>>),
}

impl Journal {
    /// An empty database.
    pub fn new(me: SpiffeId, law: Law) -> Self {
        let (streams, entries) = (BTreeMap::new(), BTreeMap::new());
        Self { me, law, streams, entries, rows: Rows::default(), version: 0, known: Default::default() }
    }

    /// The same database, held by another node.
    #[must_use]
    pub fn of(&self, me: SpiffeId) -> Self {
        Self { me, ..self.clone() }
    }

    /// All streams, read once a change.
    pub fn all(&mut self) -> Rc<Vec<Stream>> {
        if self.known.0 != self.version {
            self.known = (self.version, Rc::new(self.streams.values().cloned().collect()));
        }
        Rc::clone(&self.known.1)
    }

    /// The keys of all streams.
    pub fn keys(&self) -> impl Iterator<Item = &StreamKey> {
        self.streams.keys()
    }

    /// One stream.
    pub fn stream(&self, key: &StreamKey) -> Option<&Stream> {
        self.streams.get(key)
    }

    /// The stored events of a stream.
    pub fn entries(&self, stream: i64) -> impl Iterator<Item = (&u64, &Entry)> {
        self.entries.get(&stream).into_iter().flatten()
    }

    /// Whether an origin's certificate is known.
    pub fn knows(&self, origin: Uuid) -> bool {
        self.rows.announcement(origin).is_some()
    }

    /// How an origin announced itself last, if the event is stored.
    pub fn announcement_of(&self, origin: Uuid) -> Option<SignedEvent> {
        let (stream, seq) = self.rows.announcement(origin)?;
        Some(self.entries.get(&stream)?.get(&seq.cast_unsigned())?.signed.clone())
    }

    /// The latest time of an own event.
    pub fn latest_own(&self) -> Option<Hlc> {
        let own = self.streams.values().filter(|stream| stream.origin == self.me.uuid);
        own.flat_map(|stream| self.entries(stream.id)).map(|(_, entry)| entry.event.header.hlc).max()
    }

    fn find_or_make(&mut self, key: &StreamKey) -> Stream {
        if let Some(stream) = self.streams.get(key) {
            return stream.clone();
        }
        let id = self.streams.len() as i64 + 1;
        let stream = Stream { id, origin: key.0, audience: key.1.clone(), head: 0, head_hash: None, floor: 0 };
        self.keep(stream.clone());
        stream
    }

    fn keep(&mut self, stream: Stream) {
        self.version += 1;
        self.streams.insert((stream.origin, stream.audience.clone()), stream);
    }

    /// A local write.
    pub fn write(&mut self, now: Micros, clock: &mut Clock, write: &Write) -> Rc<Event> {
        let mut stream = self.find_or_make(&(self.me.uuid, write.audience.clone()));
        let (seq, previous, hlc) = (stream.head + 1, stream.head_hash, clock.tick(now));
        let place = event::Place { audience: &write.audience, seq, previous, hlc };
        let signed = event::make(&self.me, &place, write.body, write.number);
        let event = Rc::new(Event::parse(signed.clone()).expect("an event of our own"));
        let live = self.merge(&stamp(stream.id, &event), &event);
        self.store(stream.id, Entry { event: Rc::clone(&event), signed, state: State::Applied, live, merged: 1 });
        stream.head = seq;
        stream.head_hash = Some(event.hash());
        self.keep(stream);
        event
    }

    /// Takes in events of one stream whose form is in order.
    pub fn take(&mut self, now: Micros, clock: &mut Clock, signed: &[SignedEvent], live_after: Option<u64>) -> Taken {
        let events: Vec<(Rc<Event>, &SignedEvent)> =
            signed.iter().filter_map(|event| Some((Rc::new(Event::parse(event.clone()).ok()?), event))).collect();
        let first = &events[0].0.header;
        let key = (first.origin, first.audience.clone());
        if key.0 == self.me.uuid {
            return self.own(key, &events);
        }
        let mut stream = self.find_or_make(&key);
        if self.law == Law::ApplyTwice {
            self.merge_again(&stream, &events);
        }
        let new: Vec<_> = events.iter().filter(|(event, _)| event.header.seq > stream.head).collect();
        let nothing = |head| Taken { reached: (key.clone(), head), new: 0, gap: false, forgotten: None, forked: false };
        let Some((first, _)) = new.first() else { return nothing(stream.head) };
        let follows = first.header.seq == stream.head + 1;
        let joins = follows || live_after.is_some_and(|after| stream.head >= after);
        if !joins && self.law != Law::AcceptGap {
            return Taken { gap: true, ..nothing(stream.head) };
        }
        if follows && first.header.previous != stream.head_hash {
            return Taken { forked: true, ..nothing(stream.head) };
        }
        let count = new.last().map_or(0, |(last, _)| last.header.seq - stream.head);
        let has_gaps = live_after.is_some() && count > new.len() as u64;
        let mut before = self.latest_valid(stream.id);
        for (event, signed) in &new {
            let is_back = before.is_some_and(|before| event.header.hlc <= before) && !is_never_held(&event.header.kind);
            before = before.max(Some(event.header.hlc));
            self.one(now, clock, &mut stream, (event, signed), is_back);
        }
        if has_gaps {
            stream.floor = stream.head;
        }
        let head = stream.head;
        self.keep(stream);
        Taken { new: new.len(), ..nothing(head) }
    }

    /// Our own words come back only when this database lost them.
    fn own(&self, key: StreamKey, events: &[(Rc<Event>, &SignedEvent)]) -> Taken {
        let stream = self.streams.get(&key);
        let head = stream.map_or(0, |stream| stream.head);
        let last = events.last().map_or(0, |(event, _)| event.header.seq);
        let other = stream.and_then(|stream| {
            let (event, signed) = events.iter().rev().find(|(event, _)| event.header.seq <= head)?;
            let ours = self.entries.get(&stream.id)?.get(&event.header.seq)?;
            (ours.signed.header != signed.header).then_some(event.header.seq)
        });
        let made = (last > head).then_some(last).or(other);
        let forgotten = made.map(|made| (head, made));
        Taken { reached: (key, head), new: 0, gap: false, forgotten, forked: false }
    }

    fn one(
        &mut self,
        now: Micros,
        clock: &mut Clock,
        stream: &mut Stream,
        (event, signed): (&Rc<Event>, &SignedEvent),
        is_back: bool,
    ) {
        let header = &event.header;
        let is_early = clock.is_ahead(now, header.hlc) && !is_never_held(&header.kind);
        let (state, live, merged) = match (is_back, is_early) {
            (true, _) => (State::Void, 0, 0),
            (_, true) => (State::Quarantined, 0, 0),
            _ => (State::Applied, self.merge(&stamp(stream.id, event), event), 1),
        };
        let entry = Entry { event: Rc::clone(event), signed: signed.clone(), state, live, merged };
        self.store(stream.id, entry);
        stream.head = header.seq;
        stream.head_hash = Some(event.hash());
        clock.observe(now, header.hlc);
    }

    /// What a node does that has forgotten what it merged.
    fn merge_again(&mut self, stream: &Stream, events: &[(Rc<Event>, &SignedEvent)]) {
        for (event, _) in events.iter().filter(|(event, _)| event.header.seq <= stream.head) {
            self.merge(&stamp(stream.id, event), event);
            if let Some(entry) = self.entries.entry(stream.id).or_default().get_mut(&event.header.seq) {
                entry.merged += 1;
            }
        }
    }

    /// Merges single live events out of their streams' order; their streams bring them later.
    pub fn singles(&mut self, signed: &[SignedEvent]) {
        for event in signed.iter().filter_map(|event| Event::parse(event.clone()).ok()) {
            let stream = self.find_or_make(&(event.header.origin, event.header.audience.clone()));
            if event.header.seq > stream.head && event.header.origin != self.me.uuid {
                self.merge(&stamp(stream.id, &event), &event);
            }
        }
    }

    /// Tries again what waits for the clock. Returns how much of it waits no longer.
    pub fn retry(&mut self, now: Micros, clock: &Clock) -> usize {
        let is_due = |entry: &Entry| entry.state == State::Quarantined && !clock.is_ahead(now, entry.event.header.hlc);
        let due: Vec<(Stamp, Rc<Event>)> = self
            .entries
            .iter()
            .flat_map(|(stream, entries)| entries.values().map(|entry| (*stream, entry)))
            .filter(|(_, entry)| is_due(entry))
            .map(|(stream, entry)| (stamp(stream, &entry.event), Rc::clone(&entry.event)))
            .collect();
        for (stamp, event) in &due {
            let live = self.merge(stamp, event);
            if let Some(entry) = self.entry_mut(stamp.stream, stamp.seq) {
                entry.state = State::Applied;
                entry.live = live;
                entry.merged += 1;
            }
        }
        due.len()
    }

    /// Drops what was superseded and is older than `oldest`. Returns how many events went.
    pub fn compact(&mut self, oldest: Hlc) -> usize {
        let mut dropped = 0;
        for stream in self.all().iter().cloned() {
            let entries = self.entries.entry(stream.id).or_default();
            let kept = entries.range(stream.floor + 1..).find(|(_, entry)| entry.event.header.hlc >= oldest);
            let floor = kept.map_or(stream.head, |(seq, _)| seq - 1).max(stream.floor);
            if floor > stream.floor {
                let before = entries.len();
                entries.retain(|seq, entry| *seq >= floor || entry.live > 0 || entry.state == State::Quarantined);
                dropped += before - entries.len();
                self.keep(Stream { floor, ..stream });
            }
        }
        dropped
    }

    /// The next events of a stream for a peer, their last seq, and whether only live ones are left of them.
    pub fn load(&self, next: &Next) -> (Vec<SignedEvent>, u64, bool) {
        let (stream, after, limit) = (next.stream, next.after, next.limit);
        let floor = self.streams.get(&next.key).map_or(0, |stream| stream.floor);
        let live_only = after < floor;
        let until = if live_only { floor } else { u64::MAX };
        let (mut bytes, mut last, mut events) = (0, after, Vec::new());
        let entries = self.entries.get(&stream);
        for (seq, entry) in entries.into_iter().flat_map(|entries| entries.range(after + 1..=until)).take(limit) {
            bytes += entry.signed.header.len() + entry.signed.body.len() + entry.signed.signature.len();
            if bytes > BATCH_BYTES_MAX && !events.is_empty() {
                break;
            }
            last = *seq;
            events.push(entry.signed.clone());
        }
        (events, last, live_only)
    }

    fn latest_valid(&self, stream: i64) -> Option<Hlc> {
        let entries = self.entries.get(&stream)?;
        entries.values().rev().find(|entry| entry.state != State::Void).map(|entry| entry.event.header.hlc)
    }

    fn store(&mut self, stream: i64, entry: Entry) {
        self.entries.entry(stream).or_default().insert(entry.event.header.seq, entry);
    }

    fn entry_mut(&mut self, stream: i64, seq: i64) -> Option<&mut Entry> {
        self.entries.get_mut(&stream)?.get_mut(&seq.cast_unsigned())
    }

    fn merge(&mut self, stamp: &Stamp, event: &Event) -> i32 {
        let Some(said) = event::said(event) else { return 0 };
        let (live, superseded) = self.rows.apply(&event.header.audience, stamp, said, self.law);
        for (stream, seq) in superseded {
            if let Some(entry) = self.entry_mut(stream, seq) {
                entry.live -= 1;
            }
        }
        live
    }
}

/// Where an event stands in this database.
fn stamp(stream: i64, event: &Event) -> Stamp {
    let header = &event.header;
    Stamp { hlc: header.hlc, origin: header.origin, stream, seq: header.seq.cast_signed() }
}
