//! Slows down guessing: after a few failures in a row for one account from one address, the next attempt has to wait. The
//! owner elsewhere is not locked out. Pure: the time is an argument.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use tokio::time::Instant;

use super::NameKey;

/// Failures in a row that cost nothing: a forgotten password takes a few tries.
const FREE: u32 = 5;

/// The longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// When failures are forgotten.
const MEMORY: Duration = Duration::from_secs(15 * 60);

/// Pairs of account and address that are remembered, about 1 MiB. When it is full the oldest quarter goes: an attacker with
/// so many addresses is not stopped by this table.
const ENTRIES_MAX: usize = 10_000;

/// Who is trying what.
pub(super) type Pair = (NameKey, IpAddr);

struct Entry {
    failures: u32,
    last: Instant,
}

/// The failures of late.
#[derive(Default)]
pub(super) struct Throttle {
    entries: HashMap<Pair, Entry>,
}

impl Throttle {
    /// Counts an attempt as failed until it is known better, so that many at once count too; or says how long to wait.
    ///
    /// # Errors
    /// How long to wait before the next attempt.
    pub(super) fn begin(&mut self, pair: Pair, now: Instant) -> Result<(), Duration> {
        let pair = (pair.0, network(pair.1));
        if !self.entries.contains_key(&pair) && self.entries.len() >= ENTRIES_MAX {
            self.make_room();
        }
        let entry = self.entries.entry(pair).or_insert(Entry { failures: 0, last: now });
        let since = now.saturating_duration_since(entry.last);
        if since > MEMORY {
            entry.failures = 0;
        }
        let wait = wait(entry.failures);
        if since < wait {
            return Err(wait - since);
        }
        entry.failures = entry.failures.saturating_add(1);
        entry.last = now;
        Ok(())
    }

    /// The attempt succeeded: failures before it are forgotten.
    pub(super) fn succeeded(&mut self, pair: Pair) {
        self.entries.remove(&(pair.0, network(pair.1)));
    }

    /// The attempt was neither: it is not counted.
    pub(super) fn forgive(&mut self, pair: Pair) {
        if let Some(entry) = self.entries.get_mut(&(pair.0, network(pair.1))) {
            entry.failures = entry.failures.saturating_sub(1);
        }
    }

    fn make_room(&mut self) {
        let mut times: Vec<Instant> = self.entries.values().map(|entry| entry.last).collect();
        let quarter = times.len() / 4;
        let (_, limit, _) = times.select_nth_unstable(quarter);
        let limit = *limit;
        self.entries.retain(|_, entry| entry.last > limit);
    }
}

/// What to wait after so many failures: nothing at first, then 1 s, 2 s, 4 s, …
fn wait(failures: u32) -> Duration {
    match failures.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(over) => Duration::from_secs(1 << over.min(6)).min(WAIT_MAX),
    }
}

/// What counts as one address: one who has an IPv6 address has 2^64 of them.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: [u8; 4] = [192, 0, 2, 1];

    fn pair(account: u8) -> Pair {
        ([account; 32], HOME.into())
    }

    fn fail(throttle: &mut Throttle, pair: Pair, times: u32, now: Instant) {
        for _ in 0..times {
            throttle.begin(pair, now).unwrap();
        }
    }

    #[test]
    fn waits_grow_after_a_few_failures_and_end_at_a_minute() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        fail(&mut throttle, pair(1), 6, now);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            assert_eq!(throttle.begin(pair(1), now), Err(Duration::from_secs(seconds)));
            now += Duration::from_secs(seconds);
            throttle.begin(pair(1), now).unwrap();
        }
        now += MEMORY + Duration::from_secs(1);
        fail(&mut throttle, pair(1), 6, now);
    }

    #[test]
    fn others_and_elsewhere_are_not_affected() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        fail(&mut throttle, pair(1), 6, now);
        assert!(throttle.begin(pair(1), now).is_err());
        throttle.begin(pair(2), now).unwrap();
        throttle.begin(([1; 32], [192, 0, 2, 2].into()), now).unwrap();
        throttle.succeeded(pair(1));
        fail(&mut throttle, pair(1), 6, now);
    }

    #[test]
    fn what_was_no_failure_is_not_counted() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..20 {
            throttle.begin(pair(1), now).unwrap();
            throttle.forgive(pair(1));
        }
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for host in 0..6_u16 {
            throttle.begin(([1; 32], [0x2001, 0xdb8, 0, 1, 0, 0, 0, host].into()), now).unwrap();
        }
        assert!(throttle.begin(([1; 32], [0x2001, 0xdb8, 0, 1, 9, 9, 9, 9].into()), now).is_err());
        throttle.begin(([1; 32], [0x2001, 0xdb8, 0, 2, 0, 0, 0, 1].into()), now).unwrap();
    }

    #[test]
    fn the_table_is_bounded() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for account in 0..25_000_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&account.to_be_bytes());
            throttle.begin((key, HOME.into()), now + Duration::from_millis(account.into())).unwrap();
            assert!(throttle.entries.len() <= ENTRIES_MAX);
        }
        assert!(throttle.entries.len() > ENTRIES_MAX / 2);
    }
}
