//! One seed: a small chain under faults, then without any, and what must be true of it.

use std::collections::BTreeMap;

use codepop_shared::geo::Place;
use uuid::Uuid;

use super::{
    clock::{MS, Micros, SECOND, lead},
    faults::Swarm,
    law::Law,
    net::Net,
    node::{Node, name},
    rng::Rng,
    truth,
    world::{What, World},
};

/// How long faults go on.
pub const FAULTS_FOR: Micros = 30 * SECOND;

/// Time to converge after the faults have ended, not counting clocks that were ahead: silence is noticed (6 s), a peer
/// that was full is dialled again (15 s) or one that gave up opening (5 s and 3 s), digests are sent again at the latest
/// after 10 s, along paths of a few links; events held back for a clock are tried every 5 s.
pub const CONVERGED_WITHIN: Micros = 60 * SECOND;

/// How long nobody must send events after all are equal: every link compares digests twice in it.
const QUIET_FOR: Micros = 21 * SECOND;

/// How often it is looked whether all are equal.
const LOOK_EVERY: Micros = 500 * MS;

/// What a run of one seed is like.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// Nodes; 0 draws 4 to 9.
    pub nodes: usize,
    /// The rules that the nodes go by.
    pub law: Law,
    /// How long faults go on.
    pub faults_for: Micros,
}

impl Options {
    /// A run of a seed under all rules.
    pub fn of(seed: u64) -> Self {
        Self { seed, nodes: 0, law: Law::Kept, faults_for: FAULTS_FOR }
    }
}

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Hash of everything that happened.
    pub trace: u64,
    /// Steps of the simulation.
    pub steps: u64,
    /// Virtual time.
    pub time: Micros,
    /// Events made.
    pub events: usize,
    /// Writes acknowledged.
    pub acknowledged: usize,
    /// Time from the end of the faults until all were equal.
    pub converged: Option<Micros>,
    /// Links ended for a fault of the peer, by reason: nobody is dishonest here.
    pub faults: BTreeMap<String, u64>,
    /// What is wrong. Empty is well.
    pub problems: Vec<String>,
}

/// Runs one seed.
pub fn run(options: &Options) -> Report {
    let mut world = build(options);
    world.run_until(options.faults_for);
    let mut converged = None;
    if world.problems.is_empty() {
        converged = heal(&mut world, options.faults_for);
    }
    let promises = truth::broken_promises(&world.nodes, &world.truth);
    world.problems.extend(promises);
    for (fault, times) in &world.faults {
        world.problems.push(format!("{times} links ended for a fault of an honest peer: {fault}"));
    }
    Report {
        seed: options.seed,
        trace: world.trace(),
        steps: world.steps,
        time: world.now,
        events: world.truth.events(),
        acknowledged: world.truth.acknowledged(),
        converged,
        faults: world.faults,
        problems: world.problems,
    }
}

/// Ends the faults and waits until all are equal, and that they stay so without another event sent.
fn heal(world: &mut World, healed_at: Micros) -> Option<Micros> {
    let latest = world.nodes.iter().filter_map(|node| node.journal.latest_own()).max();
    let bound = CONVERGED_WITHIN + latest.map_or(0, |latest| lead(world.now, latest));
    world.heal();
    let mut left = Some("nothing was looked at".to_owned());
    while world.problems.is_empty() && left.is_some() && world.now < healed_at + bound {
        let until = world.now + LOOK_EVERY;
        world.run_until(until);
        left = truth::unsettled(&world.nodes, &world.truth);
    }
    if let Some(left) = left {
        let problem = format!("not equal {} s after the faults ended: {left}", bound / SECOND);
        world.complain(problem);
        return None;
    }
    let converged = world.now - healed_at;
    // What is on its way still arrives.
    world.run_until(world.now + SECOND);
    let sent: u64 = world.traffic.iter().map(|traffic| traffic.events).sum();
    world.run_until(world.now + QUIET_FOR);
    let more = world.traffic.iter().map(|traffic| traffic.events).sum::<u64>() - sent;
    if more > 0 {
        world.complain(format!("{more} events were sent after all were equal"));
    }
    Some(converged)
}

/// Regions of small chains, and where their hubs are.
const REGIONS: &[(&str, f64, f64)] = &[("C", 41.74, -111.83), ("F", 33.45, -112.07), ("A", 41.88, -87.63)];

fn build(options: &Options) -> World {
    // Chance of the set-up is apart from that of the run.
    let mut rng = Rng::new(options.seed ^ 0x5EED_0F_5E7);
    let count = if options.nodes == 0 { 4 + rng.below(6) } else { options.nodes };
    let swarm = Swarm::drawn(&mut rng, options.faults_for);
    let delays: Vec<Micros> = (0..count * count).map(|_| swarm.delay_min + rng.spread(swarm.delay_mean / 2)).collect();
    let mut net = Net::new(count, swarm.delay_mean / 2, |from, to| delays[from * count + to]);
    net.loss = swarm.loss;
    let mut world = World::new(options.seed, options.law, swarm, net);
    let hubs = (1 + rng.below(3)).min(count - 1);
    for number in 0..count {
        let is_hub = number < hubs;
        let (region, latitude, longitude) = REGIONS[if is_hub { number } else { rng.below(hubs) }];
        let uuid = Uuid::from_u128(u128::from(rng.bits()) << 64 | u128::from(rng.bits()));
        let node_number = u32::try_from(if is_hub { 1 + number } else { 1_000 + number }).unwrap_or(u32::MAX);
        let place = Place::new(latitude + rng.unit(), longitude + rng.unit());
        world.add(Node::new(name(node_number, region, uuid), place, options.law));
    }
    for node in 0..count {
        world.nodes[node].clock.offset = world.drawn_offset();
        // Most are there from the beginning; some come when much has been said.
        let late = if rng.chance(0.2) { rng.between(0, options.faults_for) } else { rng.between(0, SECOND) };
        world.after(late, What::Start(node));
        let first = world.rng.spread(world.swarm.writes);
        world.after(first, What::Write(node));
        let first = world.rng.between(SECOND, 15 * SECOND);
        world.after(first, What::Compact(node));
    }
    world.after(2 * SECOND, What::Faults);
    world
}
