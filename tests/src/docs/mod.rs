//! The pages in `docs/`: which parts of them are made from the contract and the schema, and which of their examples are
//! run. `cargo run -p codepop-tests --bin docs` writes the former; a scenario runs the latter.

mod contract;
mod examples;
mod pages;
mod schema;

pub use self::{
    examples::{Example, examples},
    pages::{Page, filled, read},
};
