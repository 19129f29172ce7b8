//! The door through which `tests/fuzz` tries the reading and writing of JSON; not part of the program.

use crate::{
    contract::Contract,
    json::{self, Body, Input},
};

/// Reads a query and a body as the request of one of the contract's RPCs, and writes what was understood as JSON.
///
/// # Panics
/// What was understood cannot be written, or reads otherwise when it is read again.
#[allow(clippy::expect_used, reason = "a panic is how a target reports")]
pub fn json(contract: &Contract, rpc: usize, query: Option<&str>, body: &[u8]) {
    let rpc = &contract.rpcs[rpc % contract.rpcs.len()];
    let read = |query, body| {
        let input = Input { body_is: Body::Whole, body, query, vars: &[] };
        json::decode(&contract.schema, rpc.input, &input).ok()
    };
    let write = |message: &[u8]| json::encode(&contract.schema, rpc.input, message, None);
    // A query is read where there is no body.
    let bare = Input { body_is: Body::None, body: b"", query, vars: &[] };
    if let Ok(message) = json::decode(&contract.schema, rpc.input, &bare) {
        write(&message).expect("what a query said can be written");
    }
    let Some(message) = read(None, body) else { return };
    let text = write(&message).expect("what was understood can be written");
    if let Some(again) = read(None, &text) {
        assert_eq!(write(&again).ok(), Some(text), "it reads otherwise the second time");
    }
}

/// A body of each RPC with every field as it is when nothing was said: what made-up ones can begin with.
#[must_use]
pub fn bodies(contract: &Contract) -> Vec<Vec<u8>> {
    contract.rpcs.iter().filter_map(|rpc| json::encode(&contract.schema, rpc.input, b"", None).ok()).collect()
}
