//! A node's clock in virtual time: the rules of the node's `clock` module (hybrid logical time that follows what it hears,
//! at most 30 s ahead of the wall), over a wall clock that may be wrong and may jump.

use codepop_node::clock::{AHEAD_MAX, Hlc};

/// Virtual time in microseconds since the simulation began.
pub type Micros = u64;

/// A millisecond.
pub const MS: Micros = 1_000;

/// A second.
pub const SECOND: Micros = 1_000_000;

/// Where wall clocks begin: 2026-11-01, in microseconds since 1970, so that skewed clocks never get below zero.
const BEGIN: i64 = 1_793_491_200_000_000;

/// A node's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// How far the wall clock is off, in microseconds.
    pub offset: i64,
    latest: u64,
}

/// A wall time as hybrid logical time, as the node's `Hlc::at`.
fn hlc_of(wall: i64) -> u64 {
    let micros = wall.max(0).cast_unsigned();
    (micros / SECOND) << 32 | ((micros % SECOND) << 32) / SECOND
}

/// The true time, which no node knows.
pub fn truth(now: Micros) -> Hlc {
    Hlc(hlc_of(BEGIN + now.cast_signed()))
}

impl Clock {
    fn wall(&self, now: Micros) -> i64 {
        BEGIN + now.cast_signed() + self.offset
    }

    /// The first point of the wall time `ago` before now.
    pub fn before(&self, now: Micros, ago: Micros) -> Hlc {
        Hlc(hlc_of(self.wall(now) - ago.cast_signed()))
    }

    /// The next point of time: later than every one given or observed before.
    pub fn tick(&mut self, now: Micros) -> Hlc {
        self.latest = hlc_of(self.wall(now)).max(self.latest + 1);
        Hlc(self.latest)
    }

    /// Moves past `seen`, unless that is too far ahead.
    pub fn observe(&mut self, now: Micros, seen: Hlc) {
        if !self.is_ahead(now, seen) {
            self.resume(seen);
        }
    }

    /// Goes on after this node's own latest event.
    pub fn resume(&mut self, latest: Hlc) {
        self.latest = self.latest.max(latest.0);
    }

    /// A start: what was heard is forgotten; the wall clock stays as wrong as it was.
    pub fn restart(&mut self) {
        self.latest = 0;
    }

    /// Whether `seen` is too far ahead of the wall clock to be believed yet.
    pub fn is_ahead(&self, now: Micros, seen: Hlc) -> bool {
        let bound = i64::try_from(AHEAD_MAX.as_micros()).unwrap_or(i64::MAX);
        seen.0 > hlc_of(self.wall(now) + bound)
    }
}

/// How far a point of time is ahead of the truth.
pub fn lead(now: Micros, seen: Hlc) -> Micros {
    let ahead = seen.0.saturating_sub(truth(now).0);
    (ahead >> 32) * SECOND + (((ahead & 0xFFFF_FFFF) * SECOND) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_only_goes_forward_also_when_the_wall_is_set_back() {
        let mut clock = Clock { offset: 100 * SECOND.cast_signed(), ..Clock::default() };
        let first = clock.tick(SECOND);
        clock.offset = 0;
        assert!(clock.tick(SECOND) > first);
        assert!((99 * SECOND..=100 * SECOND).contains(&lead(SECOND, first)));
    }

    #[test]
    fn a_clock_far_ahead_is_not_followed() {
        let ahead = Clock { offset: 31 * SECOND.cast_signed(), ..Clock::default() }.tick(0);
        let mut clock = Clock::default();
        assert!(clock.is_ahead(0, ahead) && !clock.is_ahead(2 * SECOND, ahead));
        clock.observe(0, ahead);
        assert!(clock.tick(0) < ahead);
        clock.observe(2 * SECOND, ahead);
        assert!(clock.tick(2 * SECOND) > ahead);
    }
}
