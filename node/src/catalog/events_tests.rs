//! The laws of merging, and what is refused.

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
    Rated(pb::DrinkRated),
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
            Self::Rated(message) => Box::pin(message.apply(tx, stamp)),
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

/// Drinks of no user are one guest's, another's, or nobody's.
fn guest(owner: i64, name: &str) -> Vec<u8> {
    match (owner, name.len()) {
        (0, length @ 1..=2) => vec![length as u8; 16],
        _ => Vec::new(),
    }
}

fn said() -> impl Strategy<Value = Said> {
    (0_u8..7, 1_i64..3, 0_i64..3, "[a-z]{1,4}").prop_map(|(kind, drink, owner, name)| match kind {
        0 => Said::Published(pb::DrinkPublished { recipe: Some(recipe(drink, &name, false)) }),
        1 => Said::Withdrawn(pb::DrinkWithdrawn { drink }),
        2 => Said::Saved(pb::UserDrinkSaved {
            recipe: Some(recipe(drink, &name, true)),
            owner,
            created_at_us: owner * 1_000,
            guest: guest(owner, &name),
        }),
        3 => Said::Deleted(pb::UserDrinkDeleted { drink, owner }),
        4 => {
            let recipe = Some(recipe(drink, &name, owner == 0));
            Said::Added(pb::FavoriteAdded { user: owner + 1, recipe })
        }
        5 => Said::Removed(pb::FavoriteRemoved { user: owner + 1, drink }),
        // One drink of a hub and one of a store.
        _ => Said::Rated(pb::DrinkRated { user: owner + 1, drink: 100_000 + drink * 900, stars: name.len() as u32 }),
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
            guest: vec![0xab; 16],
        }),
        Said::Rated(pb::DrinkRated { user: 3, drink: 9, stars: 5 }),
        Said::Rated(pb::DrinkRated { user: 3, drink: 100_007, stars: 1 }),
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
        Said::Saved(pb::UserDrinkSaved { recipe: Some(good.clone()), owner: -1, created_at_us: 0, guest: Vec::new() }),
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
        Said::Saved(pb::UserDrinkSaved { recipe: Some(good.clone()), owner: 0, created_at_us: 0, guest: vec![1; 15] }),
        Said::Saved(pb::UserDrinkSaved { recipe: Some(good.clone()), owner: 1, created_at_us: 0, guest: vec![1; 16] }),
        Said::Deleted(pb::UserDrinkDeleted { drink: -1, owner: 0 }),
        Said::Rated(pb::DrinkRated { user: 1, drink: 1, stars: 0 }),
        Said::Rated(pb::DrinkRated { user: 1, drink: 1, stars: 6 }),
        Said::Rated(pb::DrinkRated { user: 1, drink: 1, stars: u32::MAX }),
        Said::Rated(pb::DrinkRated { user: 0, drink: 1, stars: 1 }),
        Said::Rated(pb::DrinkRated { user: 1, drink: 0, stars: 1 }),
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
    assert!(!pb::DrinkRated { user: at_hub, drink: at_store, stars: 5 }.scope().allows(&store));
    assert!(!pb::FavoriteRemoved { user: at_hub, drink: at_store }.scope().allows(&store));
}

#[test]
fn ratings_of_the_catalogue_are_for_everyone() {
    let rated = |drink| pb::DrinkRated { user: 1, drink, stars: 5 };
    let (region, at_hub) = (Audience::Region("C".into()), number::compose(1, 3).unwrap());
    let at_store = number::compose(1, 1_000).unwrap();
    assert!(rated(at_hub).is_for(&Audience::Everyone) && !rated(at_hub).is_for(&region));
    assert!(rated(at_store).is_for(&region) && rated(7).is_for(&region) && rated(7).is_for(&Audience::Everyone));
    assert!(!rated(at_store).is_for(&Audience::Hubs));
}
