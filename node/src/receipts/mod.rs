//! Receipts of orders: asked for once, sent by mail where the customer has an address and the node a mail server,
//! otherwise written into the outbox folder. What was asked for is recorded first, so that nothing gets lost and nothing is
//! sent twice.
//!
//! Reading order: `letter.rs` (what it says), `mail.rs` (how it leaves), `store.rs`, this file.

mod letter;
mod mail;
mod rpc;
mod store;

#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

use self::{
    letter::{Letter, Line},
    mail::Mailer,
    store::{DUE, FILED, Row, SENT},
};
pub use self::{
    mail::{MailSettings, sender},
    rpc::ReceiptsRpc,
};
use crate::{
    accounts,
    app::App,
    auth::{Customer, Permit},
    orders::{self, Order, OrderDrink, Viewer},
    payments,
    storage::{self, Tx, types::Time},
    stores,
};

/// How often it is looked for receipts that are due, beside when one is asked for.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Receipts that one look takes on.
const LOOK_MAX: i64 = 50;

/// Attempts at a mail server, over about an hour; then the receipt goes into the folder.
const ATTEMPTS_MAX: i32 = 8;

/// Wait after the first failed attempt; it doubles with each.
const WAIT_FIRST: TimeDelta = TimeDelta::seconds(30);

/// Looks between two clearings of the folder: about once an hour.
const CLEAR_EVERY: u32 = 120;

/// The receipts of this node. Cheap to clone.
#[derive(Clone)]
pub struct Receipts {
    app: App,
    mailer: Mailer,
    wake: Arc<Notify>,
    /// One at a time: a receipt that is on its way is not sent a second time.
    under_way: Arc<Mutex<()>>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Now,
    Before,
}

impl Receipts {
    /// Starts sending what is due, until stopped.
    pub fn start(app: App, settings: Option<MailSettings>, data_dir: &Path, stop: CancellationToken) -> Self {
        let receipts = Self::new(app, settings, data_dir);
        tokio::spawn(receipts.clone().run(stop));
        receipts
    }

    /// With the mail server, if there is one, and the node's folder.
    fn new(app: App, settings: Option<MailSettings>, data_dir: &Path) -> Self {
        let outbox: PathBuf = data_dir.join("outbox");
        Self { app, mailer: Mailer::new(settings, outbox), wake: Arc::default(), under_way: Arc::default() }
    }

    /// Sends what is due, until stopped.
    async fn run(self, stop: CancellationToken) {
        let mut looks = 0_u32;
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(error = %error, "receipts that are due could not be read; trying again");
            }
            if looks.is_multiple_of(CLEAR_EVERY)
                && let Err(error) = self.mailer.clear().await
            {
                tracing::warn!(error = %error, "old files could not be removed from the outbox folder");
            }
            looks = looks.wrapping_add(1);
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Sends what is due now.
    async fn look(&self) -> Result<(), storage::Error> {
        let _alone = self.under_way.lock().await;
        let now = self.app.clock().wall();
        let due = self.app.read(move |tx| Box::pin(store::due(tx, now, LOOK_MAX))).await?;
        for row in due {
            self.deliver(row).await?;
        }
        Ok(())
    }

    /// Sends one receipt and records what became of it.
    async fn deliver(&self, row: Row) -> Result<(), storage::Error> {
        let order = row.order_id;
        let Some((letter, to)) = self.app.read(move |tx| Box::pin(letter(tx, order))).await? else {
            // The order is gone; nobody needs its receipt.
            return self.settle(order, FILED, row.attempts, None).await;
        };
        let attempts = row.attempts.saturating_add(1);
        let left = match self.mailer.send(&letter, to.as_deref()).await {
            Ok(true) => return self.settle(order, SENT, attempts, None).await,
            Ok(false) => self.mailer.file(&letter, to.as_deref()).await,
            Err(error @ mail::Error::Later(_)) if attempts < ATTEMPTS_MAX => Err(error),
            Err(error) => {
                tracing::warn!(order, error = %error, "a receipt could not be sent; it is in the outbox folder");
                self.mailer.file(&letter, to.as_deref()).await
            }
        };
        match left {
            Ok(()) => self.settle(order, FILED, attempts, None).await,
            Err(error) => {
                tracing::warn!(order, attempts, error = %error, "a receipt could not leave; trying again");
                let again = self.app.clock().wall() + wait(attempts);
                self.settle(order, DUE, attempts, Some(again)).await
            }
        }
    }

    async fn settle(
        &self,
        order: i64,
        state: &'static str,
        attempts: i32,
        due_at: Option<DateTime<Utc>>,
    ) -> Result<(), storage::Error> {
        let settled = self
            .app
            .db
            .write(move |tx| Box::pin(async move { store::settle(tx, order, state, attempts, due_at).await }));
        settled.await
    }

    /// Asks for the receipt of an order that the viewer may see.
    async fn ask(&self, permit: &Permit, order: i64, viewer: Viewer) -> Result<Asked, orders::Error> {
        let asked = self.app.write(permit, move |tx| {
            Box::pin(async move {
                let order = orders::find(tx, order, viewer).await?;
                if store::find(tx, order.id).await?.is_some() {
                    return Ok(Asked::Before);
                }
                let now = Time(DateTime::from_timestamp_micros(tx.clock.wall().timestamp_micros()).unwrap_or_default());
                let state = DUE.to_owned();
                let row = Row { order_id: order.id, state, attempts: 0, due_at: Some(now), asked_at: now };
                store::insert(tx, &row).await?;
                Ok::<_, orders::Error>(Asked::Now)
            })
        });
        let asked = asked.await?;
        if asked == Asked::Now {
            if self.mailer.has_server() {
                self.wake.notify_one();
            } else if let Err(error) = self.look().await {
                // It is recorded, and will be looked for again.
                tracing::warn!(error = %error, "a receipt could not be written yet");
            }
        }
        Ok(asked)
    }
}

/// How long to wait after so many failed attempts.
fn wait(attempts: i32) -> TimeDelta {
    WAIT_FIRST * 2_i32.saturating_pow(attempts.clamp(1, ATTEMPTS_MAX).unsigned_abs() - 1)
}

/// What the receipt of an order says, and to whom.
async fn letter(tx: &mut Tx, order: i64) -> Result<Option<(Letter, Option<String>)>, storage::Error> {
    let anybody = Viewer { customer: Customer::default(), is_staff: true };
    let order = match orders::find(tx, order, anybody).await {
        Ok(order) => order,
        Err(orders::Error::Storage(error)) => return Err(error),
        Err(_) => return Ok(None),
    };
    let to = match order.user_id {
        Some(user) => accounts::email(tx, user).await?,
        None => None,
    };
    let here = tx.author.id.uuid;
    let (store, zone) = match stores::find(tx, here).await {
        Ok(found) => (found.store.name, found.store.time_zone.0),
        Err(stores::Error::Storage(error)) => return Err(error),
        Err(_) => ("CodePop".to_owned(), chrono_tz::UTC),
    };
    let payment = payments::status(tx, &[order.id]).await?.remove(&order.id);
    let lines = orders::drinks_of(tx, order.id).await?.iter().map(line).collect();
    let letter = Letter {
        order: order.id,
        store,
        placed: order.created_at.0.with_timezone(&zone).format("%-d %B %Y, %-I:%M %p %Z").to_string(),
        lines,
        total_cents: order.total_cents,
        payment: paid(&order, payment.as_ref()),
    };
    Ok(Some((letter, to)))
}

fn line(drink: &OrderDrink) -> Line {
    let list = |json: &str| serde_json::from_str::<Vec<String>>(json).unwrap_or_default();
    let mut parts = vec![drink.size.clone()];
    for json in [&drink.sodas, &drink.syrups, &drink.add_ins] {
        parts.extend(list(json));
    }
    parts.push(match drink.ice.as_str() {
        "none" => "no ice".to_owned(),
        ice => format!("{ice} ice"),
    });
    Line { name: drink.name.clone(), detail: parts.join(", "), cents: drink.price_cents }
}

/// How it stands with the money, in a sentence.
fn paid(order: &Order, payment: Option<&payments::Status>) -> String {
    use payments::State;
    if order.payment_status.as_deref() == Some("remade") {
        return "These drinks were made again for free.".to_owned();
    }
    let Some(payment) = payment else { return "Nothing was paid for this order at this store.".to_owned() };
    let says = match payment.state {
        State::Releasing | State::Released => "The money was let go; nothing was charged.",
        State::Failed => "The payment failed; nothing was charged.",
        _ if payment.refunded >= payment.cents && payment.cents > 0 => "Paid, and given back.",
        _ => "Paid by card.",
    };
    if payment.provider == "simulated" {
        format!("{says} (Simulated payment: no money moved.)")
    } else {
        says.to_owned()
    }
}
