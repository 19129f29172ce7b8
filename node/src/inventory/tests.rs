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

struct NoQueue;

impl stores::QueueLength for NoQueue {
    fn queue<'a>(&'a self, _tx: &'a mut Tx) -> BoxFuture<'a, Result<u32, storage::Error>> {
        Box::pin(std::future::ready(Ok(0)))
    }
}

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
    let listed = answer(rpc(&node).list_items(by(None, Vec::new(), pb::ListItemsRequest {})).await).unwrap().items;
    let listed: Vec<_> = listed.iter().map(|item| (item.item_type.as_str(), item.item_name.as_str())).collect();
    assert_eq!(listed, [("Add In", "Whip"), ("Physical", "Straws"), ("Syrup", "apple"), ("Syrup", "powerade")]);

    let place = geo::Place::new(41.737, -111.8338).unwrap();
    let described =
        Described { name: "own".into(), place, api_base_url: String::new(), time_zone: None, region_name: None };
    describe_self(&node.app, described).await.unwrap();
    let request = Request::new(places::GetStoreRequest { store_id: here(&node).to_string() });
    let store =
        answer(StoresRpc::new(node.app.clone(), Arc::new(OwnStock), Arc::new(NoQueue)).get_store(request).await)
            .unwrap();
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
    let listed = answer(rpc(&node).list_items(by(None, Vec::new(), pb::ListItemsRequest {})).await);
    assert_eq!(listed.unwrap_err().code, Code::AskStore);
    let admin = Grant { role: Role::SuperAdmin, place: Place::Chain };
    let request = pb::SetItemRequest { store_id: Uuid::now_v7().to_string(), ..item(&node, "Coke", "Soda", 1) };
    let refused = answer(rpc(&node).set_item(by(Some(101_000), vec![admin], request)).await);
    assert_eq!(refused.unwrap_err().code, Code::NotFound);
}

fn manager(node: &Node) -> Vec<Grant> {
    vec![Grant { role: Role::Manager, place: Place::Store(here(node)) }]
}

/// Checks that the movements of every item add up to its quantity, newest first with the quantity after each.
async fn assert_adds_up(node: &Node) {
    let items = node.app.read(|tx| Box::pin(report(tx))).await.unwrap();
    for item in items {
        let mut moved = node.app.read(move |tx| Box::pin(movements(tx, item.id, 10_000))).await.unwrap();
        moved.reverse();
        let mut quantity = 0;
        for movement in moved {
            quantity += movement.change;
            assert_eq!(movement.quantity, quantity, "{}: {movement:?}", item.name);
            assert_ne!(movement.change, 0);
        }
        assert_eq!(quantity, item.quantity, "{}", item.name);
    }
}

async fn takes(node: &Node, order: i64, syrups: Vec<String>) -> Result<(), Error> {
    let needs: Vec<Need> = syrups.into_iter().map(|name| Need { kind: Kind::Syrup, name }).collect();
    node.db.write(move |tx| Box::pin(async move { take(tx, &needs, order).await })).await
}

async fn quantity(node: &Node, id: i64) -> i32 {
    node.app.read(move |tx| Box::pin(super::item(tx, id))).await.unwrap().quantity
}

on_both!(orders_take_all_or_nothing, async |node: Node| {
    let vanilla = set(&node, item(&node, "Vanilla", "Syrup", 3)).await.unwrap().inventory_id;
    let milano = set(&node, item(&node, "Milano", "Syrup", 1)).await.unwrap().inventory_id;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let refused = takes(&node, 1, names(&["Vanilla", "chocolate milano", "Milano", "Kiwi"])).await.unwrap_err();
    assert!(matches!(&refused, Error::Missing(missing) if missing == &["Kiwi", "Milano"]), "{refused}");
    assert_eq!((quantity(&node, vanilla).await, quantity(&node, milano).await), (3, 1), "nothing was taken");
    let failure = Failure::from(refused);
    assert_eq!((failure.code, failure.fields[0].0.as_str()), (Code::InsufficientItems, "Kiwi"));

    takes(&node, 1, names(&["vanilla", "Vanilla", "chocolate milano"])).await.unwrap();
    assert_eq!((quantity(&node, vanilla).await, quantity(&node, milano).await), (1, 0));
    for _ in 0..2 {
        node.db.write(|tx| Box::pin(put_back(tx, 1))).await.unwrap();
        assert_eq!((quantity(&node, vanilla).await, quantity(&node, milano).await), (3, 1), "given back once");
    }
    takes(&node, 1, names(&["vanilla"])).await.unwrap();
    assert_eq!(quantity(&node, vanilla).await, 2);
    assert_adds_up(&node).await;
});

on_both!(the_ledger_adds_up_whatever_happens, async |node: Node| {
    use rand::{RngExt as _, SeedableRng as _};
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let names = ["Vanilla", "Lemon", "Lime", "Lemon Lime"];
    for _ in 0..60 {
        let name = names[random.random_range(0..names.len())];
        let units = random.random_range(0..6);
        match random.random_range(0..5) {
            0 => drop(set(&node, item(&node, name, "Syrup", units)).await.unwrap()),
            1 => {
                let id = node.app.read(|tx| Box::pin(report(tx))).await.unwrap().first().map(|item| item.id);
                let Some(id) = id else { continue };
                let correction = Correction {
                    fill_up: units % 2 == 0,
                    quantity: (units > 2).then_some(units),
                    ..Default::default()
                };
                let permit = laws::actor(Some(1), Vec::new()).public();
                correct(&node.app, &permit, id, correction).await.unwrap();
            }
            2 => {
                let order = random.random_range(1..4);
                node.db.write(move |tx| Box::pin(put_back(tx, order))).await.unwrap();
            }
            _ => {
                let order = random.random_range(1..4);
                let needs = (0..units).map(|_| names[random.random_range(0..names.len())].to_owned()).collect();
                drop(takes(&node, order, needs).await);
            }
        }
    }
    assert_adds_up(&node).await;
});

on_both!(managers_restock_and_correct, async |node: Node| {
    let id = set(&node, pb::SetItemRequest { threshold_level: Some(8), ..item(&node, "Coke", "Soda", 5) }).await;
    let id = id.unwrap().inventory_id;
    let update = async |request: pb::UpdateItemRequest| {
        let request = by(Some(101_000), manager(&node), pb::UpdateItemRequest { inventory_id: id, ..request });
        answer(rpc(&node).update_item(request).await)
    };
    let low = update(pb::UpdateItemRequest { quantity: Some(8), note: Some("counted".into()), ..Default::default() });
    let low = low.await.unwrap();
    assert_eq!((low.quantity, low.warning.as_deref()), (8, Some("Coke is running low: 8 left.")));
    let full = update(pb::UpdateItemRequest { reset: Some(true), ..Default::default() }).await.unwrap();
    assert_eq!((full.quantity, full.warning), (18, None));
    let used = update(pb::UpdateItemRequest { used_quantity: Some(1.0), ..Default::default() }).await.unwrap();
    assert_eq!((used.quantity, used.threshold_level, used.item_type.as_str()), (18, 8, "Soda"));
    assert_eq!(
        update(pb::UpdateItemRequest { quantity: Some(-1), ..Default::default() }).await.unwrap_err().code,
        Code::Invalid
    );

    let list = pb::ListMovementsRequest { inventory_id: id, limit: None };
    let moved = answer(rpc(&node).list_movements(by(Some(101_000), manager(&node), list)).await).unwrap().movements;
    let moved: Vec<_> = moved.iter().map(|moved| (moved.change, moved.reason.as_str(), moved.note.as_str())).collect();
    assert_eq!(moved, [(10, "restock", ""), (3, "correction", "counted"), (5, "restock", "")]);
    let refused = answer(rpc(&node).list_movements(by(Some(101_000), Vec::new(), list)).await);
    assert_eq!(refused.unwrap_err().code, Code::Forbidden);
    assert_adds_up(&node).await;
});

on_both!(strangers_see_what_is_there_and_change_nothing, async |node: Node| {
    let id = set(&node, item(&node, "Coke", "Soda", 50)).await.unwrap().inventory_id;
    set(&node, item(&node, "Pepsi", "Soda", 0)).await.unwrap();
    let listed = answer(rpc(&node).list_items(by(None, Vec::new(), pb::ListItemsRequest {})).await).unwrap().items;
    assert_eq!(listed.iter().map(|item| (item.quantity, item.threshold_level)).collect::<Vec<_>>(), [(1, 0)]);
    let reported = answer(rpc(&node).get_report(by(None, Vec::new(), pb::GetReportRequest {})).await).unwrap();
    let rows: Vec<_> = reported.inventory_items.iter().map(|item| (item.item_name.as_str(), item.quantity)).collect();
    assert_eq!((rows, reported.total_items, reported.out_of_stock), (vec![("Coke", 1), ("Pepsi", 0)], 2, 1));
    let got = answer(rpc(&node).get_item(by(None, Vec::new(), pb::GetItemRequest { inventory_id: id })).await);
    assert_eq!(got.unwrap().item.unwrap().quantity, 1);
    let known = answer(rpc(&node).get_item(by(None, Vec::new(), pb::GetItemRequest { inventory_id: 7 })).await);
    assert_eq!(known.unwrap_err().code, Code::NotFound);

    let update = async |user, request: pb::UpdateItemRequest| {
        let request = pb::UpdateItemRequest { inventory_id: id, ..request };
        answer(rpc(&node).update_item(by(user, Vec::new(), request)).await)
    };
    let used = update(None, pb::UpdateItemRequest { used_quantity: Some(1.0), ..Default::default() }).await.unwrap();
    assert_eq!((used.quantity, used.threshold_level, used.item_name.as_str()), (1, 0, "Coke"));
    for user in [None, Some(201_000)] {
        let refused =
            update(user, pb::UpdateItemRequest { reset: Some(true), ..Default::default() }).await.unwrap_err();
        assert_eq!(refused.code, Code::Forbidden);
        assert!(!refused.detail.is_empty());
    }
    assert_eq!(quantity(&node, id).await, 50);
});

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
