//! One node of a chain of drink stores.
//!
//! Read [`config`] for what a node is told, [`identity`] for who it is, [`authority`] for who says so, [`commands`] for
//! what the program does; then [`storage`] and [`journal`], on which all the rest stands; [`mesh`] and [`replication`]
//! for how nodes keep each other up to date; and one folder a noun for the shop itself.

pub mod accounts;
pub mod app;
pub mod audit;
pub mod auth;
pub mod authority;
pub mod backup;
pub mod catalog;
pub mod clock;
pub mod commands;
pub mod config;
pub mod dashboards;
pub mod generator;
pub mod identity;
pub mod inventory;
pub mod journal;
#[cfg(test)]
pub(crate) mod laws;
pub mod legacy;
pub mod maintenance;
pub mod mesh;
pub mod notifications;
pub mod orders;
pub mod payments;
pub mod preferences;
pub mod receipts;
pub mod replication;
pub mod reports;
pub mod roles;
pub mod seed;
pub mod server;
pub mod staff;
pub mod storage;
pub mod stores;
pub mod support;
#[cfg(test)]
pub(crate) mod testing;
