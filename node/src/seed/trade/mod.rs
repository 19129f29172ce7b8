//! What a store sold, and what that did to its shelves: pure rules, from the seed and the calendar alone.
//!
//! Reading order: `calendar.rs` (how many orders on which day, and when), `sales.rs` (what was ordered and what became of
//! it), `shelves.rs` (deliveries, and what orders took).

mod calendar;
mod sales;
mod shelves;

pub use self::calendar::Span;
pub(super) use self::{
    sales::{Sale, sales},
    shelves::{Shelf, shelves},
};
