//! The drink generator: from what somebody likes to a drink that the store can make.
//!
//! Reading order: `ingredients.txt` (what goes together), `similarity.rs`, `compose.rs` (both pure), this file (for whom).

mod compose;
mod ingredients;
mod rpc;
mod similarity;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

use futures::future::BoxFuture;

use self::ingredients::INGREDIENTS;
pub use self::{
    compose::{Composition, Taste, compose},
    rpc::GeneratorRpc,
};
use crate::{
    inventory::{self, Kind, vocabulary},
    orders, preferences,
    storage::{self, Tx},
};

/// What is taken to be liked by those of whom nothing is known.
const DEFAULT_LIKES: [&str; 8] =
    ["mango", "peach", "vanilla", "salted caramel", "orange", "lavender", "peppermint", "blue raspberry"];

/// Tells what is ordered most at this store.
pub trait Popularity: Send + Sync {
    /// Names of ingredients, as drinks spell them, the most ordered first.
    fn popular<'a>(&'a self, tx: &'a mut Tx) -> BoxFuture<'a, Result<Vec<String>, storage::Error>>;
}

/// Drinks looked at to learn what is ordered most: the latest, because fashions change.
const ORDERED_MAX: i64 = 500;

/// What was ordered at this store lately.
#[derive(Clone, Copy, Debug)]
pub struct Ordered;

impl Popularity for Ordered {
    fn popular<'a>(&'a self, tx: &'a mut Tx) -> BoxFuture<'a, Result<Vec<String>, storage::Error>> {
        Box::pin(async move {
            let drinks = orders::latest_drinks(tx, ORDERED_MAX).await?;
            Ok(most_ordered(drinks.iter().map(|drink| drink.syrups.as_str())))
        })
    }
}

/// The names in these JSON lists, folded, the most frequent first; of equally frequent ones the first in the alphabet.
fn most_ordered<'a>(lists: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for name in lists.flat_map(|json| serde_json::from_str::<Vec<String>>(json).unwrap_or_default()) {
        *counts.entry(vocabulary::fold(&name)).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().map(|(name, _)| name).collect()
}

/// What somebody likes, or else what everybody does, at a store with what it has.
///
/// # Errors
/// The database failed.
pub async fn taste(
    tx: &mut Tx,
    popularity: &dyn Popularity,
    user: Option<i64>,
    dislikes: &[String],
) -> Result<Taste, storage::Error> {
    let likes = match user {
        Some(user) => preferences::list(tx, user).await?.into_iter().map(|preference| preference.name).collect(),
        None => popular(popularity.popular(tx).await?),
    };
    let likes: Vec<String> = likes;
    let likes = if likes.is_empty() { DEFAULT_LIKES.map(str::to_owned).to_vec() } else { likes };
    let dislikes = dislikes.iter().map(|name| vocabulary::fold(name)).collect();
    Ok(Taste { likes, dislikes, missing: missing(tx).await? })
}

/// The most ordered syrups, as many as there are defaults; nothing where too few are known to choose from.
fn popular(ordered: Vec<String>) -> Vec<String> {
    let mut liked: Vec<String> = Vec::new();
    for name in ordered.iter().map(|name| vocabulary::fold(name)) {
        let is_syrup = INGREDIENTS.syrups.iter().any(|syrup| syrup.name == name);
        if is_syrup && !liked.contains(&name) && liked.len() < DEFAULT_LIKES.len() {
            liked.push(name);
        }
    }
    if liked.len() < 2 { Vec::new() } else { liked }
}

/// The ingredients that this store has run out of. Where no stock is kept of a kind, nothing of it is missing.
async fn missing(tx: &mut Tx) -> Result<HashSet<String>, storage::Error> {
    let there = match inventory::list(tx).await {
        Ok(items) => items,
        Err(inventory::Error::Storage(error)) => return Err(error),
        // A hub: it makes no drinks, but may be asked.
        Err(_) => return Ok(HashSet::new()),
    };
    let mut missing = HashSet::new();
    let mut look = |kind: Kind, names: &mut dyn Iterator<Item = &'static str>| {
        let keys: HashSet<&str> =
            there.iter().filter(|item| item.item_type == kind).map(|item| item.name_key.as_str()).collect();
        if !keys.is_empty() {
            let lacks = |name: &&str| !vocabulary::stock_keys(name).iter().any(|key| keys.contains(key.as_str()));
            missing.extend(names.filter(lacks).map(str::to_owned));
        }
    };
    look(Kind::Syrup, &mut INGREDIENTS.syrups.iter().map(|syrup| syrup.name));
    look(Kind::Soda, &mut INGREDIENTS.sodas.iter().map(|soda| soda.name));
    look(Kind::AddIn, &mut INGREDIENTS.add_ins.iter().map(|add_in| add_in.name));
    Ok(missing)
}
