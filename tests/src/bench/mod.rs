//! Measurements: never part of a test, because time on a shared machine is no promise. `scripts/bench.sh` runs them on the
//! optimised programs and prints a table.

pub mod boards;
pub mod envoy;
pub mod http;
pub mod import;
pub mod journal;
pub mod rest;
pub mod shop;
pub mod table;
pub mod visible;
