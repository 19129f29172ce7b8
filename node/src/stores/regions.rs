//! The seven regions of the chain's plan, for hubs that are not told otherwise. Coordinates are those of the cities'
//! centres.

/// Radius of a region in miles when nothing else is said (Task 1.1).
pub const RADIUS_MILES: i32 = 200;

/// A region that needs no configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// Its code.
    pub code: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Latitude of the centre in degrees.
    pub latitude: f64,
    /// Longitude of the centre in degrees.
    pub longitude: f64,
}

const fn known(code: &'static str, name: &'static str, latitude: f64, longitude: f64) -> Known {
    Known { code, name, latitude, longitude }
}

/// The regions of the plan.
pub const KNOWN: [Known; 7] = [
    known("A", "Chicago, IL", 41.8781, -87.6298),
    known("B", "Newark, NJ", 40.7357, -74.1724),
    known("C", "Logan, UT", 41.7370, -111.8338),
    known("D", "Dallas, TX", 32.7767, -96.7970),
    known("E", "Atlanta, GA", 33.7490, -84.3880),
    known("F", "Phoenix, AZ", 33.4484, -112.0740),
    known("G", "Boise, ID", 43.6150, -116.2023),
];

/// The region of a code, if it is one of the plan's.
pub fn find(code: &str) -> Option<Known> {
    KNOWN.into_iter().find(|region| region.code == code)
}

#[cfg(test)]
mod tests {
    use codepop_shared::geo::Place;

    use super::*;

    #[test]
    fn every_region_is_a_place() {
        assert!(KNOWN.iter().all(|region| Place::new(region.latitude, region.longitude).is_some()));
        assert_eq!(find("C").unwrap().name, "Logan, UT");
        assert_eq!(find("Z"), None);
    }
}
