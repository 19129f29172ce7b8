//! Fragments of SQL for figures that the two databases spell differently, or sum into other types.

use super::{Conn, Tx};

/// Seconds of a quarter of an hour: the coarsest step in which every zone's days and hours can be counted, since clocks
/// differ from UTC by multiples of it.
pub const QUARTER_SECONDS: i64 = 900;

impl Tx {
    /// The quarter of an hour, counted from 1970, in which the moment of a column lies.
    pub fn quarter_of(&self, column: &'static str) -> String {
        match self.conn {
            // Before 1970 the division rounds the other way; nothing of ours is from then.
            Conn::Sqlite(_) => format!("({column} / {})", QUARTER_SECONDS * 1_000_000),
            Conn::Postgres(_) => format!("CAST(FLOOR(EXTRACT(EPOCH FROM {column}) / {QUARTER_SECONDS}) AS BIGINT)"),
        }
    }
}

/// The sum of whole numbers as the whole number that it is; 0 of nothing.
pub fn whole_sum(expression: &str) -> String {
    format!("CAST(COALESCE(SUM({expression}), 0) AS BIGINT)")
}
