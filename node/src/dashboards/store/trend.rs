//! Whether revenue rises or falls: a pure rule.

use super::{rational, rounded};

/// Changes up to so many per cent are none.
const STABLE_PERCENT: i64 = 10;

/// Where revenue goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trend {
    /// `increasing`, `decreasing` or `stable`.
    pub(super) word: &'static str,
    /// By how many per cent; `None` when the earlier half brought nothing.
    pub(super) change_percent: Option<f64>,
}

/// Compares the later half of whole days with the earlier; of an odd number of days the middle one is in neither.
pub(super) fn trend(daily_cents: &[i64]) -> Trend {
    let half = daily_cents.len() / 2;
    let earlier: i64 = daily_cents[..half].iter().sum();
    let later: i64 = daily_cents[daily_cents.len() - half..].iter().sum();
    let change = later - earlier;
    let bound = earlier.max(0) * STABLE_PERCENT;
    let word = match change * 100 {
        rise if rise > bound => "increasing",
        fall if fall < -bound => "decreasing",
        _ => "stable",
    };
    let change_percent = (earlier > 0).then(|| rounded(rational(change) * 100.0 / rational(earlier)));
    Trend { word, change_percent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_more_than_a_tenth_counts() {
        let cases = [
            (&[100, 100, 110, 110][..], "stable", Some(10.0)),
            (&[100, 100, 110, 111], "increasing", Some(10.5)),
            (&[100, 100, 90, 90], "stable", Some(-10.0)),
            (&[100, 100, 90, 89], "decreasing", Some(-10.5)),
            // The middle day is in neither half.
            (&[100, 9_999, 100], "stable", Some(0.0)),
            (&[0, 0, 0, 500], "increasing", None),
            (&[0, 0], "stable", None),
            (&[-50, -60], "decreasing", None),
            (&[300, 0], "decreasing", Some(-100.0)),
            (&[7], "stable", None),
            (&[], "stable", None),
        ];
        for (days, word, change_percent) in cases {
            assert_eq!(trend(days), Trend { word, change_percent }, "{days:?}");
        }
    }
}
