//! Stores: which is near, what does it have, and what if it is the one that is away.

use codepop_tests::harness::{Mesh, SPREAD, eventually};
use reqwest::Method;
use serde_json::{Value, json};

fn ids(stores: &Value) -> Vec<String> {
    stores.as_array().unwrap().iter().map(|store| store["store_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_are_found_nearest_first_at_every_node() {
    let mesh = Mesh::with(3).await;
    // Store n is n hundredths of a degree north of the hub.
    let expected: Vec<String> = (1..=3).map(|node| mesh.nodes[node].id.uuid.to_string()).collect();
    for node in 0..=3 {
        let gateway = mesh.gateway(&[node]).await;
        let found = gateway.get("/backend/stores/discover/?lat=41.74&lon=-111.83", None).await.expect(200);
        assert_eq!(ids(&found), expected, "by node {node}");
        let miles: Vec<f64> = found.as_array().unwrap().iter().map(|s| s["distance_miles"].as_f64().unwrap()).collect();
        assert_eq!(miles, [0.69, 1.38, 2.07]);
        let near = gateway.get("/backend/stores/discover?lat=41.74&lon=-111.83&radius=1", None).await.expect(200);
        assert_eq!(ids(&near).len(), 1);
        // Zero is a place too.
        let far = gateway.get("/backend/stores/discover/?lat=0.0&lon=0.0&radius=10", None).await.expect(200);
        assert_eq!(far, json!([]));
        for wrong in ["lat=41.74", "lon=-111.83", "lat=91&lon=0", "lat=x&lon=0", "lat=NaN&lon=0", ""] {
            let answer = gateway.get(&format!("/backend/stores/discover/?{wrong}"), None).await;
            assert_eq!(answer.status, 400, "{wrong}: {}", answer.json);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_super_admin_is_one_at_every_store_and_sets_stock() {
    let mesh = Mesh::with(2).await;
    let gateway = mesh.gateway(&[1, 2, 0]).await;
    let admin = mesh.super_admin(&gateway).await;
    mesh.settled().await;
    let drink = json!({"Name": "Aggie Blue", "SyrupsUsed": ["Blue Raspberry"], "SodaUsed": ["Sprite"], "Price": 3.5,
        "User_Created": false});
    let made = gateway.post("/backend/drinks/", Some(&admin), drink.clone()).await.expect(201);
    let number = made["DrinkID"].as_i64().unwrap();
    assert_eq!(gateway.post("/backend/drinks/", None, drink).await.status, 401);
    mesh.settled().await;

    for store in 1..=2 {
        let path = format!("/backend/stores/{}", mesh.nodes[store].id.uuid);
        for item in [json!({"ItemName": "sprite", "ItemType": "Soda", "Quantity": 4})] {
            let put = format!("{path}/inventory/");
            assert_eq!(gateway.ask(Method::PUT, &put, None, Some(item.clone())).await.status, 401);
            gateway.ask(Method::PUT, &put, Some(&admin), Some(item)).await.expect(200);
        }
        let asked = json!({"drinks": [number, 1]});
        let answer = gateway.post(&format!("{path}/check-inventory/"), None, asked).await.expect(200);
        assert_eq!(answer[0]["available"], false);
        assert_eq!(answer[0]["missing_ingredients"], json!(["Blue Raspberry"]));
        assert_eq!(answer[1]["drink_name"], Value::Null, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_one_store_that_can_answer_is_away_it_is_said_with_others_to_go_to() {
    let mut mesh = Mesh::with(2).await;
    let gateway = mesh.gateway(&[0, 1, 2]).await;
    let path = format!("/backend/stores/{}/", mesh.nodes[1].id.uuid);
    eventually(SPREAD, "the gateway finds the store", async || {
        let answer = gateway.get(&path, None).await;
        if answer.status == 200 { Ok(()) } else { Err(format!("{}: {}", answer.status, answer.json)) }
    })
    .await;
    mesh.kill9(1);
    let answer = eventually(SPREAD, "503 once the store is known to be away", async || {
        let answer = gateway.get(&path, None).await;
        if answer.status == 503 { Ok(answer.json) } else { Err(format!("{}: {}", answer.status, answer.json)) }
    })
    .await;
    assert!(answer["detail"].as_str().unwrap().contains("store1"), "which store: {answer}");
    assert!(answer.to_string().contains(&mesh.nodes[2].id.uuid.to_string()), "where else to go: {answer}");
    let unknown = format!("/backend/stores/{}/", uuid::Uuid::now_v7());
    assert_eq!(gateway.get(&unknown, None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_open_and_status_is_not() {
    let mesh = Mesh::with(1).await;
    let gateway = mesh.gateway(&[1]).await;
    let health = gateway.get("/backend/p2p/health/", None).await.expect(200);
    assert_eq!((health["status"].as_str(), health["database"].as_str()), (Some("healthy"), Some("connected")));
    assert_eq!(health["node_type"], "STORE");
    assert_eq!(gateway.get("/backend/p2p/status/", None).await.status, 401);
    let admin = mesh.super_admin(&gateway).await;
    mesh.settled().await;
    let status = gateway.get("/backend/p2p/status/", Some(&admin)).await.expect(200);
    assert_eq!(status["peers"].as_array().unwrap().len(), 1);
    for retired in ["/backend/p2p/register/", "/backend/p2p/events/", "/backend/p2p/auth/verify/"] {
        let answer = gateway.post(retired, None, json!({})).await.expect(410);
        assert!(answer["detail"].as_str().unwrap().contains("gRPC"), "{answer}");
    }
}
