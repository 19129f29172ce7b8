//! How long a customer waits.

/// Minutes per drink in the queue, as the chain's plan sets it (Task 1.3).
const MINUTES_EACH: u32 = 2;

/// No estimate is below this many minutes (Task 1.3).
const MINUTES_MIN: u32 = 5;

/// Estimated wait in minutes behind `queue` orders that are not ready yet.
pub fn wait_minutes(queue: u32) -> u32 {
    queue.saturating_mul(MINUTES_EACH).max(MINUTES_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_minutes_each_and_five_at_least() {
        assert_eq!([0, 1, 2, 3, 10].map(wait_minutes), [5, 5, 5, 6, 20]);
        assert_eq!(wait_minutes(u32::MAX), u32::MAX);
    }
}
