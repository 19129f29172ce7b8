//! What the gateway promises, by subject.

mod errors;
mod failover;
mod openapi;
mod program;
mod rest;
mod serving;
mod tls;
