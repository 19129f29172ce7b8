//! Any body and any query for any RPC that has a route: understood or refused, and what was understood reads the same when it
//! is written and read again.

#![no_main]

use std::sync::LazyLock;

use codepop_gateway::{contract::Contract, fuzzing};
use libfuzzer_sys::fuzz_target;

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::load(codepop_proto::DESCRIPTORS).unwrap());

// The first byte is the RPC, the rest its body, and its query where it is text.
fuzz_target!(|input: &[u8]| {
    let Some((rpc, body)) = input.split_first() else { return };
    fuzzing::json(&CONTRACT, usize::from(*rpc), std::str::from_utf8(body).ok(), body);
});
