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
    auth::{Actor, Grant, Place},
    journal::{Replicated, Stamp},
    laws, on_both,
    testing::{self, Node},
};

const ANN: i64 = 101_000;
const BOB: i64 = 201_000;

const GUEST: Uuid = Uuid::from_u128(7);

/// A request by a user, or by the guest.
fn by<T>(user: Option<i64>, message: T) -> Request<T> {
    by_customer(Customer { user, guest: user.is_none().then_some(GUEST) }, message)
}

fn by_customer<T>(customer: Customer, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let actor = Actor { guest: customer.guest, ..laws::actor(customer.user, Vec::new()) };
    request.extensions_mut().insert(actor);
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

fn float_of(drink: i64) -> pb::Recipe {
    let sodas = vec!["Coke".into()];
    let (size, ice) = ("24oz".into(), "regular".into());
    pb::Recipe {
        drink,
        name: "Float".into(),
        sodas,
        price_cents: 200,
        size,
        ice,
        user_created: true,
        ..Default::default()
    }
}

async fn rate(node: &Node, user: Option<i64>, drink_id: i64, rating: f64) -> Result<pb::Drink, Failure> {
    let request = pb::UpdateDrinkRequest { drink_id, rating: Some(rating), ..Default::default() };
    answer(rpc(node).update_drink(by(user, request)).await).map(|answer| answer.drink.unwrap())
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
    assert_eq!((drink.price, drink.size.as_str(), drink.ice.as_str()), (2.6, "32oz", "none"));
    assert!(drink.user_created && drink.rating.is_none() && drink.favorite.is_empty());
    assert_eq!(get(&node, None, drink.drink_id).await.unwrap(), drink);

    let change = |drink_id| pb::UpdateDrinkRequest {
        drink_id,
        soda_used: vec!["Sprite".into()],
        price: Some(0.01),
        ..Default::default()
    };
    let changed = answer(rpc(&node).update_drink(by(None, change(drink.drink_id))).await).unwrap().drink.unwrap();
    assert_eq!((changed.soda_used, changed.syrups_used.len(), changed.price), (vec!["Sprite".to_owned()], 0, 2.0));
    assert_eq!((changed.name.as_str(), changed.size.as_str()), ("Coke Float", "32oz"));
    let same = pb::UpdateDrinkRequest { drink_id: drink.drink_id, ..Default::default() };
    answer(rpc(&node).update_drink(by(None, same)).await).unwrap();
    assert_eq!(events_of(&node).await, 2, "what changes nothing is not said");

    // Another guest, a user and nobody in particular see nothing of it; the one who logs in keeps it.
    let gone = pb::DeleteDrinkRequest { drink_id: drink.drink_id };
    let other = Customer { user: None, guest: Some(Uuid::from_u128(8)) };
    for stranger in [other, Customer { user: Some(ANN), guest: None }, Customer::default()] {
        let read = pb::GetDrinkRequest { drink_id: drink.drink_id };
        assert_eq!(code(rpc(&node).get_drink(by_customer(stranger, read)).await), Code::NotFound);
        assert_eq!(code(rpc(&node).update_drink(by_customer(stranger, change(drink.drink_id))).await), Code::NotFound);
        assert_eq!(code(rpc(&node).delete_drink(by_customer(stranger, gone)).await), Code::NotFound);
    }
    let logged_in = Customer { user: Some(ANN), guest: Some(GUEST) };
    answer(rpc(&node).delete_drink(by_customer(logged_in, gone)).await).unwrap();
    // Whose it was is not known any more: whoever removes what is gone has what was wanted.
    answer(rpc(&node).delete_drink(by(None, gone)).await).unwrap();
    assert_eq!(events_of(&node).await, 3);
    assert_eq!(get(&node, None, drink.drink_id).await.unwrap_err().code, Code::NotFound);
    assert_eq!(code(rpc(&node).update_drink(by(None, change(drink.drink_id))).await), Code::NotFound);
});

on_both!(a_users_drink_is_the_users_alone, async |node: Node| {
    let id = create(&node, Some(ANN)).await.drink_id;
    let change = pb::UpdateDrinkRequest { drink_id: id, name: Some("Mine".into()), ..Default::default() };
    for other in [None, Some(BOB)] {
        assert_eq!(get(&node, other, id).await.unwrap_err().code, Code::NotFound);
        assert_eq!(code(rpc(&node).update_drink(by(other, change.clone())).await), Code::NotFound);
        assert_eq!(
            code(rpc(&node).delete_drink(by(other, pb::DeleteDrinkRequest { drink_id: id })).await),
            Code::NotFound
        );
    }
    assert_eq!(add(&node, BOB, id).await.unwrap_err().code, Code::NotFound);
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
    let for_all = |request| pb::CreateDrinkRequest { user_created: Some(false), ..request };
    // What a phone says of the price of a customer's drink is not looked at.
    assert_eq!(fields(wrong.clone()).await, ["Name", "SyrupsUsed", "AddIns", "Size", "Ice"]);
    assert_eq!(fields(for_all(wrong)).await, ["Name", "SyrupsUsed", "AddIns", "Price", "Size", "Ice"]);
    assert_eq!(fields(for_all(pb::CreateDrinkRequest { price: Some(1_000.01), ..float() })).await, ["Price"]);
    let id = create(&node, None).await.drink_id;
    let wrong = pb::UpdateDrinkRequest {
        drink_id: id,
        name: Some(String::new()),
        size: Some("m".into()),
        ..Default::default()
    };
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
    let recipe = Some(float_of(annes));
    hear(&node, pb::FavoriteAdded { user: BOB, recipe: recipe.clone() }).await;
    rate(&node, Some(ANN), annes, 5.0).await.unwrap();
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
    let means = node.db.read(move |tx| Box::pin(means(tx, vec![annes]))).await;
    assert!(means.map_err(|error: storage::Error| error).unwrap().is_empty());
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

on_both!(prices_are_those_of_the_recipe, async |node: Node| {
    hear(&node, published(700_003, "Red Rizz")).await;
    let made = async |request| answer(rpc(&node).create_drink(by(None, request)).await).unwrap().drink.unwrap();
    let copy = pb::CreateDrinkRequest {
        name: "red rizz".into(),
        soda_used: vec!["COKE".into()],
        price: None,
        user_created: Some(true),
        ..Default::default()
    };
    let copy = made(copy).await;
    assert_eq!((copy.price, copy.user_created), (2.5, true));
    assert_eq!(made(pb::CreateDrinkRequest { price: Some(f64::NAN), ..float() }).await.price, 2.6);
    let change = pb::UpdateDrinkRequest { drink_id: copy.drink_id, name: Some("Mine".into()), ..Default::default() };
    let changed = answer(rpc(&node).update_drink(by(None, change)).await).unwrap().drink.unwrap();
    assert_eq!(changed.price, 2.0);
    let recipe = Recipe::try_from(&float_of(1)).unwrap();
    let price = node.db.read(move |tx| Box::pin(async move { price(tx, &recipe).await })).await;
    assert_eq!(price.map_err(|error: storage::Error| error).unwrap().get(), 200);
});

on_both!(a_drink_is_rated_once_by_each_user, async |node: Node| {
    hear(&node, published(700_003, "Red Rizz")).await;
    let own = create(&node, Some(ANN)).await;
    // The app sends a copy of the drink along, in spellings that are not the drink's: nothing of it is taken.
    let stars = pb::UpdateDrinkRequest {
        drink_id: own.drink_id,
        name: Some("Other".into()),
        soda_used: vec!["Other".into()],
        price: Some(9.0),
        rating: Some(4.0),
        ..Default::default()
    };
    let rated = answer(rpc(&node).update_drink(by(Some(ANN), stars)).await).unwrap().drink.unwrap();
    assert_eq!(rated, pb::Drink { rating: Some(4.0), ..own.clone() });
    assert_eq!(rate(&node, Some(BOB), own.drink_id, 1.0).await.unwrap_err().code, Code::NotFound);

    for (user, stars, mean) in [(ANN, 5.0, 5.0), (BOB, 2.0, 3.5), (BOB, 3.0, 4.0), (301_000, 3.0, 3.67)] {
        assert_eq!(rate(&node, Some(user), 700_003, stars).await.unwrap().rating, Some(mean));
    }
    let before = events_of(&node).await;
    assert_eq!(rate(&node, Some(BOB), 700_003, 3.0).await.unwrap().rating, Some(3.67));
    // A guest gets a friendly answer, and nothing is kept.
    assert_eq!(rate(&node, None, 700_003, 1.0).await.unwrap().rating, Some(3.67));
    assert_eq!(events_of(&node).await, before);
    let listed = answer(rpc(&node).list_drinks(by(None, pb::ListDrinksRequest {})).await).unwrap().drinks;
    assert_eq!(listed[0].rating, Some(3.67));
    assert!(!add(&node, ANN, 700_003).await.unwrap());
    assert_eq!(favorites(&node, ANN).await[0].rating, Some(3.67));
    for wrong in [0.0, 6.0, 2.5, f64::NAN] {
        for user in [None, Some(ANN)] {
            let failure = rate(&node, user, 700_003, wrong).await.unwrap_err();
            assert_eq!((failure.code, failure.fields[0].0.as_str()), (Code::Invalid, "Rating"));
        }
    }
    assert_eq!(rate(&node, Some(ANN), 999_001, 5.0).await.unwrap_err().code, Code::NotFound);
    assert_eq!(rate(&node, number::compose(4, 3), 700_003, 5.0).await.unwrap_err().code, Code::AskHub);
});

on_both!(imported_drinks_of_nobody_are_seen_and_not_changed, async |node: Node| {
    let saved = |drink, guest| pb::UserDrinkSaved { recipe: Some(float_of(drink)), owner: 0, created_at_us: 1, guest };
    hear(&node, saved(64, Vec::new())).await;
    hear(&node, saved(65, vec![1; 16])).await;
    hear(&node, saved(901_000, Vec::new())).await;
    for user in [None, Some(ANN)] {
        assert_eq!(get(&node, user, 64).await.unwrap().name, "Float");
        assert_eq!(get(&node, user, 65).await.unwrap_err().code, Code::NotFound);
        assert_eq!(get(&node, user, 901_000).await.unwrap_err().code, Code::NotFound);
        let gone = pb::DeleteDrinkRequest { drink_id: 64 };
        assert_eq!(code(rpc(&node).delete_drink(by(user, gone)).await), Code::NotFound);
        let change = pb::UpdateDrinkRequest { drink_id: 64, name: Some("Mine".into()), ..Default::default() };
        assert_eq!(code(rpc(&node).update_drink(by(user, change)).await), Code::NotFound);
    }
});

on_both!(the_same_request_again_makes_no_second_drink, async |node: Node| {
    let make = async |key: &'static str, name: &str| {
        let mut request = by(Some(ANN), pb::CreateDrinkRequest { name: name.into(), ..float() });
        request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
        answer(rpc(&node).create_drink(request).await).map(|answer| answer.drink.unwrap())
    };
    let made = make("one", "Float").await.unwrap();
    assert_eq!(make("one", "Float").await.unwrap(), made);
    assert_ne!(make("two", "Float").await.unwrap().drink_id, made.drink_id);
    assert_eq!(make("one", "Other").await.unwrap_err().code, Code::KeyReused);
    assert_eq!(events_of(&node).await, 2);
});

/// A node elsewhere that says the same of every drink, and counts how often it is asked.
struct Elsewhere(pb::UserDrinkSaved, std::sync::atomic::AtomicUsize);

impl crate::app::DrinkFinder for Elsewhere {
    fn find_drink(&self, _drink: i64) -> futures::future::BoxFuture<'_, Option<pb::UserDrinkSaved>> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Box::pin(std::future::ready(Some(self.0.clone())))
    }
}

on_both!(own_drinks_come_from_afar, async |node: Node| {
    let drink = number::compose(9, 2_000).unwrap();
    let said = pb::UserDrinkSaved { recipe: Some(float_of(drink)), owner: ANN, created_at_us: 1, guest: Vec::new() };
    let elsewhere = std::sync::Arc::new(Elsewhere(said, Default::default()));
    let app = App { drinks: elsewhere.clone(), ..node.app.clone() };
    let rpc = CatalogRpc::new(app.clone());
    let get =
        async |customer, drink_id| answer(rpc.get_drink(by_customer(customer, pb::GetDrinkRequest { drink_id })).await);
    let asked = || elsewhere.1.load(std::sync::atomic::Ordering::SeqCst);
    let ann = Customer { user: Some(ANN), guest: Some(GUEST) };
    assert_eq!(get(ann, drink).await.unwrap().drink.unwrap().name, "Float");
    assert_eq!((events_of(&node).await, asked()), (0, 1), "nothing is kept of it");
    // Another's drink is not shown, and what came for another number is not it.
    assert_eq!(get(Customer { user: Some(BOB), guest: None }, drink).await.unwrap_err().code, Code::NotFound);
    assert_eq!(get(ann, drink + number::STRIDE).await.unwrap_err().code, Code::NotFound);
    let before = asked();
    // Nobody in particular owns nothing; what was born here, imported, or is known to be gone or another's is not asked for.
    assert_eq!(get(Customer::default(), drink).await.unwrap_err().code, Code::NotFound);
    for id in [number::compose(9, 1_000).unwrap(), 64, 0, -5, i64::MAX] {
        assert_eq!(get(ann, id).await.unwrap_err().code, Code::NotFound, "{id}");
    }
    let gone = number::compose(10, 2_000).unwrap();
    hear(&node, pb::UserDrinkDeleted { drink: gone, owner: ANN }).await;
    assert_eq!(get(ann, gone).await.unwrap_err().code, Code::NotFound);
    assert_eq!(asked(), before);

    let add = pb::AddFavoriteRequest { user_id: ANN, drink_id: drink };
    answer(rpc.add_favorite(by_customer(ann, add)).await).unwrap();
    assert_eq!(get(ann, drink).await.unwrap().drink.unwrap().favorite, [ANN]);
    assert_eq!(asked(), before + 1, "the favourite brought it");
});

on_both!(old_drinks_go_and_favourites_stay, async |node: Node| {
    let day_us = 24 * 3_600 * 1_000_000;
    let now = node.app.clock().wall().timestamp_micros();
    let save = async |drink, owner, days: i64| {
        let created_at_us = now - days * day_us;
        let guest = if owner == 0 { GUEST.as_bytes().to_vec() } else { Vec::new() };
        hear(&node, pb::UserDrinkSaved { recipe: Some(float_of(drink)), owner, created_at_us, guest }).await;
    };
    let own = |counter| number::compose(counter, 1_000).unwrap();
    let (old, young, loved, annes) = (own(1), own(2), own(3), own(4));
    let (foreign, imported) = (number::compose(1, 2_000).unwrap(), 64);
    for (drink, owner, days) in
        [(old, 0, 8), (young, 0, 6), (loved, 0, 400), (annes, ANN, 8), (foreign, 0, 400), (imported, 0, 400)]
    {
        save(drink, owner, days).await;
    }
    hear(&node, pb::FavoriteAdded { user: ANN, recipe: Some(float_of(loved)) }).await;
    let expire = async || {
        let more = node.db.write(|tx| Box::pin(expire(tx))).await;
        assert!(!more.map_err(|error: Error| error).unwrap());
    };
    expire().await;
    assert_eq!(events_of(&node).await, 2, "others hear of it");
    for (drink, is_there) in [(old, false), (young, true), (loved, true), (foreign, true), (imported, true)] {
        assert_eq!(get(&node, None, drink).await.is_ok(), is_there, "{drink}");
    }
    assert_eq!(get(&node, Some(ANN), annes).await.unwrap_err().code, Code::NotFound);
    expire().await;
    assert_eq!(events_of(&node).await, 2);
});

#[tokio::test]
async fn a_hub_removes_what_no_node_does() {
    let node = Node::sqlite_as(testing::name(3, "C")).await;
    let now = node.app.clock().wall().timestamp_micros();
    for (counter, days) in [(1, 20), (2, 22)] {
        let (drink, guest) = (number::compose(counter, 2_000).unwrap(), vec![1; 16]);
        let created_at_us = now - days * 24 * 3_600 * 1_000_000;
        hear(&node, pb::UserDrinkSaved { recipe: Some(float_of(drink)), owner: 0, created_at_us, guest }).await;
    }
    node.db.write(|tx| Box::pin(expire(tx))).await.map_err(|error: Error| error).unwrap();
    assert_eq!(events_of(&node).await, 1);
}
