//! CodePop.
fn main() {}
