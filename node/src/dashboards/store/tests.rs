//! The views on both databases, against figures worked out by hand.
