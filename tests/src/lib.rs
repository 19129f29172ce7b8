//! The proving ground: real processes, real sockets, real databases, and faults between them.
//!
//! Read [`harness`] first (a mesh in a folder of its own), then [`faults`] (the proxy between its nodes), then the
//! scenarios in `scenarios/`, one file a noun.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a harness may fail the test that uses it")]

pub mod attacks;
pub mod bench;
pub mod chaos;
pub mod docs;
pub mod faults;
pub mod harness;
pub mod simulation;
