//! The CodePop node.

pub mod app;
pub mod auth;
pub mod catalog;
pub mod clock;
pub mod identity;
pub mod inventory;
pub mod journal;
#[cfg(test)]
pub(crate) mod laws;
pub mod storage;
pub mod stores;
#[cfg(test)]
pub(crate) mod testing;
