//! x
mod author;
pub use author::Author;
