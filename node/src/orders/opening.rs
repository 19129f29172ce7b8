//! Whether the store takes an order, and if not, why: a pure rule over the store's row.

use chrono::{DateTime, TimeDelta, Utc};
use codepop_shared::{Code, Failure};

use super::Error;
use crate::{
    storage::Tx,
    stores::{self, Store},
};

/// How far ahead an order can be placed.
const AHEAD_MAX: TimeDelta = TimeDelta::days(14);

/// How far a pick-up time may lie in the past: phones' clocks differ, and requests take time.
const PAST_MAX: TimeDelta = TimeDelta::minutes(5);

/// Makes sure that the store takes an order now, for `pickup` or else as soon as possible.
pub(super) async fn require(tx: &mut Tx, now: DateTime<Utc>, pickup: Option<DateTime<Utc>>) -> Result<(), Error> {
    let id = tx.author.id.uuid;
    match stores::find(tx, id).await {
        Ok(found) => Ok(judge(&found.store, now, pickup)?),
        Err(stores::Error::Unknown(_)) => Err(closed("This store is not set up yet and takes no orders.").into()),
        Err(error) => Err(Failure::from(error).into()),
    }
}

fn judge(store: &Store, now: DateTime<Utc>, pickup: Option<DateTime<Utc>>) -> Result<(), Failure> {
    if !store.is_operational {
        return Err(closed("The store is out of operation at the moment."));
    }
    if !store.is_accepting_orders {
        return Err(closed("The store is not taking orders at the moment."));
    }
    let is_open = |at| store.hours.is_open(store.time_zone.0, at);
    match pickup {
        Some(at) if at < now - PAST_MAX => Err(Failure::invalid("PickupTime", "must not be in the past")),
        Some(at) if at > now + AHEAD_MAX => Err(Failure::invalid("PickupTime", "must be at most 14 days ahead")),
        Some(at) if !is_open(at) => Err(closed("The store is closed at that time; choose a time within its hours.")),
        None if !is_open(now) => Err(closed("The store is closed now; order for a time within its hours.")),
        _ => Ok(()),
    }
}

fn closed(why: &str) -> Failure {
    Failure::new(Code::StoreClosed, why)
}
