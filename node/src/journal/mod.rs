//! The journal: what this node and others said, as signed events in gapless streams, in the same database and the same
//! transactions as the rows that they change. It names no shop noun.
//!
//! Reading order: [`Audience`], [`Event`], [`Scope`] (who may say what), [`Replicated`] (what a noun says of its events),
//! [`Merge`] (how concurrent changes merge), [`emit`] (a local write), `streams`, `entries`, `compact`, `live`,
//! `snapshots`.

mod audience;
mod authority;
pub mod clocked;
pub mod compact;
pub mod conflicts;
mod emit;
pub mod entries;
mod event;
pub mod live;
mod merge;
mod replicated;
pub mod snapshots;
pub mod streams;

pub use self::{
    audience::Audience,
    authority::Scope,
    emit::{emit, next_number},
    entries::{Outcome, State},
    event::{BODY_MAX, Draft, Event, HEADER_MAX, Hash, Header, Malformed, sha256},
    merge::{ENTRY_LEN, Field, Merge, Stamp, source, sources},
    replicated::{Error, Replicated},
    streams::{Positions, Stream, StreamKey},
};

#[cfg(test)]
mod tests;
