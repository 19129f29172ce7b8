//! Drinks and favourites of the old system: brought over as customers' drinks, because a store cannot speak for the
//! chain's catalogue.

use chrono::{DateTime, Utc};
use codepop_proto::catalog as pb;

use super::{FAVORITES_MAX, Recipe, own_region, store};
use crate::{
    journal::{self, Audience},
    storage::{self, Tx},
};

/// Whether anything is known of a drink with this number, deleted or not.
///
/// # Errors
/// The database failed.
pub async fn is_known(tx: &mut Tx, id: i64) -> Result<bool, storage::Error> {
    Ok(store::user_row(tx, id).await?.is_some() || store::catalog_row(tx, id).await?.is_some())
}

/// Takes a drink in under a number; without an owner it is one that everybody can read and nobody change.
///
/// # Errors
/// The owner is deleted, this node may not speak of the drink, or the database failed.
pub async fn bring(
    tx: &mut Tx,
    id: i64,
    owner: Option<i64>,
    recipe: &Recipe,
    made: DateTime<Utc>,
) -> Result<(), journal::Error> {
    let message = pb::UserDrinkSaved {
        recipe: Some(recipe.to_event(id, true)),
        owner: owner.unwrap_or_default(),
        created_at_us: made.timestamp_micros(),
        guest: Vec::new(),
    };
    let region = own_region(tx);
    journal::emit(tx, &region, &message).await?;
    Ok(())
}

/// Makes a drink a favourite; false when the user has as many as there may be.
///
/// # Errors
/// The user is deleted, this node may not speak for it, or the database failed.
pub async fn bring_favorite(tx: &mut Tx, user: i64, id: i64, recipe: &Recipe) -> Result<bool, journal::Error> {
    if store::favorite_count(tx, user).await? >= FAVORITES_MAX {
        return Ok(false);
    }
    let message = pb::FavoriteAdded { user, recipe: Some(recipe.to_event(id, true)) };
    journal::emit(tx, &Audience::Everyone, &message).await?;
    Ok(true)
}
