//! How fast an item is used up, and when it will run low: a pure rule.

use super::rational;

/// Below so many days until it runs low, an item is critical.
const CRITICAL_DAYS: f64 = 3.0;

/// Below so many days until it runs low, an item is low.
const LOW_DAYS: f64 = 7.0;

/// Days of a suggested order.
const MONTH_DAYS: f64 = 30.0;

/// How an item is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usage {
    /// Units a day.
    pub(super) per_day: f64,
    /// Days until it falls to its threshold; `None` when it never does.
    pub(super) days_left: Option<f64>,
    /// `critical`, `low` or `ok`.
    pub(super) status: &'static str,
    /// Units for 30 days.
    pub(super) monthly: i64,
}

/// The use of an item of which there are `quantity`, and of which `used` units went in `days` days.
pub(super) fn usage(quantity: i32, threshold: i32, used: i64, days: f64) -> Usage {
    let per_day = rational(used.max(0)) / days.max(1.0);
    let above = f64::from(quantity - threshold);
    let days_left = match (above <= 0.0, per_day > 0.0) {
        (true, _) => Some(0.0),
        (false, true) => Some(above / per_day),
        (false, false) => None,
    };
    let status = match days_left {
        Some(left) if left < CRITICAL_DAYS => "critical",
        Some(left) if left < LOW_DAYS => "low",
        _ => "ok",
    };
    // A hair less, because 0.1 × 30 is a hair more than 3.
    #[allow(clippy::cast_possible_truncation, reason = "a month's units of one item are few")]
    let monthly = (per_day * MONTH_DAYS - 1e-9).ceil().max(0.0) as i64;
    Usage { per_day, days_left, status, monthly }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_to_the_threshold() {
        let cases = [
            // 10 a day, 29 above the threshold: 2.9 days.
            (39, 10, 300, 30.0, (10.0, Some(2.9), "critical", 300)),
            (40, 10, 300, 30.0, (10.0, Some(3.0), "low", 300)),
            (79, 10, 300, 30.0, (10.0, Some(6.9), "low", 300)),
            (80, 10, 300, 30.0, (10.0, Some(7.0), "ok", 300)),
            // At the threshold, below it, and not used at all.
            (10, 10, 1, 30.0, (1.0 / 30.0, Some(0.0), "critical", 1)),
            (0, 10, 0, 30.0, (0.0, Some(0.0), "critical", 0)),
            (50, 10, 0, 30.0, (0.0, None, "ok", 0)),
            // More was given back than taken.
            (50, 10, -4, 30.0, (0.0, None, "ok", 0)),
            // Half a day counts as one.
            (50, 10, 3, 0.5, (3.0, Some(40.0 / 3.0), "ok", 90)),
        ];
        for (quantity, threshold, used, days, (per_day, days_left, status, monthly)) in cases {
            let expected = Usage { per_day, days_left, status, monthly };
            assert_eq!(usage(quantity, threshold, used, days), expected, "{quantity} {used}");
        }
        assert_eq!(usage(9, 1, 7, 70.0).monthly, 3, "not 4 because of a rounding error");
    }
}
