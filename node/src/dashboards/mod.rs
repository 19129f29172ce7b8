//! Views for those who run the chain: put together of what the nouns know, kept nowhere.

pub mod regions;
