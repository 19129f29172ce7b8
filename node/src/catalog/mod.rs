//! Drinks: the chain's catalogue, which hubs publish to everyone; the drinks that customers make, which stay in their
//! region; favourites, which follow the customer everywhere and take their drink along; and ratings.
//!
//! Reading order: `recipe`, `owner` and `pricing` (pure rules), `store` (the rows), `events` (how they merge), this file
//! (operations), `ratings`, `fetch` (drinks from afar), `expire` (old drinks).

mod digest;
mod error;
mod events;
mod expire;
mod fetch;
pub mod import;
pub mod money;
mod owner;
pub mod pricing;
mod ratings;
pub mod recipe;
mod rpc;
mod store;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use codepop_proto::catalog as pb;
use codepop_shared::{identity::Kind, number};

use self::money::Cents;
pub use self::{
    digest::digest,
    error::Error,
    expire::expire,
    fetch::{drinks_from_anywhere, fetch_missing},
    owner::Owner,
    ratings::{means, rate},
    recipe::Recipe,
    rpc::CatalogRpc,
};
use crate::{
    app::{App, once::Once},
    auth::{Customer, Permit},
    journal::{self, Audience},
    storage::{self, Tx, types::Time},
};

/// Drinks of the catalogue in one answer; the chain sells a few dozen.
const CATALOGUE_MAX: i64 = 1_000;

/// Favourites of one user: more than anyone scrolls through. Even the largest drinks (15 KiB) then fit one message.
const FAVORITES_MAX: i64 = 200;

/// A drink.
#[derive(Clone, Debug, PartialEq)]
pub struct Drink {
    /// Its number.
    pub id: i64,
    /// Whether a customer made it.
    pub user_created: bool,
    /// What it is made of.
    pub recipe: Recipe,
}

/// The catalogue, in order of numbers.
pub async fn list(tx: &mut Tx) -> Result<Vec<Drink>, storage::Error> {
    store::catalogue(tx, CATALOGUE_MAX).await
}

/// Those of the drinks that are known here and that a customer may see: of the catalogue, the own ones, imported ones whose
/// owner nobody knows, and those among the own favourites, which may come from another region. Each has the price that is
/// charged for it now.
pub async fn drinks_for(
    tx: &mut Tx,
    ids: Vec<i64>,
    customer: &Customer,
) -> Result<HashMap<i64, Drink>, storage::Error> {
    let mut found: HashMap<i64, Drink> = HashMap::new();
    let missing = |found: &HashMap<i64, Drink>| -> Vec<i64> {
        ids.iter().copied().filter(|id| !found.contains_key(id)).collect()
    };
    let take = |found: &mut HashMap<i64, Drink>, drinks: Vec<Drink>| {
        found.extend(drinks.into_iter().map(|drink| (drink.id, drink)));
    };
    let catalogue = store::catalogue_among(tx, ids.clone()).await?;
    let sold: HashSet<i64> = catalogue.iter().map(|drink| drink.id).collect();
    take(&mut found, catalogue);
    let rest = missing(&found);
    if !rest.is_empty() {
        for row in store::user_drinks_among(tx, rest).await? {
            if Owner::of_row(row.owner, row.guest).shows(row.id, customer) {
                found.insert(row.id, row.try_into()?);
            }
        }
    }
    let rest = missing(&found);
    if let Some(user) = customer.user
        && !rest.is_empty()
    {
        let favorites = store::favorites_among(tx, user, rest).await?;
        take(&mut found, favorites);
    }
    reprice(tx, found.values_mut().filter(|drink| !sold.contains(&drink.id))).await?;
    Ok(found)
}

/// Gives drinks that are not of the catalogue their price of today: what is shown is what is charged, and what another node
/// said of a price is not believed.
async fn reprice(tx: &mut Tx, drinks: impl Iterator<Item = &mut Drink>) -> Result<(), storage::Error> {
    let drinks: Vec<&mut Drink> = drinks.collect();
    if drinks.is_empty() {
        return Ok(());
    }
    let catalogue = list(tx).await?;
    for drink in drinks {
        drink.recipe.price = pricing::today(drink, &catalogue);
    }
    Ok(())
}

/// One drink, if it is known here and the customer may see it.
pub async fn find(tx: &mut Tx, id: i64, customer: &Customer) -> Result<Drink, Error> {
    drinks_for(tx, vec![id], customer).await?.remove(&id).ok_or(Error::Unknown(id))
}

/// What a customer's drink of this recipe costs, whatever price the recipe has.
///
/// # Errors
/// The database failed.
async fn price(tx: &mut Tx, recipe: &Recipe) -> Result<Cents, storage::Error> {
    Ok(pricing::price(recipe, &list(tx).await?))
}

/// Which of the drinks are among the user's favourites.
pub async fn favorites_among(tx: &mut Tx, user: i64, ids: Vec<i64>) -> Result<Vec<i64>, storage::Error> {
    Ok(store::favorites_among(tx, user, ids).await?.into_iter().map(|drink| drink.id).collect())
}

/// Whose a drink is. Answers for drinks that are gone too, but of a guest's that is gone nobody knows any more whose it was.
pub async fn owner(tx: &mut Tx, id: i64) -> Result<Owner, Error> {
    if store::catalog_row(tx, id).await?.is_some() {
        return Ok(Owner::Chain);
    }
    let row = store::user_row(tx, id).await?.ok_or(Error::Unknown(id))?;
    Ok(Owner::of_row(row.owner, row.guest))
}

/// Whether a drink was a guest's and is gone.
pub async fn is_guests_and_gone(tx: &mut Tx, id: i64) -> Result<bool, storage::Error> {
    Ok(store::user_row(tx, id).await?.is_some_and(|row| row.deleted && row.owner == 0))
}

/// Where the event stands that said a customer's drink last: stream and seq. `None` when the drink is not here or gone.
pub async fn said_in(tx: &mut Tx, id: i64) -> Result<Option<(i64, i64)>, storage::Error> {
    let Some(row) = store::user_row(tx, id).await?.filter(|row| !row.deleted) else { return Ok(None) };
    Ok(journal::source(&row.clocks, events::RECIPE)?.map(|stamp| (stamp.stream, stamp.seq)))
}

/// Makes a drink. A customer's has the price of its recipe. The same request again, by its key, makes no second one.
///
/// # Errors
/// This node may not make it for that owner, or the key was sent with another request.
pub async fn create(
    app: &App,
    permit: &Permit,
    owner: Owner,
    recipe: Recipe,
    once: Option<Once>,
) -> Result<Drink, Error> {
    app.write(permit, move |tx| {
        Box::pin(async move {
            if let Some(once) = &once
                && let Some(made) = once.answered::<pb::Recipe>(tx).await?
            {
                return again(&made);
            }
            let drink = make(tx, owner, recipe).await?;
            if let Some(once) = &once {
                once.keep(tx, &drink.recipe.to_event(drink.id, drink.user_created)).await?;
            }
            Ok(drink)
        })
    })
    .await
}

/// The drink that was made when the request came before.
fn again(made: &pb::Recipe) -> Result<Drink, Error> {
    let recipe = Recipe::try_from(made).map_err(|why| storage::Error::Damaged(format!("a kept answer: {why}")))?;
    Ok(Drink { id: made.drink, user_created: made.user_created, recipe })
}

async fn make(tx: &mut Tx, owner: Owner, mut recipe: Recipe) -> Result<Drink, Error> {
    require_hub(tx, owner.number())?;
    // Only hubs could ever change a drink that was born at one.
    if tx.author.id.kind == Kind::Hub && owner != Owner::Chain && !number::is_hub_born(owner.number()) {
        return Err(Error::AskStore);
    }
    if owner != Owner::Chain {
        recipe.price = price(tx, &recipe).await?;
    }
    let id = journal::next_number(tx, "drink").await?;
    let made = Time(tx.clock.wall());
    say(tx, owner, id, &recipe, made).await?;
    tx.about.is("drink", id);
    Ok(Drink { id, user_created: owner != Owner::Chain, recipe })
}

/// Changes a drink of `owner`, as `change` says. A customer's gets the price of its new recipe.
///
/// # Errors
/// There is none, it is another's, or this node may not change it.
pub async fn update<F>(app: &App, permit: &Permit, owner: Owner, id: i64, change: F) -> Result<Drink, Error>
where
    F: FnOnce(Recipe) -> Recipe + Send + 'static,
{
    app.write(permit, move |tx| {
        Box::pin(async move {
            let (old, made) = current(tx, owner, id).await?;
            let mut new = change(old.clone());
            if owner != Owner::Chain {
                new.price = price(tx, &new).await?;
            }
            if new != old {
                require_hub(tx, owner.number())?;
                require_hub(tx, if owner == Owner::Chain { 0 } else { id })?;
                say(tx, owner, id, &new, made).await?;
                refresh_favorite(tx, owner, id, &new).await?;
            }
            Ok(Drink { id, user_created: owner != Owner::Chain, recipe: new })
        })
    })
    .await
}

/// Removes a drink of `owner`, for ever. Removing it again changes nothing.
///
/// # Errors
/// There is none, it is another's, or this node may not remove it.
pub async fn delete(app: &App, permit: &Permit, owner: Owner, id: i64) -> Result<(), Error> {
    app.write(permit, move |tx| {
        Box::pin(async move {
            match current(tx, owner, id).await {
                Ok(_) => {}
                Err(Error::Unknown(_)) if self::owner(tx, id).await? == owner => return Ok(()),
                Err(error) => return Err(error),
            }
            if owner == Owner::Chain {
                journal::emit(tx, &Audience::Everyone, &pb::DrinkWithdrawn { drink: id }).await?;
                return Ok(());
            }
            require_hub(tx, owner.number())?;
            require_hub(tx, id)?;
            let region = own_region(tx);
            journal::emit(tx, &region, &pb::UserDrinkDeleted { drink: id, owner: owner.number() }).await?;
            Ok(())
        })
    })
    .await
}

/// The drink as it is, if it is there and `owner`'s, and when it was made.
async fn current(tx: &mut Tx, owner: Owner, id: i64) -> Result<(Recipe, Time), Error> {
    if owner == Owner::Chain {
        let row = store::catalog_row(tx, id).await?.filter(|row| !row.withdrawn).ok_or(Error::Unknown(id))?;
        return Ok((row.recipe()?, Time(tx.clock.wall())));
    }
    let row = store::user_row(tx, id).await?.filter(|row| !row.deleted && Owner::of_row(row.owner, row.guest) == owner);
    let row = row.ok_or(Error::Unknown(id))?;
    Ok((row.clone().recipe()?, row.created_at))
}

async fn say(tx: &mut Tx, owner: Owner, id: i64, recipe: &Recipe, made: Time) -> Result<(), Error> {
    if owner == Owner::Chain {
        let message = pb::DrinkPublished { recipe: Some(recipe.to_event(id, false)) };
        journal::emit(tx, &Audience::Everyone, &message).await?;
        return Ok(());
    }
    let message = pb::UserDrinkSaved {
        recipe: Some(recipe.to_event(id, true)),
        owner: owner.number(),
        created_at_us: made.0.timestamp_micros(),
        guest: owner.guest().map(|guest| guest.as_bytes().to_vec()).unwrap_or_default(),
    };
    let region = own_region(tx);
    journal::emit(tx, &region, &message).await?;
    Ok(())
}

/// Takes a change of the own drink over into the own favourite, whose copy travels farther than the drink.
async fn refresh_favorite(tx: &mut Tx, owner: Owner, id: i64, recipe: &Recipe) -> Result<(), Error> {
    let Owner::User(user) = owner else { return Ok(()) };
    if store::favorite_row(tx, user, id).await?.is_some_and(|row| row.present) {
        let message = pb::FavoriteAdded { user, recipe: Some(recipe.to_event(id, true)) };
        journal::emit(tx, &Audience::Everyone, &message).await?;
    }
    Ok(())
}

/// The user's favourites in order of numbers. A drink of the catalogue is shown as it is there now.
pub async fn favorites(tx: &mut Tx, user: i64) -> Result<Vec<Drink>, storage::Error> {
    let mut favorites = store::favorites(tx, user, FAVORITES_MAX).await?;
    let ids = favorites.iter().map(|drink| drink.id).collect();
    let newest = store::catalogue_among(tx, ids).await?;
    let sold = |id: i64| newest.iter().find(|drink| drink.id == id);
    reprice(tx, favorites.iter_mut().filter(|favorite| sold(favorite.id).is_none())).await?;
    for favorite in &mut favorites {
        if let Some(newer) = sold(favorite.id) {
            *favorite = newer.clone();
        }
    }
    Ok(favorites)
}

/// Adds a favourite of a user, a drink that `customer` may see or that was `fetched` from afar; true when it was one already.
///
/// # Errors
/// There is no such drink, there are too many favourites, or this node may not speak for the user.
pub async fn add_favorite(
    app: &App,
    permit: &Permit,
    (user, customer): (i64, Customer),
    id: i64,
    fetched: Option<Drink>,
) -> Result<bool, Error> {
    app.write(permit, move |tx| {
        Box::pin(async move {
            require_hub(tx, user)?;
            let drink = match fetched {
                Some(drink) => drink,
                None => find(tx, id, &customer).await?,
            };
            if store::favorite_row(tx, user, id).await?.is_some_and(|row| row.present) {
                return Ok(true);
            }
            if store::favorite_count(tx, user).await? >= FAVORITES_MAX {
                return Err(Error::Full);
            }
            let recipe = Some(drink.recipe.to_event(id, drink.user_created));
            journal::emit(tx, &Audience::Everyone, &pb::FavoriteAdded { user, recipe }).await?;
            Ok(false)
        })
    })
    .await
}

/// Removes a favourite; removing it again changes nothing.
///
/// # Errors
/// This node may not speak for the user.
pub async fn remove_favorite(app: &App, permit: &Permit, user: i64, id: i64) -> Result<(), Error> {
    app.write(permit, move |tx| {
        Box::pin(async move {
            require_hub(tx, user)?;
            if store::favorite_row(tx, user, id).await?.is_some_and(|row| row.present) {
                let message = pb::FavoriteRemoved { user, drink: id };
                journal::emit(tx, &Audience::Everyone, &message).await?;
            }
            Ok(())
        })
    })
    .await
}

/// Removes the favourites, drinks and ratings of deleted users: a reaction to their deletion, derived from the rows. Words about
/// them that arrive later are not applied, so all nodes end with the same rows.
///
/// # Errors
/// The database failed.
pub async fn forget_deleted(tx: &mut Tx) -> Result<(), storage::Error> {
    if store::forget_deleted(tx).await? {
        tx.signals.erased = true;
    }
    Ok(())
}

/// Makes sure that this node may speak about a user or a drink: of those born at a hub only hubs may.
fn require_hub(tx: &Tx, number: i64) -> Result<(), Error> {
    if tx.author.id.kind != Kind::Hub && number::is_hub_born(number) { Err(Error::AskHub) } else { Ok(()) }
}

fn own_region(tx: &Tx) -> Audience {
    Audience::Region(tx.author.id.region.clone())
}
