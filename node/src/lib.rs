//! The CodePop node.

pub mod clock;
pub mod storage;
