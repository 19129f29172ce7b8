//! Views of regions and of the chain, at a hub with two stores.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use codepop_proto::{
    dashboards::{self as pb, chain_service_server::ChainService as _, regions_service_server::RegionsService as _},
    roles::Role,
    stores::{HubDescribed, RegionDescribed},
};
use codepop_shared::{Code, Failure};
use futures::future::BoxFuture;
use tonic::{Request, Status, transport::Channel};
use uuid::Uuid;

use super::*;
use crate::{
    app::Dial,
    auth::{Actor, Grant, Place},
    inventory::Kind,
    journal::{Replicated, Stamp},
    laws,
    maintenance::{self, State},
    reports::tests::{carry, describe, shelve, store, tell},
    testing::{Node, name},
};

const BOSS: i64 = 100_003;

/// Nobody can be reached: at once, or after ever.
struct Nobody {
    hangs: bool,
}

impl Dial for Nobody {
    fn dial(&self, _node: Uuid) -> BoxFuture<'_, Option<Channel>> {
        if self.hangs { Box::pin(std::future::pending()) } else { Box::pin(std::future::ready(None)) }
    }

    fn lost(&self, _node: Uuid) {}
}

/// The hub of region C, and its stores 1000 and 1001.
async fn region() -> (Node, [Node; 2]) {
    let hub = Node::sqlite_as(name(3, "C")).await;
    describe(&hub, "Hub C").await;
    let stores = [store(name(1_000, "C")).await, store(name(1_001, "C")).await];
    for (at, item) in ["Coke", "Sprite", "Pepsi", "Mtn. Dew", "Dr. Pepper", "Fanta"].into_iter().enumerate() {
        shelve(&stores[0], item, Kind::Soda, if at == 0 { 0 } else { 7 }).await;
    }
    shelve(&stores[0], "Mango", Kind::Syrup, 50).await;
    shelve(&stores[1], "Coke", Kind::Soda, 40).await;
    stores[1].db.write(|tx| Box::pin(maintenance::set_state(tx, 101_001, State::Error, None, "leaks"))).await.unwrap();
    for store in &stores {
        tell(store).await;
        carry(store, &hub).await;
    }
    (hub, stores)
}

fn by<M>(node: &Node, grants: &[(Role, Place)], message: M) -> Request<M> {
    let grants = grants.iter().map(|(role, place)| Grant { role: *role, place: place.clone() }).collect();
    let actor = Actor { here: node.app.author().id.clone().into(), ..laws::actor(Some(BOSS), grants) };
    let mut request = Request::new(message);
    request.extensions_mut().insert(actor);
    request
}

fn in_region(role: Role, code: &str) -> Vec<(Role, Place)> {
    vec![(role, Place::Region(code.into()))]
}

fn super_admin() -> Vec<(Role, Place)> {
    vec![(Role::SuperAdmin, Place::Chain)]
}

fn refused(answer: Result<impl std::fmt::Debug, Status>) -> Code {
    Failure::from(&answer.map(drop).unwrap_err()).code
}

/// Has the hub know of region D and its hub, which is `uuid`.
async fn know_region_d(hub: &Node, uuid: Uuid) {
    let far = Node::sqlite_as(codepop_shared::identity::SpiffeId { uuid, ..name(4, "D") }).await;
    describe(&far, "Hub D").await;
    let read = far.app.read(|tx| Box::pin(crate::stores::region_and_hub(tx, "D"))).await;
    let (region, described) = read.map_err(|error: crate::storage::Error| error).unwrap().unwrap();
    let stamp = |seq| Stamp { hlc: hub.app.clock().tick(), origin: uuid, stream: 99, seq };
    let (first, second) = (stamp(1), stamp(2));
    let (region, described) = (RegionDescribed::from(&region), HubDescribed::from(&described.unwrap()));
    hub.db.receive(move |tx| Box::pin(async move { region.apply(tx, &first).await })).await.unwrap();
    hub.db.receive(move |tx| Box::pin(async move { described.apply(tx, &second).await })).await.unwrap();
}

#[tokio::test]
async fn a_foreign_region_is_forbidden_and_an_unknown_one_not_found() {
    let (hub, _stores) = region().await;
    know_region_d(&hub, Uuid::now_v7()).await;
    let rpc = RegionsRpc::new(hub.app.clone());
    let logistics = |grants: &[(Role, Place)], code: &str| {
        rpc.get_logistics_dashboard(by(&hub, grants, pb::GetLogisticsDashboardRequest { region_code: code.into() }))
    };
    let repair = |grants: &[(Role, Place)], code: &str| {
        rpc.get_repair_dashboard(by(&hub, grants, pb::GetRepairDashboardRequest { region_code: code.into() }))
    };
    let (supplier, repairer) = (in_region(Role::LogisticsManager, "C"), in_region(Role::RepairStaff, "C"));
    assert!(logistics(&supplier, "C").await.is_ok() && repair(&repairer, "C").await.is_ok());
    assert!(logistics(&super_admin(), "C").await.is_ok() && repair(&super_admin(), "C").await.is_ok());
    for code in ["D", "Z", "", "not a region at all"] {
        assert_eq!(refused(logistics(&supplier, code).await), Code::Forbidden, "{code}");
        assert_eq!(refused(repair(&repairer, code).await), Code::Forbidden, "{code}");
    }
    assert_eq!(refused(logistics(&repairer, "C").await), Code::Forbidden);
    assert_eq!(refused(repair(&supplier, "C").await), Code::Forbidden);
    let manager = [(Role::Manager, Place::Store(hub.app.author().id.uuid))];
    assert_eq!(refused(logistics(&manager, "C").await), Code::Forbidden);
    assert_eq!(refused(logistics(&super_admin(), "Z").await), Code::NotFound);
    assert_eq!(refused(repair(&super_admin(), "Z").await), Code::NotFound);
    assert_eq!(refused(repair(&super_admin(), "no region").await), Code::Invalid);
    let away = Failure::from(&logistics(&super_admin(), "D").await.unwrap_err());
    assert!(away.code == Code::Unavailable && away.detail.contains("Hub D"), "{away}");
}

#[tokio::test]
async fn everybody_sees_the_own_regions_in_the_list() {
    let (hub, _stores) = region().await;
    know_region_d(&hub, Uuid::now_v7()).await;
    let rpc = RegionsRpc::new(hub.app.clone());
    let supply = async |grants: &[(Role, Place)]| {
        let answer = rpc.list_logistics_regions(by(&hub, grants, pb::ListLogisticsRegionsRequest {})).await;
        answer
            .map(|answer| answer.into_inner().regions.into_iter().map(|region| region.region_code).collect::<Vec<_>>())
    };
    assert_eq!(supply(&super_admin()).await.unwrap(), ["C", "D"]);
    assert_eq!(supply(&in_region(Role::LogisticsManager, "D")).await.unwrap(), ["D"]);
    assert_eq!(refused(supply(&in_region(Role::RepairStaff, "D")).await), Code::Forbidden);
    let repair = rpc.list_repair_regions(by(&hub, &in_region(Role::RepairStaff, "C"), pb::ListRepairRegionsRequest {}));
    assert_eq!(repair.await.unwrap().into_inner().regions.len(), 1);
}

#[tokio::test]
async fn the_supply_of_a_region_is_that_of_its_stores() {
    let (hub, stores) = region().await;
    let rpc = RegionsRpc::new(hub.app.clone());
    let request = pb::GetLogisticsDashboardRequest { region_code: "C".into() };
    let seen = rpc.get_logistics_dashboard(by(&hub, &super_admin(), request)).await.unwrap().into_inner();
    assert_eq!((seen.store_count, seen.stores.len(), seen.supply_hub.unwrap().name.as_str()), (2, 2, "Hub C"));
    let metrics = seen.supply_metrics.unwrap();
    let sums = (metrics.total_items, metrics.low_stock_items, metrics.out_of_stock_items, metrics.total_units);
    assert_eq!(sums, (8, 6, 1, 125));
    assert_eq!(metrics.total_inventory_value, None);
    let by_type: Vec<_> = metrics.by_type.iter().map(|sum| (sum.item_type.as_str(), sum.total_items)).collect();
    assert_eq!(by_type, [("Soda", 7), ("Syrup", 1)]);
    assert_eq!(metrics.low_stock_details[0].item_name, "Coke", "what is gone comes first");
    assert!(metrics.low_stock_details.iter().all(|low| low.as_of.is_some()));
    let own = |at: usize| stores[at].app.author().id.uuid.to_string();
    let status = |at: usize| seen.store_statuses.iter().find(|status| status.store_id == own(at)).unwrap();
    assert_eq!((status(0).inventory_health.as_deref(), status(0).low_stock_count), (Some("critical"), 6));
    assert_eq!(
        (status(1).inventory_health.as_deref(), status(1).machine_status.as_deref()),
        (Some("healthy"), Some("error"))
    );
    assert!(status(1).as_of.is_some() && status(1).pending_orders == Some(0) && !status(1).is_heard);
    assert_eq!(seen.not_answered.len(), 2, "no link to them is up");
    assert!(seen.not_answered.iter().all(|silent| silent.kind == "store" && silent.as_of.is_some()));
    assert!(seen.recent_activity.iter().any(|act| act.kind == "machine_status" && act.detail.contains("error")));
    assert!(seen.as_of.is_some() && seen.usage_trends.is_empty(), "nothing was sold");

    let request = |code: &str, store: String| {
        let message = pb::GetLogisticsStoreRequest { region_code: code.into(), store_id: store };
        rpc.get_logistics_store(by(&hub, &super_admin(), message))
    };
    let seen = request("C", own(0)).await.unwrap().into_inner();
    let names: Vec<_> = seen.inventory.iter().map(|item| item.item_name.as_str()).collect();
    assert_eq!(names, ["Coke", "Dr. Pepper", "Fanta", "Mtn. Dew", "Pepsi", "Sprite", "Mango"]);
    assert!(seen.as_of.is_some() && seen.store.is_some());
    assert_eq!(refused(request("C", Uuid::nil().to_string()).await), Code::NotFound);
    assert_eq!(refused(request("C", "x".into()).await), Code::Invalid);
}

#[tokio::test]
async fn machines_that_need_somebody_come_first() {
    let (hub, _stores) = region().await;
    let rpc = RegionsRpc::new(hub.app.clone());
    let request = pb::GetRepairDashboardRequest { region_code: "C".into() };
    let seen = rpc.get_repair_dashboard(by(&hub, &in_region(Role::RepairStaff, "C"), request)).await;
    let seen = seen.unwrap().into_inner();
    let machines: Vec<_> = seen.machines.iter().map(|machine| (machine.machine_id, machine.status.as_str())).collect();
    assert_eq!(machines, [(101_001, "error"), (101_000, "normal")]);
    let summary = seen.summary.unwrap();
    assert_eq!((summary.total_machines, summary.needs_repair, summary.scheduled_repairs), (2, 1, 0));
    assert_eq!((seen.stores.len(), seen.not_answered.len()), (2, 2));
}

async fn administered(
    node: &Node,
    hangs: bool,
    grants: &[(Role, Place)],
    store: Option<Uuid>,
) -> Result<pb::GetAdminDashboardResponse, Status> {
    let rpc = ChainRpc::new(node.app.clone(), Arc::new(Nobody { hangs }));
    let store_id = store.map(|id| id.to_string()).unwrap_or_default();
    let answer = rpc.get_admin_dashboard(by(node, grants, pb::GetAdminDashboardRequest { store_id })).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn hubs_that_do_not_answer_are_named_within_the_deadline() {
    let (hub, _stores) = region().await;
    let far = Uuid::now_v7();
    know_region_d(&hub, far).await;
    for hangs in [false, true] {
        let began = Instant::now();
        let seen = administered(&hub, hangs, &super_admin(), None).await.unwrap();
        assert!(began.elapsed() < Duration::from_millis(3_900), "{:?}", began.elapsed());
        assert_eq!((seen.stores.len(), seen.stores[0].figures.as_ref().unwrap().low_stock_items), (2, 6));
        assert!(seen.stores.iter().all(|store| store.figures.as_ref().unwrap().as_of.is_some()));
        let named: Vec<_> =
            seen.not_answered.iter().map(|silent| (silent.kind.as_str(), silent.name.as_str())).collect();
        assert_eq!(named, [("hub", "Hub D"), ("store", "Main Street"), ("store", "Main Street")]);
        assert_eq!(seen.not_answered[0].id, far.to_string());
        let region = &seen.regions[0];
        assert_eq!((region.region_code.as_str(), region.stores, region.reported), ("C", 2, 2));
        assert!(seen.as_of.is_some() && region.as_of.is_some());
    }
}

#[tokio::test]
async fn an_administrator_sees_the_own_stores_and_no_other() {
    let (hub, stores) = region().await;
    let [own, other] = [0, 1].map(|at: usize| stores[at].app.author().id.uuid);
    let admin = [(Role::Admin, Place::Store(own))];
    let seen = administered(&hub, false, &admin, None).await.unwrap();
    assert_eq!((seen.stores.len(), seen.stores[0].store_id.clone()), (1, own.to_string()));
    // The store cannot be reached: what it reported counts, and it is named.
    assert_eq!(seen.stores[0].figures.as_ref().unwrap().low_stock_items, 6);
    assert!(seen.not_answered.len() == 1 && seen.not_answered[0].as_of.is_some());
    assert_eq!(seen.metrics.unwrap().total_users, 0);
    assert_eq!(refused(administered(&hub, false, &admin, Some(other)).await), Code::Forbidden);
    assert_eq!(refused(administered(&hub, false, &admin, Some(Uuid::nil())).await), Code::Forbidden);
    let seen = administered(&hub, false, &super_admin(), Some(own)).await.unwrap();
    assert_eq!((seen.stores.len(), seen.stores[0].store.is_some()), (1, true));
    assert_eq!(refused(administered(&hub, false, &super_admin(), Some(Uuid::nil())).await), Code::NotFound);

    let at_home = administered(&stores[0], false, &admin, Some(own)).await.unwrap();
    let figures = at_home.stores[0].figures.clone().unwrap();
    assert_eq!((figures.stock_items, figures.low_stock_items, figures.out_of_stock_items), (7, 6, 1));
    assert_eq!(figures.machine_status.as_deref(), Some("normal"));
    assert!(at_home.not_answered.is_empty());
    assert_eq!(refused(administered(&stores[0], false, &admin, None).await), Code::AskHub);
}
