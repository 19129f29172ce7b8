//! Waiting on conditions: never for a time, always for something, with a deadline.

use std::time::{Duration, Instant};

/// How often a condition is looked at. Often enough for figures of a tenth of a second, seldom enough for two cores.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks until the condition holds and returns what it found.
///
/// # Panics
/// After the deadline, with what was last wrong.
pub async fn eventually<T>(deadline: Duration, what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        let problem = match tokio::time::timeout(deadline, look()).await {
            Ok(Ok(found)) => return found,
            Ok(Err(problem)) => problem,
            Err(_) => "the look itself did not come back".to_owned(),
        };
        assert!(start.elapsed() < deadline, "not within {deadline:?}: {what}; at last: {problem}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// `Ok` when the condition holds, otherwise what is wrong: for the ends of [`eventually`] closures.
///
/// # Errors
/// The condition does not hold.
pub fn check(condition: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(problem()) }
}
