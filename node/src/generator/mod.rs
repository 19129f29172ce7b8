//! The drink generator: from what somebody likes to a drink that the store can make.
//!
//! Reading order: `ingredients.txt` (what goes together), `similarity.rs`, `compose.rs` (both pure), this file (for whom).

mod compose;
mod ingredients;
mod rpc;
mod similarity;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use futures::future::BoxFuture;

use self::ingredients::INGREDIENTS;
pub use self::{
    compose::{Composition, Taste, compose},
    rpc::GeneratorRpc,
};
use crate::{
    inventory::{self, Kind, vocabulary},
    preferences,
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

/// Of a place where nothing was ordered yet.
#[derive(Clone, Copy, Debug)]
pub struct Unknown;

impl Popularity for Unknown {
    fn popular<'a>(&'a self, _tx: &'a mut Tx) -> BoxFuture<'a, Result<Vec<String>, storage::Error>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
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
