//! Views across stores. A region's hub shows what its stores reported to it; the chain is put together of what all hubs
//! answer. Every figure says when it is from, and who did not answer is named.
//!
//! Reading order: `region.rs` (a region as the hub knows it), `supply.rs` and `repair.rs` (two views of it), `ask.rs`
//! (questions to other nodes), `chain.rs` (the view of those who administer), `rpc.rs` and `chain_rpc.rs` (the gRPC faces).

mod ask;
mod chain;
mod chain_rpc;
mod region;
mod repair;
mod rpc;
mod supply;

#[cfg(test)]
mod tests;

pub use self::{chain_rpc::ChainRpc, rpc::RegionsRpc};
