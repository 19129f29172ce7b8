//! The gate before everything that checks a password: attempts are throttled and bounded, and every failure is answered
//! alike after the same time, so that neither text nor timing tells whether an account exists.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use codepop_shared::{Code, Failure};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until, timeout_at},
};

use super::{error::login_failed, throttle::Throttle};
use crate::accounts::NameKey;

/// After how long every failed check of a password is answered. It covers the slowest one: peers are asked (2 s), then up
/// to four hashes are computed, one of them perhaps Django's (half a second), while others wait for a core.
pub const FAILURE_TIME: Duration = Duration::from_millis(3_500);

/// Attempts at a time, most of them failed ones waiting for their time: about 1 KiB each, and 290 failures a second.
const ATTEMPTS_MAX: usize = 1_024;

/// The gate. Cheap to clone.
#[derive(Clone)]
pub(super) struct Gate {
    throttle: Arc<Mutex<Throttle>>,
    attempts: Arc<Semaphore>,
    failure_time: Duration,
}

impl Gate {
    /// A gate that answers failures after `failure_time`.
    pub(super) fn new(failure_time: Duration) -> Self {
        Self { throttle: Arc::default(), attempts: Arc::new(Semaphore::new(ATTEMPTS_MAX)), failure_time }
    }

    /// Lets one attempt through: `check` says what came of it, `None` when the password is wrong.
    ///
    /// # Errors
    /// [`Code::LoginFailed`] after the fixed time; [`Code::TooManyAttempts`] or [`Code::Overloaded`] at once, before
    /// anything is looked at; what `check` failed with.
    pub(super) async fn pass<T>(
        &self,
        account: NameKey,
        client: IpAddr,
        check: impl Future<Output = Result<Option<T>, Failure>>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + self.failure_time;
        let pair = (account, client);
        let _attempt = self.attempts.try_acquire().map_err(|_| overloaded())?;
        self.throttle().begin(pair, Instant::now()).map_err(too_many)?;
        let checked = timeout_at(deadline, check).await;
        match checked {
            Ok(Ok(Some(good))) => {
                self.throttle().succeeded(pair);
                Ok(good)
            }
            Ok(Ok(None)) => {
                sleep_until(deadline).await;
                Err(login_failed())
            }
            Ok(Err(failure)) => {
                self.throttle().forgive(pair);
                Err(failure)
            }
            // Too slow to be told from a failure in time: says nothing about the account.
            Err(_) => {
                self.throttle().forgive(pair);
                Err(overloaded())
            }
        }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("failure_time", &self.failure_time).finish_non_exhaustive()
    }
}

fn overloaded() -> Failure {
    Failure::new(Code::Overloaded, "The node checks more passwords than it can. Try again soon.")
}

fn too_many(wait: Duration) -> Failure {
    // Whole seconds, rounded up: the header knows no others.
    let wait = Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
    Failure::new(Code::TooManyAttempts, format!("Too many attempts. Try again in {} s.", wait.as_secs()))
        .retry_after(wait)
}

/// Who is trying what, for callers that have it at hand as a row.
pub(super) fn account_key(name_key: &[u8]) -> NameKey {
    name_key.try_into().unwrap_or_default()
}
