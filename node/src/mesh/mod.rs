//! The mesh: which nodes there are ([`registry`]), whom to be linked to ([`plan`]), which links are up ([`links`]), who took whose place ([`replaced`]) and
//! whether the other side is alive ([`heartbeat`]). It names no shop noun.

pub mod backoff;
pub mod heartbeat;
pub mod links;
pub mod plan;
pub mod registry;
pub mod replaced;
pub mod sightings;
