//! The gate before everything that checks a password: attempts are throttled and bounded, and every failure is answered
//! alike after the same time, so that neither text nor timing tells whether an account exists.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use codepop_shared::{Code, Failure};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    NameKey,
    error::login_failed,
    throttle::{Throttle, network},
};

/// After how long every failed check of a password is answered. It covers the slowest one: peers are asked (2 s), then up
/// to four hashes are computed, one of them perhaps Django's (half a second), while others wait for a core.
pub const FAILURE_TIME: Duration = Duration::from_millis(3_500);

/// Attempts at a time, most of them failed ones waiting for their time, with a few KiB each: 290 failures a second.
const ATTEMPTS_MAX: usize = 1_024;

/// Attempts at a time from one address: enough for a store behind one address, too few to keep others out.
const ATTEMPTS_PER_CLIENT_MAX: usize = 64;

/// When it is worth trying again for one who has too many attempts under way.
const CLIENT_WAIT: Duration = Duration::from_secs(1);

/// The gate. Cheap to clone.
#[derive(Clone)]
pub(super) struct Gate {
    throttle: Arc<Mutex<Throttle>>,
    attempts: Arc<Semaphore>,
    clients: Arc<Mutex<HashMap<IpAddr, usize>>>,
    failure_time: Duration,
}

impl Gate {
    /// A gate that answers failures after `failure_time`.
    pub(super) fn new(failure_time: Duration) -> Self {
        Self {
            throttle: Arc::default(),
            attempts: Arc::new(Semaphore::new(ATTEMPTS_MAX)),
            clients: Arc::default(),
            failure_time,
        }
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
        let _place = Place::take(&self.clients, network(client))?;
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

/// One attempt under way from an address; given back when it ends, however it ends.
struct Place {
    clients: Arc<Mutex<HashMap<IpAddr, usize>>>,
    client: IpAddr,
}

impl Place {
    fn take(clients: &Arc<Mutex<HashMap<IpAddr, usize>>>, client: IpAddr) -> Result<Self, Failure> {
        let mut counts = clients.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client).or_insert(0);
        if *count >= ATTEMPTS_PER_CLIENT_MAX {
            return Err(too_many(CLIENT_WAIT));
        }
        *count += 1;
        drop(counts);
        Ok(Self { clients: Arc::clone(clients), client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn gate() -> Gate {
        Gate::new(Duration::from_millis(300))
    }

    async fn fail(gate: &Gate, account: u8, client: IpAddr) -> Failure {
        gate.pass(NameKey::from([account; 32]), client, async { Ok(None::<()>) }).await.unwrap_err()
    }

    #[tokio::test]
    async fn too_slow_a_check_is_answered_in_time_and_not_counted() {
        let (gate, start) = (gate(), Instant::now());
        for _ in 0..2 {
            let never = std::future::pending::<Result<Option<()>, Failure>>();
            assert_eq!(gate.pass([1; 32], HOME, never).await.unwrap_err().code, Code::Overloaded);
        }
        assert!(start.elapsed() >= Duration::from_millis(600));
        for failure in futures::future::join_all((0..6).map(|_| fail(&gate, 1, HOME))).await {
            assert_eq!(failure.code, Code::LoginFailed);
        }
        assert_eq!(fail(&gate, 1, HOME).await.code, Code::TooManyAttempts);
    }

    #[tokio::test]
    async fn one_address_cannot_keep_others_out() {
        let gate = gate();
        let many = (0..200_u8).map(|account| fail(&gate, account, HOME));
        let other = fail(&gate, 1, [192, 0, 2, 2].into());
        let (many, other) = futures::future::join(futures::future::join_all(many), other).await;
        let turned_away = many.iter().filter(|failure| failure.code == Code::TooManyAttempts).count();
        assert_eq!(turned_away, 200 - ATTEMPTS_PER_CLIENT_MAX);
        assert_eq!(other.code, Code::LoginFailed);
        // All places are given back.
        assert!(gate.clients.lock().unwrap().is_empty());
        assert_eq!(fail(&gate, 7, HOME).await.code, Code::LoginFailed);
    }
}
