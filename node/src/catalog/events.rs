//! How drinks, favourites and ratings merge. A drink: the later version wins as a whole, its removal for ever. A favourite:
//! per user and drink the later add or remove wins. A rating: per user and drink the later wins.

use chrono::DateTime;
use codepop_proto::catalog as pb;
use codepop_shared::number;
use uuid::Uuid;

use super::{
    ratings,
    recipe::Recipe,
    store::{self, CatalogRow, FavoriteRow, UserRow},
};
use crate::{
    accounts,
    app::edge::is_storable,
    journal::{Audience, Error, Field, Merge, Replicated, Scope, Stamp},
    storage::{
        Tx,
        types::{Id, Time},
    },
};

/// What a drink is made of, with its owner and time of making.
pub(super) const RECIPE: Field = 1;
/// That a drink is gone.
const GONE: Field = 2;
/// Whether a favourite is one, with its drink.
const FAVORITE: Field = 1;
/// The stars of a rating.
const STARS: Field = 1;

/// The right to speak of a customer's drink: that of its owner, or of the drink itself when it was born at a hub. So a
/// store cannot touch the drinks of hub-born accounts by naming another owner.
fn customers(owner: i64, drink: i64) -> Scope {
    Scope::Customer(if number::is_hub_born(drink) { drink } else { owner })
}

fn numbered(number: i64) -> Result<i64, Error> {
    if (1..=number::MAX).contains(&number) { Ok(number) } else { Err(Error::Unfit("a number is out of range")) }
}

/// Number and content of a drink that customers made, or of one that is not theirs.
fn content(recipe: Option<&pb::Recipe>, user_created: Option<bool>) -> Result<(i64, Recipe), Error> {
    let said = recipe.ok_or(Error::Unfit("the drink is missing"))?;
    if user_created.is_some_and(|expected| said.user_created != expected) {
        return Err(Error::Unfit("the drink is of the other kind"));
    }
    Ok((numbered(said.drink)?, Recipe::try_from(said).map_err(Error::Unfit)?))
}

impl Replicated for pb::DrinkPublished {
    fn scope(&self) -> Scope {
        Scope::Catalogue
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let (id, recipe) = content(self.recipe.as_ref(), Some(false))?;
        let old = store::catalog_row(tx, id).await?;
        let mut merge = Merge::new(old.as_ref().map_or(&[], |row| &row.clocks), stamp)?;
        if merge.is_set(GONE) || !merge.takes(RECIPE) {
            return Ok(0);
        }
        let (clocks, live) = merge.settle(tx).await?;
        store::put_catalog(tx, &CatalogRow::new(id, false, Some(&recipe), clocks)).await?;
        Ok(live)
    }
}

impl Replicated for pb::DrinkWithdrawn {
    fn scope(&self) -> Scope {
        Scope::Catalogue
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let id = numbered(self.drink)?;
        let old = store::catalog_row(tx, id).await?;
        let mut merge = Merge::new(old.as_ref().map_or(&[], |row| &row.clocks), stamp)?;
        if !merge.takes(GONE) {
            return Ok(0);
        }
        // An earlier version is of no use any more.
        merge.clears(RECIPE);
        let (clocks, live) = merge.settle(tx).await?;
        store::put_catalog(tx, &CatalogRow::new(id, true, None, clocks)).await?;
        Ok(live)
    }
}

impl Replicated for pb::UserDrinkSaved {
    fn scope(&self) -> Scope {
        customers(self.owner, self.recipe.as_ref().map_or(0, |recipe| recipe.drink))
    }

    fn is_for(&self, audience: &Audience) -> bool {
        matches!(audience, Audience::Region(_))
    }

    fn subject(&self) -> i64 {
        self.owner
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        not_deleted(tx, self.owner).await?;
        let (id, recipe) = content(self.recipe.as_ref(), Some(true))?;
        let owner = owner(self.owner)?;
        let guest = guest(owner, &self.guest)?;
        let made = DateTime::from_timestamp_micros(self.created_at_us).filter(is_storable);
        let made = made.map(Time).ok_or(Error::Unfit("the time of making is out of range"))?;
        let old = store::user_row(tx, id).await?;
        let mut merge = Merge::new(old.as_ref().map_or(&[], |row| &row.clocks), stamp)?;
        if merge.is_set(GONE) || !merge.takes(RECIPE) {
            return Ok(0);
        }
        let (clocks, live) = merge.settle(tx).await?;
        store::put_user(tx, &UserRow::new(id, owner, guest, made, false, Some(&recipe), clocks)).await?;
        Ok(live)
    }
}

fn owner(number: i64) -> Result<i64, Error> {
    if number == 0 { Ok(0) } else { numbered(number) }
}

/// The guest of a drink that is no user's.
fn guest(owner: i64, bytes: &[u8]) -> Result<Option<Id>, Error> {
    match bytes {
        [] => Ok(None),
        bytes if owner == 0 => {
            Uuid::from_slice(bytes).map(|uuid| Some(Id(uuid))).map_err(|_| Error::Unfit("the guest is not a UUID"))
        }
        _ => Err(Error::Unfit("the drink has two owners")),
    }
}

impl Replicated for pb::UserDrinkDeleted {
    fn scope(&self) -> Scope {
        customers(self.owner, self.drink)
    }

    fn is_for(&self, audience: &Audience) -> bool {
        matches!(audience, Audience::Region(_))
    }

    fn subject(&self) -> i64 {
        self.owner
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        not_deleted(tx, self.owner).await?;
        let (id, owner) = (numbered(self.drink)?, owner(self.owner)?);
        let old = store::user_row(tx, id).await?;
        let mut merge = Merge::new(old.as_ref().map_or(&[], |row| &row.clocks), stamp)?;
        if !merge.takes(GONE) {
            return Ok(0);
        }
        merge.clears(RECIPE);
        let (clocks, live) = merge.settle(tx).await?;
        // The guest and the time of making go too: a node that never had the drink does not know them.
        let row = UserRow::new(id, owner, None, Time(DateTime::UNIX_EPOCH), true, None, clocks);
        store::put_user(tx, &row).await?;
        Ok(live)
    }
}

impl Replicated for pb::FavoriteAdded {
    fn scope(&self) -> Scope {
        Scope::Customer(self.user)
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        not_deleted(tx, self.user).await?;
        let (drink, recipe) = content(self.recipe.as_ref(), None)?;
        let user_created = self.recipe.as_ref().is_some_and(|recipe| recipe.user_created);
        favorite(tx, stamp, (numbered(self.user)?, drink), Some((&recipe, user_created))).await
    }
}

impl Replicated for pb::FavoriteRemoved {
    fn scope(&self) -> Scope {
        Scope::Customer(self.user)
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        not_deleted(tx, self.user).await?;
        favorite(tx, stamp, (numbered(self.user)?, numbered(self.drink)?), None).await
    }
}

impl Replicated for pb::DrinkRated {
    fn scope(&self) -> Scope {
        Scope::Customer(self.user)
    }

    fn is_for(&self, audience: &Audience) -> bool {
        // The digest counts a rating by its drink's number: what is for everyone may not be said to a region alone.
        match audience {
            Audience::Everyone => true,
            Audience::Region(_) => !number::is_hub_born(self.drink),
            _ => false,
        }
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        not_deleted(tx, self.user).await?;
        let (user, drink) = (numbered(self.user)?, numbered(self.drink)?);
        let stars = i32::try_from(self.stars).ok().filter(|stars| ratings::STARS.contains(stars));
        let stars = stars.ok_or(Error::Unfit("the stars are out of range"))?;
        let old = ratings::row(tx, user, drink).await?;
        let mut merge = Merge::new(old.as_ref().map_or(&[], |row| &row.clocks), stamp)?;
        if !merge.takes(STARS) {
            return Ok(0);
        }
        let (clocks, live) = merge.settle(tx).await?;
        ratings::put(tx, &ratings::Row { user_id: user, drink_id: drink, stars, clocks }).await?;
        Ok(live)
    }
}

/// Of a deleted user nothing is kept, however late it arrives.
async fn not_deleted(tx: &mut Tx, user: i64) -> Result<(), Error> {
    if user != 0 && accounts::is_deleted(tx, user).await? { Err(Error::Erased) } else { Ok(()) }
}

async fn favorite(
    tx: &mut Tx,
    stamp: &Stamp,
    (user, drink): (i64, i64),
    added: Option<(&Recipe, bool)>,
) -> Result<i32, Error> {
    let old = store::favorite_row(tx, user, drink).await?;
    let mut merge = Merge::new(old.as_ref().map_or(&[], |row| &row.clocks), stamp)?;
    if !merge.takes(FAVORITE) {
        return Ok(0);
    }
    let (clocks, live) = merge.settle(tx).await?;
    let (recipe, user_created) = (added.map(|(recipe, _)| recipe), added.is_some_and(|(_, user)| user));
    store::put_favorite(tx, &FavoriteRow::new(user, drink, added.is_some(), user_created, recipe, clocks)).await?;
    Ok(live)
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
