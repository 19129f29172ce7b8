//! The words that node and gateway both speak: who is who, what went wrong, how far it is, how to log. No shop rules.
//!
//! Read [`number`] and [`identity`] first, then [`failure`], then [`tls`].

pub mod authority;
pub mod code;
pub mod failure;
pub mod files;
pub mod geo;
pub mod identity;
pub mod number;
pub mod request;
pub mod revocation;
pub mod telemetry;
pub mod tls;

pub use code::Code;
pub use failure::Failure;
