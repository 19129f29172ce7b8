//! Views for those who run stores and the chain: put together of what the nouns know, kept nowhere.

pub mod regions;
pub mod store;
