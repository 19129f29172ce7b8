//! Drops payments that came to nothing: carts ask for many, and few become orders.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use crate::{
    on,
    payments::{Payments, state::State},
    storage::{
        Error, Tx,
        schema::{payments, simulated_intents},
        types::{Id, Time},
    },
};

/// How long they are kept, for whoever asks what became of a payment.
const KEPT: TimeDelta = TimeDelta::days(30);

/// Payments dropped at a time.
const DROPPED_MAX: i64 = 1_000;

impl Payments {
    /// Drops what was let go long ago and had no order.
    pub(in crate::payments) async fn forget(&self, now: DateTime<Utc>) {
        loop {
            match self.app.db.write(move |tx| Box::pin(drop_old(tx, now - KEPT))).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(error = %error, "old payments could not be dropped; trying again in an hour");
                    return;
                }
            }
        }
    }
}

async fn drop_old(tx: &mut Tx, before: DateTime<Utc>) -> Result<bool, Error> {
    let old: Vec<Id> = on!(tx, conn => payments::table
        .filter(payments::state.eq(State::Released.word()))
        .filter(payments::order_id.is_null())
        .filter(payments::expires_at.lt(Time(before)))
        .limit(DROPPED_MAX)
        .select(payments::id)
        .load(conn)
        .await)?;
    let more = i64::try_from(old.len()).is_ok_and(|dropped| dropped == DROPPED_MAX);
    let intents = simulated_intents::table.filter(simulated_intents::payment.eq_any(old.clone()));
    on!(tx, conn => diesel::delete(intents).execute(conn).await)?;
    on!(tx, conn => diesel::delete(payments::table.filter(payments::id.eq_any(old))).execute(conn).await)?;
    Ok(more)
}
