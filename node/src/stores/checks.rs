//! What details of a region, hub or store may look like: the same for a change by a person and for an event from afar.

use codepop_shared::geo::Place;

use super::store::{Hub, Region, Store};
use crate::app::edge::is_printable;

/// Longest name, in characters. This and the other lengths are the plan's (Task 1.1).
const NAME_MAX: usize = 200;
const REGION_NAME_MAX: usize = 100;
const REGION_CODE_MAX: usize = 10;
const STORE_NUMBER_MAX: usize = 50;
const STREET_MAX: usize = 200;
const CITY_MAX: usize = 100;
const ZIP_MAX: usize = 10;
const PHONE_MAX: usize = 20;
/// The longest address that mail servers accept (RFC 5321).
const EMAIL_MAX: usize = 254;
/// Longest address of a node, in characters: Django's limit of such a field, which the plan's schema has.
const URL_MAX: usize = 200;
/// Half of the Earth's circumference, rounded up: nothing is farther.
const MILES_MAX: i32 = 12_500;

/// Wrong fields, each with what is wrong with it.
pub(super) type Wrong = Vec<(&'static str, String)>;

/// What is wrong with a region.
pub(super) fn region(region: &Region) -> Wrong {
    let mut wrong = Wrong::new();
    code(&mut wrong, &region.code);
    text(&mut wrong, "name", &region.name, 1, REGION_NAME_MAX);
    place(&mut wrong, region.center_latitude, region.center_longitude);
    miles(&mut wrong, "service_radius_miles", region.service_radius_miles);
    wrong
}

/// What is wrong with a hub.
pub(super) fn hub(hub: &Hub) -> Wrong {
    let mut wrong = Wrong::new();
    code(&mut wrong, &hub.region);
    text(&mut wrong, "name", &hub.name, 1, NAME_MAX);
    address(&mut wrong, [&hub.street_address, &hub.city, &hub.state, &hub.zip_code]);
    contact(&mut wrong, [&hub.phone, &hub.email, &hub.api_base_url]);
    place(&mut wrong, hub.latitude, hub.longitude);
    miles(&mut wrong, "max_delivery_distance_miles", hub.max_delivery_distance_miles);
    wrong
}

/// What is wrong with a store.
pub(super) fn store(store: &Store) -> Wrong {
    let mut wrong = Wrong::new();
    code(&mut wrong, &store.region);
    text(&mut wrong, "store_number", &store.store_number, 1, STORE_NUMBER_MAX);
    text(&mut wrong, "name", &store.name, 1, NAME_MAX);
    address(&mut wrong, [&store.street_address, &store.city, &store.state, &store.zip_code]);
    contact(&mut wrong, [&store.phone, &store.email, &store.api_base_url]);
    place(&mut wrong, store.latitude, store.longitude);
    wrong
}

fn code(wrong: &mut Wrong, code: &str) {
    if !(1..=REGION_CODE_MAX).contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        wrong.push(("region_code", format!("must be 1 to {REGION_CODE_MAX} letters or digits")));
    }
}

fn address(wrong: &mut Wrong, [street, city, state, zip]: [&str; 4]) {
    text(wrong, "street_address", street, 0, STREET_MAX);
    text(wrong, "city", city, 0, CITY_MAX);
    if !(state.is_empty() || state.len() == 2 && state.bytes().all(|byte| byte.is_ascii_uppercase())) {
        wrong.push(("state", "must be two letters".into()));
    }
    text(wrong, "zip_code", zip, 0, ZIP_MAX);
}

fn contact(wrong: &mut Wrong, [phone, email, url]: [&str; 3]) {
    text(wrong, "phone", phone, 0, PHONE_MAX);
    text(wrong, "email", email, 0, EMAIL_MAX);
    if !email.is_empty() && (email.contains(char::is_whitespace) || !email.contains('@')) {
        wrong.push(("email", "must be an e-mail address".into()));
    }
    text(wrong, "api_base_url", url, 0, URL_MAX);
}

fn text(wrong: &mut Wrong, field: &'static str, value: &str, min: usize, max: usize) {
    if !(min..=max).contains(&value.chars().count()) || value.trim() != value {
        wrong.push((field, format!("must have {min} to {max} characters, without spaces at the ends")));
    } else if !is_printable(value) {
        wrong.push((field, "must not contain control characters".into()));
    }
}

fn place(wrong: &mut Wrong, latitude: f64, longitude: f64) {
    if Place::new(latitude, longitude).is_none() {
        wrong.push(("latitude", "latitude must be from -90 to 90 and longitude from -180 to 180".into()));
    }
}

fn miles(wrong: &mut Wrong, field: &'static str, miles: i32) {
    if !(1..=MILES_MAX).contains(&miles) {
        wrong.push((field, format!("must be from 1 to {MILES_MAX}")));
    }
}
