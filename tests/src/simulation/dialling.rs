//! Dialling, as `replication/peer.rs` does it: the plan, one keeper a peer, waits between attempts; and what becomes of
//! the pair's one link.

use codepop_node::{
    mesh::{
        backoff::{AFTER_FAULT, AFTER_FULL},
        links::Refused,
    },
    replication::peer::{OPEN_TIMEOUT, PROVEN_AFTER, REPLAN_EVERY},
};
use uuid::Uuid;

use super::{
    clock::{MS, Micros, SECOND},
    micros,
    node::{Keeper, Operation, Step},
    wire::{Connection, End, Message},
    world::{What, World},
};

/// Round trips before a link can be asked for: TCP, TLS 1.3, Register.
const ROUND_TRIPS: usize = 3;

/// Why a side ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Another connection of the pair took its place, or the plan changed.
    Cut,
    /// The peer was not heard for too long.
    Silent,
    /// The peer ended it, or it broke, or it did not open in time.
    Broken,
    /// The peer refused the link.
    Refused(Refused),
    /// It was dialled by the peer, and is down.
    Ended,
    /// The peer broke the protocol.
    Fault(String),
}

impl World {
    /// Makes a node's plan again, and does what follows from it.
    pub(super) fn plan_again(&mut self, node: usize) {
        let life = self.nodes[node].life;
        self.after(micros(REPLAN_EVERY), What::Plan(node, life));
        self.follow_plan(node);
    }

    fn follow_plan(&mut self, node: usize) {
        let known = self.nodes[node].journal.rows.nodes().count();
        let basis = (known, self.nodes[node].away.clone());
        if self.nodes[node].planned_for.as_ref() == Some(&basis) {
            return;
        }
        let mut wanted = self.nodes[node].wanted(&self.candidates);
        if wanted.is_empty() {
            // Whoever knows nobody has the hubs' addresses from its settings.
            let hubs = self.nodes.iter().filter(|hub| hub.is_hub() && hub.id.uuid != self.nodes[node].id.uuid);
            wanted = hubs.map(|hub| hub.id.uuid).collect();
        }
        self.nodes[node].planned_for = Some(basis);
        let unwanted: Vec<Uuid> =
            self.nodes[node].keepers.keys().filter(|peer| !wanted.contains(peer)).copied().collect();
        for peer in unwanted {
            let keeper = self.nodes[node].keepers.remove(&peer);
            self.nodes[node].away.remove(&peer);
            if let Some(Step::Holding(connection)) = keeper.map(|keeper| keeper.step) {
                self.close(connection, 0, Why::Cut);
            }
        }
        for peer in wanted {
            if !self.nodes[node].keepers.contains_key(&peer) {
                self.nodes[node].keepers.insert(peer, Keeper::default());
                self.advance(node, peer);
            }
        }
    }

    /// Links of a node have come or gone.
    pub(super) fn links_changed(&mut self, node: usize) {
        if !self.nodes[node].is_up {
            return;
        }
        let keepers: Vec<(Uuid, Step)> = self.nodes[node].keepers.iter().map(|(peer, k)| (*peer, k.step)).collect();
        for (peer, step) in keepers {
            let is_linked = self.nodes[node].links.is_linked(peer);
            if step == Step::Waiting && is_linked {
                self.advance(node, peer);
            } else if step == Step::Linked && !is_linked {
                let lasted = self.now - self.nodes[node].keepers[&peer].since;
                self.keeper_ended(node, self.index[&peer], &Why::Ended, lasted);
            }
        }
        self.follow_plan(node);
        // Whether events are pushed depends on the links to hubs.
        let sides = self.nodes[node].sides.iter().map(|(connection, side)| (*connection, *side));
        self.touched.extend(sides);
    }

    /// What a keeper does next: nothing while there is a link; otherwise it dials.
    fn advance(&mut self, node: usize, peer: Uuid) {
        let (is_linked, now) = (self.nodes[node].links.is_linked(peer), self.now);
        let Some(keeper) = self.nodes[node].keepers.get_mut(&peer) else { return };
        keeper.turn += 1;
        keeper.since = now;
        keeper.step = if is_linked { Step::Linked } else { Step::Dialling };
        let turn = keeper.turn;
        if is_linked {
            self.nodes[node].away.remove(&peer);
        } else {
            self.dial(node, self.index[&peer], turn);
        }
    }

    fn dial(&mut self, node: usize, peer: usize, turn: u64) {
        let life = self.nodes[node].life;
        let mut takes = 0;
        for _ in 0..ROUND_TRIPS {
            takes += self.net.delay(&mut self.rng, node, peer) + self.net.delay(&mut self.rng, peer, node);
        }
        let is_cut = self.net.is_cut(self.now, node, peer) || self.net.is_cut(self.now, peer, node);
        let stands_still = self.nodes[peer].paused_until > self.now;
        let timeout = micros(OPEN_TIMEOUT);
        let (wait, is_made) = match self.nodes[peer].is_up {
            _ if is_cut || stands_still || takes > timeout => (timeout, false),
            // The machine answers that nobody listens.
            false => (takes / ROUND_TRIPS as u64, false),
            true => (takes, true),
        };
        let what = if is_made { What::Dialled } else { What::DialFailed };
        self.after(wait, what(node, life, peer, turn));
    }

    fn is_turn(&self, node: usize, peer: usize, turn: u64) -> bool {
        let keeper = self.nodes[node].keepers.get(&self.nodes[peer].id.uuid);
        keeper.is_some_and(|keeper| keeper.turn == turn)
    }

    /// Connected and introduced: the link is asked for.
    pub(super) fn dialled(&mut self, node: usize, peer: usize, turn: u64) {
        if !self.is_turn(node, peer, turn) {
            return;
        }
        if !self.nodes[peer].is_up || !self.introduce(node, peer) {
            return self.dial_failed(node, peer, turn);
        }
        let peer_id = self.nodes[peer].id.clone();
        let Ok(guard) = self.nodes[node].links.open(&peer_id, true) else {
            return self.keeper_ended(node, peer, &Why::Refused(Refused::Linked), 0);
        };
        self.connected += 1;
        let number = self.connected;
        let mut connection = Connection::new(node, peer);
        connection.ends[0] = Some(End::new(guard, self.now));
        self.connections.insert(number, connection);
        self.nodes[node].sides.insert(number, 0);
        if let Some(keeper) = self.nodes[node].keepers.get_mut(&peer_id.uuid) {
            keeper.step = Step::Holding(number);
        }
        self.changed.insert(node);
        self.cut_replaced(node);
        self.send(number, 0, Message::Link);
        self.after(micros(OPEN_TIMEOUT), What::OpenTimeout(number));
    }

    /// Both learn whom they should know. False when the node cannot introduce itself yet.
    fn introduce(&mut self, node: usize, peer: usize) -> bool {
        if self.is_acquainted {
            return true;
        }
        let own = self.nodes[node].journal.announcement_of(self.nodes[node].id.uuid);
        let Some(own) = own else { return false };
        let newcomer = self.nodes[node].candidate();
        let known = self.nodes[peer].whom_to_know(&newcomer, &self.candidates);
        self.enqueue(peer, Operation::Announced(vec![own]));
        self.enqueue(node, Operation::Announced(known));
        true
    }

    pub(super) fn dial_failed(&mut self, node: usize, peer: usize, turn: u64) {
        if self.is_turn(node, peer, turn) {
            self.keeper_ended(node, peer, &Why::Broken, 0);
        }
    }

    pub(super) fn redial(&mut self, node: usize, peer: usize, turn: u64) {
        if self.is_turn(node, peer, turn) {
            self.advance(node, self.nodes[peer].id.uuid);
        }
    }

    /// An attempt, or the link that came of it, has ended.
    fn keeper_ended(&mut self, node: usize, peer: usize, why: &Why, lasted: Micros) {
        let (uuid, now) = (self.nodes[peer].id.uuid, self.now);
        let is_linked = self.nodes[node].links.is_linked(uuid);
        let random = self.rng.unit();
        let Some(keeper) = self.nodes[node].keepers.get_mut(&uuid) else { return };
        if lasted >= micros(PROVEN_AFTER) {
            keeper.backoff.reset();
        }
        let wait = match why {
            Why::Refused(Refused::Full) => AFTER_FULL,
            Why::Fault(_) => AFTER_FAULT,
            _ => keeper.backoff.next(random),
        };
        if matches!(why, Why::Fault(_)) {
            keeper.rest_until = now + micros(AFTER_FAULT);
        }
        let wait = micros(wait).max(keeper.rest_until.saturating_sub(now));
        keeper.step = Step::Waiting;
        keeper.turn += 1;
        let (turn, life) = (keeper.turn, self.nodes[node].life);
        if matches!(why, Why::Cut | Why::Silent | Why::Broken) {
            if is_linked { self.nodes[node].away.remove(&uuid) } else { self.nodes[node].away.insert(uuid) };
        }
        self.after(wait, What::Redial(node, life, peer, turn));
        self.changed.insert(node);
    }

    /// Ends the sides of a node whose link another connection has taken over.
    pub(super) fn cut_replaced(&mut self, node: usize) {
        let is_cut = |world: &Self, connection: &u64, side: usize| {
            let end = world.connections.get(connection).and_then(|c| c.ends[side].as_ref());
            end.is_some_and(|end| end.guard.cut().is_cancelled())
        };
        let sides: Vec<(u64, usize)> = self.nodes[node].sides.iter().map(|(c, side)| (*c, *side)).collect();
        for (connection, side) in sides {
            if is_cut(self, &connection, side) {
                self.close(connection, side, Why::Cut);
            }
        }
    }

    /// Ends one side and tells the other.
    pub(super) fn close(&mut self, number: u64, side: usize, why: Why) {
        self.send(number, side, Message::End);
        self.close_silently(number, side, why);
    }

    /// Ends one side. The other hears nothing.
    pub(super) fn close_silently(&mut self, number: u64, side: usize, why: Why) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let Some(end) = connection.ends[side].take() else { return };
        let (node, peer) = (connection.nodes[side], connection.nodes[1 - side]);
        let lasted = if end.session.is_some() { self.now - end.since } else { 0 };
        self.nodes[node].sides.remove(&number);
        drop(end);
        self.mark((number, side, format!("{why:?}")));
        if let Why::Fault(reason) = &why {
            *self.faults.entry(reason.clone()).or_default() += 1;
        }
        self.changed.insert(node);
        if side == 0 && self.is_held(node, peer, number) {
            self.keeper_ended(node, peer, &why, lasted);
        }
    }

    fn is_held(&self, node: usize, peer: usize, number: u64) -> bool {
        let keeper = self.nodes[node].keepers.get(&self.nodes[peer].id.uuid);
        keeper.is_some_and(|keeper| keeper.step == Step::Holding(number))
    }

    pub(super) fn open_timeout(&mut self, number: u64) {
        let end = self.connections.get(&number).and_then(|connection| connection.ends[0].as_ref());
        if end.is_some_and(|end| end.session.is_none()) {
            self.close(number, 0, Why::Broken);
        }
    }

    /// A connection breaks: at one side alone (the other must notice by silence), or at both.
    pub(super) fn break_off(&mut self, number: u64, side: Option<usize>) {
        for at in [0, 1] {
            if side.is_none_or(|side| side == at) {
                self.close_silently(number, at, Why::Broken);
            }
        }
    }

    /// When the first plan of a started node is made: its listener is up by then.
    pub(super) fn first_plan(&mut self, node: usize) {
        let (life, wait) = (self.nodes[node].life, self.rng.between(MS, SECOND / 10));
        self.after(wait, What::Plan(node, life));
    }
}
