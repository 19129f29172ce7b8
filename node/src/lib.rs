//! CodePop.
