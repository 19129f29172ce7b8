//! Where the fleet's nodes are, and how long a message takes from one to another.

use codepop_shared::geo::Place;

use super::{
    clock::{MS, Micros},
    rng::Rng,
};

/// The regions: code, and the hub's latitude and longitude (Chicago, New Jersey, Logan, Dallas, Atlanta, Phoenix, Boise).
pub const REGIONS: &[(&str, f64, f64)] = &[
    ("A", 41.88, -87.63),
    ("B", 40.73, -74.17),
    ("C", 41.74, -111.83),
    ("D", 32.78, -96.80),
    ("E", 33.75, -84.39),
    ("F", 33.45, -112.07),
    ("G", 43.62, -116.20),
];

/// How far a region's stores lie from its hub at the most, in degrees: about 200 miles.
const SPREAD: f64 = 3.0;

/// What the line of a store or hub adds to every message.
const LINE: Micros = 10 * MS;

/// Fibre carries a signal 200 km in a millisecond, and routes are up to twice as long as the great circle: New Jersey to
/// Phoenix takes 44 ms one way here, about 35 ms in the figures that the large clouds publish (half their round trips).
const KM_PER_MS: f64 = 100.0;

/// Kilometres in a mile.
const KM_PER_MILE: f64 = 1.609;

/// Bounds of a one-way delay.
const DELAY_MAX: Micros = 80 * MS;

/// Mean of what is drawn for every message on top.
pub const JITTER: Micros = 3 * MS;

/// Mean time of a durable commit: a store's ordinary SSD.
pub const SYNC: Micros = 3 * MS;

/// The place of the `number`th node: hubs first, then stores, in turns of the regions.
pub fn place(rng: &mut Rng, number: usize) -> (&'static str, Option<Place>) {
    let (region, latitude, longitude) = REGIONS[number % REGIONS.len()];
    let mut off = || if number < REGIONS.len() { 0.0 } else { (rng.unit() * 2.0 - 1.0) * SPREAD };
    (region, Place::new(latitude + off(), longitude + off()))
}

/// One-way delay between two places.
pub fn delay(from: Option<Place>, to: Option<Place>) -> Micros {
    let Some((from, to)) = from.zip(to) else { return DELAY_MAX };
    let ms = from.miles_to(to) * KM_PER_MILE / KM_PER_MS;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most half the Earth: 200 ms")]
    let way = (ms * 1_000.0) as Micros;
    (LINE + way).min(DELAY_MAX)
}
