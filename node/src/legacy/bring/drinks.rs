//! Drinks and favourites.

use super::{Import, VERBATIM_END, plan::Maker};
use crate::{
    catalog,
    legacy::{Entity, Error, rows::Drink},
    storage::Tx,
};

impl Import {
    pub(super) async fn drink(&mut self, tx: &mut Tx, at: usize) -> Result<(), Error> {
        let row = self.snapshot.drinks[at].clone();
        if self.was_before(Entity::Drinks, row.id) {
            return Ok(());
        }
        if row.user_created && !self.abandoned_carts && !self.plan.used.contains(&row.id) {
            let reason =
                "an abandoned cart: it is in no order and no favourite (--include-abandoned-carts brings them)";
            self.report.skip(Entity::Drinks, Some(row.id), reason);
            return Ok(());
        }
        let (recipe, mut changes) = match self.plan.recipes.get(&row.id).cloned() {
            Some(Ok(recipe)) => recipe,
            other => {
                let reason = other.and_then(Result::err).unwrap_or_default();
                self.report.skip(Entity::Drinks, Some(row.id), &reason);
                return Ok(());
            }
        };
        let is_taken = self.verbatim && catalog::import::is_known(tx, row.id).await?;
        let id = self.new_number(tx, "drink", row.id, is_taken).await?;
        let owner = self.owner(&row, id, &mut changes);
        if id != row.id {
            changes.push("got a new number".to_owned());
        }
        if row.rating.is_some() {
            changes.push("its average rating was left out: ratings belong to the users who gave them now".to_owned());
        }
        let made = tx.clock.wall();
        let said = catalog::import::bring(tx, id, owner, &recipe, made).await;
        match self.said(Entity::Drinks, row.id, said)? {
            None => Ok(()),
            Some(()) => self.keep(tx, Entity::Drinks, row.id, id, &changes).await,
        }
    }

    /// The user here who owns a drink; notes why there is none.
    fn owner(&self, row: &Drink, id: i64, changes: &mut Vec<String>) -> Option<i64> {
        if !row.user_created {
            let name = row.name.trim().to_lowercase();
            let change = if id >= VERBATIM_END {
                "of the old catalogue: it stays in old orders and favourites alone; only a hub can put it into the chain's"
            } else if self.catalogue.contains(&name) {
                "of the old catalogue, and the chain's has a drink of that name: both can be ordered"
            } else {
                "of the old catalogue: everybody can order it, but only a hub can put it into the chain's catalogue"
            };
            changes.push(change.to_owned());
            return None;
        }
        let owner = match self.plan.makers.get(&row.id) {
            Some(Maker::One(user)) => self.number(Entity::Users, *user),
            Some(Maker::Several) | None => None,
        };
        if owner.is_none() {
            let change = if id < VERBATIM_END {
                "nobody knows whose it is: everybody can order it, nobody change it"
            } else {
                "nobody knows whose it is: it stays in old orders and favourites alone"
            };
            changes.push(change.to_owned());
        }
        owner
    }

    pub(super) async fn favorite(&mut self, tx: &mut Tx, at: usize) -> Result<(), Error> {
        let row = self.snapshot.favorites[at].clone();
        if self.was_before(Entity::Favorites, row.id) {
            return Ok(());
        }
        let user = self.number(Entity::Users, row.user);
        let drink = self.number(Entity::Drinks, row.drink);
        let recipe = self.plan.recipes.get(&row.drink).and_then(|made| made.as_ref().ok());
        let (Some(user), Some(drink), Some((recipe, _))) = (user, drink, recipe) else {
            let reason =
                if user.is_none() { "its user was not brought over" } else { "its drink was not brought over" };
            self.report.skip(Entity::Favorites, Some(row.id), reason);
            return Ok(());
        };
        let said = catalog::import::bring_favorite(tx, user, drink, recipe).await;
        match self.said(Entity::Favorites, row.id, said)? {
            None => Ok(()),
            Some(true) => self.keep(tx, Entity::Favorites, row.id, drink, &[]).await,
            Some(false) => {
                self.report.skip(Entity::Favorites, Some(row.id), "its user has as many favourites as there may be");
                Ok(())
            }
        }
    }
}
