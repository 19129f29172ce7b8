//! An order as its customer, or the store's staff, sees it.

use std::collections::HashMap;

use codepop_proto::orders as pb;

use super::{
    Error, Status,
    drinks::Chosen,
    store::{self, Order, OrderDrink},
};
use crate::{
    app::edge::timestamp,
    auth::Customer,
    catalog::{
        Recipe,
        money::Cents,
        recipe::{Ice, Size},
    },
    payments::{self, State},
    storage::Tx,
};

/// Who looks at an order.
#[derive(Clone, Copy, Debug)]
pub struct Viewer {
    /// As a customer.
    pub customer: Customer,
    /// Whether they manage the store's orders.
    pub is_staff: bool,
}

impl Viewer {
    /// Whether it is the viewer's own order.
    pub fn owns(&self, order: &Order) -> bool {
        self.customer.owns(order.user_id, order.guest())
    }

    /// Whether the viewer may know that it is there.
    pub(super) fn sees(&self, order: &Order) -> bool {
        self.is_staff || self.owns(order)
    }
}

/// One order as the viewer sees it.
pub(super) async fn one(tx: &mut Tx, order: Order, viewer: Viewer) -> Result<pb::Order, Error> {
    let mut all = many(tx, vec![order], viewer).await?;
    // One in, one out.
    Ok(all.pop().unwrap_or_default())
}

/// Orders as the viewer sees them.
pub(super) async fn many(tx: &mut Tx, orders: Vec<Order>, viewer: Viewer) -> Result<Vec<pb::Order>, Error> {
    let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
    let mut drinks = store::drinks_of(tx, &ids).await?;
    let payments = payments::status(tx, &ids).await?;
    let store = tx.author.id.uuid.to_string();
    let shown = |order: Order| {
        let drinks = drinks.remove(&order.id).unwrap_or_default();
        view(&order, &drinks, payment_word(&order, &payments), viewer, &store)
    };
    Ok(orders.into_iter().map(shown).collect())
}

fn view(order: &Order, drinks: &[OrderDrink], payment: String, viewer: Viewer, store: &str) -> pb::Order {
    let code = viewer.owns(order).then(|| order.locker_code.clone());
    pb::Order {
        order_id: order.id,
        user_id: order.user_id,
        drinks: drinks.iter().map(|drink| drink.drink_id).collect(),
        order_status: order.status.word().to_owned(),
        payment_status: payment,
        pickup_time: order.pickup_time.map(|at| timestamp(at.0)),
        creation_time: Some(timestamp(order.created_at.0)),
        locker_combo: code.as_ref().and_then(|code| code.parse().ok()),
        stripe_id: order.payment_intent.clone(),
        total_amount: dollars(order.total_cents),
        locker_code: code,
        ready_at: order.ready_at.filter(|_| !matches!(order.status, Status::Cancelled)).map(|at| timestamp(at.0)),
        store_id: store.to_owned(),
    }
}

/// Cents in dollars.
pub(super) fn dollars(cents: i64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "an order costs at most ten thousand dollars")]
    let cents = cents as f64;
    cents / 100.0
}

/// How it stands with the money, in the app's words. What is only on its way back was not given back yet.
pub(super) fn payment_word(order: &Order, payments: &HashMap<i64, payments::Status>) -> String {
    if let Some(said) = &order.payment_status {
        return said.clone();
    }
    let word = match payments.get(&order.id) {
        None => "pending",
        Some(payment) => match payment.state {
            State::Capturing | State::Captured | State::Releasing
                if payment.refunded < payment.cents || payment.cents == 0 =>
            {
                "paid"
            }
            State::Capturing | State::Captured | State::Releasing | State::Released => "refunded",
            State::Failed => "failed",
            State::Open => "pending",
        },
    };
    word.to_owned()
}

/// The drink of which an order keeps a copy; `None` when the copy makes no sense.
pub(super) fn chosen(copy: &OrderDrink) -> Option<Chosen> {
    let list = |json: &str| serde_json::from_str(json).ok();
    let recipe = Recipe {
        name: copy.name.clone(),
        syrups: list(&copy.syrups)?,
        sodas: list(&copy.sodas)?,
        add_ins: list(&copy.add_ins)?,
        price: Cents::new(copy.price_cents)?,
        size: Size::parse(&copy.size).ok()?,
        ice: Ice::parse(&copy.ice).ok()?,
    };
    Some(Chosen { id: copy.drink_id, recipe })
}
