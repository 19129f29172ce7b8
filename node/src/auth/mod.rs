//! Who is asking, and what may they do: [`Actor`], [`Permit`], [`Customer`]. What a user holds in hand is a [`token`]; which
//! keys may sign one say [`issuers`].

mod actor;
mod customer;
pub mod issuers;
pub mod token;

pub use actor::{Actor, Grant, Permit, Place, User};
pub use customer::Customer;
