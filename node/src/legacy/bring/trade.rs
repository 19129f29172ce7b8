//! Orders with their drinks, and sales.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Import, small::now};
use crate::{
    accounts,
    catalog::Recipe,
    legacy::{Entity, Error, Total, normal::trade, rows},
    orders::{self, Order, OrderDrink, Status, preparation::Complexity},
    payments::revenue::import::{self as revenue, Sale},
    storage::{Tx, types::Time},
};

/// A drink that an order had: the number of the row, and of the drink here.
type Copied = (i64, i64, Recipe);

impl Import {
    pub(super) async fn order(&mut self, tx: &mut Tx, at: usize) -> Result<(), Error> {
        let row = self.snapshot.orders[at].clone();
        let (drinks, left_out) = self.drinks_of(row.id);
        for (id, reason) in left_out {
            self.report.skip(Entity::OrderDrinks, Some(id), &reason);
        }
        if self.was_before(Entity::Orders, row.id) {
            drinks.iter().for_each(|_| self.report.before(Entity::OrderDrinks));
            return Ok(());
        }
        let mut changes = Vec::new();
        let id = self.new_number(tx, "order", row.id, false).await?;
        if id != row.id {
            changes.push("got a new number".to_owned());
        }
        let user = self.customer(tx, &row, &mut changes).await?;
        let order = self.order_row(&row, (id, user), &drinks, now(tx), &mut changes);
        let copies = drinks.iter().zip(0..).map(|((_, drink, recipe), at)| OrderDrink::new(id, at, *drink, recipe));
        orders::import::bring(tx, &order, copies.collect()).await?;
        drinks.iter().for_each(|(row, _, _)| self.report.import(Entity::OrderDrinks, *row, &[]));
        self.keep(tx, Entity::Orders, row.id, id, &changes).await
    }

    /// The drinks of an order, and the rows that are none.
    fn drinks_of(&mut self, order: i64) -> (Vec<Copied>, Vec<(i64, String)>) {
        let (mut drinks, mut left_out) = (Vec::new(), Vec::new());
        for (row, drink) in self.plan.order_drinks.remove(&order).unwrap_or_default() {
            match (self.number(Entity::Drinks, drink), self.plan.recipes.get(&drink)) {
                (Some(number), Some(Ok((recipe, _)))) => drinks.push((row, number, recipe.clone())),
                (_, Some(Err(reason))) => left_out.push((row, format!("its drink is none: {reason}"))),
                _ => left_out.push((row, "its drink is not there".to_owned())),
            }
        }
        (drinks, left_out)
    }

    /// Whose an order is, if that user is here.
    async fn customer(&self, tx: &mut Tx, row: &rows::Order, changes: &mut Vec<String>) -> Result<Option<i64>, Error> {
        let Some(legacy) = row.user.as_deref() else { return Ok(None) };
        let user = legacy.parse().ok().and_then(|legacy| self.number(Entity::Users, legacy));
        let user = match user {
            Some(user) if accounts::is_deleted(tx, user).await? => None,
            user => user,
        };
        if user.is_none() {
            changes.push("its customer is not here; it belongs to nobody".to_owned());
        }
        Ok(user)
    }

    fn order_row(
        &self,
        row: &rows::Order,
        (id, user): (i64, Option<i64>),
        drinks: &[Copied],
        now: DateTime<Utc>,
        changes: &mut Vec<String>,
    ) -> Order {
        let (status, payment) = trade::state(row, now, changes);
        let created = row.created.unwrap_or_else(|| {
            changes.push("its time made no sense; it is that of the import".to_owned());
            now
        });
        let intent = trade::intent(&row.stripe);
        if intent != row.stripe {
            changes.push("the payment's secret was left out".to_owned());
        }
        let locker = trade::locker(row.locker.as_deref());
        let minutes = Complexity::of(drinks.iter().map(|(_, _, recipe)| recipe)).minutes();
        let begins_at = (status == Status::Processing).then_some(Time(now));
        Order {
            id,
            user_id: user,
            guest: None,
            status,
            payment_intent: intent.to_owned(),
            payment_status: Some(payment.to_owned()),
            remake_of: None,
            total_cents: self.paid(row.id, drinks),
            locker_from_owner: !locker.is_empty(),
            locker_code: locker,
            created_at: Time(created),
            pickup_time: row.pickup.map(Time),
            await_arrival: false,
            preparation_minutes: minutes,
            begins_at,
            // The robot takes it from here; its own queue is empty, because the node does not run.
            ready_at: begins_at.map(|begins| Time(begins.0 + TimeDelta::minutes(minutes.into()))),
            due_at: None,
            latitude: None,
            longitude: None,
        }
    }

    /// What an order cost: what was booked for it, else what its drinks cost. The old system kept no sum.
    fn paid(&self, order: i64, drinks: &[Copied]) -> i64 {
        let booked = self.plan.booked.get(&order).copied();
        booked.unwrap_or_else(|| drinks.iter().map(|(_, _, recipe)| recipe.price.get()).sum())
    }

    pub(super) async fn sale(&mut self, tx: &mut Tx, at: usize) -> Result<(), Error> {
        let row = self.snapshot.revenue[at].clone();
        if self.was_before(Entity::Revenue, row.id) {
            return Ok(());
        }
        let cents = match trade::cents(&row.amount) {
            Ok(cents) => cents,
            Err(reason) => {
                self.report.skip(Entity::Revenue, Some(row.id), &reason);
                return Ok(());
            }
        };
        let mut changes = Vec::new();
        let id = self.new_number(tx, "revenue entry", row.id, false).await?;
        let order = self.number(Entity::Orders, row.order);
        if order.is_none() {
            changes.push(format!("its order {} is not there any more; the sale is kept without it", row.order));
        }
        let at = row.at.unwrap_or_else(|| {
            changes.push("its time made no sense; it is that of the import".to_owned());
            now(tx)
        });
        revenue::bring(tx, Sale { id, order, cents, refunded: row.refunded, at }).await?;
        self.keep(tx, Entity::Revenue, row.id, id, &changes).await
    }

    /// Compares the money in the source with that in this node's rows.
    pub(super) async fn add_up(&mut self, tx: &mut Tx) -> Result<(), Error> {
        let (mut source, mut refunded, mut ids) = (0, 0, Vec::new());
        for row in &self.snapshot.revenue {
            let cents = trade::cents(&row.amount).unwrap_or_default();
            source += cents;
            refunded += if row.refunded { cents } else { 0 };
            ids.extend(self.number(Entity::Revenue, row.id));
        }
        let (here, refunded_here) = revenue::sums(tx, &ids).await?;
        let left_out = self.snapshot.unreadable_cents;
        let sales = Total { what: "sales", source: source + left_out, here, left_out };
        let marked = Total { what: "of these marked as refunded", source: refunded, here: refunded_here, left_out: 0 };
        self.report.totals = vec![sales, marked];
        Ok(())
    }
}
