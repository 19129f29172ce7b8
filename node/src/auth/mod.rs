//! Who is asking, and what may they do: [`Actor`], [`Permit`].

mod actor;

pub use actor::{Actor, Grant, Permit, Place, User};
