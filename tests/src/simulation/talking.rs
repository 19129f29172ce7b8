//! What runs on a link: heartbeats and the session, both the product's own code; here they get a connection, a queue of
//! eight frames, and the journal, as `mesh/heartbeat.rs: run` and `replication/stream.rs` do it.

use codepop_node::{
    journal::{Audience, Event},
    mesh::heartbeat::Pulse,
    replication::{
        accept,
        session::{Output, WINDOW_EVENTS},
        stream::{QUEUE_FRAMES, TICK},
    },
};
use codepop_proto::mesh::{EventBatch, replication_frame::Frame};

use super::{
    clock::MS,
    dialling::Why,
    law::Law,
    micros,
    node::Operation,
    truth,
    wire::{Connection, End, Message, WINDOW_BYTES},
    world::{What, World},
};

/// Batches of one peer between their arrival and their commit, as `replication/stream.rs`.
const UNDER_WAY: u32 = 2;

impl World {
    /// Puts a message on its way.
    pub(super) fn send(&mut self, number: u64, side: usize, message: Message) {
        self.tell(|world| world.told(number, side, &message));
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let (from, to) = (connection.nodes[side], connection.nodes[1 - side]);
        let bytes = message.bytes();
        self.traffic[from].send(&message, bytes);
        let delay = self.net.delay(&mut self.rng, from, to);
        let pipe = &mut connection.pipes[side];
        pipe.latest = pipe.latest.max(self.now + delay);
        if matches!(message, Message::Frame(_)) {
            pipe.unread += bytes;
        }
        pipe.flight.push_back((pipe.latest, message, bytes));
        let wait = pipe.latest - self.now;
        if !pipe.is_awaited {
            pipe.is_awaited = true;
            self.after(wait, What::Arrive(number, side));
        }
        if self.rng.chance(self.swarm.breaks) {
            let side = [None, Some(0), Some(1)][self.rng.below(3)];
            let wait = self.rng.between(0, 100 * MS);
            self.after(wait, What::Break(number, side));
        }
    }

    /// A message as it is printed.
    fn told(&self, number: u64, side: usize, message: &Message) -> String {
        let Some(connection) = self.connections.get(&number) else { return String::new() };
        let (from, to) = (connection.nodes[side], connection.nodes[1 - side]);
        let what = match message {
            Message::Frame(frame) => match frame.as_ref() {
                Frame::Events(batch) => {
                    let parsed = batch.events.iter().filter_map(|event| Event::parse(event.clone()).ok());
                    let seqs: Vec<u64> = parsed.clone().map(|event| event.header.seq).collect();
                    let of = parsed.last().map(|event| (self.index.get(&event.header.origin), event.header.audience));
                    format!("events {seqs:?} of {of:?}, live only: {}, proofs: {}", batch.live_only, batch.proofs.len())
                }
                Frame::Hello(_) => "hello".to_owned(),
                Frame::Want(_) => "want".to_owned(),
                Frame::Ack(ack) => format!("ack {}", ack.received),
                Frame::Digest(digest) => format!("digest {:02x?}", &digest.vector_hash[..4]),
            },
            Message::Beat(_) => "beat".to_owned(),
            other => format!("{other:?}"),
        };
        format!("{from} -> {to} on {number}: {what}")
    }

    /// The first message of a pipe arrives, unless the path is cut.
    pub(super) fn arrive(&mut self, number: u64, from_side: usize) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let (from, to) = (connection.nodes[from_side], connection.nodes[1 - from_side]);
        if self.net.is_cut(self.now, from, to) {
            let wait = self.rng.between(100 * MS, 400 * MS);
            return self.after(wait, What::Arrive(number, from_side));
        }
        let pipe = &mut connection.pipes[from_side];
        let arrived = pipe.flight.pop_front();
        let next = pipe.flight.front().map(|(at, ..)| at.saturating_sub(self.now));
        pipe.is_awaited = next.is_some();
        if let Some(wait) = next {
            self.after(wait, What::Arrive(number, from_side));
        }
        let Some((_, message, bytes)) = arrived else { return };
        self.traffic[to].received += bytes as u64;
        if self.nodes[to].is_up {
            self.got(number, 1 - from_side, message, bytes);
        }
        let is_over =
            |c: &Connection| c.ends.iter().all(Option::is_none) && c.pipes.iter().all(|p| p.flight.is_empty());
        if self.connections.get(&number).is_some_and(is_over) {
            self.connections.remove(&number);
        }
    }

    fn got(&mut self, number: u64, side: usize, message: Message, bytes: usize) {
        let has_end = self.connections[&number].ends[side].is_some();
        match message {
            Message::Link => self.link_asked(number, side),
            Message::End => self.close_silently(number, side, Why::Broken),
            // Nobody here knows of it any more: the system says so.
            _ if !has_end => self.send(number, side, Message::End),
            Message::Linked(Ok(())) => self.send(number, side, Message::Replicate),
            Message::Linked(Err(refused)) => self.close_silently(number, side, Why::Refused(refused)),
            Message::Replicate => self.replicate_asked(number, side),
            Message::Replicates(true) => {
                self.begin_pulse(number, side);
                self.begin_session(number, side);
            }
            Message::Replicates(false) => self.close(number, side, Why::Broken),
            Message::Beat(beat) => {
                let (now, node) = (self.instant(), self.connections[&number].nodes[side]);
                let has_hub = self.nodes[node].links.has_hub();
                let pulse = self.end(number, side).and_then(|end| end.pulse.as_mut());
                let echo = pulse.and_then(|pulse| pulse.hear(now, &beat, has_hub).1);
                if let Some(echo) = echo {
                    self.send(number, side, Message::Beat(echo));
                }
            }
            Message::Frame(frame) => {
                if let Some(end) = self.end(number, side) {
                    end.inbox.push_back((*frame, bytes));
                    self.touched.push_back((number, side));
                }
            }
        }
    }

    pub(super) fn end(&mut self, number: u64, side: usize) -> Option<&mut End> {
        self.connections.get_mut(&number)?.ends[side].as_mut()
    }

    /// The node that was dialled opens the link, if it may.
    fn link_asked(&mut self, number: u64, side: usize) {
        let connection = &self.connections[&number];
        let (node, peer) = (connection.nodes[side], connection.nodes[1 - side]);
        let peer_id = self.nodes[peer].id.clone();
        match self.nodes[node].links.open(&peer_id, false) {
            Ok(guard) => {
                let end = End::new(guard, self.now);
                if let Some(connection) = self.connections.get_mut(&number) {
                    connection.ends[side] = Some(end);
                }
                self.nodes[node].sides.insert(number, side);
                self.nodes[node].away.remove(&peer_id.uuid);
                self.changed.insert(node);
                self.cut_replaced(node);
                self.send(number, side, Message::Linked(Ok(())));
                self.begin_pulse(number, side);
            }
            Err(refused) => self.send(number, side, Message::Linked(Err(refused))),
        }
    }

    fn replicate_asked(&mut self, number: u64, side: usize) {
        let connection = &self.connections[&number];
        let (node, peer) = (connection.nodes[side], connection.nodes[1 - side]);
        let has_link = self.nodes[node].links.accepted(self.nodes[peer].id.uuid).is_some();
        self.send(number, side, Message::Replicates(has_link));
        if has_link {
            self.begin_session(number, side);
        }
    }

    fn begin_pulse(&mut self, number: u64, side: usize) {
        let (config, now) = (self.heartbeats, self.instant());
        if let Some(end) = self.end(number, side) {
            end.pulse = Some(Pulse::new(config, now));
        }
        self.after(0, What::Beat(number, side));
        self.after(micros(config.down_after), What::Silence(number, side));
    }

    pub(super) fn beat(&mut self, number: u64, side: usize) {
        let Some(connection) = self.connections.get(&number) else { return };
        let has_hub = self.nodes[connection.nodes[side]].links.has_hub();
        let now = self.instant();
        let Some(pulse) = self.end(number, side).and_then(|end| end.pulse.as_mut()) else { return };
        let beat = pulse.beat(now, has_hub);
        self.send(number, side, Message::Beat(beat));
        self.after(micros(self.heartbeats.interval), What::Beat(number, side));
    }

    pub(super) fn silence(&mut self, number: u64, side: usize) {
        let Some(pulse) = self.end(number, side).and_then(|end| end.pulse.as_ref()) else { return };
        let silent_at = pulse.silent_at();
        let silent_at = self.micros(silent_at);
        if silent_at > self.now {
            let wait = silent_at - self.now;
            self.after(wait, What::Silence(number, side));
        } else {
            self.close(number, side, Why::Silent);
        }
    }

    fn begin_session(&mut self, number: u64, side: usize) {
        let Some(connection) = self.connections.get(&number) else { return };
        let (node, peer) = (connection.nodes[side], connection.nodes[1 - side]);
        let peer_id = self.nodes[peer].id.clone();
        let mut session = self.nodes[node].session(&peer_id, self.law);
        let streams = self.nodes[node].journal.all();
        let (hello, seen, now) = (session.hello(&streams), self.nodes[node].journal.version, self.now);
        if let Some(end) = self.end(number, side) {
            end.queue.push_back(hello);
            (end.session, end.seen, end.since) = (Some(session), seen, now);
        }
        if self.nodes[node].away.remove(&peer_id.uuid) {
            self.changed.insert(node);
        }
        self.touched.push_back((number, side));
        self.after(0, What::Tick(number, side));
    }

    pub(super) fn tick(&mut self, number: u64, side: usize) {
        let is_whole_chain = self.is_acquainted;
        let Some(end) = self.end(number, side) else { return };
        let Some(session) = end.session.as_mut() else { return };
        // Counting goes over all streams: a whole chain is not checked.
        let (outputs, under_way) = (session.tick(), if is_whole_chain { 0 } else { session.lag().1 });
        for output in outputs {
            if let Output::Send(frame) = output {
                end.outbox.push(frame);
            }
        }
        if under_way > WINDOW_EVENTS {
            self.complain(format!("{under_way} events are under way on connection {number}"));
        }
        self.touched.push_back((number, side));
        self.after(micros(TICK), What::Tick(number, side));
    }

    /// Reads what has arrived, until a batch must be waited for.
    pub(super) fn read(&mut self, number: u64, side: usize) {
        loop {
            let Some(connection) = self.connections.get_mut(&number) else { return };
            let node = connection.nodes[side];
            let Some(end) = connection.ends[side].as_mut().filter(|end| end.under_way < UNDER_WAY) else { return };
            let Some(session) = end.session.as_mut() else { return };
            if let Some((Frame::Events(batch), _)) = end.inbox.front()
                && end.under_way > 0
                && !truth::is_attested(&self.nodes[node].journal, batch)
            {
                // What says whose key it is may be in the batch before.
                return;
            }
            let Some((frame, bytes)) = end.inbox.pop_front() else { return };
            let outputs = session.handle(frame);
            let is_confirmed = session.is_confirmed();
            connection.pipes[1 - side].unread -= bytes;
            self.touched.push_back((number, 1 - side));
            for output in outputs {
                match output {
                    Output::Send(frame) => {
                        if let Some(end) = self.end(number, side) {
                            end.outbox.push(frame);
                        }
                    }
                    Output::Accept(batch) => self.hand_in(number, side, batch),
                    Output::Close(why) => self.close(number, side, Why::Fault(why.to_owned())),
                }
            }
            if is_confirmed {
                self.nodes[node].held_until = 0;
            }
        }
    }

    /// Checks a batch as far as that needs no database, and hands it to the writer.
    fn hand_in(&mut self, number: u64, side: usize, batch: EventBatch) {
        let connection = &self.connections[&number];
        let (node, peer) = (&self.nodes[connection.nodes[side]], &self.nodes[connection.nodes[1 - side]]);
        let checked = if self.law == Law::Leak {
            Ok(())
        } else {
            accept::read(batch.events.clone(), &peer.id, &node.id, batch.live_only).map(drop)
        };
        let is_known = truth::is_attested(&node.journal, &batch);
        let why = match checked {
            Err(error) => Some(error.to_string()),
            Ok(()) if !is_known => Some("the origin is not known".to_owned()),
            Ok(()) => None,
        };
        let at = connection.nodes[side];
        match why {
            Some(why) => self.close(number, side, Why::Fault(why)),
            None => {
                if let Some(end) = self.end(number, side) {
                    end.under_way += 1;
                }
                self.enqueue(at, Operation::Accept(number, side, batch));
            }
        }
    }

    /// Sends what may go: first what waits, then answers, then events.
    pub(super) fn pump(&mut self, number: u64, side: usize) {
        loop {
            let Some(connection) = self.connections.get_mut(&number) else { return };
            let has_room = connection.pipes[side].unread < WINDOW_BYTES;
            let Some(end) = connection.ends[side].as_mut() else { return };
            if has_room && let Some(frame) = end.queue.pop_front() {
                self.send(number, side, Message::Frame(Box::new(frame)));
            } else if end.queue.len() >= QUEUE_FRAMES || !self.refill(number, side) {
                return;
            }
        }
    }

    /// Puts the next frame into the queue. False when there is nothing to be said.
    fn refill(&mut self, number: u64, side: usize) -> bool {
        let Some(connection) = self.connections.get_mut(&number) else { return false };
        let (at, peer) = (connection.nodes[side], connection.nodes[1 - side]);
        let (peer, node) = (self.nodes[peer].id.clone(), &mut self.nodes[at]);
        let push = node.pushes_to(&peer);
        let Some(end) = connection.ends[side].as_mut() else { return false };
        let Some(session) = end.session.as_mut() else { return false };
        if end.seen != node.journal.version {
            session.journal_changed(&node.journal.all());
            end.seen = node.journal.version;
        }
        session.set_push(push);
        if end.waiting.is_empty() {
            end.waiting.extend(end.outbox.take());
        }
        if let Some(frame) = end.waiting.pop_front() {
            end.queue.push_back(frame);
            return true;
        }
        let Some(next) = session.next() else { return false };
        let (events, last, live_only) = node.journal.load(&next);
        let is_mine_to_bring = accept::may_bring_live_only(&node.id, next.key.0);
        if events.is_empty() || (live_only && !is_mine_to_bring) {
            session.sent(next.key, u64::MAX, 0);
            return true;
        }
        let count = events.len();
        if next.after > 0 && next.key.1.is_relayed() && self.rng.chance(self.swarm.skips) {
            // As if its journal had been read wrongly: what follows will not join.
            session.sent(next.key, last, 0);
            return true;
        }
        let needs_proof = live_only || (next.after == 0 && next.key.1 != Audience::Everyone);
        let proofs = if needs_proof { node.journal.announcement_of(next.key.0) } else { None };
        if needs_proof && proofs.is_none() {
            session.hold(next.key);
            return true;
        }
        let frame = Frame::Events(EventBatch {
            events,
            proofs: proofs.into_iter().collect(),
            live_only,
            after: if live_only { next.after } else { 0 },
        });
        let times = if self.rng.chance(self.swarm.doubles) { 2 } else { 1 };
        for _ in 0..times {
            end.queue.push_back(frame.clone());
            session.sent(next.key.clone(), last, count);
        }
        true
    }
}
