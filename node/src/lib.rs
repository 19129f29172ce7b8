//! The CodePop node.

pub mod app;
pub mod auth;
pub mod clock;
pub mod identity;
pub mod journal;
pub mod mesh;
pub mod replication;
pub mod storage;
#[cfg(test)]
pub(crate) mod testing;
