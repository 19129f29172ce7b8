//! What the gateway promises, by subject.

mod errors;
mod events;
mod failover;
mod files;
mod openapi;
mod program;
mod rest;
mod serving;
mod session;
mod tls;
