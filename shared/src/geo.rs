//! Places and distances.

/// Mean radius of the Earth in miles, as the chain's plan sets it (Task 1.1).
const EARTH_RADIUS_MILES: f64 = 3959.0;

/// A place on Earth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Latitude in degrees, -90 to 90.
    pub latitude: f64,
    /// Longitude in degrees, -180 to 180.
    pub longitude: f64,
}

impl Place {
    /// A place, if both coordinates are finite and in range. 0.0 is a valid coordinate.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        ((-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude))
            .then_some(Self { latitude, longitude })
    }

    /// Great-circle distance in miles, rounded to two decimals (haversine formula).
    pub fn miles_to(self, other: Self) -> f64 {
        let (lat1, lat2) = (self.latitude.to_radians(), other.latitude.to_radians());
        let dlat = lat2 - lat1;
        let dlon = (other.longitude - self.longitude).to_radians();
        let a = (dlat / 2.0).sin().powi(2) + lat1.cos() * lat2.cos() * (dlon / 2.0).sin().powi(2);
        // Rounding can push `a` a hair past 1 for antipodes.
        let a = a.clamp(0.0, 1.0);
        let miles = EARTH_RADIUS_MILES * 2.0 * a.sqrt().atan2((1.0 - a).sqrt());
        (miles * 100.0).round() / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(latitude: f64, longitude: f64) -> Place {
        Place::new(latitude, longitude).unwrap()
    }

    #[test]
    fn known_distances() {
        // Logan UT to Boise ID and to Chicago IL, from the same formula worked by hand; tolerance 1 %.
        let logan = place(41.7370, -111.8338);
        assert!((logan.miles_to(place(43.6150, -116.2023)) - 256.5).abs() < 2.6);
        assert!((logan.miles_to(place(41.8781, -87.6298)) - 1242.0).abs() < 12.5);
        assert_eq!(logan.miles_to(logan), 0.0);
    }

    #[test]
    fn antipodes_and_zero_are_places() {
        let half = place(0.0, 0.0).miles_to(place(0.0, 180.0));
        assert!((half - 3959.0 * std::f64::consts::PI).abs() < 0.01);
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for (latitude, longitude) in [(90.1, 0.0), (0.0, -180.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert_eq!(Place::new(latitude, longitude), None);
        }
    }
}
