//! Time: the node's hybrid logical clock, which orders what happens on many machines whose wall clocks disagree, and
//! the wall clock itself. Everything that needs time takes it from here, so that tests can see where time enters.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, Utc};
use uhlc::{HLC, HLCBuilder, ID, NTP64, Timestamp};
use uuid::Uuid;

/// How far a peer's clock may be ahead of ours before its events wait in quarantine. NTP keeps machines within
/// milliseconds; half a minute forgives a badly kept one and still bounds the harm of a wrong one.
pub const AHEAD_MAX: Duration = Duration::from_secs(30);

/// No bound: a century, which NTP's 32 bits of seconds still hold.
const UNBOUNDED: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A point of hybrid logical time: NTP 64-bit time (seconds since 1970 in the upper half, fraction in the lower).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The wall time it was taken at, to the microsecond.
    pub fn wall(self) -> DateTime<Utc> {
        let micros = NTP64(self.0).as_nanos() / 1_000;
        DateTime::from_timestamp_micros(micros.try_into().unwrap_or(i64::MAX)).unwrap_or_default()
    }

    /// The first point of a wall time; 1970 for what is before.
    pub fn at(wall: DateTime<Utc>) -> Self {
        let since = Duration::from_micros(wall.timestamp_micros().max(0).cast_unsigned());
        Self(NTP64::from(since).0)
    }

    /// As a signed number of the same order, because databases have no unsigned ones.
    pub const fn to_sql(self) -> i64 {
        (self.0 ^ (1 << 63)).cast_signed()
    }

    /// The reverse of [`Hlc::to_sql`].
    pub const fn from_sql(stored: i64) -> Self {
        Self(stored.cast_unsigned() ^ (1 << 63))
    }
}

impl fmt::Debug for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.wall().to_rfc3339())
    }
}

/// The node's clock.
pub struct Clock {
    hlc: HLC,
}

impl Clock {
    /// A clock for a node.
    pub fn new(node: Uuid) -> Self {
        let id = ID::try_from(&node.to_bytes_le()).unwrap_or_else(|_| ID::rand());
        // Whom to follow is decided here, not by the library: our own past is followed however far ahead it is.
        Self { hlc: HLCBuilder::new().with_id(id).with_max_delta(UNBOUNDED).build() }
    }

    /// The next point of time: later than every one given or observed before.
    pub fn tick(&self) -> Hlc {
        Hlc(self.hlc.new_timestamp().get_time().as_u64())
    }

    /// Moves the clock past `seen`. False when `seen` is too far ahead: then the clock stays.
    pub fn observe(&self, seen: Hlc) -> bool {
        !self.is_ahead(seen) && self.follow(seen)
    }

    /// Goes on after this node's own latest event, also when the wall clock was set back meanwhile: what is written next
    /// must not be older than what was written before.
    pub fn resume(&self, latest: Hlc) {
        self.follow(latest);
    }

    fn follow(&self, seen: Hlc) -> bool {
        let id = *self.hlc.get_id();
        self.hlc.update_with_timestamp(&Timestamp::new(NTP64(seen.0), id)).is_ok()
    }

    /// Whether `seen` is too far ahead of the wall clock to be believed yet.
    pub fn is_ahead(&self, seen: Hlc) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        NTP64(seen.0).to_duration() > now + AHEAD_MAX
    }

    /// The latest time that this node has reached: what the wall clock shows, or more, if it was set back after this node
    /// had written.
    pub fn reached(&self) -> DateTime<Utc> {
        self.tick().wall().max(self.wall())
    }

    /// The wall clock.
    pub fn wall(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_reached_stays_when_the_wall_clock_is_behind() {
        let clock = Clock::new(Uuid::now_v7());
        let later = Utc::now() + chrono::TimeDelta::hours(1);
        clock.resume(Hlc::at(later));
        assert!(clock.reached() >= later && clock.wall() < later);
    }

    #[test]
    fn ticks_only_go_forward() {
        let clock = Clock::new(Uuid::now_v7());
        let first = clock.tick();
        let ahead = Hlc(first.0 + (5 << 32));
        assert!(clock.observe(ahead));
        assert!(clock.tick() > ahead);
    }

    #[test]
    fn a_clock_far_ahead_is_not_followed() {
        let clock = Clock::new(Uuid::now_v7());
        let ahead = Hlc(clock.tick().0 + (3_600 << 32));
        assert!(clock.is_ahead(ahead));
        assert!(!clock.observe(ahead));
        assert!(clock.tick() < ahead);
        // Unless it was our own.
        clock.resume(ahead);
        assert!(clock.tick() > ahead);
    }

    #[test]
    fn the_stored_form_keeps_the_order() {
        // 2040 has the highest bit of the seconds set.
        for (earlier, later) in [(Hlc(1), Hlc(1 << 62)), (Hlc(1 << 62), Hlc(2_208_988_800 << 32))] {
            assert!(earlier.to_sql() < later.to_sql());
            assert_eq!(Hlc::from_sql(later.to_sql()), later);
        }
    }
}
