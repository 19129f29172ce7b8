//! The CodePop node.

pub mod accounts;
pub mod app;
pub mod auth;
pub mod clock;
pub mod identity;
pub mod journal;
pub mod roles;
pub mod storage;
#[cfg(test)]
pub(crate) mod testing;
