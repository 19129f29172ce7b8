//! Whether the simulated nodes keep the rules. Each broken rule must be caught by the checks, or the checks prove nothing.

/// The rules by which the model of a node's storage goes. The protocol itself is always the product's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Law {
    /// As the product does.
    #[default]
    Kept,
    /// A client's write is acknowledged before it is on disk.
    AckBeforeSync,
    /// A batch that does not join what is known is taken all the same.
    AcceptGap,
    /// What is known already is merged again.
    ApplyTwice,
    /// Rows hold what arrived last, not what was said last.
    LastArrivalWins,
    /// A region's events are sent to peers of other regions, which take them.
    Leak,
}
