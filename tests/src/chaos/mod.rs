//! `kill -9` in a loop under load: a hub and two stores, writers at each, nodes killed at random moments and started
//! again. At the end everything that was acknowledged must be at every node, once, in journals without gaps.
//!
//! Read [`run`]; then `writers.rs`, `proof.rs`, `dice.rs`; [`damage`] is the same for files that are damaged.

pub mod damage;
mod dice;
mod proof;
mod writers;

use std::time::{Duration, Instant};

pub use self::{
    dice::Dice,
    proof::{held_by_all, prove},
    writers::{Acknowledged, Writers},
};
use crate::harness::{Backend, Builder, Mesh};

/// Stores beside the hub.
const STORES: usize = 2;

/// Longest time between a start and the next kill, in milliseconds.
const LIFE_MAX: u64 = 500;

/// Longest time that a killed node stays away, in milliseconds.
const AWAY_MAX: u64 = 300;

/// Longest time that a node which is killed during its start gets for it, in milliseconds: more than a start takes.
const START_MAX: u64 = 700;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often a node is killed and started again.
    pub rounds: u32,
    /// Decides who is killed and when.
    pub seed: u64,
    /// Where the rows are.
    pub backend: Backend,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Rounds that were played.
    pub rounds: u32,
    /// Processes that were killed, also during their starts.
    pub kills: u32,
    /// Writes that were acknowledged.
    pub acknowledged: usize,
    /// Writes of which nobody said what became of them.
    pub unknown: u64,
    /// From the last start until all nodes had the same.
    pub settling: Duration,
    /// All of it.
    pub took: Duration,
}

/// Plays the rounds, calls `progress` after each, and proves that nothing was lost.
///
/// # Panics
/// Something was lost, made twice or differs.
pub async fn run(plan: Plan, mut progress: impl FnMut(&Report)) -> Report {
    let begun = Instant::now();
    let mut dice = Dice::of(plan.seed);
    let mut mesh = Builder::with(STORES).on(plan.backend).start().await;
    let writers = Writers::start(&mesh, &mut dice);
    let mut report = Report::default();
    for round in 1..=plan.rounds {
        report.kills += play(&mut mesh, &mut dice).await;
        report.rounds = round;
        (report.acknowledged, report.unknown) = writers.count();
        report.took = begun.elapsed();
        progress(&report);
    }
    let acknowledged = writers.stop().await;
    (report.acknowledged, report.unknown) =
        (acknowledged.drinks.len() + acknowledged.accounts.len(), acknowledged.unknown);
    let settling = Instant::now();
    mesh.settled().await;
    report.settling = settling.elapsed();
    prove(&mut mesh, &acknowledged).await;
    report.took = begun.elapsed();
    report
}

/// One round: a node, now and then two, is killed and comes back, now and then only at the second try. Returns the number
/// of processes that were killed.
async fn play(mesh: &mut Mesh, dice: &mut Dice) -> u32 {
    tokio::time::sleep(dice.millis(LIFE_MAX)).await;
    let mut victims = vec![dice.pick(STORES + 1)];
    if dice.one_in(5) {
        victims.push((victims[0] + 1) % (STORES + 1));
    }
    let mut kills = 0;
    for victim in &victims {
        mesh.kill9(*victim);
        kills += 1;
    }
    tokio::time::sleep(dice.millis(AWAY_MAX)).await;
    for victim in victims {
        if dice.one_in(4) {
            mesh.launch(victim);
            tokio::time::sleep(dice.millis(START_MAX)).await;
            mesh.kill9(victim);
            kills += 1;
        }
        mesh.start(victim).await;
    }
    kills
}
