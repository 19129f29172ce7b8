//! What really happened, which no node knows: every event that was on its origin's disk, and every write that a client
//! was told is safe. The checks compare the nodes with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use codepop_node::journal::{Audience, Event, Hash, Stamp, StreamKey};
use codepop_proto::{journal::SignedEvent, mesh::EventBatch};
use codepop_shared::identity::SpiffeId;
use uuid::Uuid;

use super::{
    clock::Micros,
    event::{self, Body},
    journal::{Journal, State},
    law::Law,
    node::Node,
    rows::Rows,
};

/// What really happened.
#[derive(Debug, Default)]
pub struct Truth {
    numbers: u64,
    streams: BTreeMap<StreamKey, Vec<(Hash, Rc<Event>)>>,
    written: BTreeSet<u64>,
    acknowledged: BTreeSet<u64>,
    /// When each node had the next event of one stream on disk, if that is watched.
    pub watched: Option<(StreamKey, Vec<(usize, Micros)>)>,
    forked: BTreeSet<Uuid>,
}

impl Truth {
    /// A number for the next write.
    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// An event is on its origin's disk.
    pub fn made(&mut self, event: Rc<Event>, number: u64) {
        self.written.insert(number);
        let key = (event.header.origin, event.header.audience.clone());
        self.streams.entry(key).or_default().push((event.hash(), event));
    }

    /// A client was told that its write is safe.
    pub fn acknowledge(&mut self, number: u64) {
        self.acknowledged.insert(number);
    }

    /// Writes that clients were told are safe.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Events made.
    pub fn events(&self) -> usize {
        self.streams.values().map(Vec::len).sum()
    }

    /// A node took in events of a stream.
    pub fn seen(&mut self, node: usize, now: Micros, key: &StreamKey) {
        if let Some((watched, seen)) = &mut self.watched
            && watched == key
        {
            seen.push((node, now));
        }
    }

    /// An origin's database was set back, so that it may have said two things at one place.
    pub fn set_back(&mut self, origin: Uuid) {
        self.forked.insert(origin);
    }

    /// Whether it may have.
    pub fn is_forked(&self, origin: Uuid) -> bool {
        self.forked.contains(&origin)
    }

    fn head(&self, key: &StreamKey) -> u64 {
        self.streams.get(key).map_or(0, |made| made.len() as u64)
    }

    /// The rows of an audience, merged from everything that was ever said to it, in no node's order.
    fn rows(&self) -> Rows {
        let mut rows = Rows::default();
        for (stream, (key, made)) in self.streams.iter().enumerate() {
            for (_, event) in made {
                let header = &event.header;
                let (stream, seq) = (stream as i64, header.seq.cast_signed());
                let stamp = Stamp { hlc: header.hlc, origin: header.origin, stream, seq };
                if let Some(said) = event::said(event) {
                    rows.apply(&key.1, &stamp, said, Law::Kept);
                }
            }
        }
        rows
    }
}

/// Whether it is known whose signatures a batch bears, as `accept.rs: certificate` decides: the origin is in the registry,
/// or the proofs or the first event announce it.
pub fn is_attested(journal: &Journal, batch: &EventBatch) -> bool {
    let parse = |event: &SignedEvent| Event::parse(event.clone()).ok();
    let Some(first) = batch.events.first().and_then(parse) else { return false };
    let announces =
        |event: Event| event.header.origin == first.header.origin && event.header.kind == Body::Announced.kind();
    journal.knows(first.header.origin)
        || batch.proofs.iter().filter_map(parse).any(announces)
        || announces(first.clone())
}

/// What is wrong with one stream at a node, if anything: checked whenever something was taken in.
pub fn check_stream(journal: &Journal, me: &SpiffeId, key: &StreamKey, truth: &Truth) -> Option<String> {
    let stream = journal.stream(key)?;
    let name = || format!("stream {} of {}", key.1, key.0);
    if key.0 != me.uuid && !key.1.reaches(me) {
        return Some(format!("{} is not for this node", name()));
    }
    if truth.is_forked(key.0) {
        return None;
    }
    if stream.head > truth.head(key) {
        return Some(format!("{} is known up to {}, but its origin made {}", name(), stream.head, truth.head(key)));
    }
    let above = journal.entries(stream.id).filter(|(seq, _)| **seq > stream.floor).count() as u64;
    if above != stream.head - stream.floor {
        return Some(format!("{} has gaps: {above} events from {} to {}", name(), stream.floor, stream.head));
    }
    let made = truth.streams.get(key)?;
    for (seq, entry) in journal.entries(stream.id) {
        if entry.merged > 1 {
            return Some(format!("event {seq} of {} was merged {} times", name(), entry.merged));
        }
        if made.get(usize::try_from(seq - 1).ok()?).is_none_or(|(hash, _)| *hash != entry.event.hash()) {
            return Some(format!("event {seq} of {} is not what its origin said", name()));
        }
    }
    None
}

/// What is still different from how it must be once everything has arrived; `None` when all is well.
pub fn unsettled(nodes: &[Node], truth: &Truth) -> Option<String> {
    if let Some(node) = nodes.iter().position(|node| !node.is_up) {
        return Some(format!("node {node} is down"));
    }
    let whole = truth.rows();
    for (at, node) in nodes.iter().enumerate() {
        for (key, made) in &truth.streams {
            let reached = key.0 == node.id.uuid || key.1.reaches(&node.id);
            let head = node.journal.stream(key).map_or(0, |stream| stream.head);
            if reached && !truth.is_forked(key.0) && head != made.len() as u64 {
                return Some(format!("node {at} has {head} of {} events of {} for {}", made.len(), key.0, key.1));
            }
        }
        let waits = node.journal.keys().filter_map(|key| node.journal.stream(key));
        let mut entries = waits.flat_map(|stream| node.journal.entries(stream.id));
        if let Some((seq, entry)) = entries.find(|(_, entry)| entry.state == State::Quarantined) {
            return Some(format!("node {at} holds event {seq} of {} back", entry.event.header.origin));
        }
    }
    rows_differ(nodes, &whole)
}

fn rows_differ(nodes: &[Node], whole: &Rows) -> Option<String> {
    let audiences: BTreeSet<&Audience> = whole.audiences().collect();
    for audience in audiences {
        let expected = whole.digest(audience);
        // Of a direct message the sender keeps a copy, and of several senders only the receiver has all.
        let holders = nodes.iter().enumerate().filter(|(_, node)| audience.reaches(&node.id));
        for (at, node) in holders {
            if node.journal.rows.digest(audience) != expected {
                let what = whole.difference(&node.journal.rows, audience);
                return Some(format!("the rows of node {at} for {audience} differ from what was said: {what}"));
            }
        }
    }
    None
}

/// What must never be, at the end of a run as at any time.
pub fn broken_promises(nodes: &[Node], truth: &Truth) -> Vec<String> {
    let mut problems = Vec::new();
    let lost: Vec<&u64> = truth.acknowledged.difference(&truth.written).collect();
    if !lost.is_empty() {
        problems.push(format!("{} acknowledged writes are lost, the first is {}", lost.len(), lost[0]));
    }
    for (at, node) in nodes.iter().enumerate() {
        for key in node.journal.keys() {
            let problem = check_stream(&node.journal, &node.id, key, truth);
            problems.extend(problem.map(|problem| format!("node {at}: {problem}")));
        }
        let strange =
            node.journal.rows.audiences().find(|audience| !audience.reaches(&node.id) && audience.is_relayed());
        problems.extend(strange.map(|audience| format!("node {at} holds rows for {audience}")));
    }
    problems
}
