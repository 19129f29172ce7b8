//! REST in, gRPC out. The gateway builds its routes, its JSON and its OpenAPI page from the descriptors of a contract,
//! finds nodes, picks the right one and fails over. It knows no product.
//!
//! Read [`contract`] first, then `json`, `router` and [`upstream`], and last [`server`], which joins them.

pub mod contract;
#[cfg(fuzzing)]
pub mod fuzzing;
mod json;
mod openapi;
mod router;
pub mod server;
pub mod upstream;

pub use server::Gateway;
