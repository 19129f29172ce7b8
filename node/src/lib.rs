//! One node of a chain of drink stores.
//!
//! Read [`config`] for what a node is told, [`identity`] for who it is, [`authority`] for who says so, [`commands`] for
//! what the program does.

pub mod authority;
pub mod commands;
pub mod config;
pub mod identity;
