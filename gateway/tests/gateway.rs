//! The gateway before a library that it knows nothing of: its contract is the tests' own, its nodes are served by the
//! tests.
#![allow(missing_docs, unreachable_pub)]

mod cases;
mod support;
