//! What the chain promises, tried on real processes: one file a noun, one test a promise.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's helpers may fail the test")]

/// Runs one scenario on both databases: `on_both!(name, |backend| async move { … })` makes `name::sqlite` and
/// `name::postgres`.
macro_rules! on_both {
    ($(#[$meta:meta])* $name:ident, $scenario:expr) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                ($scenario)(codepop_tests::harness::Backend::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                ($scenario)(codepop_tests::harness::Backend::Postgres).await;
            }
        }
    };
}

mod accounts;
mod app;
mod audit;
mod backup;
mod chaos;
mod cli;
mod clocks;
mod compaction;
mod dashboards;
mod databases;
mod docs;
mod drinks;
mod failover;
mod favorites;
mod foreign;
mod holes;
mod legacy;
mod links;
mod listeners;
mod matrix;
mod mesh;
mod objects;
mod once;
mod power_cuts;
mod regions;
mod repair;
mod replication;
mod roles;
mod schedule;
mod seed;
mod sessions;
mod simulation;
mod stores;
mod tls;
mod trust;
mod versions;
