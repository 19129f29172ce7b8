//! What orders take from the stock and give back, in the transaction of the order: all of it or nothing.

use std::collections::{BTreeMap, HashSet};

use super::{Error, Item, KEYS_MAX, Need, allocate, ingredients, ledger, require_store, store, vocabulary};
use crate::{
    catalog::Recipe,
    storage::{self, Tx},
};

/// What drinks need: every ingredient of every drink, and a cup, a lid and a straw each. Equal drinks count each time.
pub fn needs<'a>(recipes: impl IntoIterator<Item = &'a Recipe>) -> Vec<Need> {
    let of_one = |recipe: &'a Recipe| {
        let ingredients = ingredients(recipe).map(|(kind, name)| Need { kind, name: name.clone() });
        let things = vocabulary::things(recipe.size).into_iter();
        ingredients.chain(things.map(|name| Need { kind: super::Kind::Physical, name: name.to_owned() }))
    };
    recipes.into_iter().flat_map(of_one).collect()
}

/// Takes what an order needs.
///
/// # Errors
/// [`Error::Missing`] names what is not there; then nothing was taken. This node is no store, or the database failed.
pub async fn take(tx: &mut Tx, needs: &[Need], order: i64) -> Result<(), Error> {
    require_store(tx)?;
    let stock = stock_for(tx, needs).await?;
    let taken = allocate::allocate(needs, &stock).map_err(Error::Missing)?;
    let changes: Vec<(&Item, i32)> = stock.iter().filter_map(|item| Some((item, -*taken.get(&item.id)?))).collect();
    let cause = ledger::Cause { order: Some(order), ..ledger::Cause::of(ledger::Reason::Order) };
    ledger::add(tx, &changes, &cause).await?;
    Ok(())
}

/// Gives back what an order took and has not given back yet; nothing the second time.
///
/// # Errors
/// The database failed.
pub async fn put_back(tx: &mut Tx, order: i64) -> Result<(), Error> {
    let mut sums: BTreeMap<i64, i32> = BTreeMap::new();
    for (item, change) in ledger::of_order(tx, order).await? {
        *sums.entry(item).or_default() += change;
    }
    sums.retain(|_, change| *change != 0);
    let items = store::all_numbered(tx, sums.keys().copied().collect()).await?;
    let changes: Vec<(&Item, i32)> = items.iter().filter_map(|item| Some((item, -*sums.get(&item.id)?))).collect();
    let cause = ledger::Cause { order: Some(order), ..ledger::Cause::of(ledger::Reason::Returned) };
    ledger::add(tx, &changes, &cause).await?;
    Ok(())
}

async fn stock_for(tx: &mut Tx, needs: &[Need]) -> Result<Vec<Item>, storage::Error> {
    let keys: HashSet<String> = needs.iter().flat_map(|need| vocabulary::stock_keys(&need.name)).collect();
    let keys: Vec<String> = keys.into_iter().collect();
    let mut stock = Vec::new();
    for some in keys.chunks(KEYS_MAX) {
        stock.extend(store::named(tx, some.to_vec()).await?);
    }
    Ok(stock)
}
