//! Requests about orders, read once into strict types; and the answers about customers on their way.

use chrono::{DateTime, TimeDelta, Utc};
use codepop_proto::orders as pb;
use codepop_shared::{Code, Failure, geo::Place, number};

use super::{
    Status,
    arrival::Position,
    change::Change,
    drinks::DRINKS_MAX,
    golden_window::{Approach, SPEED_DEFAULT, SPEED_MAX},
    place::NewOrder,
    store::{Order, Page},
};
use crate::{
    app::edge::{self, Problems, timestamp},
    auth::{Actor, Customer},
};

/// Orders in one answer at most; the first store has 300.
const LISTED_MAX: i32 = 10_000;

/// A new order of whoever asks.
pub(super) fn new_order(request: pb::CreateOrderRequest, actor: &Actor) -> Result<NewOrder, Failure> {
    check_count(&request.drinks)?;
    let mut problems = Problems::default();
    let pickup = moment(&mut problems, request.pickup_time.as_ref());
    problems.finish()?;
    let payment = request.stripe_id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
    let payment = payment.ok_or_else(|| {
        Failure::new(Code::PaymentRequired, "The order is not paid: it names no payment.")
            .field("StripeID", "must be given")
    })?;
    let customer = actor.customer();
    if customer == Customer::default() {
        return Err(Failure::new(Code::NotAuthenticated, "A session is needed to order."));
    }
    Ok(NewOrder {
        customer,
        owner: owner(customer, request.user_id),
        drinks: request.drinks,
        pickup,
        await_arrival: request.await_arrival == Some(true),
        payment,
    })
}

/// As whose an order is kept: a request for another than the session's user, or for none, is that of the session's guest.
fn owner(customer: Customer, named: Option<i64>) -> Customer {
    if customer.user.is_some() && named == customer.user { customer.as_owner() } else { customer.as_guest() }
}

/// Makes sure that an order has drinks, and not too many.
pub(super) fn check_count(drinks: &[i64]) -> Result<(), Failure> {
    match drinks.len() {
        0 => Err(Failure::invalid("Drinks", "At least one drink must be included in the order.")),
        1..=DRINKS_MAX => Ok(()),
        _ => Err(Failure::invalid("Drinks", format!("must name at most {DRINKS_MAX} drinks"))),
    }
}

fn moment(problems: &mut Problems, given: Option<&prost_types::Timestamp>) -> Option<DateTime<Utc>> {
    let given = given?;
    problems.check("PickupTime", edge::moment(given).ok_or("must be a time from the year 1 to 9999"))
}

/// A change of an order. What the app may not decide is not looked at.
pub(super) fn change(request: pb::UpdateOrderRequest) -> Result<Change, Failure> {
    let mut problems = Problems::default();
    let pickup = moment(&mut problems, request.pickup_time.as_ref());
    for (field, list) in
        [("Drinks", &request.drinks), ("AddDrinks", &request.add_drinks), ("RemoveDrinks", &request.remove_drinks)]
    {
        if list.len() > DRINKS_MAX {
            problems.add(field, format!("must name at most {DRINKS_MAX} drinks"));
        }
    }
    problems.finish()?;
    let wants = request.order_status.as_deref().and_then(Status::parse);
    Ok(Change {
        cancel: wants == Some(Status::Cancelled),
        pickup,
        locker: request.locker_combo.map(|code| code.trim().to_owned()),
        drinks: request.drinks,
        add: request.add_drinks,
        remove: request.remove_drinks,
    })
}

/// Which orders are asked for.
pub(super) fn page(request: &pb::ListOrdersRequest) -> Result<Page, Failure> {
    let mut problems = Problems::default();
    let status = request.status.as_deref().and_then(|word| {
        let words = "must be pending, processing, ready, completed, cancelled or expired";
        problems.check("status", Status::parse(word).ok_or(words))
    });
    let limit = request.limit.unwrap_or(LISTED_MAX);
    if !(1..=LISTED_MAX).contains(&limit) {
        problems.add("limit", format!("must be from 1 to {LISTED_MAX}"));
    }
    problems.finish()?;
    Ok(Page { status, before: request.before.unwrap_or(number::MAX + 1), limit: limit.into() })
}

/// Where somebody is; 0 is a place like any other.
pub(super) fn position(
    mut problems: Problems,
    (latitude, longitude): (Option<f64>, Option<f64>),
    mph: Option<f64>,
) -> Result<Position, Failure> {
    let degrees = |given: Option<f64>, max: f64| match given {
        None => Err("must be given".to_owned()),
        Some(degrees) if degrees.abs() <= max => Ok(degrees),
        Some(_) => Err(format!("must be a number from -{max} to {max}")),
    };
    let latitude = problems.check("current_latitude", degrees(latitude, 90.0));
    let longitude = problems.check("current_longitude", degrees(longitude, 180.0));
    let mph = mph.unwrap_or(SPEED_DEFAULT);
    if !(mph > 0.0 && mph <= SPEED_MAX) {
        problems.add("velocity_mph", format!("must be a number above 0, at most {SPEED_MAX}"));
    }
    problems.finish()?;
    let place = latitude.zip(longitude).and_then(|(latitude, longitude)| Place::new(latitude, longitude));
    Ok(Position { place: place.ok_or_else(|| Failure::invalid("current_latitude", "must be given"))?, mph })
}

/// When to start for somebody on the way; the drink is there when both the customer and the robot are.
pub(super) fn arrival(approach: Approach, minutes: i32, now: DateTime<Utc>) -> pb::CalculateArrivalResponse {
    let until = approach.arrival_minutes.max(f64::from(minutes));
    #[allow(clippy::cast_possible_truncation, reason = "half the Earth at the least speed saturates to a far future")]
    let seconds = (until * 60.0).min(SECONDS_MAX) as i64;
    pb::CalculateArrivalResponse {
        current_distance_miles: approach.miles,
        golden_window_distance_miles: approach.window_miles,
        should_start: approach.should_start(),
        start_in_minutes: approach.start_in_minutes,
        estimated_arrival_minutes: approach.arrival_minutes,
        estimated_pickup_time: Some(timestamp(now + TimeDelta::seconds(seconds))),
        preparation_minutes: minutes,
    }
}

/// The longest way that is reckoned with, in seconds: a year, so that the time of arrival stays one that can be written.
const SECONDS_MAX: f64 = 31_536_000.0;

/// What follows from where the customer of an order is.
pub(super) fn tracked(order: &Order, approach: Approach) -> pb::TrackLocationResponse {
    let started = matches!(order.status, Status::Processing | Status::Ready | Status::Completed);
    pb::TrackLocationResponse {
        current_distance_miles: approach.miles,
        golden_window_distance_miles: approach.window_miles,
        preparation_started: started,
        start_in_minutes: if started { 0.0 } else { approach.start_in_minutes },
        order_status: order.status.word().to_owned(),
    }
}
