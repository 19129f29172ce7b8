//! The gateway before a library that it knows nothing of: its contract is the tests' own, its nodes are served by the
//! tests.
#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

mod cases;
mod support;
