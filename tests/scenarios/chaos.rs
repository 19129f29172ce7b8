//! Nodes that are killed again and again under load. `scripts/chaos.sh` does the same for as long as one likes.

use codepop_tests::{
    chaos::{
        Plan,
        damage::{self, Outcome},
        run,
    },
    harness::Backend,
};

/// Rounds in the suite.
const ROUNDS: u32 = 10;

on_both!(
    /// Whoever is killed, and whenever: what was acknowledged is at every node, once, and all nodes are equal.
    killed_at_any_moment_nothing_acknowledged_is_lost,
    async |backend: Backend| {
        // Another seed every time; a failing one is printed, and `scripts/chaos.sh --rounds 10 --seed …` plays it again.
        let seed = u64::from(u32::from_le_bytes(uuid::Uuid::new_v4().as_bytes()[..4].try_into().unwrap()));
        println!("seed {seed}");
        let report = run(Plan { rounds: ROUNDS, seed, backend }, |_| {}).await;
        assert!(report.acknowledged > 20, "hardly anything was written: {report:?}");
        println!("{report:?}");
    }
);

/// Damaged files in the suite.
const DAMAGES: u32 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_files_are_noticed_or_harmless_and_never_spread() {
    let seed = u64::from(u32::from_le_bytes(uuid::Uuid::new_v4().as_bytes()[..4].try_into().unwrap()));
    println!("seed {seed}");
    let mut outcomes = Vec::new();
    damage::tries(seed, DAMAGES, |damage, outcome| {
        println!("{damage:?}: {outcome:?}");
        outcomes.push(outcome.clone());
    })
    .await;
    // A bit in the text of a row breaks nothing that the store could check alone; peers see it by the digest. Only what is
    // for a single hub or store has nobody to be compared with.
    let unnoticed = outcomes.iter().filter(|outcome| **outcome == Outcome::Unnoticed).count();
    assert!(unnoticed <= 1, "{outcomes:?}");
}
