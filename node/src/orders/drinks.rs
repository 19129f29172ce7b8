//! The drinks of an order: those that the customer may order, at the price that the node computes.

use codepop_shared::Failure;

use super::{Error, store::OrderDrink};
use crate::{
    auth::Customer,
    catalog::{self, Drink, Recipe},
    storage::Tx,
};

/// Drinks of one order at most.
pub(super) const DRINKS_MAX: usize = 50;

/// A drink that was chosen; equal ones are there as often as they were.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chosen {
    pub(super) id: i64,
    pub(super) recipe: Recipe,
}

/// The drinks with these numbers, in the order asked, each with its price. `fetched` are the customer's own from afar.
///
/// # Errors
/// One is not there for this customer.
pub(super) async fn choose(
    tx: &mut Tx,
    ids: &[i64],
    customer: &Customer,
    fetched: &[Drink],
) -> Result<Vec<Chosen>, Error> {
    let mut distinct = ids.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let mut known = catalog::drinks_for(tx, distinct, customer).await?;
    for drink in fetched {
        known.entry(drink.id).or_insert_with(|| drink.clone());
    }
    // What another node said of them is not believed where money is concerned.
    catalog::reprice(tx, known.values_mut()).await?;
    let chosen = |id: &i64| match known.get(id) {
        Some(drink) => Ok(Chosen { id: *id, recipe: drink.recipe.clone() }),
        None => Err(Failure::invalid("Drinks", format!("Invalid pk \"{id}\" - object does not exist.")).into()),
    };
    ids.iter().map(chosen).collect()
}

/// What they cost together, in cents.
pub(super) fn total(drinks: &[Chosen]) -> i64 {
    drinks.iter().map(|drink| drink.recipe.price.get()).sum()
}

/// The copies that an order keeps.
pub(super) fn copies(order: i64, drinks: &[Chosen]) -> Vec<OrderDrink> {
    (0..).zip(drinks).map(|(position, drink)| OrderDrink::new(order, position, drink.id, &drink.recipe)).collect()
}

/// Whether two lists name the same drinks equally often.
pub(super) fn same(one: &[i64], other: &[i64]) -> bool {
    let sorted = |list: &[i64]| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list
    };
    sorted(one) == sorted(other)
}
