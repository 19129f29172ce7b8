//! A node at rest: memory, time to serving, size.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::harness::{Mesh, programs};

/// Kilobytes of memory that a process holds.
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Memory of a node of a settled mesh, in MB.
pub fn resident_mb(mesh: &Mesh, node: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
    let mb = resident_kib(mesh.nodes[node].program().pid()) as f64 * 1_024.0 / 1e6;
    mb
}

/// Time from starting a store's program until it is connected to and answers.
pub async fn start_up(mesh: &mut Mesh, node: usize) -> Duration {
    mesh.stop(node).await;
    let start = Instant::now();
    mesh.start(node).await;
    mesh.channel(node).await;
    start.elapsed()
}

/// Size of a program in MB.
pub fn binary_mb(program: &str) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
    let mb = fs::metadata(programs::bin_dir().join(program)).unwrap().len() as f64 / 1e6;
    mb
}
