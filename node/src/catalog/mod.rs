//! Drinks: the chain's catalogue, which hubs publish to everyone; the drinks that customers make, which stay in their
//! region; and favourites, which follow the customer everywhere and take their drink along.
//!
//! Reading order: `recipe.rs`, `store.rs` (the rows), `events.rs` (how they merge), this file (operations).

mod digest;
mod events;
pub mod import;
pub mod money;
pub mod recipe;
mod rpc;
mod store;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use codepop_proto::catalog as pb;
use codepop_shared::{Code, Failure, identity::Kind, number};

pub use self::{digest::digest, recipe::Recipe, rpc::CatalogRpc};
use crate::{
    app::{
        App,
        edge::{journal_failure, storage_failure},
    },
    auth::Permit,
    journal::{self, Audience},
    storage::{self, Tx, types::Time},
};

/// Drinks of the catalogue in one answer; the chain sells a few dozen.
const CATALOGUE_MAX: i64 = 1_000;

/// Favourites of one user: more than anyone scrolls through. Even the largest drinks (15 KiB) then fit one message.
const FAVORITES_MAX: i64 = 200;

/// Why an operation on drinks failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such drink, or none that the caller may change; nothing to be done.
    #[error("No drink has the number {0}.")]
    Unknown(i64),
    /// Stores may not say this; ask a hub.
    #[error("Only a hub can do this.")]
    AskHub,
    /// Hubs don't make customers' drinks; ask a store.
    #[error("Customers' drinks are made at stores.")]
    AskStore,
    /// The user has as many favourites as there may be; remove one first.
    #[error("There can be {FAVORITES_MAX} favourites; remove one first.")]
    Full,
    /// The database failed; try again.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The change could not be said.
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Unknown(_) => Self::new(Code::NotFound, error.to_string()),
            Error::AskHub => Self::new(Code::AskHub, error.to_string()),
            Error::AskStore => Self::new(Code::AskStore, error.to_string()),
            Error::Full => Self::new(Code::Conflict, error.to_string()),
            Error::Storage(error) => storage_failure(&error),
            Error::Journal(error) => journal_failure(&error),
        }
    }
}

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

/// Whose a drink is, and so who may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The chain: people with the permission to change the catalogue.
    Chain,
    /// A guest. Guests have no sessions, so nobody can tell whose it is.
    Guest,
    /// A user, by number.
    User(i64),
}

impl Owner {
    /// The customer who is asking: a user or a guest.
    pub fn customer(user: Option<i64>) -> Self {
        user.map_or(Self::Guest, Self::User)
    }

    /// As events and rows have it.
    fn number(self) -> i64 {
        match self {
            Self::User(number) => number,
            Self::Guest | Self::Chain => 0,
        }
    }

    fn of_row(number: i64) -> Self {
        if number == 0 { Self::Guest } else { Self::User(number) }
    }
}

/// The catalogue, in order of numbers.
pub async fn list(tx: &mut Tx) -> Result<Vec<Drink>, storage::Error> {
    store::catalogue(tx, CATALOGUE_MAX).await
}

/// Those of the drinks that are known here: of the catalogue, made by customers, or else among the favourites of `user`,
/// whose drinks may come from another region.
pub async fn drinks(tx: &mut Tx, ids: Vec<i64>, user: Option<i64>) -> Result<HashMap<i64, Drink>, storage::Error> {
    let mut found: HashMap<i64, Drink> = HashMap::new();
    let missing = |found: &HashMap<i64, Drink>| -> Vec<i64> {
        ids.iter().copied().filter(|id| !found.contains_key(id)).collect()
    };
    let take = |found: &mut HashMap<i64, Drink>, drinks: Vec<Drink>| {
        found.extend(drinks.into_iter().map(|drink| (drink.id, drink)));
    };
    let catalogue = store::catalogue_among(tx, ids.clone()).await?;
    take(&mut found, catalogue);
    let rest = missing(&found);
    if !rest.is_empty() {
        let made = store::user_drinks_among(tx, rest).await?;
        take(&mut found, made);
    }
    let rest = missing(&found);
    if let Some(user) = user
        && !rest.is_empty()
    {
        let favorites = store::favorites_among(tx, user, rest).await?;
        take(&mut found, favorites);
    }
    Ok(found)
}

/// One drink.
pub async fn find(tx: &mut Tx, id: i64, user: Option<i64>) -> Result<Drink, Error> {
    drinks(tx, vec![id], user).await?.remove(&id).ok_or(Error::Unknown(id))
}

/// Which of the drinks are among the user's favourites.
pub async fn favorites_among(tx: &mut Tx, user: i64, ids: Vec<i64>) -> Result<Vec<i64>, storage::Error> {
    Ok(store::favorites_among(tx, user, ids).await?.into_iter().map(|drink| drink.id).collect())
}

/// Whose a drink is. Answers for drinks that are gone too.
pub async fn owner(tx: &mut Tx, id: i64) -> Result<Owner, Error> {
    if store::catalog_row(tx, id).await?.is_some() {
        return Ok(Owner::Chain);
    }
    let row = store::user_row(tx, id).await?.ok_or(Error::Unknown(id))?;
    Ok(Owner::of_row(row.owner))
}

/// Makes a drink.
///
/// # Errors
/// This node may not make it for that owner.
pub async fn create(app: &App, permit: &Permit, owner: Owner, recipe: Recipe) -> Result<Drink, Error> {
    app.write(permit, move |tx| {
        Box::pin(async move {
            require_hub(tx, owner.number())?;
            // Only hubs could ever change a drink that was born at one.
            if tx.author.id.kind == Kind::Hub && owner != Owner::Chain && !number::is_hub_born(owner.number()) {
                return Err(Error::AskStore);
            }
            let id = journal::next_number(tx, "drink").await?;
            let made = Time(tx.clock.wall());
            say(tx, owner, id, &recipe, made).await?;
            Ok(Drink { id, user_created: owner != Owner::Chain, recipe })
        })
    })
    .await
}

/// Changes a drink of `owner`, as `change` says.
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
            let new = change(old.clone());
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
    let row = store::user_row(tx, id).await?.filter(|row| !row.deleted && Owner::of_row(row.owner) == owner);
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
        guest: Vec::new(),
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
    for favorite in &mut favorites {
        if let Some(newer) = newest.iter().find(|drink| drink.id == favorite.id) {
            *favorite = newer.clone();
        }
    }
    Ok(favorites)
}

/// Adds a favourite; true when it was one already.
///
/// # Errors
/// There is no such drink, there are too many favourites, or this node may not speak for the user.
pub async fn add_favorite(app: &App, permit: &Permit, user: i64, id: i64) -> Result<bool, Error> {
    app.write(permit, move |tx| {
        Box::pin(async move {
            require_hub(tx, user)?;
            let drink = find(tx, id, Some(user)).await?;
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

/// Removes the favourites and drinks of deleted users: a reaction to their deletion, derived from the rows. Words about
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
