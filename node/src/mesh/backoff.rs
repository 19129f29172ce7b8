//! When to dial again: exponential with jitter, in one place for every stream.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(100);

/// The longest wait for a peer that this node should be linked to: a returning hub has its stores back within it.
const LONGEST: Duration = Duration::from_secs(3);

/// The wait after a peer broke a rule (a forged event, another node's name): it won't be better in a moment.
pub const AFTER_FAULT: Duration = Duration::from_secs(30);

/// The wait after a peer had no room for another link: room comes with the next change of the mesh.
pub const AFTER_FULL: Duration = Duration::from_secs(15);

/// Waits between attempts.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait. `random` is uniform in 0..1; the wait is between half and all of the step, so that peers which
    /// lost the same hub do not return in step.
    pub fn next(&mut self, random: f64) -> Duration {
        let step = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        step.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }

    /// It worked: start over.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_cap_and_starts_over() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..12).map(|_| backoff.next(1.0)).collect();
        assert_eq!(waits[0], FIRST);
        assert!(waits.is_sorted());
        assert_eq!(waits[11], LONGEST);
        backoff.reset();
        assert!(backoff.next(0.0) < FIRST);
    }
}
