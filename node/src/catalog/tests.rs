//! Operations and RPCs of drinks and favourites on both databases.

use codepop_proto::{
    catalog::{self as pb, catalog_service_server::CatalogService as _},
    roles::Role,
};
use codepop_shared::{Code, Failure, number};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::*;
use crate::{
    auth::{Grant, Place},
    journal::{Replicated, Stamp},
    laws, on_both,
    testing::{self, Node},
};

const ANN: i64 = 101_000;
const BOB: i64 = 201_000;

/// A request by a user, or by a guest.
fn by<T>(user: Option<i64>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(laws::actor(user, Vec::new()));
    request
}

/// A request by somebody who may change the catalogue.
fn by_admin<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let grant = Grant { role: Role::SuperAdmin, place: Place::Chain };
    request.extensions_mut().insert(laws::actor(Some(BOB), vec![grant]));
    request
}

fn answer<T>(answer: Result<Response<T>, Status>) -> Result<T, Failure> {
    answer.map(Response::into_inner).map_err(|status| Failure::from(&status))
}

fn code<T: std::fmt::Debug>(answered: Result<Response<T>, Status>) -> Code {
    answer(answered).unwrap_err().code
}

fn rpc(node: &Node) -> CatalogRpc {
    CatalogRpc::new(node.app.clone())
}

fn float() -> pb::CreateDrinkRequest {
    pb::CreateDrinkRequest {
        name: "Coke Float".into(),
        syrups_used: vec!["Vanilla".into()],
        soda_used: vec!["Coke".into()],
        add_ins: vec!["Cream".into()],
        price: Some(5.99),
        size: Some("32OZ".into()),
        ice: Some("No Ice".into()),
        user_created: Some(true),
    }
}

async fn create(node: &Node, user: Option<i64>) -> pb::Drink {
    answer(rpc(node).create_drink(by(user, float())).await).unwrap().drink.unwrap()
}

async fn get(node: &Node, user: Option<i64>, drink_id: i64) -> Result<pb::Drink, Failure> {
    answer(rpc(node).get_drink(by(user, pb::GetDrinkRequest { drink_id })).await).map(|answer| answer.drink.unwrap())
}

async fn favorites(node: &Node, user: i64) -> Vec<pb::Drink> {
    answer(rpc(node).list_favorites(by(Some(user), pb::ListFavoritesRequest { user_id: user })).await).unwrap().drinks
}

async fn add(node: &Node, user_id: i64, drink_id: i64) -> Result<bool, Failure> {
    let request = by(Some(user_id), pb::AddFavoriteRequest { user_id, drink_id });
    answer(rpc(node).add_favorite(request).await).map(|answer| answer.existed)
}

/// As if a node elsewhere had said it.
async fn hear<M: Replicated + 'static>(node: &Node, message: M) {
    let stamp = Stamp { hlc: node.app.clock().tick(), origin: Uuid::now_v7(), stream: 99, seq: 1 };
    let heard = async move |tx: &mut Tx| message.apply(tx, &stamp).await;
    node.db.receive(move |tx| Box::pin(async move { heard(tx).await })).await.unwrap();
}

async fn events_of(node: &Node) -> i64 {
    let counts = node.db.read(|tx| Box::pin(journal::entries::counts(tx))).await;
    counts.map_err(|error: storage::Error| error).unwrap().0
}

fn published(drink: i64, name: &str) -> pb::DrinkPublished {
    let recipe = pb::Recipe {
        drink,
        name: name.into(),
        sodas: vec!["Coke".into()],
        price_cents: 250,
        size: "24oz".into(),
        ice: "regular".into(),
        ..pb::Recipe::default()
    };
    pb::DrinkPublished { recipe: Some(recipe) }
}

on_both!(a_guests_drink_goes_through_the_cart, async |node: Node| {
    let drink = create(&node, None).await;
    assert_eq!(drink.drink_id, 101_000);
    assert_eq!((drink.price, drink.size.as_str(), drink.ice.as_str()), (5.99, "32oz", "none"));
    assert!(drink.user_created && drink.rating.is_none() && drink.favorite.is_empty());
    assert_eq!(get(&node, None, drink.drink_id).await.unwrap(), drink);

    let change = |drink_id| pb::UpdateDrinkRequest {
        drink_id,
        soda_used: vec!["Sprite".into()],
        price: Some(2.0),
        ..Default::default()
    };
    let changed = answer(rpc(&node).update_drink(by(None, change(drink.drink_id))).await).unwrap().drink.unwrap();
    assert_eq!((changed.soda_used, changed.syrups_used.len(), changed.price), (vec!["Sprite".to_owned()], 0, 2.0));
    assert_eq!((changed.name.as_str(), changed.size.as_str()), ("Coke Float", "32oz"));
    let same = pb::UpdateDrinkRequest { drink_id: drink.drink_id, ..Default::default() };
    answer(rpc(&node).update_drink(by(None, same)).await).unwrap();
    assert_eq!(events_of(&node).await, 2, "what changes nothing is not said");

    // The app sends the token of whoever is logged in when it empties the cart.
    let gone = pb::DeleteDrinkRequest { drink_id: drink.drink_id };
    answer(rpc(&node).delete_drink(by(Some(ANN), gone)).await).unwrap();
    answer(rpc(&node).delete_drink(by(None, gone)).await).unwrap();
    assert_eq!(events_of(&node).await, 3);
    assert_eq!(get(&node, None, drink.drink_id).await.unwrap_err().code, Code::NotFound);
    assert_eq!(code(rpc(&node).update_drink(by(None, change(drink.drink_id))).await), Code::NotFound);
});

on_both!(a_users_drink_is_the_users_alone, async |node: Node| {
    let id = create(&node, Some(ANN)).await.drink_id;
    let change = pb::UpdateDrinkRequest { drink_id: id, name: Some("Mine".into()), ..Default::default() };
    for other in [None, Some(BOB)] {
        assert_eq!(get(&node, other, id).await.unwrap().name, "Coke Float");
        assert_eq!(code(rpc(&node).update_drink(by(other, change.clone())).await), Code::NotFound);
        assert_eq!(
            code(rpc(&node).delete_drink(by(other, pb::DeleteDrinkRequest { drink_id: id })).await),
            Code::NotFound
        );
    }
    // A change reaches the own favourite, which travels farther than the drink.
    assert!(!add(&node, ANN, id).await.unwrap());
    let changed = answer(rpc(&node).update_drink(by(Some(ANN), change)).await).unwrap().drink.unwrap();
    assert_eq!((changed.name.as_str(), changed.favorite), ("Mine", vec![ANN]));
    assert_eq!(favorites(&node, ANN).await[0].name, "Mine");
    answer(rpc(&node).delete_drink(by(Some(ANN), pb::DeleteDrinkRequest { drink_id: id })).await).unwrap();
    assert_eq!(get(&node, Some(ANN), id).await.unwrap().name, "Mine", "the favourite keeps its copy");
    assert_eq!(get(&node, Some(BOB), id).await.unwrap_err().code, Code::NotFound);
});

on_both!(wrong_fields_are_named_in_the_apps_spelling, async |node: Node| {
    let fields = async |request| {
        let failure = answer(rpc(&node).create_drink(by(None, request)).await).unwrap_err();
        assert_eq!(failure.code, Code::Invalid);
        failure.fields.into_iter().map(|(field, _)| field).collect::<Vec<_>>()
    };
    assert_eq!(fields(Default::default()).await, ["Name", "SodaUsed", "Price", "User_Created"]);
    let wrong = pb::CreateDrinkRequest {
        name: "x".repeat(256),
        syrups_used: vec!["a".into(); 21],
        add_ins: vec![" ".into()],
        price: Some(f64::NAN),
        size: Some("m".into()),
        ice: Some("normal".into()),
        ..float()
    };
    assert_eq!(fields(wrong).await, ["Name", "SyrupsUsed", "AddIns", "Price", "Size", "Ice"]);
    assert_eq!(fields(pb::CreateDrinkRequest { price: Some(1_000.01), ..float() }).await, ["Price"]);
    let id = create(&node, None).await.drink_id;
    let wrong =
        pb::UpdateDrinkRequest { drink_id: id, name: Some(String::new()), price: Some(-1.0), ..Default::default() };
    let failure = answer(rpc(&node).update_drink(by(None, wrong)).await).unwrap_err();
    assert_eq!(failure.fields.len(), 2);
});

on_both!(favourites_are_the_own_and_never_twice, async |node: Node| {
    hear(&node, published(700_003, "Red Rizz")).await;
    let own = create(&node, Some(ANN)).await.drink_id;
    assert!(!add(&node, ANN, 700_003).await.unwrap());
    assert!(add(&node, ANN, 700_003).await.unwrap());
    assert!(!add(&node, ANN, own).await.unwrap());
    assert_eq!(add(&node, ANN, 999_001).await.unwrap_err().code, Code::NotFound);
    let ids: Vec<i64> = favorites(&node, ANN).await.iter().map(|drink| drink.drink_id).collect();
    assert_eq!(ids, [own, 700_003]);
    assert!(favorites(&node, BOB).await.is_empty());

    // Only the own favourites, and of others not even the number is shown.
    let foreign = pb::AddFavoriteRequest { user_id: ANN, drink_id: own };
    assert_eq!(code(rpc(&node).add_favorite(by(Some(BOB), foreign)).await), Code::Forbidden);
    assert_eq!(
        code(rpc(&node).list_favorites(by(None, pb::ListFavoritesRequest { user_id: ANN })).await),
        Code::NotAuthenticated
    );
    let listed = async |user| answer(rpc(&node).list_drinks(by(user, pb::ListDrinksRequest {})).await).unwrap().drinks;
    assert_eq!(listed(Some(ANN)).await[0].favorite, [ANN]);
    assert!(listed(Some(BOB)).await[0].favorite.is_empty() && listed(None).await[0].favorite.is_empty());

    // The catalogue's drink is shown as it is now; when it is withdrawn, as it was.
    hear(&node, published(700_003, "Redder Rizz")).await;
    assert_eq!(favorites(&node, ANN).await[1].name, "Redder Rizz");
    hear(&node, pb::DrinkWithdrawn { drink: 700_003 }).await;
    assert_eq!(favorites(&node, ANN).await[1].name, "Red Rizz");
    assert!(listed(None).await.is_empty());

    let remove = pb::RemoveFavoriteRequest { user_id: ANN, drink_id: 700_003 };
    answer(rpc(&node).remove_favorite(by(Some(ANN), remove)).await).unwrap();
    let before = events_of(&node).await;
    answer(rpc(&node).remove_favorite(by(Some(ANN), remove)).await).unwrap();
    assert_eq!((favorites(&node, ANN).await.len(), events_of(&node).await), (1, before));
    assert_eq!(get(&node, Some(ANN), 700_003).await.unwrap_err().code, Code::NotFound);
});

on_both!(favourites_have_a_bound, async |node: Node| {
    for drink in 1..=FAVORITES_MAX + 1 {
        hear(&node, published(drink, "Float")).await;
    }
    for drink in 1..=FAVORITES_MAX {
        assert!(!add(&node, ANN, drink).await.unwrap());
    }
    assert_eq!(add(&node, ANN, FAVORITES_MAX + 1).await.unwrap_err().code, Code::Conflict);
    assert!(add(&node, ANN, 1).await.unwrap());
});

on_both!(a_deleted_user_leaves_nothing, async |node: Node| {
    let (annes, guests) = (create(&node, Some(ANN)).await.drink_id, create(&node, None).await.drink_id);
    add(&node, ANN, annes).await.unwrap();
    add(&node, BOB, annes).await.unwrap();
    hear(&node, codepop_proto::accounts::UserDeleted { user: ANN, ..Default::default() }).await;
    node.db.write(|tx| Box::pin(forget_deleted(tx))).await.map_err(|e: storage::Error| e).unwrap();
    // A word that comes late changes nothing.
    let late = pb::FavoriteAdded { user: ANN, recipe: Some(pb::Recipe { drink: annes, ..Default::default() }) };
    let refused = node
        .db
        .write(move |tx| Box::pin(async move { journal::emit(tx, &Audience::Everyone, &late).await.map(drop) }))
        .await;
    assert!(matches!(refused, Err(journal::Error::Erased)));
    assert!(favorites(&node, ANN).await.is_empty());
    assert_eq!(favorites(&node, BOB).await.len(), 1);
    assert_eq!(get(&node, None, annes).await.unwrap_err().code, Code::NotFound);
    assert!(get(&node, None, guests).await.is_ok());
});

on_both!(stores_send_what_is_the_hubs_to_a_hub, async |node: Node| {
    let catalogue = pb::CreateDrinkRequest { user_created: Some(false), ..float() };
    assert_eq!(code(rpc(&node).create_drink(by(None, catalogue.clone())).await), Code::NotAuthenticated);
    assert_eq!(code(rpc(&node).create_drink(by(Some(ANN), catalogue.clone())).await), Code::Forbidden);
    assert_eq!(code(rpc(&node).create_drink(by_admin(catalogue)).await), Code::AskHub);
    hear(&node, published(700_003, "Red Rizz")).await;
    let gone = pb::DeleteDrinkRequest { drink_id: 700_003 };
    assert_eq!(code(rpc(&node).delete_drink(by(Some(ANN), gone)).await), Code::Forbidden);
    assert_eq!(code(rpc(&node).delete_drink(by_admin(gone)).await), Code::AskHub);

    let hub_born = number::compose(4, 3);
    assert_eq!(code(rpc(&node).create_drink(by(hub_born, float())).await), Code::AskHub);
    assert_eq!(add(&node, hub_born.unwrap(), 700_003).await.unwrap_err().code, Code::AskHub);
});

#[tokio::test]
async fn hubs_keep_the_catalogue() {
    let node = Node::sqlite_as(testing::name(3, "C")).await;
    let catalogue = pb::CreateDrinkRequest { user_created: Some(false), ..float() };
    assert_eq!(code(rpc(&node).create_drink(by(Some(ANN), catalogue.clone())).await), Code::Forbidden);
    let drink = answer(rpc(&node).create_drink(by_admin(catalogue)).await).unwrap().drink.unwrap();
    assert!(!drink.user_created && number::is_hub_born(drink.drink_id));
    let change = pb::UpdateDrinkRequest { drink_id: drink.drink_id, price: Some(6.5), ..Default::default() };
    assert_eq!(code(rpc(&node).update_drink(by(None, change.clone())).await), Code::NotAuthenticated);
    assert_eq!(answer(rpc(&node).update_drink(by_admin(change)).await).unwrap().drink.unwrap().price, 6.5);
    let listed = answer(rpc(&node).list_drinks(by(None, pb::ListDrinksRequest {})).await).unwrap().drinks;
    assert_eq!(listed.iter().map(|drink| drink.price).collect::<Vec<_>>(), [6.5]);
    answer(rpc(&node).delete_drink(by_admin(pb::DeleteDrinkRequest { drink_id: drink.drink_id })).await).unwrap();
    assert_eq!(get(&node, None, drink.drink_id).await.unwrap_err().code, Code::NotFound);
    // A late copy of an older version does not bring it back.
    hear(&node, published(drink.drink_id, "Zombie")).await;
    assert_eq!(get(&node, None, drink.drink_id).await.unwrap_err().code, Code::NotFound);
}
