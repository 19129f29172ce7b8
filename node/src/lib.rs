//! One node of a chain of drink stores.
//!
//! Read [`config`] for what a node is told, [`identity`] for who it is, [`authority`] for who says so, [`commands`] for
//! what the program does; then [`storage`] and [`journal`], on which all the rest stands.

pub mod app;
pub mod auth;
pub mod authority;
pub mod clock;
pub mod commands;
pub mod config;
pub mod identity;
pub mod journal;
pub mod mesh;
pub mod replication;
pub mod storage;
#[cfg(test)]
pub(crate) mod testing;
