//! One simulated node: its database, clock, links, writer and dialling.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use codepop_node::{
    mesh::{
        backoff::Backoff,
        links::Links,
        plan::{Candidate, plan},
    },
    replication::session::Session,
};
use codepop_proto::{journal::SignedEvent, mesh::EventBatch};
use codepop_shared::{
    geo::Place,
    identity::{Kind, SpiffeId},
};
use uuid::Uuid;

use super::{
    clock::{Clock, Micros},
    journal::{Journal, Write},
    law::Law,
};

/// Operations that share a transaction at the most, as `storage/writer.rs`.
pub const TRANSACTION_MAX: usize = 64;

/// What the writer is asked to do.
#[derive(Debug)]
pub enum Operation {
    /// A client's write.
    Write(Write),
    /// Events of a peer, on a connection's side.
    Accept(u64, usize, EventBatch),
    /// Announcements.
    Announced(Vec<SignedEvent>),
    /// Drop what was superseded so long ago.
    Compact(Micros),
    /// Try again what waits for the clock.
    Retry,
}

/// How dialling one peer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// Linked, whoever dialled.
    #[default]
    Linked,
    /// Waits before the next attempt.
    Waiting,
    /// An attempt is under way.
    Dialling,
    /// An attempt got as far as this connection, and stays with it.
    Holding(u64),
}

/// Keeps a node linked to one peer, as `replication/peer.rs: keep`.
#[derive(Debug, Default)]
pub struct Keeper {
    /// Waits between attempts.
    pub backoff: Backoff,
    /// How it stands.
    pub step: Step,
    /// Tells attempts and waits from earlier ones.
    pub turn: u64,
    /// Since when it stands so.
    pub since: Micros,
    /// Until when it dials nobody, after a fault of the peer.
    pub rest_until: Micros,
}

/// A node.
pub struct Node {
    /// Its certified name.
    pub id: SpiffeId,
    /// Where it is.
    pub place: Option<Place>,
    /// What is on its disk.
    pub journal: Journal,
    /// Its clock.
    pub clock: Clock,
    /// Counts its starts; what belongs to an earlier one is void.
    pub life: u32,
    /// Whether it runs.
    pub is_up: bool,
    /// Until when it stands still.
    pub paused_until: Micros,
    /// The links that are up.
    pub links: Links,
    /// The connections at which it has a side: number, and which one.
    pub sides: BTreeMap<u64, usize>,
    /// Whom it dials.
    pub keepers: BTreeMap<Uuid, Keeper>,
    /// Who did not answer.
    pub away: BTreeSet<Uuid>,
    /// What the last plan was made of: how many nodes are known, and who is away. Nodes are never forgotten.
    pub planned_for: Option<(usize, BTreeSet<Uuid>)>,
    /// What waits for the writer.
    pub queue: VecDeque<Operation>,
    /// What is being synced.
    pub syncing: Vec<Operation>,
    /// Own writes are held until then, unless a peer confirms before.
    pub held_until: Micros,
    /// Writes are refused: the database is older than what peers hold.
    pub is_fenced: bool,
}

/// A node's name.
pub fn name(number: u32, region: &str, uuid: Uuid) -> SpiffeId {
    let kind = if number <= 999 { Kind::Hub } else { Kind::Store };
    SpiffeId { chain: "simulated".into(), kind, region: region.into(), number, uuid }
}

impl Node {
    /// A node that was never started.
    pub fn new(id: SpiffeId, place: Option<Place>, law: Law) -> Self {
        Self {
            journal: Journal::new(id.clone(), law),
            links: Links::new(id.clone()),
            id,
            place,
            clock: Clock::default(),
            life: 0,
            is_up: false,
            paused_until: 0,
            sides: BTreeMap::new(),
            keepers: BTreeMap::new(),
            away: BTreeSet::new(),
            planned_for: None,
            queue: VecDeque::new(),
            syncing: Vec::new(),
            held_until: 0,
            is_fenced: false,
        }
    }

    /// Whether it is a hub.
    pub fn is_hub(&self) -> bool {
        self.id.kind == Kind::Hub
    }

    /// As the plan of links sees it.
    pub fn candidate(&self) -> Candidate {
        Candidate { id: self.id.clone(), place: self.place }
    }

    /// Whom it should dial, of all whom it knows.
    pub fn wanted(&self, all: &BTreeMap<Uuid, Candidate>) -> BTreeSet<Uuid> {
        let known: Vec<Candidate> = self.journal.rows.nodes().filter_map(|node| all.get(&node)).cloned().collect();
        if self.journal.knows(self.id.uuid) { plan(&self.candidate(), &known, &self.away) } else { BTreeSet::new() }
    }

    /// Announcements for a newcomer, as `replication/rpc.rs: whom_to_know`.
    pub fn whom_to_know(&self, newcomer: &Candidate, all: &BTreeMap<Uuid, Candidate>) -> Vec<SignedEvent> {
        let known: Vec<Candidate> = self.journal.rows.nodes().filter_map(|node| all.get(&node)).cloned().collect();
        let peers = plan(newcomer, &known, &BTreeSet::new());
        let is_useful = |id: &SpiffeId| {
            id.uuid == self.id.uuid
                || (id.uuid != newcomer.id.uuid && (id.kind == Kind::Hub || peers.contains(&id.uuid)))
        };
        let useful = known.iter().filter(|known| is_useful(&known.id));
        useful.filter_map(|known| self.journal.announcement_of(known.id.uuid)).collect()
    }

    /// Events go out as they happen along hub links; elsewhere they are asked for, unless no hub is there to bring them.
    pub fn pushes_to(&self, peer: &SpiffeId) -> bool {
        peer.kind == Kind::Hub || !self.links.has_hub() || self.is_hub()
    }

    /// A session with a peer.
    pub fn session(&self, peer: &SpiffeId, law: Law) -> Session {
        let mut peer = peer.clone();
        if law == Law::Leak {
            // Takes everyone for one of its own region.
            peer.region.clone_from(&self.id.region);
        }
        let push = self.pushes_to(&peer);
        Session::new(self.id.clone(), peer, push)
    }
}
