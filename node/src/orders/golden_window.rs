//! The golden window: the distance at which preparation starts, so that the drink is ready when the customer is there. It
//! is speed times preparation time (requirement 5.41). A pure rule.

/// Speed in miles an hour when the phone says none: that of a car in town (requirement 5.41).
pub const SPEED_DEFAULT: f64 = 30.0;

/// The highest speed that is believed, in miles an hour.
pub const SPEED_MAX: f64 = 150.0;

const MINUTES_PER_HOUR: f64 = 60.0;

/// A customer on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Approach {
    /// Distance to the store in miles.
    pub miles: f64,
    /// Distance at which preparation starts, in miles.
    pub window_miles: f64,
    /// Minutes until it should start; 0 when it should.
    pub start_in_minutes: f64,
    /// Minutes until the customer is there.
    pub arrival_minutes: f64,
}

impl Approach {
    /// Of a customer `miles` away who moves at `mph` (above 0), for whom preparation takes `minutes`.
    pub fn new(miles: f64, mph: f64, minutes: i32) -> Self {
        let window_miles = mph * f64::from(minutes) / MINUTES_PER_HOUR;
        let minutes_for = |miles: f64| miles / mph * MINUTES_PER_HOUR;
        Self {
            miles,
            window_miles,
            start_in_minutes: minutes_for((miles - window_miles).max(0.0)),
            arrival_minutes: minutes_for(miles),
        }
    }

    /// Whether preparation should start now.
    pub fn should_start(&self) -> bool {
        self.miles <= self.window_miles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn five_miles_by_car() {
        let approach = Approach::new(5.0, 30.0, 3);
        assert!(close(approach.window_miles, 1.5) && close(approach.arrival_minutes, 10.0));
        assert!(close(approach.start_in_minutes, 7.0) && !approach.should_start());
    }

    #[test]
    fn within_the_window_it_starts_at_once() {
        for miles in [1.5, 0.4, 0.0] {
            let approach = Approach::new(miles, 30.0, 3);
            assert!(approach.should_start() && approach.start_in_minutes == 0.0, "{miles}");
        }
        assert!(!Approach::new(1.51, 30.0, 3).should_start());
        assert!(close(Approach::new(1.0, 3.0, 2).window_miles, 0.1), "on foot");
    }
}
