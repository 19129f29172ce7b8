//! A whole chain: 7 hubs and up to 1,000 stores at WAN delays. How long a change takes from one store to all, how often
//! it is sent, and what being linked costs when nothing changes.

use codepop_node::journal::Audience;
use uuid::Uuid;

use super::{
    clock::{Clock, MS, Micros, SECOND},
    event::Body,
    faults::Swarm,
    journal::{Journal, Write},
    law::Law,
    net::Net,
    node::{Node, Operation, name},
    places::{self, REGIONS},
    rng::Rng,
    traffic::Traffic,
    world::{What, World},
};

/// All are linked and equal after it.
const SETTLED: Micros = 20 * SECOND;

/// Time over which the cost of links is measured.
const IDLE: Micros = 10 * SECOND;

/// Changes that are measured, and the time for each: every link has compared digests by then.
const CHANGES: usize = 8;
const CHANGE: Micros = 3 * SECOND;

/// The stores of a hub that is gone have found another after it.
const FAILED_OVER: Micros = 20 * SECOND;

/// What a run found. Times in milliseconds from the client's request, rates per second.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Nodes.
    pub nodes: usize,
    /// Links of a store, on average.
    pub links: f64,
    /// Half of all nodes have a change on disk after it.
    pub p50: f64,
    /// 99 of 100 have.
    pub p99: f64,
    /// All have.
    pub max: f64,
    /// Events sent for one change, on average.
    pub sends: f64,
    /// Vectors sent for one change, on average: links that compared at a bad moment.
    pub vectors: f64,
    /// Messages that a store sends without any change.
    pub idle_messages: f64,
    /// Bytes that a store sends without any change; as many arrive.
    pub idle_bytes: f64,
    /// The same, of the store that sends most.
    pub idle_bytes_max: f64,
    /// The same, of a hub.
    pub idle_bytes_hub: f64,
    /// Bytes that a store sends for one change more than it sends anyway.
    pub change_bytes: f64,
}

/// Builds a chain in which everybody knows everybody, and lets it get linked.
pub fn settled(seed: u64, count: usize) -> World {
    let mut rng = Rng::new(seed);
    let set_up: Vec<_> = (0..count).map(|number| places::place(&mut rng, number)).collect();
    let net = Net::new(count, places::JITTER, |from, to| places::delay(set_up[from].1, set_up[to].1));
    let swarm = Swarm { sync: places::SYNC, until: Micros::MAX, ..Swarm::default() };
    let mut world = World::new(seed, Law::Kept, swarm, net);
    world.is_acquainted = true;
    for (number, (region, place)) in set_up.into_iter().enumerate() {
        let uuid = Uuid::from_u128(u128::from(rng.bits()) << 64 | u128::from(rng.bits()));
        let node_number = if number < REGIONS.len() { 1 + number } else { 1_000 + number };
        world.add(Node::new(name(u32::try_from(node_number).unwrap_or(u32::MAX), region, uuid), place, Law::Kept));
    }
    acquaint(&mut world);
    for node in 0..count {
        let wait = world.rng.between(0, 2 * SECOND);
        world.after(wait, What::Start(node));
    }
    world.run_until(SETTLED);
    world
}

/// Every node has every node's announcement.
fn acquaint(world: &mut World) {
    let mut all = Journal::new(name(1, "A", Uuid::nil()), Law::Kept);
    let mut clock = Clock::default();
    for node in 0..world.nodes.len() {
        let id = world.nodes[node].id.clone();
        let mut own = Journal::new(id.clone(), Law::Kept);
        let number = world.truth.number();
        let write = Write { audience: Audience::Everyone, body: Body::Announced, number };
        let event = own.write(0, &mut clock, &write);
        world.truth.made(event, number);
        let key = (id.uuid, Audience::Everyone);
        let signed: Vec<_> = own.stream(&key).into_iter().flat_map(|stream| own.entries(stream.id)).collect();
        let signed: Vec<_> = signed.into_iter().map(|(_, entry)| entry.signed.clone()).collect();
        all.take(0, &mut clock, &signed, None);
    }
    for node in &mut world.nodes {
        node.journal = all.of(node.id.clone());
    }
}

/// Measures a settled chain.
pub fn measure(world: &mut World) -> Figures {
    let stores: Vec<usize> = (0..world.nodes.len()).filter(|node| !world.nodes[*node].is_hub()).collect();
    let mut figures = Figures { nodes: world.nodes.len(), ..Figures::default() };
    figures.links = mean(stores.iter().map(|store| world.nodes[*store].links.linked().len() as f64));
    idle(world, &stores, &mut figures);
    changes(world, &stores, &mut figures);
    figures
}

fn idle(world: &mut World, stores: &[usize], figures: &mut Figures) {
    let before = world.traffic.clone();
    world.run_until(world.now + IDLE);
    let seconds = (IDLE / SECOND) as f64;
    let rate = |node: usize| {
        let since = world.traffic[node].since(before[node]);
        (since.messages as f64 / seconds, since.sent as f64 / seconds)
    };
    figures.idle_messages = mean(stores.iter().map(|store| rate(*store).0));
    figures.idle_bytes = mean(stores.iter().map(|store| rate(*store).1));
    figures.idle_bytes_max = stores.iter().map(|store| rate(*store).1).fold(0.0, f64::max);
    let hubs = (0..world.nodes.len()).filter(|node| world.nodes[*node].is_hub() && world.nodes[*node].is_up);
    figures.idle_bytes_hub = mean(hubs.map(|hub| rate(hub).1));
}

fn changes(world: &mut World, stores: &[usize], figures: &mut Figures) {
    let mut took: Vec<Micros> = Vec::new();
    let before = world.traffic.clone();
    for _ in 0..CHANGES {
        let store = stores[world.rng.below(stores.len())];
        let begun = world.now;
        change(world, store);
        world.run_until(begun + CHANGE);
        let seen = world.truth.watched.take().map(|(_, seen)| seen).unwrap_or_default();
        let others = world.nodes.iter().enumerate().filter(|(node, other)| other.is_up && *node != store).count();
        if seen.len() != others {
            world.problems.push(format!("a change reached {} of {others} nodes within {CHANGE} µs", seen.len()));
        }
        took.extend(seen.into_iter().map(|(_, at)| at - begun));
    }
    took.sort_unstable();
    let at = |share: f64| {
        let last = took.len().saturating_sub(1);
        took.get((last as f64 * share).ceil() as usize).map_or(f64::NAN, |time| *time as f64 / MS as f64)
    };
    (figures.p50, figures.p99, figures.max) = (at(0.5), at(0.99), at(1.0));
    let total = |node: usize| world.traffic[node].since(before[node]);
    let all = (0..world.nodes.len()).map(total).fold(Traffic::default(), Traffic::and);
    let (changes, seconds) = (CHANGES as f64, (CHANGES as u64 * CHANGE / SECOND) as f64);
    figures.sends = all.events as f64 / changes;
    figures.vectors = all.vectors as f64 / changes;
    let sent = mean(stores.iter().map(|store| total(*store).sent as f64));
    figures.change_bytes = (sent - figures.idle_bytes * seconds) / changes;
}

/// A client changes something at a store, and everybody is watched.
pub fn change(world: &mut World, store: usize) {
    let key = (world.nodes[store].id.uuid, Audience::Everyone);
    world.truth.watched = Some((key, Vec::new()));
    let number = world.truth.number();
    let write = Write { audience: Audience::Everyone, body: Body::Set { row: 1, field: 1 }, number };
    world.enqueue(store, Operation::Write(write));
}

/// Takes a region's hub away; the machine is gone and says nothing. Returns when the last of its stores noticed.
pub fn lose_hub(world: &mut World, hub: usize) -> Micros {
    let begun = world.now;
    let uuid = world.nodes[hub].id.uuid;
    world.crash(hub, true);
    let mut noticed = begun;
    while world.now < begun + FAILED_OVER {
        if world.nodes.iter().any(|node| node.is_up && node.links.is_linked(uuid)) {
            noticed = world.now;
        }
        world.run_until(world.now + 100 * MS);
    }
    noticed - begun
}

/// Takes a store away in the same manner. Returns how long its hub took to notice.
pub fn lose_store(world: &mut World, store: usize) -> Micros {
    let begun = world.now;
    let (uuid, region) = (world.nodes[store].id.uuid, world.nodes[store].id.region.clone());
    let hub = world.nodes.iter().position(|node| node.is_hub() && node.id.region == region).unwrap_or(0);
    world.crash(store, true);
    while world.nodes[hub].links.is_linked(uuid) && world.now < begun + FAILED_OVER {
        world.run_until(world.now + 100 * MS);
    }
    world.now - begun
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    sum / f64::max(count, 1.0)
}
