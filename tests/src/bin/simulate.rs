//! Runs the simulation. `scripts/simulate.sh` builds it.
//!
//! Usage: `simulate [--seeds N] [--seed S] [--nodes N]`, or `simulate --fleet`.

use std::{env, process::ExitCode, time::Instant};

use codepop_tests::simulation::{
    run::{Options, run},
    seconds,
};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let get = |name: &str, default: u64| {
        args.iter().position(|a| a == name).and_then(|at| args.get(at + 1)).and_then(|v| v.parse().ok()).unwrap_or(default)
    };
    let (first, count, nodes) = (get("--seed", 1), get("--seeds", 1), get("--nodes", 0));
    let begun = Instant::now();
    let mut bad = 0;
    let (mut steps, mut time, mut worst) = (0, 0, 0);
    for seed in first..first + count {
        let report = run(&Options { nodes: nodes as usize, ..Options::of(seed) });
        steps += report.steps;
        time += report.time;
        worst = worst.max(report.converged.unwrap_or(0));
        if count == 1 { println!("{report:?}"); }
        if !report.problems.is_empty() {
            bad += 1;
            println!("seed {seed}: {:?}", &report.problems[..report.problems.len().min(3)]);
        }
    }
    println!("{count} seeds, {bad} bad, {steps} steps, {:.0} s virtual, worst convergence {:.1} s, {:?}", seconds(time), seconds(worst), begun.elapsed());
    ExitCode::from(u8::from(bad > 0))
}
