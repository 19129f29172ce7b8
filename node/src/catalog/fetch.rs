//! Drinks from afar: customers' drinks stay in their region, so that a customer who is elsewhere has the own ones fetched
//! by their numbers. They are used and not kept.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use codepop_proto::catalog as pb;
use codepop_shared::number;
use futures::future::join_all;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Drink, Owner, Recipe, drinks_for, reprice, store};
use crate::{
    app::App,
    auth::Customer,
    storage::{self, Tx, types::Id},
};

/// How long a drink from afar is waited for.
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);

/// Drinks that are fetched for one question; carts are smaller.
const FETCHED_MAX: usize = 20;

/// Those of the drinks that are the customer's own and not known here, from where they were made. What cannot be had in
/// time is left out.
///
/// # Errors
/// The database failed.
pub async fn fetch_missing(app: &App, ids: &[i64], customer: &Customer) -> Result<Vec<Drink>, storage::Error> {
    if *customer == Customer::default() {
        return Ok(Vec::new());
    }
    let (asked, whose) = (ids.to_vec(), *customer);
    let missing = app.read(move |tx| Box::pin(async move { missing(tx, asked, &whose).await })).await?;
    let fetches = missing.into_iter().take(FETCHED_MAX).map(|id| fetch(app, id, customer));
    let mut fetched: Vec<Drink> = join_all(fetches).await.into_iter().flatten().collect();
    if fetched.is_empty() {
        return Ok(fetched);
    }
    app.read(move |tx| {
        Box::pin(async move {
            reprice(tx, fetched.iter_mut()).await?;
            Ok(fetched)
        })
    })
    .await
}

/// What the customer may see of the drinks, the own ones from afar too. What others decide in a transaction they decide
/// with [`drinks_for`] and what [`fetch_missing`] gave them before.
///
/// # Errors
/// The database failed.
pub async fn drinks_from_anywhere(
    app: &App,
    ids: Vec<i64>,
    customer: &Customer,
) -> Result<HashMap<i64, Drink>, storage::Error> {
    let fetched = fetch_missing(app, &ids, customer).await?;
    let whose = *customer;
    let mut found = app.read(move |tx| Box::pin(async move { drinks_for(tx, ids, &whose).await })).await?;
    for drink in fetched {
        found.entry(drink.id).or_insert(drink);
    }
    Ok(found)
}

/// Numbers of which nothing is known here: neither a drink nor that it is gone or another's.
async fn missing(tx: &mut Tx, ids: Vec<i64>, customer: &Customer) -> Result<Vec<i64>, storage::Error> {
    let seen = drinks_for(tx, ids.clone(), customer).await?;
    let candidates: HashSet<i64> = ids.into_iter().filter(|id| !seen.contains_key(id)).collect();
    let mut missing = Vec::new();
    for id in candidates {
        let born = number::born_at(id).filter(|_| id <= number::MAX);
        if born.is_some_and(|node| !tx.author.gave(node))
            && store::user_row(tx, id).await?.is_none()
            && store::catalog_row(tx, id).await?.is_none()
        {
            missing.push(id);
        }
    }
    Ok(missing)
}

async fn fetch(app: &App, id: i64, customer: &Customer) -> Option<Drink> {
    let said = timeout(FETCH_TIMEOUT, app.drinks.find_drink(id)).await.ok().flatten()?;
    own(&said, id, customer)
}

/// The drink, if it is the one asked for and the customer's own.
fn own(said: &pb::UserDrinkSaved, id: i64, customer: &Customer) -> Option<Drink> {
    let guest = Uuid::from_slice(&said.guest).ok().map(Id);
    let recipe = said.recipe.as_ref().filter(|recipe| recipe.drink == id)?;
    if !Owner::of_row(said.owner, guest).is(customer) {
        return None;
    }
    Some(Drink { id, user_created: true, recipe: Recipe::try_from(recipe).ok()? })
}
