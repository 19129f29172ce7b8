//! The simulated world: all nodes, the network between them, one heap of what is due, virtual time, one source of chance.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    time::Duration,
};

use codepop_node::mesh::{heartbeat, plan::Candidate};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    clock::Micros,
    faults::Swarm,
    law::Law,
    net::Net,
    node::Node,
    rng::Rng,
    traffic::Traffic,
    truth::Truth,
    wire::Connections,
};

/// What is due at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// A node starts.
    Start(usize),
    /// A node makes its plan of links again.
    Plan(usize, u32),
    /// An attempt to connect succeeds: node, its life, the peer, the attempt.
    Dialled(usize, u32, usize, u64),
    /// An attempt fails.
    DialFailed(usize, u32, usize, u64),
    /// A wait before the next attempt is over.
    Redial(usize, u32, usize, u64),
    /// Opening the streams has taken too long.
    OpenTimeout(u64),
    /// The first message of a pipe arrives, by the side that sent it.
    Arrive(u64, usize),
    /// A heartbeat is due at a side.
    Beat(u64, usize),
    /// A side looks whether the other is silent.
    Silence(u64, usize),
    /// A side compares what both have.
    Tick(u64, usize),
    /// A connection breaks; at one side only, if so told: the other must notice by silence.
    Break(u64, Option<usize>),
    /// A node's transaction is on disk.
    Synced(usize, u32),
    /// A client writes at a node.
    Write(usize),
    /// A client's write that was held back, by its number, tries again.
    Compact(usize),
    /// A node tries again what waits for the clock.
    Retry(usize, u32),
    /// Faults are drawn.
    Faults,
}

struct Due {
    at: Micros,
    number: u64,
    what: What,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// Everything.
pub struct World {
    /// Virtual time.
    pub now: Micros,
    /// Chance.
    pub rng: Rng,
    /// The rules of the nodes.
    pub law: Law,
    /// What may go wrong.
    pub swarm: Swarm,
    /// The network.
    pub net: Net,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Nodes by UUID.
    pub index: BTreeMap<Uuid, usize>,
    /// All nodes as the plan sees them.
    pub candidates: BTreeMap<Uuid, Candidate>,
    /// Connections.
    pub connections: Connections,
    /// Connections ever made.
    pub connected: u64,
    /// What was really made, and said to clients.
    pub truth: Truth,
    /// Messages and bytes, by node.
    pub traffic: Vec<Traffic>,
    /// Times of heartbeats.
    pub heartbeats: heartbeat::Config,
    /// Whether every node knows all others from the beginning, so that introductions need not be simulated.
    pub is_acquainted: bool,
    /// What was found to be wrong.
    pub problems: Vec<String>,
    /// Steps so far.
    pub steps: u64,
    /// Ends of links for a fault of the peer.
    pub faults: BTreeMap<String, u64>,
    /// Sides at which something may be sent or read.
    pub(super) touched: VecDeque<(u64, usize)>,
    /// Nodes whose links have changed.
    pub(super) changed: BTreeSet<usize>,
    heap: BinaryHeap<Reverse<Due>>,
    pushed: u64,
    trace: u64,
    epoch: Instant,
}

impl World {
    /// A world without nodes.
    pub fn new(seed: u64, law: Law, swarm: Swarm, net: Net) -> Self {
        Self {
            now: 0,
            rng: Rng::new(seed),
            law,
            swarm,
            net,
            nodes: Vec::new(),
            index: BTreeMap::new(),
            candidates: BTreeMap::new(),
            connections: Connections::new(),
            connected: 0,
            truth: Truth::default(),
            traffic: Vec::new(),
            heartbeats: heartbeat::Config::default(),
            is_acquainted: false,
            problems: Vec::new(),
            steps: 0,
            faults: BTreeMap::new(),
            touched: VecDeque::new(),
            changed: BTreeSet::new(),
            heap: BinaryHeap::new(),
            pushed: 0,
            trace: 0,
            // Only differences to it are used.
            epoch: Instant::now(),
        }
    }

    /// Adds a node, which does not run yet.
    pub fn add(&mut self, node: Node) -> usize {
        let number = self.nodes.len();
        self.index.insert(node.id.uuid, number);
        self.candidates.insert(node.id.uuid, node.candidate());
        self.nodes.push(node);
        self.traffic.push(Traffic::default());
        number
    }

    /// Has something happen after a while.
    pub fn after(&mut self, wait: Micros, what: What) {
        self.pushed += 1;
        self.heap.push(Reverse(Due { at: self.now + wait, number: self.pushed, what }));
    }

    /// Goes on until a time, or until something is found to be wrong.
    pub fn run_until(&mut self, until: Micros) {
        while self.problems.is_empty() {
            match self.heap.peek() {
                Some(Reverse(due)) if due.at <= until => {}
                _ => break,
            }
            let Some(Reverse(due)) = self.heap.pop() else { break };
            self.now = due.at;
            self.step(due.what);
        }
        self.now = self.now.max(until);
    }

    /// Hash of everything that happened, in order.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// Adds to the trace.
    pub fn mark(&mut self, what: impl std::hash::Hash) {
        let mut hasher = DefaultHasher::new();
        (self.trace, self.now, what).hash(&mut hasher);
        self.trace = hasher.finish();
    }

    /// Something is wrong: the run ends.
    pub fn complain(&mut self, problem: String) {
        self.problems.push(format!("at {:.3} s: {problem}", super::seconds(self.now)));
    }

    /// Virtual time as the product's pure parts take it.
    pub fn instant(&self) -> Instant {
        self.epoch + Duration::from_micros(self.now)
    }

    /// The reverse of [`World::instant`].
    pub fn micros(&self, instant: Instant) -> Micros {
        u64::try_from(instant.duration_since(self.epoch).as_micros()).unwrap_or(u64::MAX)
    }

    /// The node at which something happens, if it happens at one.
    fn place(&self, what: &What) -> Option<usize> {
        match what {
            What::Start(_) | What::Faults | What::Break(..) | What::OpenTimeout(_) => None,
            What::Plan(node, _)
            | What::Dialled(node, ..)
            | What::DialFailed(node, ..)
            | What::Redial(node, ..)
            | What::Synced(node, _)
            | What::Write(node)
            | What::Compact(node)
            | What::Retry(node, _) => Some(*node),
            What::Arrive(connection, side) => Some(self.connections.get(connection)?.nodes[1 - side]),
            What::Beat(connection, side) | What::Silence(connection, side) | What::Tick(connection, side) => {
                Some(self.connections.get(connection)?.nodes[*side])
            }
        }
    }

    fn step(&mut self, what: What) {
        if let Some(node) = self.place(&what) {
            let until = self.nodes[node].paused_until;
            if until > self.now {
                // It stands still; everything waits for it.
                let wait = until - self.now;
                return self.after(wait, what);
            }
        }
        self.steps += 1;
        self.mark(&what);
        let is_of = |node: &usize, life: &u32| self.nodes[*node].is_up && self.nodes[*node].life == *life;
        match what {
            What::Start(node) => self.start(node),
            What::Plan(node, life) if is_of(&node, &life) => self.plan_again(node),
            What::Dialled(node, life, peer, turn) if is_of(&node, &life) => self.dialled(node, peer, turn),
            What::DialFailed(node, life, peer, turn) if is_of(&node, &life) => self.dial_failed(node, peer, turn),
            What::Redial(node, life, peer, turn) if is_of(&node, &life) => self.redial(node, peer, turn),
            What::Synced(node, life) if is_of(&node, &life) => self.synced(node),
            What::Retry(node, life) if is_of(&node, &life) => self.retry(node),
            What::OpenTimeout(connection) => self.open_timeout(connection),
            What::Arrive(connection, side) => self.arrive(connection, side),
            What::Beat(connection, side) => self.beat(connection, side),
            What::Silence(connection, side) => self.silence(connection, side),
            What::Tick(connection, side) => self.tick(connection, side),
            What::Break(connection, side) => self.break_off(connection, side),
            What::Write(node) => self.client_writes(node),
            What::Compact(node) => self.compact(node),
            What::Faults => self.draw_faults(),
            _ => {}
        }
        self.settle();
    }

    /// Everything that follows at once.
    fn settle(&mut self) {
        loop {
            if let Some((connection, side)) = self.touched.pop_front() {
                self.read(connection, side);
                self.pump(connection, side);
            } else if let Some(node) = self.changed.pop_first() {
                self.links_changed(node);
            } else {
                return;
            }
        }
    }
}
