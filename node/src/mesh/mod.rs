//! The mesh: which nodes there are ([`registry`]), whose certificates are not good any more ([`revocations`]) and are cut
//! off ([`trust`]), how they are renewed before they end ([`renewal`], at hubs [`region`]), who took whose place
//! ([`replaced`]), whom to be linked to ([`plan`]), which links are up ([`links`]) and whether the other side is alive
//! ([`heartbeat`]), and there only once ([`presence`]). It names no shop noun.

pub mod backoff;
pub mod heartbeat;
pub mod links;
pub mod plan;
pub mod presence;
pub mod region;
pub mod registry;
pub mod renewal;
pub mod replaced;
pub mod revocations;
pub mod sightings;
pub mod trust;
