//! Operations and RPCs of the stock on both databases.

use std::sync::Arc;

use codepop_proto::{
    catalog as drinks,
    inventory::{self as pb, inventory_service_server::InventoryService as _},
    roles::Role,
    stores::{self as places, stores_service_server::StoresService as _},
};
use codepop_shared::geo;
use tonic::{Request, Response, Status};

use super::*;
use crate::{
    auth::{Grant, Place},
    journal::{Replicated, Stamp},
    laws, on_both,
    stores::{Described, StoresRpc, describe_self},
    testing::{self, Node},
};

fn here(node: &Node) -> Uuid {
    node.app.author().id.uuid
}

fn rpc(node: &Node) -> InventoryRpc {
    InventoryRpc::new(node.app.clone())
}

fn by<T>(user: Option<i64>, grants: Vec<Grant>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(laws::actor(user, grants));
    request
}

fn answer<T>(answer: Result<Response<T>, Status>) -> Result<T, Failure> {
    answer.map(Response::into_inner).map_err(|status| Failure::from(&status))
}

async fn set(node: &Node, request: pb::SetItemRequest) -> Result<pb::Item, Failure> {
    let manager = Grant { role: Role::Manager, place: Place::Store(here(node)) };
    answer(rpc(node).set_item(by(Some(101_000), vec![manager], request)).await).map(|answer| answer.item.unwrap())
}

fn item(node: &Node, name: &str, kind: &str, quantity: i32) -> pb::SetItemRequest {
    pb::SetItemRequest {
        store_id: here(node).to_string(),
        item_name: name.into(),
        item_type: kind.into(),
        quantity,
        threshold_level: None,
    }
}

async fn check(node: &Node, store: Uuid, drinks: Vec<i64>) -> Result<Vec<pb::DrinkAvailability>, Failure> {
    let request = pb::CheckInventoryRequest { store_id: store.to_string(), drinks };
    answer(rpc(node).check_inventory(by(None, Vec::new(), request)).await).map(|answer| answer.results)
}

async fn hear<M: Replicated + 'static>(node: &Node, message: M) {
    let stamp = Stamp { hlc: node.app.clock().tick(), origin: Uuid::now_v7(), stream: 99, seq: 1 };
    let heard = async move |tx: &mut Tx| message.apply(tx, &stamp).await;
    node.db.receive(move |tx| Box::pin(async move { heard(tx).await })).await.unwrap();
}

/// A drink of the catalogue with these sodas, syrups and add-ins.
async fn publish(node: &Node, drink: i64, [sodas, syrups, add_ins]: [&[&str]; 3]) {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let recipe = drinks::Recipe {
        drink,
        name: format!("Drink {drink}"),
        sodas: list(sodas),
        syrups: list(syrups),
        add_ins: list(add_ins),
        price_cents: 200,
        size: "24oz".into(),
        ice: "regular".into(),
        user_created: false,
    };
    hear(node, drinks::DrinkPublished { recipe: Some(recipe) }).await;
}

on_both!(drinks_are_checked_in_the_order_asked, async |node: Node| {
    for (name, kind, quantity) in [
        ("Mtn. Dew", "Soda", 5),
        ("Powerade", "Soda", 1),
        ("Lemon Lime", "Syrup", 3),
        ("Milano", "Syrup", 1),
        ("Vanilla", "Syrup", 0),
        ("Coconut Cream", "Add In", 2),
        ("Candy Sprinkles", "Add In", 2),
    ] {
        set(&node, item(&node, name, kind, quantity)).await.unwrap();
    }
    publish(&node, 1, [&["mtn. dew", "poweraid"], &["lemon", "LIME", "chocolate milano"], &["candy", "coconot cream"]])
        .await;
    publish(&node, 2, [&["Mtn.  Dew"], &["Vanilla", "Huckleberry"], &["Sprinkles", "Mtn. Dew"]]).await;
    let results = check(&node, here(&node), vec![2, 77, 1, 2]).await.unwrap();
    assert_eq!(results.iter().map(|result| result.drink_id).collect::<Vec<_>>(), [2, 77, 1, 2]);
    assert!(!results[0].available);
    assert_eq!(results[0].missing_ingredients, ["Vanilla", "Huckleberry", "Mtn. Dew"], "a soda is no add-in");
    assert_eq!((results[1].available, results[1].drink_name.as_deref()), (false, None));
    assert!(results[2].available, "{:?}", results[2].missing_ingredients);
    assert_eq!(results[2].drink_name.as_deref(), Some("Drink 1"));
});

on_both!(questions_have_bounds_and_a_place, async |node: Node| {
    let fields = async |drinks| check(&node, here(&node), drinks).await.unwrap_err().fields;
    assert_eq!(fields(Vec::new()).await[0].0, "drinks");
    assert_eq!(fields(vec![1; 101]).await[0].0, "drinks");
    assert_eq!(check(&node, here(&node), vec![1; 100]).await.unwrap().len(), 100);
    assert_eq!(check(&node, Uuid::now_v7(), vec![1]).await.unwrap_err().code, Code::NotFound);
    let malformed = pb::CheckInventoryRequest { store_id: "here".into(), drinks: vec![1] };
    let failure = answer(rpc(&node).check_inventory(by(None, Vec::new(), malformed)).await).unwrap_err();
    assert_eq!((failure.code, failure.fields[0].0.as_str()), (Code::Invalid, "store_id"));
});

on_both!(items_are_set_once_a_name, async |node: Node| {
    let made = set(&node, pb::SetItemRequest { threshold_level: Some(3), ..item(&node, "Poweraid", "Soda", 4) }).await;
    let made = made.unwrap();
    assert_eq!((made.inventory_id, made.threshold_level), (101_000, 3));
    let again = set(&node, item(&node, " POWERADE ", "Soda", 0)).await.unwrap();
    assert_eq!((again.inventory_id, again.threshold_level, again.quantity), (101_000, 3, 0));
    assert_eq!(again.item_name, "POWERADE");
    let other = set(&node, item(&node, "powerade", "Syrup", 9)).await.unwrap();
    assert_eq!((other.inventory_id, other.threshold_level), (201_000, 10));
    for (name, kind) in [("Straws", "Physical"), ("Whip", "Add In"), ("apple", "Syrup")] {
        set(&node, item(&node, name, kind, 20)).await.unwrap();
    }
    let listed = answer(rpc(&node).list_items(Request::new(pb::ListItemsRequest {})).await).unwrap().items;
    let listed: Vec<_> = listed.iter().map(|item| (item.item_type.as_str(), item.item_name.as_str())).collect();
    assert_eq!(listed, [("Add In", "Whip"), ("Physical", "Straws"), ("Syrup", "apple"), ("Syrup", "powerade")]);

    let place = geo::Place::new(41.737, -111.8338).unwrap();
    let described =
        Described { name: "own".into(), place, api_base_url: String::new(), time_zone: None, region_name: None };
    describe_self(&node.app, described).await.unwrap();
    let request = Request::new(places::GetStoreRequest { store_id: here(&node).to_string() });
    let store = answer(StoresRpc::new(node.app.clone(), Arc::new(OwnStock)).get_store(request).await).unwrap();
    let status = store.store.unwrap().inventory_status.unwrap();
    assert_eq!((status.total_items, status.low_stock_items, status.status.as_str()), (5, 2, "low_stock"));
});

on_both!(wrong_items_and_strangers_are_refused, async |node: Node| {
    let wrong = pb::SetItemRequest { threshold_level: Some(1_000_001), ..item(&node, "a\0", "soda", -1) };
    let fields: Vec<_> = set(&node, wrong).await.unwrap_err().fields.into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["ItemName", "ItemType", "Quantity", "ThresholdLevel"]);
    assert!(set(&node, item(&node, &"x".repeat(101), "Soda", 1)).await.is_err());
    assert!(set(&node, item(&node, "Coke", "Soda", 1_000_000)).await.is_ok());

    let refused = async |user, grants| {
        answer(rpc(&node).set_item(by(user, grants, item(&node, "Coke", "Soda", 1))).await).unwrap_err().code
    };
    assert_eq!(refused(None, Vec::new()).await, Code::NotAuthenticated);
    assert_eq!(refused(Some(101_000), Vec::new()).await, Code::Forbidden);
    let elsewhere = Grant { role: Role::Manager, place: Place::Store(Uuid::now_v7()) };
    assert_eq!(refused(Some(101_000), vec![elsewhere]).await, Code::Forbidden);
});

#[tokio::test]
async fn a_hub_sends_to_a_store() {
    let node = Node::sqlite_as(testing::name(3, "C")).await;
    let listed = answer(rpc(&node).list_items(Request::new(pb::ListItemsRequest {})).await);
    assert_eq!(listed.unwrap_err().code, Code::AskStore);
    let admin = Grant { role: Role::SuperAdmin, place: Place::Chain };
    let request = pb::SetItemRequest { store_id: Uuid::now_v7().to_string(), ..item(&node, "Coke", "Soda", 1) };
    let refused = answer(rpc(&node).set_item(by(Some(101_000), vec![admin], request)).await);
    assert_eq!(refused.unwrap_err().code, Code::NotFound);
}

on_both!(of_others_drinks_nothing_is_told, async |node: Node| {
    set(&node, item(&node, "Coke", "Soda", 5)).await.unwrap();
    let recipe = drinks::Recipe {
        drink: 901_000,
        name: "Hers".into(),
        sodas: vec!["Coke".into()],
        price_cents: 200,
        size: "24oz".into(),
        ice: "regular".into(),
        user_created: true,
        ..Default::default()
    };
    let saved = drinks::UserDrinkSaved { recipe: Some(recipe), owner: 101_000, created_at_us: 1, guest: Vec::new() };
    hear(&node, saved).await;
    for (user, name) in [(None, None), (Some(201_000), None), (Some(101_000), Some("Hers"))] {
        let request = pb::CheckInventoryRequest { store_id: here(&node).to_string(), drinks: vec![901_000] };
        let results = answer(rpc(&node).check_inventory(by(user, Vec::new(), request)).await).unwrap().results;
        assert_eq!((results[0].drink_name.as_deref(), results[0].available), (name, name.is_some()));
    }
});
