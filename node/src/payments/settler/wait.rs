//! When to ask the provider again, and how what it said is kept.

use chrono::{DateTime, TimeDelta, Utc};

/// The first wait.
const FIRST: TimeDelta = TimeDelta::seconds(1);

/// The longest wait: a provider that was away for a day must not wait another for us.
const LONGEST: TimeDelta = TimeDelta::minutes(30);

/// Longest text of the provider that is kept, in characters.
const PROBLEM_MAX: usize = 300;

/// When to ask again after so many tries in a row. `random` is uniform in 0..1; the wait is between half and all of the
/// step, so that many payments that failed together do not return together.
pub(super) fn next(now: DateTime<Utc>, tries: i32, random: f64) -> DateTime<Utc> {
    let step = FIRST.checked_mul(1 << tries.clamp(0, 20)).unwrap_or(LONGEST).min(LONGEST);
    let wait = step.to_std().unwrap_or_default().mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
    super::to_the_microsecond(now + TimeDelta::from_std(wait).unwrap_or(LONGEST))
}

/// What the provider said, fit to be shown to managers.
pub(super) fn problem(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(PROBLEM_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap() {
        let now = DateTime::from_timestamp(1_753_000_000, 0).unwrap();
        let waits: Vec<TimeDelta> = (0..40).map(|tries| next(now, tries, 1.0) - now).collect();
        assert_eq!((waits[0], waits[39]), (FIRST, LONGEST));
        assert!(waits.is_sorted());
        assert_eq!(next(now, 3, 0.0) - now, TimeDelta::seconds(4));
    }
}
