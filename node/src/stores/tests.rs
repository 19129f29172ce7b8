//! Operations and RPCs of stores on both databases.

use std::sync::Arc;

use codepop_proto::{
    roles::Role,
    stores::{self as pb, stores_service_server::StoresService as _},
};
use codepop_shared::{Code, Failure, geo::Place, identity::SpiffeId};
use futures::future::BoxFuture;
use tonic::Request;
use uuid::Uuid;

use super::*;
use crate::{
    auth::{self, Grant},
    journal::Stamp,
    laws, on_both,
    testing::Node,
};

struct Shelf;

impl StockSummary for Shelf {
    fn stock<'a>(&'a self, _tx: &'a mut Tx) -> BoxFuture<'a, Result<Stock, storage::Error>> {
        Box::pin(std::future::ready(Ok(Stock { items: 3, low: 1 })))
    }
}

impl QueueLength for Shelf {
    fn queue<'a>(&'a self, _tx: &'a mut Tx) -> BoxFuture<'a, Result<u32, storage::Error>> {
        Box::pin(std::future::ready(Ok(4)))
    }
}

fn rpc(node: &Node) -> StoresRpc {
    StoresRpc::new(node.app.clone(), Arc::new(Shelf), Arc::new(Shelf))
}

fn own(node: &Node) -> SpiffeId {
    node.app.author().id.clone()
}

fn described(name: &str) -> Described {
    Described {
        name: name.into(),
        place: Place::new(41.737, -111.8338).unwrap(),
        api_base_url: "https://127.0.0.1:7101".into(),
        time_zone: None,
        region_name: None,
    }
}

async fn describe(node: &Node, described: Described) {
    describe_self(&node.app, described).await.unwrap();
}

/// As if a node elsewhere had described its store, or hub, or region.
async fn hear<M: journal::Replicated + 'static>(node: &Node, message: M) {
    let stamp = Stamp { hlc: node.app.clock().tick(), origin: Uuid::now_v7(), stream: 99, seq: 1 };
    let heard = async move |tx: &mut Tx| message.apply(tx, &stamp).await;
    node.db.receive(move |tx| Box::pin(async move { heard(tx).await })).await.unwrap();
}

fn far(name: &str, latitude: f64, longitude: f64) -> pb::StoreDescribed {
    let store = events::sample(Uuid::now_v7(), name);
    (&Store { latitude, longitude, store_number: name.to_uppercase(), ..store }).into()
}

async fn discover(node: &Node, lat: f64, lon: f64, radius: Option<f64>) -> Vec<pb::Store> {
    let request = pb::DiscoverStoresRequest { lat: Some(lat), lon: Some(lon), radius };
    rpc(node).discover_stores(Request::new(request)).await.unwrap().into_inner().stores
}

async fn get(node: &Node, id: &str) -> Result<pb::Store, Failure> {
    let answer = rpc(node).get_store(Request::new(pb::GetStoreRequest { store_id: id.into() })).await;
    answer.map(|answer| answer.into_inner().store.unwrap()).map_err(|status| Failure::from(&status))
}

async fn update(
    node: &Node,
    request: pb::UpdateStoreRequest,
    roles: &[(Role, auth::Place)],
) -> Result<pb::Store, Failure> {
    let grants = roles.iter().map(|(role, place)| Grant { role: *role, place: place.clone() }).collect();
    let mut request = Request::new(request);
    request.extensions_mut().insert(laws::actor(Some(100_001_000), grants));
    let answer = rpc(node).update_store(request).await;
    answer.map(|answer| answer.into_inner().store.unwrap()).map_err(|status| Failure::from(&status))
}

async fn events_of(node: &Node) -> i64 {
    let counts = node.db.read(|tx| Box::pin(journal::entries::counts(tx))).await;
    counts.map_err(|error: storage::Error| error).unwrap().0
}

on_both!(a_store_describes_itself_once, async |node: Node| {
    describe(&node, described("Main Street")).await;
    describe(&node, described("Main Street")).await;
    assert_eq!(events_of(&node).await, 1);
    let store = get(&node, &own(&node).uuid.to_string()).await.unwrap();
    assert_eq!((store.name.as_str(), store.store_number.as_str()), ("Main Street", "C-1000"));
    assert_eq!(store.hours_of_operation.len(), 7);
    assert_eq!(store.time_zone, "America/Denver");
    assert_eq!(store.node_id, store.store_id);
    assert!(store.region.is_none() && store.supply_hub.is_none() && store.last_online.is_some());

    // A person's change stays when the node starts again with the same configuration, and goes when that changes.
    let manager = [(Role::Manager, auth::Place::Store(own(&node).uuid))];
    let rename =
        pb::UpdateStoreRequest { store_id: store.store_id.clone(), name: Some(" Mains ".into()), ..Default::default() };
    assert_eq!(update(&node, rename.clone(), &manager).await.unwrap().name, "Mains");
    update(&node, rename, &manager).await.unwrap();
    describe(&node, described("Main Street")).await;
    assert_eq!(events_of(&node).await, 2);
    assert_eq!(get(&node, &store.store_id).await.unwrap().name, "Mains");
    describe(&node, Described { time_zone: Some(chrono_tz::America::Chicago), ..described("Center") }).await;
    let store = get(&node, &store.store_id).await.unwrap();
    assert_eq!((store.name.as_str(), store.time_zone.as_str()), ("Center", "America/Chicago"));
});

#[tokio::test]
async fn a_hub_describes_itself_and_its_region() {
    let node = Node::sqlite_as(crate::testing::name(3, "C")).await;
    describe(&node, described("Logan Hub")).await;
    describe(&node, described("Logan Hub")).await;
    assert_eq!(events_of(&node).await, 2);
    hear(&node, far("near", 41.7, -111.8)).await;
    let store = discover(&node, 41.7, -111.8, None).await.remove(0);
    let (region, hub) = (store.region.unwrap(), store.supply_hub.unwrap());
    assert_eq!((region.name.as_str(), region.service_radius_miles), ("Logan, UT", 200));
    assert_eq!((hub.name.as_str(), hub.region), ("Logan Hub", Some(region)));

    describe(&node, Described { region_name: Some("Cache Valley".into()), ..described("Logan Hub") }).await;
    assert_eq!(events_of(&node).await, 3);
    let other = Node::sqlite_as(crate::testing::name(4, "X")).await;
    describe(&other, described("Far Hub")).await;
    let region = other.db.read(|tx| Box::pin(store::region(tx, "X"))).await.unwrap().unwrap();
    assert_eq!((region.name.as_str(), region.center_latitude), ("Region X", 41.737));
}

on_both!(nearby_stores_come_nearest_first, async |node: Node| {
    describe(&node, described("own")).await;
    hear(&node, far("b-twin", 41.9, -111.8338)).await;
    hear(&node, far("a-twin", 41.9, -111.8338)).await;
    hear(&node, far("boise", 43.615, -116.2023)).await;
    let mut closed = far("closed", 41.737, -111.8338);
    closed.store.as_mut().unwrap().is_accepting_orders = false;
    hear(&node, closed).await;
    let names = |stores: &[pb::Store]| stores.iter().map(|store| store.name.clone()).collect::<Vec<_>>();

    let near = discover(&node, 41.737, -111.8338, None).await;
    assert_eq!(names(&near), ["own", "a-twin", "b-twin"]);
    assert_eq!(near[0].distance_miles, Some(0.0));
    assert!((near[1].distance_miles.unwrap() - 11.26).abs() < 0.01);
    assert!(near.iter().all(|store| store.current_wait_time.is_none() && store.inventory_status.is_none()));
    assert!(near[0].last_online.is_some() && near[1].last_online.is_none());
    let all = discover(&node, 41.737, -111.8338, Some(12_500.0)).await;
    assert_eq!(names(&all).last().unwrap(), "boise");
    assert!(discover(&node, 0.0, 0.0, None).await.is_empty());
});

on_both!(a_place_must_be_one, async |node: Node| {
    let fields = async |lat, lon, radius| {
        let request = pb::DiscoverStoresRequest { lat, lon, radius };
        let failure = Failure::from(&rpc(&node).discover_stores(Request::new(request)).await.unwrap_err());
        assert_eq!(failure.code, Code::Invalid);
        failure.fields.into_iter().map(|(field, _)| field).collect::<Vec<_>>()
    };
    assert_eq!(fields(None, None, None).await, ["lat", "lon"]);
    assert_eq!(fields(Some(f64::NAN), Some(0.0), None).await, ["lat"]);
    assert_eq!(fields(Some(90.1), Some(-180.5), Some(0.0)).await, ["lat", "lon", "radius"]);
    for radius in [f64::NAN, f64::INFINITY, -1.0, 12_500.1] {
        assert_eq!(fields(Some(0.0), Some(0.0), Some(radius)).await, ["radius"]);
    }
});

on_both!(one_store_in_detail, async |node: Node| {
    describe(&node, described("own")).await;
    let there = far("there", 41.9, -111.8338);
    let there_id = there.store.as_ref().unwrap().store_id.clone();
    hear(&node, there).await;

    let here = get(&node, &own(&node).uuid.to_string()).await.unwrap();
    assert_eq!(here.current_wait_time, Some(8));
    let stock = here.inventory_status.unwrap();
    assert_eq!((stock.total_items, stock.low_stock_items, stock.status.as_str()), (3, 1, "low_stock"));
    let there = get(&node, &there_id).await.unwrap();
    assert!(there.current_wait_time.is_none() && there.inventory_status.is_none());
    assert_eq!(get(&node, &Uuid::now_v7().to_string()).await.unwrap_err().code, Code::NotFound);
    let malformed = get(&node, "7").await.unwrap_err();
    assert_eq!((malformed.code, malformed.fields[0].0.as_str()), (Code::Invalid, "store_id"));

    // Changes: only at the store itself, only with the permission.
    let of = |id: &str| pb::UpdateStoreRequest { store_id: id.into(), ..Default::default() };
    let admin = [(Role::SuperAdmin, auth::Place::Chain)];
    assert_eq!(update(&node, of(&there_id), &admin).await.unwrap_err().code, Code::AskStore);
    assert_eq!(update(&node, of(&Uuid::now_v7().to_string()), &admin).await.unwrap_err().code, Code::NotFound);
    assert_eq!(update(&node, of(&here.store_id), &[]).await.unwrap_err().code, Code::Forbidden);
});

on_both!(changes_are_checked_field_by_field, async |node: Node| {
    describe(&node, described("own")).await;
    let id = own(&node).uuid;
    let manager = [(Role::Manager, auth::Place::Store(id))];
    let day = |open: &str, close: &str| pb::DayHours { open: open.into(), close: close.into() };
    let of = || pb::UpdateStoreRequest { store_id: id.to_string(), ..Default::default() };
    let wrong = pb::UpdateStoreRequest {
        hours_of_operation: [("monday".to_owned(), day("6", "25:00"))].into(),
        time_zone: Some("Nowhere".into()),
        ..of()
    };
    let fields: Vec<_> = update(&node, wrong, &manager).await.unwrap_err().fields.into_iter().map(|(f, _)| f).collect();
    assert_eq!(fields, ["hours_of_operation.monday.close", "hours_of_operation.monday.open", "time_zone"]);
    let wrong = pb::UpdateStoreRequest {
        name: Some(" ".into()),
        state: Some("Utah".into()),
        email: Some("nobody".into()),
        ..of()
    };
    let fields: Vec<_> = update(&node, wrong, &manager).await.unwrap_err().fields.into_iter().map(|(f, _)| f).collect();
    assert_eq!(fields, ["name", "state", "email"]);
    let good = pb::UpdateStoreRequest {
        state: Some("ut".into()),
        is_accepting_orders: Some(false),
        hours_of_operation: [("sunday".to_owned(), day("00:00", "24:00"))].into(),
        ..of()
    };
    let store = update(&node, good, &manager).await.unwrap();
    assert_eq!((store.state.as_str(), store.is_accepting_orders), ("UT", false));
    assert_eq!(store.hours_of_operation, [("sunday".to_owned(), day("00:00", "24:00"))].into());
    assert!(discover(&node, 41.737, -111.8338, None).await.is_empty());
});
