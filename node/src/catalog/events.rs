//! How drinks and favourites merge. A drink: the later version wins as a whole, its removal for ever. A favourite: per user
//! and drink the later add or remove wins.

use chrono::DateTime;
use codepop_proto::catalog as pb;
use codepop_shared::number;

use super::{
    recipe::Recipe,
    store::{self, CatalogRow, FavoriteRow, UserRow},
};
use crate::{
    accounts,
    app::edge::is_storable,
    journal::{Audience, Error, Field, Merge, Replicated, Scope, Stamp},
    storage::{Tx, types::Time},
};

/// What a drink is made of, with its owner and time of making.
const RECIPE: Field = 1;
/// That a drink is gone.
const GONE: Field = 2;
/// Whether a favourite is one, with its drink.
const FAVORITE: Field = 1;

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
        merge.takes(RECIPE);
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
        let made = DateTime::from_timestamp_micros(self.created_at_us).filter(is_storable);
        let made = made.map(Time).ok_or(Error::Unfit("the time of making is out of range"))?;
        let old = store::user_row(tx, id).await?;
        let mut merge = Merge::new(old.as_ref().map_or(&[], |row| &row.clocks), stamp)?;
        if merge.is_set(GONE) || !merge.takes(RECIPE) {
            return Ok(0);
        }
        let (clocks, live) = merge.settle(tx).await?;
        store::put_user(tx, &UserRow::new(id, owner, made, false, Some(&recipe), clocks)).await?;
        Ok(live)
    }
}

fn owner(number: i64) -> Result<i64, Error> {
    if number == 0 { Ok(0) } else { numbered(number) }
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
        merge.takes(RECIPE);
        let (clocks, live) = merge.settle(tx).await?;
        // The time of making goes too: a node that never had the drink does not know it.
        let row = UserRow::new(id, owner, Time(DateTime::UNIX_EPOCH), true, None, clocks);
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
mod tests {
    use codepop_shared::identity::{Kind, SpiffeId};
    use futures::future::BoxFuture;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{laws, on_both, testing::Node};

    #[derive(Clone, Debug)]
    enum Said {
        Published(pb::DrinkPublished),
        Withdrawn(pb::DrinkWithdrawn),
        Saved(pb::UserDrinkSaved),
        Deleted(pb::UserDrinkDeleted),
        Added(pb::FavoriteAdded),
        Removed(pb::FavoriteRemoved),
    }

    impl laws::Said for Said {
        fn apply<'a>(&'a self, tx: &'a mut Tx, stamp: &'a Stamp) -> BoxFuture<'a, Result<i32, Error>> {
            match self {
                Self::Published(message) => Box::pin(message.apply(tx, stamp)),
                Self::Withdrawn(message) => Box::pin(message.apply(tx, stamp)),
                Self::Saved(message) => Box::pin(message.apply(tx, stamp)),
                Self::Deleted(message) => Box::pin(message.apply(tx, stamp)),
                Self::Added(message) => Box::pin(message.apply(tx, stamp)),
                Self::Removed(message) => Box::pin(message.apply(tx, stamp)),
            }
        }

        fn digest(tx: &mut Tx) -> BoxFuture<'_, laws::Digested> {
            Box::pin(laws::digested(async |hasher| {
                let everyone = super::super::digest(tx, &Audience::Everyone, hasher).await?;
                Ok(everyone + super::super::digest(tx, &Audience::Region("C".into()), hasher).await?)
            }))
        }
    }

    fn recipe(drink: i64, name: &str, user_created: bool) -> pb::Recipe {
        pb::Recipe {
            drink,
            name: name.into(),
            sodas: vec!["Coke".into()],
            price_cents: 200,
            size: "24oz".into(),
            ice: "regular".into(),
            user_created,
            ..pb::Recipe::default()
        }
    }

    fn said() -> impl Strategy<Value = Said> {
        (0_u8..6, 1_i64..3, 0_i64..3, "[a-z]{1,4}").prop_map(|(kind, drink, owner, name)| match kind {
            0 => Said::Published(pb::DrinkPublished { recipe: Some(recipe(drink, &name, false)) }),
            1 => Said::Withdrawn(pb::DrinkWithdrawn { drink }),
            2 => Said::Saved(pb::UserDrinkSaved {
                recipe: Some(recipe(drink, &name, true)),
                owner,
                created_at_us: owner * 1_000,
                guest: Vec::new(),
            }),
            3 => Said::Deleted(pb::UserDrinkDeleted { drink, owner }),
            4 => {
                let recipe = Some(recipe(drink, &name, owner == 0));
                Said::Added(pb::FavoriteAdded { user: owner + 1, recipe })
            }
            _ => Said::Removed(pb::FavoriteRemoved { user: owner + 1, drink }),
        })
    }

    on_both!(drinks_and_favourites_merge_alike_in_any_order, async |node: Node| laws::hold(&node, said()).await);

    #[tokio::test]
    async fn both_databases_give_one_digest() {
        let made = |drink| Some(recipe(drink, "Crème \"brûlée\" 🥤", true));
        let events = vec![
            Said::Published(pb::DrinkPublished { recipe: Some(recipe(7, "Float", false)) }),
            Said::Withdrawn(pb::DrinkWithdrawn { drink: 8 }),
            Said::Saved(pb::UserDrinkSaved {
                recipe: made(9),
                owner: 2,
                created_at_us: 1_753_000_000_123_457,
                guest: Vec::new(),
            }),
            Said::Saved(pb::UserDrinkSaved {
                recipe: made(number::MAX),
                owner: 0,
                created_at_us: -1,
                guest: Vec::new(),
            }),
            Said::Added(pb::FavoriteAdded { user: 3, recipe: made(9) }),
            Said::Removed(pb::FavoriteRemoved { user: 3, drink: 10 }),
        ];
        laws::alike_on_both(events).await;
    }

    on_both!(nonsense_is_unfit, async |node: Node| {
        let good = recipe(1, "Float", true);
        let with = |spoil: fn(&mut pb::Recipe)| {
            let mut recipe = good.clone();
            spoil(&mut recipe);
            Said::Added(pb::FavoriteAdded { user: 1, recipe: Some(recipe) })
        };
        let cases = vec![
            with(|recipe| recipe.drink = 0),
            with(|recipe| recipe.drink = i64::MAX),
            with(|recipe| recipe.price_cents = -1),
            with(|recipe| recipe.size = "bucket".into()),
            with(|recipe| recipe.sodas.clear()),
            with(|recipe| recipe.name = "a\0".into()),
            Said::Added(pb::FavoriteAdded { user: 0, recipe: Some(good.clone()) }),
            Said::Added(pb::FavoriteAdded { user: 1, recipe: None }),
            Said::Published(pb::DrinkPublished { recipe: Some(good.clone()) }),
            Said::Saved(pb::UserDrinkSaved {
                recipe: Some(good.clone()),
                owner: -1,
                created_at_us: 0,
                guest: Vec::new(),
            }),
            Said::Saved(pb::UserDrinkSaved {
                recipe: Some(good.clone()),
                owner: 0,
                created_at_us: i64::MAX,
                guest: Vec::new(),
            }),
            // 5000 BC: a time for SQLite, none for PostgreSQL.
            Said::Saved(pb::UserDrinkSaved {
                recipe: Some(good.clone()),
                owner: 0,
                created_at_us: -219_000_000_000_000_000,
                guest: Vec::new(),
            }),
            Said::Deleted(pb::UserDrinkDeleted { drink: -1, owner: 0 }),
        ];
        let stamp = Stamp { hlc: node.app.clock().tick(), origin: Uuid::nil(), stream: 1, seq: 1 };
        for case in cases {
            let told = case.clone();
            let apply = async move |tx: &mut Tx| laws::Said::apply(&told, tx, &stamp).await;
            let outcome = node.db.receive(move |tx| Box::pin(async move { apply(tx).await })).await;
            assert!(matches!(outcome, Err(Error::Unfit(_))), "{case:?}: {outcome:?}");
        }
    });

    #[test]
    fn a_store_speaks_of_no_drink_of_a_hub_born_account() {
        let store = SpiffeId {
            chain: "test".into(),
            kind: Kind::Store,
            region: "C".into(),
            number: 1_000,
            uuid: Uuid::from_u128(1),
        };
        let at_hub = number::compose(1, 3).unwrap();
        let at_store = number::compose(1, 1_000).unwrap();
        let deletes = |drink, owner| pb::UserDrinkDeleted { drink, owner }.scope().allows(&store);
        assert!(deletes(at_store, at_store) && deletes(at_store, 0));
        assert!(!deletes(at_store, at_hub) && !deletes(at_hub, 0) && !deletes(at_hub, at_store));
        assert!(!pb::DrinkWithdrawn { drink: at_store }.scope().allows(&store));
        assert!(!pb::FavoriteRemoved { user: at_hub, drink: at_store }.scope().allows(&store));
    }
}
