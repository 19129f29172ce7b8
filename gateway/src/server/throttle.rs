//! Slows down whoever fails to log in again and again. It knows no accounts and no log-in RPC: it counts, per client
//! address and RPC, the answers in a row that say `login_failed`. The node does the same per account.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Failures in a row that cost nothing: a family behind one address may mistype.
const FREE_FAILURES: u32 = 10;

/// Failures are forgotten after so long a pause.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Longest pause that is asked for.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Addresses that are remembered at most; about 1 MiB.
const ENTRIES_MAX: usize = 10_000;

/// Who fails how often.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    entries: Mutex<HashMap<(IpAddr, usize), Entry>>,
    /// So that nobody waits for the lock while nobody fails.
    count: AtomicUsize,
}

#[derive(Debug)]
struct Entry {
    failures: u32,
    last: Instant,
    /// Calls are refused until then.
    until: Instant,
}

impl Throttle {
    /// How long this client has to wait before it may call this RPC again.
    pub(crate) fn pause(&self, client: IpAddr, rpc: usize, now: Instant) -> Option<Duration> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(&(network(client), rpc))?;
        entry.until.checked_duration_since(now).filter(|pause| !pause.is_zero())
    }

    /// Counts a failed log-in.
    pub(crate) fn failed(&self, client: IpAddr, rpc: usize, now: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (network(client), rpc);
        if entries.len() >= ENTRIES_MAX && !entries.contains_key(&key) {
            make_room(&mut entries, now);
        }
        let entry = entries.entry(key).or_insert(Entry { failures: 0, last: now, until: now });
        if now.saturating_duration_since(entry.last) > WINDOW {
            entry.failures = 0;
        }
        entry.failures += 1;
        entry.last = now;
        if entry.failures > FREE_FAILURES {
            let doublings = (entry.failures - FREE_FAILURES - 1).min(16);
            entry.until = now + Duration::from_secs(1 << doublings).min(PAUSE_MAX);
        }
        self.count.store(entries.len(), Ordering::Relaxed);
    }

    /// Forgets the failures of a client that got in.
    pub(crate) fn succeeded(&self, client: IpAddr, rpc: usize) {
        if self.count.load(Ordering::Relaxed) > 0 {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.remove(&(network(client), rpc));
            self.count.store(entries.len(), Ordering::Relaxed);
        }
    }
}

/// Drops what is out of date, and if nothing is, the entry that was idle longest.
fn make_room(entries: &mut HashMap<(IpAddr, usize), Entry>, now: Instant) {
    entries.retain(|_, entry| now.saturating_duration_since(entry.last) <= WINDOW);
    if entries.len() >= ENTRIES_MAX
        && let Some(oldest) = entries.iter().min_by_key(|(_, entry)| entry.last).map(|(key, _)| *key)
    {
        entries.remove(&oldest);
    }
}

/// Whoever has an IPv6 address has at least a /64 of them.
pub(super) fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(throttle: &Throttle, client: &str, times: u32, now: Instant) -> Option<Duration> {
        let client = client.parse().unwrap();
        (0..times).for_each(|_| throttle.failed(client, 0, now));
        throttle.pause(client, 0, now)
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!(fail(&throttle, "1.1.1.1", FREE_FAILURES, now), None);
        assert_eq!(fail(&throttle, "1.1.1.1", 1, now), Some(Duration::from_secs(1)));
        assert_eq!(fail(&throttle, "1.1.1.1", 1, now), Some(Duration::from_secs(2)));
        assert_eq!(fail(&throttle, "1.1.1.1", 40, now), Some(PAUSE_MAX));
        let client = "1.1.1.1".parse().unwrap();
        assert_eq!(throttle.pause(client, 1, now), None, "another RPC");
        assert_eq!(throttle.pause("1.1.1.2".parse().unwrap(), 0, now), None, "another client");
        assert_eq!(throttle.pause(client, 0, now + PAUSE_MAX), None, "waited");
        throttle.succeeded(client, 0);
        assert_eq!(throttle.pause(client, 0, now), None, "got in");
    }

    #[test]
    fn failures_are_forgotten_and_networks_are_one() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!(fail(&throttle, "1.1.1.1", FREE_FAILURES, now), None);
        assert_eq!(fail(&throttle, "1.1.1.1", 1, now + WINDOW * 2), None);
        assert!(fail(&throttle, "2001:db8::1", FREE_FAILURES + 1, now).is_some());
        assert!(throttle.pause("2001:db8::2".parse().unwrap(), 0, now).is_some());
    }

    #[test]
    fn memory_is_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for at in 0..=ENTRIES_MAX as u32 {
            throttle.failed(IpAddr::V4(at.into()), 0, now + Duration::from_micros(u64::from(at)));
        }
        assert_eq!(throttle.count.load(Ordering::Relaxed), ENTRIES_MAX);
    }
}
