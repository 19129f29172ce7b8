//! What may go wrong, drawn anew for every seed (a swarm: in one seed much of this and nothing of that), in the ranges
//! of TigerBeetle's simulator; and drawing it.

use super::{
    clock::{MS, Micros, SECOND},
    rng::Rng,
    world::{What, World},
};

/// How often faults are drawn.
const EVERY: Micros = 100 * MS;

/// A path is clogged for so long at the most.
const CLOG_MAX: Micros = 5 * SECOND;

/// Other faults last so long at the most: longer than any silence is borne.
const LAST_MAX: Micros = 12 * SECOND;

/// What may go wrong, and how the nodes are set up.
#[derive(Clone, Debug, Default)]
pub struct Swarm {
    /// Faults and writes end here.
    pub until: Micros,
    /// Share of segments that are lost: up to 30 %.
    pub loss: f64,
    /// Share of batches that are sent twice: up to 50 %.
    pub doubles: f64,
    /// Share of batches that a sender passes over.
    pub skips: f64,
    /// Chance of a connection to break, per message.
    pub breaks: f64,
    /// Chance of a partition, per draw: up to 3 %.
    pub partitions: f64,
    /// Chance of a clogged path, per draw.
    pub clogs: f64,
    /// Chance of a crash, per draw.
    pub crashes: f64,
    /// Share of crashes that take the machine along, so that nobody is told.
    pub power_cuts: f64,
    /// Chance of a node standing still, per draw.
    pub pauses: f64,
    /// Chance of a clock jumping, per draw.
    pub jumps: f64,
    /// How far clocks are off at the most.
    pub skew: Micros,
    /// Smallest one-way delay of a path: 0 to 30 ms.
    pub delay_min: Micros,
    /// Mean of what is added to it: 30 to 100 ms in the bad seeds.
    pub delay_mean: Micros,
    /// Mean time of a sync.
    pub sync: Micros,
    /// Mean time between a node's writes.
    pub writes: Micros,
    /// Mean age of what compaction keeps.
    pub keeps: Micros,
}

impl Swarm {
    /// Draws what may go wrong until a time. Half of the seeds know nothing of a given fault.
    pub fn drawn(rng: &mut Rng, until: Micros) -> Self {
        let mut up_to = |most: f64| if rng.chance(0.5) { rng.unit() * most } else { 0.0 };
        let drawn = Self {
            until,
            loss: up_to(0.3),
            doubles: up_to(0.5),
            skips: up_to(0.05),
            breaks: up_to(0.01),
            partitions: up_to(0.03),
            clogs: up_to(0.2),
            crashes: up_to(0.03),
            power_cuts: up_to(1.0),
            pauses: up_to(0.02),
            jumps: up_to(0.01),
            ..Self::default()
        };
        Self {
            skew: [0, MS, SECOND, 20 * SECOND, 60 * SECOND][rng.below(5)],
            delay_min: rng.between(0, 30) * MS,
            delay_mean: [MS, rng.between(1, 30) * MS, rng.between(30, 100) * MS][rng.below(3)],
            sync: [200, 2 * MS, 20 * MS][rng.below(3)],
            writes: [300 * MS, SECOND, 3 * SECOND][rng.below(3)],
            keeps: [SECOND, 5 * SECOND, 60 * SECOND][rng.below(3)],
            ..drawn
        }
    }

    /// Nothing goes wrong any more.
    pub fn healed(&self) -> Self {
        Self { sync: self.sync, keeps: self.keeps, ..Self::default() }
    }
}

impl World {
    /// Draws faults, again and again until they end.
    pub(super) fn draw_faults(&mut self) {
        if self.now >= self.swarm.until {
            return;
        }
        self.after(EVERY, What::Faults);
        let count = self.nodes.len();
        let swarm = self.swarm.clone();
        if self.rng.chance(swarm.partitions) {
            self.part();
        }
        if self.rng.chance(swarm.clogs) {
            let (from, to) = (self.rng.below(count), self.rng.below(count));
            let until = self.now + self.rng.between(100 * MS, CLOG_MAX);
            self.net.cut(from, to, until);
        }
        if self.rng.chance(swarm.crashes) {
            let (node, is_power_cut) = (self.rng.below(count), self.rng.chance(swarm.power_cuts));
            self.mark(("crash", node, is_power_cut));
            self.crash(node, is_power_cut);
            let wait = self.rng.between(10 * MS, LAST_MAX);
            self.after(wait, What::Start(node));
        }
        if self.rng.chance(swarm.pauses) {
            let node = self.rng.below(count);
            self.nodes[node].paused_until = self.now + self.rng.between(100 * MS, LAST_MAX);
        }
        if self.rng.chance(swarm.jumps) {
            let node = self.rng.below(count);
            self.nodes[node].clock.offset = self.drawn_offset();
        }
    }

    /// How far a clock may be off: as often behind as ahead.
    pub(super) fn drawn_offset(&mut self) -> i64 {
        let most = self.swarm.skew;
        self.rng.between(0, 2 * most).cast_signed() - most.cast_signed()
    }

    /// Parts the nodes: one from all, a region from the others, any two halves; in both directions, or in one only.
    fn part(&mut self) {
        let count = self.nodes.len();
        let until = self.now + self.rng.between(500 * MS, LAST_MAX);
        let mode = self.rng.below(3);
        let (one, halves) = (self.rng.below(count), self.rng.bits());
        let region = self.nodes[one].id.region.clone();
        let is_inside = |world: &Self, node: usize| match mode {
            0 => node == one,
            1 => world.nodes[node].id.region == region,
            _ => halves >> (node % 64) & 1 == 1,
        };
        let is_one_way = self.rng.chance(0.4);
        self.mark(("part", mode, one, halves, is_one_way));
        for from in 0..count {
            for to in 0..count {
                let (inside, outside) = (is_inside(self, from), is_inside(self, to));
                if (inside && !outside) || (outside && !inside && !is_one_way) {
                    self.net.cut(from, to, until);
                }
            }
        }
    }

    /// The healing phase: no faults any more, everybody runs, clocks are right again.
    pub(super) fn heal(&mut self) {
        self.swarm = self.swarm.healed();
        self.net.heal();
        for node in 0..self.nodes.len() {
            self.nodes[node].clock.offset = 0;
            self.nodes[node].paused_until = 0;
            if !self.nodes[node].is_up {
                self.after(0, What::Start(node));
            }
        }
    }
}
