//! The words that node and gateway both speak: who is who, what went wrong, how far it is, how to log. No shop rules.
//!
//! Read [`number`] and [`identity`] first, then [`failure`], then [`tls`].

pub mod code;
pub mod failure;
pub mod geo;
pub mod number;

pub use code::Code;
pub use failure::Failure;
pub mod identity;
