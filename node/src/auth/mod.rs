//! Who is asking, and what may they do: [`Actor`], [`Permit`], [`Customer`]. What a customer holds in hand is a [`token`];
//! which keys may sign one say [`issuers`]. The [`reply`] tells the gateway what the client is to hold from now on.

mod actor;
mod customer;
pub mod issuers;
pub mod reply;
pub mod token;
mod trail;

pub use actor::{Actor, Grant, OPERATORS, Place, Session, User};
pub use customer::Customer;
pub use trail::{Permit, Trail, permission_word};
