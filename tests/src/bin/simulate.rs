//! Runs the simulation and says what came of it. `scripts/simulate.sh` builds it.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a report that cannot be written is none")]

use std::{
    env, fs,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use codepop_tests::{
    bench::table::row,
    simulation::{
        fleet::{self, Figures},
        plot,
        run::{Options, Report, run},
        seconds,
    },
};

/// Sizes of the chains whose figures are compared.
const SIZES: &[usize] = &[50, 100, 200, 500, 1_007];

/// Where the picture goes.
const PICTURE: &str = "docs/propagation.svg";

/// Failing seeds that are shown in full.
const SHOWN_MAX: usize = 20;

const USAGE: &str = "simulate [--seeds N] [--seed S] [--nodes N]   N seeds from S on, each with 4 to 9 nodes or N
simulate --fleet [--nodes N]                   a change to 50, 100, 200, 500 and 1,007 nodes, or N, at WAN delays";

struct Args {
    seeds: u64,
    seed: u64,
    nodes: usize,
    is_fleet: bool,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args { seeds: 1, seed: 1, nodes: 0, is_fleet: false };
    while let Some(word) = words.next() {
        if word == "--fleet" {
            args.is_fleet = true;
            continue;
        }
        let value = words.next().and_then(|value| value.parse::<u64>().ok());
        let value = value.ok_or_else(|| format!("{word} needs a number"))?;
        match word.as_str() {
            "--seeds" => args.seeds = value,
            "--seed" => args.seed = value,
            "--nodes" if value == 0 || (2..=1_007).contains(&value) => args.nodes = value.try_into().unwrap(),
            "--nodes" => return Err("--nodes takes 2 to 1007".to_owned()),
            _ => return Err(format!("{word} is not known")),
        }
    }
    Ok(args)
}

fn main() -> ExitCode {
    match parse(env::args().skip(1)) {
        Err(why) => {
            eprintln!("simulate: {why}\n{USAGE}");
            ExitCode::from(2)
        }
        Ok(args) if args.is_fleet => whole_chains(args.nodes),
        Ok(args) => seeds(&args),
    }
}

/// Runs seeds on all cores.
fn seeds(args: &Args) -> ExitCode {
    let begun = Instant::now();
    let (next, done) = (AtomicU64::new(args.seed), AtomicU64::new(0));
    let end = args.seed.saturating_add(args.seeds);
    let worker = || {
        let mut reports = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return reports;
            }
            let report = run(&Options { nodes: args.nodes, ..Options::of(seed) });
            for problem in report.problems.iter().take(SHOWN_MAX) {
                println!("seed {seed}: {problem}");
            }
            let done = 1 + done.fetch_add(1, Ordering::Relaxed);
            if done.is_multiple_of(1_000) {
                eprintln!("{done} seeds, {:.0} s", begun.elapsed().as_secs_f64());
            }
            reports.push(report);
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let reports: Vec<Report> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    summary(&reports, begun.elapsed().as_secs_f64())
}

fn summary(reports: &[Report], wall: f64) -> ExitCode {
    let mut bad: Vec<u64> = reports.iter().filter(|report| !report.problems.is_empty()).map(|r| r.seed).collect();
    bad.sort_unstable();
    let steps: u64 = reports.iter().map(|report| report.steps).sum();
    let time: f64 = reports.iter().map(|report| seconds(report.time)).sum();
    let events: usize = reports.iter().map(|report| report.events).sum();
    let mut converged: Vec<f64> = reports.iter().filter_map(|report| report.converged.map(seconds)).collect();
    converged.sort_by(f64::total_cmp);
    let at = |share: f64| converged.get((converged.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    println!(
        "{} seeds, {} failed; {:.1} virtual hours, {events} events made, {steps} steps in {wall:.0} s ({:.0} steps/s); \
         equal after the faults within p50 {:.1} s, p99 {:.1} s, max {:.1} s",
        reports.len(),
        bad.len(),
        time / 3_600.0,
        steps as f64 / wall,
        at(0.5),
        at(0.99),
        converged.last().copied().unwrap_or(f64::NAN),
    );
    if let [report] = reports {
        println!("trace {:016x}", report.trace);
    }
    for seed in bad.iter().take(SHOWN_MAX) {
        println!("again: scripts/simulate.sh --seed {seed}");
    }
    ExitCode::from(u8::from(!bad.is_empty()))
}

fn whole_chains(nodes: usize) -> ExitCode {
    row(&[
        "nodes", "links a store", "p50, ms", "p99, ms", "max, ms", "events sent a change", "vectors sent a change",
        "at rest: messages/s a store", "bytes/s sent a store", "the busiest", "a hub", "bytes a store and change",
    ]);
    row(&["---:"; 12]);
    let sizes = if nodes == 0 { SIZES.to_vec() } else { vec![nodes] };
    let mut all = Vec::new();
    for size in sizes {
        let mut world = fleet::settled(1, size);
        let figures = fleet::measure(&mut world);
        print(&size.to_string(), &figures);
        all.push(figures);
        if world.problems.is_empty() && (size == 1_007 || nodes > 0) {
            without_a_hub(&mut world);
        }
        if let Some(problem) = world.problems.first() {
            println!("{problem}");
            return ExitCode::FAILURE;
        }
    }
    if nodes == 0 {
        fs::write(PICTURE, plot::svg(&all)).unwrap();
        println!("\n{PICTURE} is drawn");
    }
    ExitCode::SUCCESS
}

fn without_a_hub(world: &mut codepop_tests::simulation::world::World) {
    let store = world.nodes.len() - 1;
    let noticed = fleet::lose_store(world, store);
    let hub_noticed = fleet::lose_hub(world, 2);
    let figures = fleet::measure(world);
    print(&format!("{}, one hub and one store down", figures.nodes), &figures);
    println!(
        "\na store that is gone is noticed by its hub after {:.1} s; a hub that is gone by the last of its stores after {:.1} s",
        seconds(noticed),
        seconds(hub_noticed)
    );
}

fn print(name: &str, figures: &Figures) {
    row(&[
        name,
        &format!("{:.1}", figures.links),
        &format!("{:.0}", figures.p50),
        &format!("{:.0}", figures.p99),
        &format!("{:.0}", figures.max),
        &format!("{:.0}", figures.sends),
        &format!("{:.0}", figures.vectors),
        &format!("{:.1}", figures.idle_messages),
        &format!("{:.0}", figures.idle_bytes),
        &format!("{:.0}", figures.idle_bytes_max),
        &format!("{:.0}", figures.idle_bytes_hub),
        &format!("{:.0}", figures.change_bytes),
    ]);
}
