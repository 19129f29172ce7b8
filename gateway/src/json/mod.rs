//! JSON to protobuf and back, driven by descriptors alone, without a message object in between: requests are read once
//! and written as wire bytes, answers are scanned once and written as text.
//!
//! The spelling is the app's, not the standard mapping's: 64-bit numbers are numbers, unset optional fields are `null`,
//! enum words have no prefix, names are snake_case unless the contract gives a `json_name`. Read [`schema`] first, then
//! [`mod@decode`] and [`mod@encode`].

pub(crate) mod decode;
pub(crate) mod encode;
mod enums;
mod query;
mod reader;
mod scalar;
pub(crate) mod schema;
mod timestamp;
pub(crate) mod wire;

pub(crate) use decode::{Body, Fault, Input, decode};
pub(crate) use encode::encode;
pub(crate) use query::{params, percent_decode};
pub(crate) use schema::{FieldPath, Kind, MessageId, Schema, Shape};

/// How deep messages, lists and maps may nest. Deeper than any contract; keeps the stack small.
pub(crate) const DEPTH_MAX: usize = 32;

#[cfg(test)]
mod tests;
