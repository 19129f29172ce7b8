//! Kills nodes under load for as many rounds as wished: `scripts/chaos.sh` builds the programs and names them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "an argument that makes no sense ends it")]

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

use codepop_tests::{
    chaos::{Plan, Report, damage, run},
    harness::Backend,
};

/// Rounds between two lines of progress.
const LINE_EVERY: u32 = 10;

const USAGE: &str = "chaos [--rounds N] [--seed S] [--database sqlite|postgres] | --damage N [--seed S]";

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut plan = Plan { rounds: 200, seed, backend: Backend::Sqlite };
    let mut damages = 0;
    let mut args = env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().expect(USAGE);
        match (name.as_str(), value.as_str()) {
            ("--rounds", rounds) => plan.rounds = rounds.parse().expect(USAGE),
            ("--damage", tries) => damages = tries.parse().expect(USAGE),
            ("--seed", seed) => plan.seed = seed.parse().expect(USAGE),
            ("--database", "sqlite") => plan.backend = Backend::Sqlite,
            ("--database", "postgres") => plan.backend = Backend::Postgres,
            _ => panic!("{USAGE}"),
        }
    }
    if damages > 0 {
        println!("{damages} damaged files, seed {}", plan.seed);
        return damage::tries(plan.seed, damages, |damage, outcome| println!("{damage:?}: {outcome:?}")).await;
    }
    println!("{} rounds on {:?}, seed {}", plan.rounds, plan.backend, plan.seed);
    let report = run(plan, |so_far| {
        if so_far.rounds % LINE_EVERY == 0 {
            show("after", so_far);
        }
    })
    .await;
    show("proven after", &report);
    println!("all nodes equal {:.1} s after the last start; seed {}", report.settling.as_secs_f64(), plan.seed);
}

fn show(when: &str, report: &Report) {
    println!(
        "{when} {} rounds: {} processes killed, {} writes acknowledged, {} in the dark, {:.0} s",
        report.rounds,
        report.kills,
        report.acknowledged,
        report.unknown,
        report.took.as_secs_f64()
    );
}
