//! Regions and the chain: what stores report reaches their hub, whatever happens in between, and who does not answer is
//! named.

use std::time::{Duration, Instant};

use codepop_proto::dashboards::{
    GetAdminDashboardRequest, GetAdminDashboardResponse, NotAnswered, chain_service_client::ChainServiceClient,
};
use codepop_tests::{
    faults::Fault,
    harness::{Backend, Builder, Gateway, Mesh, Phone, SPREAD, Spec, check, eventually, shelf_items},
};
use reqwest::Method;
use serde_json::{Value, json};
use tonic::Request;

/// The deadline of the chain's view, and a second for a busy machine.
const ANSWER_MAX: Duration = Duration::from_secs(4);

const SUPPLY: &str = "/backend/logistics/regions/C/dashboard/";
const REPAIR: &str = "/backend/repair/regions/C/dashboard/";

/// A mesh whose stores report every second.
fn talkative(builder: Builder) -> Builder {
    builder.setting("NODE_REPORT_SECS", "1")
}

/// The view of region C once it is as wanted.
async fn view(gateway: &Gateway, admin: &str, path: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(SPREAD, what, async || {
        let answer = gateway.get(path, Some(admin)).await;
        check(answer.status == 200 && wanted(&answer.json), || format!("{}: {}", answer.status, answer.json))?;
        Ok(answer.json)
    })
    .await
}

/// How a node's store stands in the view of its region.
fn status(view: &Value, mesh: &Mesh, node: usize) -> Value {
    let id = json!(mesh.nodes[node].id.uuid.to_string());
    let found = view["store_statuses"].as_array().unwrap().iter().find(|status| status["store_id"] == id);
    found.cloned().unwrap_or_default()
}

on_both!(what_stores_report_reaches_their_hub_after_an_outage_too, async |backend: Backend| {
    let builder = talkative(Builder::with(2)).on(backend);
    let (mut mesh, gateway, admin) = Mesh::open_shop_of(builder, 2, 30).await;
    let healthy = |view: &Value, node| status(view, &mesh, node)["inventory_health"] == "healthy";
    // They report all the time, also of half-filled shelves.
    let items = 2 * shelf_items();
    let first = view(&gateway, &admin, SUPPLY, "both stores have reported all that they have", |view| {
        let is_whole = view["supply_metrics"]["total_items"] == json!(items) && view["not_answered"] == json!([]);
        is_whole && (1..=2).all(|node| healthy(view, node))
    })
    .await;
    assert_eq!((&first["store_count"], &first["region"]["region_code"]), (&json!(2), &json!("C")));
    assert_eq!(first["supply_hub"]["name"], "hub");
    assert_eq!(first["supply_metrics"]["total_units"], json!(30 * items), "{first}");
    for empty in ["pending_requests", "usage_trends"] {
        assert_eq!(first[empty], json!([]), "{empty}");
    }

    mesh.kill9(0);
    mesh.set_stock(&gateway, &admin, 1, ("Soda", "Sprite"), 0).await;
    let phone = Phone::new(gateway.address());
    let drink = phone.design("Coke", &["Vanilla"], &[]).await;
    phone.buy(&[drink]).await.expect(201);
    mesh.start(0).await;
    let after = view(&gateway, &admin, SUPPLY, "the hub has heard of it", |view| {
        status(view, &mesh, 1)["low_stock_count"] == 1 && view["usage_trends"][0]["orders"] == 1
    })
    .await;
    assert_eq!(status(&after, &mesh, 1)["inventory_health"], "warning");
    assert_eq!(after["supply_metrics"]["low_stock_details"][0]["item_name"], "Sprite");
    let used = &after["usage_trends"][0];
    assert_eq!(
        (&used["drinks"], &used["sodas"], &used["syrups"], &used["stores"]),
        (&json!(1), &json!(1), &json!(1), &json!(1))
    );
    mesh.settled().await;
    for node in 0..=2 {
        let conflicts = mesh.conflicts(node).await;
        assert!(conflicts.is_empty(), "{conflicts:?}");
    }
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machines_state_is_seen_in_its_region_and_changed_by_those_who_may() {
    let mesh = talkative(Builder::with(1)).start().await;
    let gateway = mesh.gateway(&[1, 0]).await;
    let admin = mesh.super_admin(&gateway).await;
    mesh.settled().await;
    let seen = view(&gateway, &admin, REPAIR, "the machine is known", |view| view["machines"][0].is_object()).await;
    let machine = &seen["machines"][0];
    assert_eq!((&machine["status"], &machine["is_operational"]), (&json!("normal"), &json!(true)));
    assert!(machine["serial_number"].as_str().unwrap().starts_with("SR-C-"), "{machine}");
    let path = format!("/backend/machines/{}/status/", machine["machine_id"]);
    let patch =
        async |token: Option<&str>, path: &str, body: Value| gateway.ask(Method::PATCH, path, token, Some(body)).await;
    let broken = json!({"status": "out-of-order", "note": "It leaks."});
    assert_eq!(patch(None, &path, broken.clone()).await.status, 401);
    let manager = mesh.staff(&gateway, &admin, "mary", "staff").await;
    let token = manager.kept("userToken").unwrap();
    assert_eq!(patch(Some(&token), &path, broken.clone()).await.status, 403);
    assert_eq!(gateway.get(REPAIR, Some(&token)).await.status, 403);
    assert_eq!(gateway.get(SUPPLY, Some(&token)).await.status, 403);
    assert_eq!(gateway.get(SUPPLY, None).await.status, 401);
    assert_eq!(patch(Some(&admin), &path, json!({"status": "tired"})).await.status, 400);
    let number = machine["machine_id"].as_i64().unwrap() + 100_000;
    let other = format!("/backend/machines/{number}/status/");
    assert_eq!(patch(Some(&admin), &other, broken.clone()).await.status, 404);
    let changed = patch(Some(&admin), &path, broken).await.expect(200);
    assert_eq!((&changed["is_urgent"], &changed["is_operational"]), (&json!(true), &json!(false)));
    let seen =
        view(&gateway, &admin, REPAIR, "the region knows", |view| view["machines"][0]["status"] == "out-of-order")
            .await;
    assert_eq!(seen["summary"], json!({"total_machines": 1, "needs_repair": 1, "scheduled_repairs": 0}));
    let supply = view(&gateway, &admin, SUPPLY, "so does the supply", |view| view["store_count"] == 1).await;
    assert_eq!(status(&supply, &mesh, 1)["machine_status"], "out-of-order");
    let regions = gateway.get("/backend/repair/regions/", Some(&admin)).await.expect(200);
    assert_eq!(regions[0]["region_code"], "C");
    let store = format!("/backend/logistics/regions/C/stores/{}/", mesh.nodes[1].id.uuid);
    let seen = gateway.get(&store, Some(&admin)).await.expect(200);
    assert_eq!((&seen["supply_requests"], &seen["delivery_schedule"]), (&json!([]), &json!([])));
    let unknown = format!("/backend/logistics/regions/C/stores/{}/", uuid::Uuid::now_v7());
    assert_eq!(gateway.get(&unknown, Some(&admin)).await.status, 404);
}

/// What a node answers an administrator, and how long that took.
async fn administered(mesh: &Mesh, node: usize, token: &str, store: &str) -> (GetAdminDashboardResponse, Duration) {
    let mut client = ChainServiceClient::new(mesh.channel(node).await);
    let mut request = Request::new(GetAdminDashboardRequest { store_id: store.to_owned() });
    request.metadata_mut().insert("authorization", format!("Token {token}").parse().unwrap());
    let began = Instant::now();
    let answer = client.get_admin_dashboard(request).await.unwrap().into_inner();
    (answer, began.elapsed())
}

/// Kind and name of who did not answer.
fn names(silent: &[NotAnswered]) -> Vec<(&str, &str)> {
    silent.iter().map(|one| (one.kind.as_str(), one.name.as_str())).collect()
}

/// Three regions: their hubs are the nodes 0 to 2, their stores 3 to 5.
fn three_regions() -> Builder {
    let regions = [("A", (41.88, -87.63)), ("C", (41.74, -111.83)), ("G", (43.61, -116.20))];
    let hub = |(at, (region, place)): (usize, (&'static str, (f64, f64)))| {
        let seeds = if at == 0 { vec![] } else { vec![0] };
        Spec { name: format!("hub{region}"), kind: "SUPPLY_HUB", region, place, seeds }
    };
    let store = |(at, (region, place)): (usize, (&'static str, (f64, f64)))| Spec {
        name: format!("store{region}"),
        kind: "STORE",
        region,
        place,
        seeds: vec![at],
    };
    let hubs = regions.into_iter().enumerate().map(hub);
    Builder::of(hubs.chain(regions.into_iter().enumerate().map(store)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chain_is_seen_from_any_hub_and_hubs_that_do_not_answer_are_named() {
    let mut mesh = talkative(three_regions()).start().await;
    let gateway = mesh.gateway(&[3, 1, 0]).await;
    let admin = mesh.super_admin(&gateway).await;
    mesh.settled().await;
    mesh.set_stock(&gateway, &admin, 4, ("Soda", "Coke"), 1).await;
    for hub in 0..3 {
        eventually(SPREAD, "all stores have reported", async || {
            let (seen, _) = administered(&mesh, hub, &admin, "").await;
            let low: i64 = seen.stores.iter().filter_map(|store| Some(store.figures.as_ref()?.low_stock_items)).sum();
            check(seen.not_answered.is_empty() && low == 1, || format!("{seen:?}"))?;
            check(seen.stores.len() == 3 && seen.regions.iter().all(|region| region.reported == 1), || {
                format!("{seen:?}")
            })
        })
        .await;
    }
    // One store's detail comes from that store, and not from what it reported.
    let store = mesh.nodes[5].id.uuid.to_string();
    let (seen, _) = administered(&mesh, 1, &admin, &store).await;
    assert!(seen.stores.len() == 1 && seen.stores[0].store.is_some() && seen.not_answered.is_empty(), "{seen:?}");

    // A hub that is there and says nothing.
    mesh.between(1, 2, Fault::HalfOpen);
    let (seen, took) = administered(&mesh, 1, &admin, "").await;
    assert!(took < ANSWER_MAX, "{took:?}");
    assert_eq!(names(&seen.not_answered), [("hub", "hubG"), ("store", "storeG")], "{seen:?}");
    assert_eq!(seen.stores.iter().filter(|store| store.figures.is_some()).count(), 2);
    mesh.between(1, 2, Fault::None);
    // A hub that is gone; its store is not, and answers for itself.
    mesh.kill9(2);
    let (seen, took) = administered(&mesh, 1, &admin, "").await;
    assert!(took < ANSWER_MAX, "{took:?}");
    assert_eq!(names(&seen.not_answered), [("hub", "hubG"), ("store", "storeG")], "{seen:?}");
    let (seen, _) = administered(&mesh, 1, &admin, &store).await;
    assert!(seen.not_answered.is_empty() && seen.stores[0].figures.is_some(), "{seen:?}");
    // A store that is gone: what it reported last is shown, with its time, and it is named.
    mesh.kill9(4);
    let store = mesh.nodes[4].id.uuid.to_string();
    let (seen, took) = administered(&mesh, 1, &admin, &store).await;
    assert!(took < ANSWER_MAX, "{took:?}");
    assert_eq!(names(&seen.not_answered), [("store", "storeC")], "{seen:?}");
    assert_eq!(seen.stores[0].figures.as_ref().unwrap().low_stock_items, 1);
    assert!(seen.not_answered[0].as_of.is_some());

    mesh.start(2).await;
    mesh.start(4).await;
    eventually(SPREAD, "all answer again", async || {
        let (seen, _) = administered(&mesh, 1, &admin, "").await;
        check(seen.not_answered.is_empty(), || format!("{:?}", names(&seen.not_answered)))
    })
    .await;
}
