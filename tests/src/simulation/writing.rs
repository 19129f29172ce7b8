//! A node's writer, its starts and its crashes: what is not synced is lost, and nothing is acknowledged before.

use std::mem::take;

use codepop_node::journal::Audience;
use codepop_shared::identity::Kind;

use super::{
    clock::{MS, Micros, SECOND},
    dialling::Why,
    event::Body,
    journal::Write,
    law::Law,
    node::{Operation, TRANSACTION_MAX},
    truth,
    world::{What, World},
};

/// How long a started node holds its own writes, as `commands/run.rs`.
const HOLD_WRITES: Micros = 3 * SECOND;

/// How often events that wait for the clock are tried again, as `commands/run.rs`.
pub const RETRY_EVERY: Micros = 5 * SECOND;

/// A client whose write is held tries again after it.
const CLIENT_WAITS: Micros = 200 * MS;

/// Rows, roles and fields that clients write about: few, so that they meet.
const ROWS: usize = 6;
const FIELDS: usize = 3;

impl World {
    /// Hands an operation to a node's writer.
    pub(super) fn enqueue(&mut self, node: usize, operation: Operation) {
        self.nodes[node].queue.push_back(operation);
        if self.nodes[node].syncing.is_empty() {
            self.sync(node);
        }
    }

    /// Begins the next transaction.
    fn sync(&mut self, node: usize) {
        let count = self.nodes[node].queue.len().min(TRANSACTION_MAX);
        if count > 0 {
            self.nodes[node].syncing = self.nodes[node].queue.drain(..count).collect();
            let wait = self.swarm.sync / 2 + self.rng.spread(self.swarm.sync / 2);
            let life = self.nodes[node].life;
            self.after(wait, What::Synced(node, life));
        }
    }

    /// A transaction is on disk: now its callers are answered.
    pub(super) fn synced(&mut self, node: usize) {
        let version = self.nodes[node].journal.version;
        for operation in take(&mut self.nodes[node].syncing) {
            self.commit(node, operation, true);
        }
        if self.nodes[node].journal.version != version {
            let sides = self.nodes[node].sides.iter().map(|(connection, side)| (*connection, *side));
            self.touched.extend(sides);
        }
        self.sync(node);
    }

    fn commit(&mut self, at: usize, operation: Operation, is_answered: bool) {
        let (now, node) = (self.now, &mut self.nodes[at]);
        match operation {
            Operation::Write(write) => {
                let event = node.journal.write(now, &mut node.clock, &write);
                self.truth.made(event, write.number);
                if is_answered {
                    self.truth.acknowledge(write.number);
                }
            }
            Operation::Announced(events) => {
                let known = node.journal.rows.nodes().count();
                node.journal.singles(&events);
                if node.journal.rows.nodes().count() != known {
                    self.changed.insert(at);
                }
            }
            Operation::Compact(age) => {
                let oldest = node.clock.before(now, age);
                node.journal.compact(oldest);
            }
            Operation::Retry => {
                node.journal.retry(now, &node.clock);
            }
            Operation::Accept(connection, side, batch) => {
                self.accept(at, (connection, side), &batch, is_answered);
            }
        }
    }

    fn accept(
        &mut self,
        at: usize,
        (connection, side): (u64, usize),
        batch: &codepop_proto::mesh::EventBatch,
        is_answered: bool,
    ) {
        let (now, node) = (self.now, &mut self.nodes[at]);
        let known = node.journal.rows.nodes().count();
        node.journal.singles(&batch.proofs);
        let taken = node.journal.take(now, &mut node.clock, &batch.events, batch.live_only.then_some(batch.after));
        if node.journal.rows.nodes().count() != known {
            self.changed.insert(at);
        }
        if taken.forgotten.is_some() {
            node.is_fenced = true;
        }
        self.mark((at, taken.reached.1, taken.new, taken.gap));
        if taken.new > 0 {
            self.truth.seen(at, now, &taken.reached.0);
        }
        if !self.is_acquainted {
            let problem =
                truth::check_stream(&self.nodes[at].journal, &self.nodes[at].id, &taken.reached.0, &self.truth);
            problem.into_iter().for_each(|problem| self.complain(format!("node {at}: {problem}")));
        }
        if taken.forked && !self.truth.is_forked(taken.reached.0.0) {
            self.complain(format!("node {at} saw a fork of {}, which did not fork", taken.reached.0.0));
        }
        if let Some(end) = self.end(connection, side).filter(|_| is_answered)
            && let Some(session) = end.session.as_mut()
        {
            end.under_way -= 1;
            for output in session.took_in(batch.events.len(), Some(taken.reached.clone()), taken.gap) {
                if let codepop_node::replication::session::Output::Send(frame) = output {
                    end.outbox.push(frame);
                }
            }
            if taken.forked {
                session.prove(taken.reached.0);
            }
            self.touched.push_back((connection, side));
        }
    }

    /// A node starts with what is on its disk.
    pub(super) fn start(&mut self, at: usize) {
        let now = self.now;
        let node = &mut self.nodes[at];
        if node.is_up {
            return;
        }
        node.is_up = true;
        node.life += 1;
        node.clock.restart();
        if let Some(latest) = node.journal.latest_own() {
            node.clock.resume(latest);
        }
        node.is_fenced = false;
        let (me, life) = (node.id.uuid, node.life);
        let knows_others = node.journal.rows.nodes().any(|known| known != me);
        node.held_until = if knows_others { now + HOLD_WRITES } else { 0 };
        if !node.journal.knows(me) {
            let number = self.truth.number();
            let write = Write { audience: Audience::Everyone, body: Body::Announced, number };
            self.enqueue(at, Operation::Write(write));
        }
        self.enqueue(at, Operation::Retry);
        self.first_plan(at);
        self.after(RETRY_EVERY, What::Retry(at, life));
    }

    /// A node stops at once. Its machine says so to its peers, or is gone itself and says nothing.
    pub fn crash(&mut self, at: usize, is_power_cut: bool) {
        if !self.nodes[at].is_up {
            return;
        }
        // What was being synced may be on disk all the same; nobody was told so.
        if self.rng.chance(0.5) {
            for operation in take(&mut self.nodes[at].syncing) {
                self.commit(at, operation, false);
            }
        }
        let node = &mut self.nodes[at];
        node.syncing.clear();
        node.queue.clear();
        node.keepers.clear();
        node.away.clear();
        node.planned_for = None;
        node.is_up = false;
        let sides: Vec<(u64, usize)> = node.sides.iter().map(|(connection, side)| (*connection, *side)).collect();
        for (connection, side) in sides {
            if is_power_cut {
                self.close_silently(connection, side, Why::Broken);
            } else {
                self.close(connection, side, Why::Broken);
            }
        }
        self.nodes[at].links = codepop_node::mesh::links::Links::new(self.nodes[at].id.clone());
    }

    pub(super) fn retry(&mut self, at: usize) {
        let life = self.nodes[at].life;
        self.enqueue(at, Operation::Retry);
        self.after(RETRY_EVERY, What::Retry(at, life));
    }

    /// A node compacts its journal, and will again: each at times of its own, and keeping as long as it likes.
    pub(super) fn compact(&mut self, at: usize) {
        if self.nodes[at].is_up {
            let age = self.rng.spread(self.swarm.keeps);
            self.enqueue(at, Operation::Compact(age));
        }
        let wait = self.rng.between(SECOND, 15 * SECOND);
        self.after(wait, What::Compact(at));
    }

    /// A client writes something, at a node that takes writes, and will again.
    pub(super) fn client_writes(&mut self, at: usize) {
        if self.now >= self.swarm.until {
            return;
        }
        let node = &self.nodes[at];
        if node.is_up && node.held_until > self.now {
            return self.after(CLIENT_WAITS, What::Write(at));
        }
        if node.is_up && !node.is_fenced && node.journal.knows(node.id.uuid) {
            let write = self.draw_write(at);
            if self.law == Law::AckBeforeSync {
                self.truth.acknowledge(write.number);
            }
            self.enqueue(at, Operation::Write(write));
        }
        let wait = self.rng.spread(self.swarm.writes);
        self.after(wait, What::Write(at));
    }

    fn draw_write(&mut self, at: usize) -> Write {
        let id = self.nodes[at].id.clone();
        let row = u32::try_from(self.rng.below(ROWS)).unwrap_or(0);
        let field = u8::try_from(1 + self.rng.below(FIELDS)).unwrap_or(1);
        let mut body = match self.rng.below(10) {
            0 => Body::Granted { row },
            1 => Body::Revoked { row: row + u32::try_from(self.rng.below(50)).unwrap_or(0) },
            2 if self.rng.chance(0.2) => Body::Announced,
            _ => Body::Set { row, field },
        };
        let to_store = self.nodes.iter().find(|node| !node.is_hub() && node.id.region == id.region);
        let to_store = to_store.map(|node| Audience::Store(node.id.uuid));
        let audience = match self.rng.below(8) {
            0 | 1 => Audience::Region(id.region.clone()),
            2 if id.kind == Kind::Hub => Audience::Hubs,
            3 if id.kind == Kind::Hub => to_store.unwrap_or(Audience::Everyone),
            3 => Audience::Hub(id.region.clone()),
            _ => Audience::Everyone,
        };
        if audience != Audience::Everyone && body == Body::Announced {
            body = Body::Set { row, field };
        }
        Write { audience, body, number: self.truth.number() }
    }
}
