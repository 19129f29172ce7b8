//! The protocol in virtual time: a few hundred seeds of what `scripts/simulate.sh` runs by the thousand, and that the
//! checks would notice if a rule were broken.

use std::thread;

use codepop_tests::simulation::{
    clock::SECOND,
    fleet,
    law::Law,
    run::{Options, Report, run},
};

/// Seeds of the suite, and how long their faults last: as many as fit into some seconds without optimisation.
const SEEDS: u64 = 200;
const FAULTS_FOR: u64 = 10 * SECOND;

/// Seeds among which a broken rule must be noticed.
const TRIED: u64 = 60;

fn options(seed: u64) -> Options {
    Options { faults_for: FAULTS_FOR, ..Options::of(seed) }
}

/// Runs seeds on two threads.
fn all(seeds: u64) -> Vec<Report> {
    let half = |first: u64| (first..=seeds).step_by(2).map(|seed| run(&options(seed))).collect::<Vec<_>>();
    thread::scope(|scope| {
        let other = scope.spawn(|| half(2));
        let mut reports = half(1);
        reports.extend(other.join().unwrap());
        reports
    })
}

#[test]
fn chains_under_faults_lose_nothing_and_are_equal_afterwards() {
    let reports = all(SEEDS);
    let bad: Vec<&Report> = reports.iter().filter(|report| !report.problems.is_empty()).collect();
    assert!(bad.is_empty(), "seed {}: {:#?}", bad[0].seed, bad[0].problems);
    assert!(reports.iter().map(|report| report.acknowledged).sum::<usize>() > 1_000);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [7, 8] {
        let (first, second) = (run(&options(seed)), run(&options(seed)));
        assert_eq!((first.trace, first.steps, first.events), (second.trace, second.steps, second.events));
    }
    assert_ne!(run(&options(7)).trace, run(&options(8)).trace);
}

/// How many seeds it took to notice a broken rule, and what was noticed.
fn noticed(law: Law) -> String {
    let reports = (1..=TRIED).map(|seed| run(&Options { law, ..options(seed) }));
    let mut problems = reports.filter_map(|report| report.problems.into_iter().next());
    problems.next().unwrap_or_else(|| panic!("{law:?} was not noticed in {TRIED} seeds"))
}

#[test]
fn acknowledging_before_the_sync_is_noticed() {
    assert!(noticed(Law::AckBeforeSync).contains("acknowledged writes are lost"));
}

#[test]
fn taking_what_does_not_join_is_noticed() {
    assert!(noticed(Law::AcceptGap).contains("has gaps"));
}

#[test]
fn merging_twice_is_noticed() {
    assert!(noticed(Law::ApplyTwice).contains("was merged"));
}

#[test]
fn merging_in_order_of_arrival_is_noticed() {
    assert!(noticed(Law::LastArrivalWins).contains("differ from what was said"));
}

#[test]
fn what_goes_beyond_its_audience_is_noticed() {
    assert!(noticed(Law::Leak).contains("is not for this node"));
}

#[test]
fn a_change_reaches_a_chain_in_time_and_is_hardly_sent_twice() {
    let mut world = fleet::settled(1, 40);
    let figures = fleet::measure(&mut world);
    assert!(world.problems.is_empty(), "{:?}", world.problems);
    assert!(figures.p99 < 177.0, "{figures:?}");
    assert!(figures.sends < 40.0 * 2.5, "{figures:?}");
}
