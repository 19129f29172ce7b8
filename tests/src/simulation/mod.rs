//! A chain in one thread and in virtual time: the product's own protocol (sessions, plan, links, heartbeats, waits) over
//! a modelled network and a modelled database, with one seeded source of chance. The same seed gives the same trace.
//!
//! Read [`world`] first (time and what is due), then [`net`] and [`wire`] (what is between nodes), [`node`], [`journal`]
//! and [`rows`] (what a node holds), [`dialling`], [`talking`] and [`writing`] (what it does), [`faults`] (what goes
//! wrong), [`truth`] (what must hold), [`run`] (one seed) and [`fleet`] (how a change reaches 1,007 nodes).

use std::time::Duration;

pub mod clock;
pub mod dialling;
pub mod event;
pub mod faults;
pub mod fleet;
pub mod journal;
pub mod law;
pub mod net;
pub mod node;
pub mod places;
pub mod plot;
pub mod rng;
pub mod rows;
pub mod run;
pub mod talking;
pub mod traffic;
pub mod truth;
pub mod wire;
pub mod world;
pub mod writing;

use clock::Micros;

/// A duration in virtual time.
pub fn micros(duration: Duration) -> Micros {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Virtual time in seconds, to be shown.
pub fn seconds(time: Micros) -> f64 {
    Duration::from_micros(time).as_secs_f64()
}
