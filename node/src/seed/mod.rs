//! Test data: a chain that looks as if it had traded for a month. Made by a command, for demonstrations, measurements and
//! tests; a running node does nothing of it.
//!
//! Reading order: `random.rs` (chance that can be had again), `network/` (which nodes), `people.rs`, `goods.rs`, `trade/`
//! (pure: what happened), `fill.rs` (writing it, through the nouns' own operations), `contents.rs` (reading it back, and a
//! digest), `tables.rs` (as CSV), `templates.rs`.

mod contents;
mod fill;
mod goods;
mod network;
mod people;
mod random;
mod tables;
pub mod templates;
#[cfg(test)]
mod tests;
mod trade;

pub use self::{
    contents::{Contents, digest},
    fill::{Alone, Data, Error, fill},
    network::{HOME, Profile, Site, sites},
    people::{Person, Post},
    random::Random,
    tables::{FILES, dollars, write as write_tables},
    trade::Span,
};

/// The people whose accounts were born at a site.
pub fn people(data: &Data, site: &Site) -> Vec<Person> {
    people::of(data.seed, site, &data.sites)
}
