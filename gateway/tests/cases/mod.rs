//! What the gateway promises, by subject.

mod errors;
mod failover;
mod openapi;
mod rest;
mod serving;
mod tls;
