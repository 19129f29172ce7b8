//! What follows from the rows as a whole: who made which drink, what is in which order, which rows of the stock are one
//! item. Pure.

use std::collections::{HashMap, HashSet};

use crate::{
    catalog::Recipe,
    legacy::{
        normal::{
            drinks,
            stock::{self, Merged},
            trade,
        },
        rows::Reason,
        snapshot::Snapshot,
    },
};

/// Who may have made a drink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    /// The one user who ordered it or has it as a favourite.
    One(i64),
    /// Several did.
    Several,
}

/// What follows from the rows.
pub(super) struct Plan {
    /// What drinks are made of and what was changed in them, or why they are none.
    pub(super) recipes: HashMap<i64, Result<(Recipe, Vec<String>), Reason>>,
    /// Who may have made drinks.
    pub(super) makers: HashMap<i64, Maker>,
    /// Drinks in an order or a favourite.
    pub(super) used: HashSet<i64>,
    /// Rows of an order's drinks: their numbers and those of the drinks.
    pub(super) order_drinks: HashMap<i64, Vec<(i64, i64)>>,
    /// Cents of an order's first sale.
    pub(super) booked: HashMap<i64, i64>,
    /// Items, merged.
    pub(super) stock: Vec<Merged>,
    /// Rows of the stock that are none.
    pub(super) no_stock: Vec<(i64, Reason)>,
}

impl Plan {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let (stock, no_stock) = stock::merge(&snapshot.items);
        let mut plan = Self {
            recipes: snapshot.drinks.iter().map(|row| (row.id, drinks::recipe(row))).collect(),
            makers: HashMap::new(),
            used: HashSet::new(),
            order_drinks: HashMap::new(),
            booked: HashMap::new(),
            stock,
            no_stock,
        };
        let users: HashSet<i64> = snapshot.users.iter().map(|row| row.id).collect();
        for row in &snapshot.favorites {
            plan.is_used(row.drink, Some(row.user).filter(|user| users.contains(user)));
        }
        let customers: HashMap<i64, i64> =
            snapshot.orders.iter().filter_map(|order| Some((order.id, order.user.as_ref()?.parse().ok()?))).collect();
        for row in &snapshot.order_drinks {
            plan.is_used(row.drink, customers.get(&row.order).copied().filter(|user| users.contains(user)));
            plan.order_drinks.entry(row.order).or_default().push((row.id, row.drink));
        }
        for row in &snapshot.revenue {
            if let Ok(cents) = trade::cents(&row.amount) {
                plan.booked.entry(row.order).or_insert(cents);
            }
        }
        plan
    }

    fn is_used(&mut self, drink: i64, user: Option<i64>) {
        self.used.insert(drink);
        if let Some(user) = user {
            let maker = self.makers.entry(drink).or_insert(Maker::One(user));
            if *maker != Maker::One(user) {
                *maker = Maker::Several;
            }
        }
    }
}
