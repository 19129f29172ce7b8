//! Replication: what this node and others said goes to whom it is for, and what comes in is verified, stored and merged.
//!
//! Reading order: `session` (the protocol, without I/O), `accept` (the one door in), `apply` (which event merges into
//! which noun), `horizon` (until when removed things are forgotten), `stream` (a session on a connection), `peer`
//! (dialling and reconnecting), `find` (fetching one account), `find_drink` (fetching one drink), `states` (what
//! nodes compare), `repair` with `borrow` and `restore` (what is done about a difference), `inspect` (what is wrong
//! with the own data), `replaced` (when a node takes another's place), `carry` (backups to the own hub), `rpc` (the
//! gRPC face) with `lend`.

pub mod accept;
pub mod apply;
mod borrow;
pub mod carry;
pub mod find;
mod find_drink;
pub mod horizon;
pub mod inspect;
pub mod lend;
pub mod outbox;
pub mod peer;
pub mod repair;
pub mod replaced;
pub mod restore;
pub mod retry;
pub mod rpc;
pub mod session;
pub mod states;
pub mod stream;
mod unknown;
