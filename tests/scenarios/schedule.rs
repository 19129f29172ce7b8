//! Orders for later, for whoever is on the way, and what the robot makes of them.

use codepop_tests::harness::{Answer, Builder, Gateway, Mesh, Phone, SPREAD, check, eventually};
use reqwest::Method;
use serde_json::{Value, json};

/// Changes the first store; the gateway stands there.
async fn change_store(mesh: &Mesh, gateway: &Gateway, admin: &str, change: Value) {
    let path = format!("{}/", mesh.store_path(1));
    gateway.ask(Method::PATCH, &path, Some(admin), Some(change)).await.expect(200);
    mesh.settled().await;
}

fn hours(open: &str, close: &str) -> Value {
    let days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let hours = days.iter().map(|day| ((*day).to_owned(), json!({"open": open, "close": close})));
    json!({"hours_of_operation": hours.collect::<serde_json::Map<String, Value>>(), "time_zone": "Etc/UTC"})
}

/// The same time of day tomorrow, in UTC.
fn tomorrow(time: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let day = i64::try_from(now / 86_400).unwrap() + 1;
    // Days since 1970 to a date (the usual arithmetic with years that begin in March).
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let moon = (5 * of_year + 2) / 153;
    let (date, month) = (of_year - (153 * moon + 2) / 5 + 1, if moon < 10 { moon + 3 } else { moon - 9 });
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02}T{time}:00Z")
}

/// Pays for one drink and orders it with more said than the app does.
async fn order(phone: &Phone, more: Value) -> Answer {
    let drink = [phone.design("Sprite", &["Peach"], &[]).await];
    let payment = phone.prepare_payment(phone.cart_total(&drink).await).await;
    let mut order = phone.order(&drink, &payment);
    for (key, value) in more.as_object().unwrap() {
        order[key] = value.clone();
    }
    phone.post("/backend/orders/", order).await
}

fn refused(answer: &Answer, word: &str) {
    assert_eq!((answer.status, &answer.json["code"]), (409, &json!("store_closed")), "{}", answer.json);
    assert!(answer.json["detail"].as_str().unwrap().contains(word), "{word}: {}", answer.json);
}

/// For tomorrow within the hours; outside of them, and when the store takes none, the reason is said and no money taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_for_tomorrow_keeps_to_the_hours() {
    let (mesh, gateway, admin) = Mesh::open_shop(1).await;
    change_store(&mesh, &gateway, &admin, hours("09:00", "17:00")).await;
    let phone = Phone::new(gateway.address());
    for time in ["08:59", "17:01", "23:00"] {
        refused(&order(&phone, json!({"PickupTime": tomorrow(time)})).await, "closed at that time");
    }
    let placed = order(&phone, json!({"PickupTime": tomorrow("12:00")})).await.expect(201);
    assert_eq!((&placed["OrderStatus"], &placed["PaymentStatus"]), (&json!("pending"), &json!("paid")), "{placed}");
    assert_eq!(placed["PickupTime"].as_str().unwrap()[..16], tomorrow("12:00")[..16]);
    assert_eq!(mesh.stock(&gateway, &admin, "Peach").await, 99);
    let path = format!("/backend/orders/{}/", placed["OrderID"]);
    let late = json!({"PickupTime": tomorrow("22:00")});
    refused(&phone.call(Method::PATCH, &path, false, Some(late)).await, "closed at that time");

    phone.call(Method::DELETE, &path, false, None).await.expect(204);
    let manager = mesh.staff(&gateway, &admin, "mia", "staff").await;
    eventually(SPREAD, "the money is back", async || {
        let order = phone.get(&path).await.json;
        let totals = manager.get("/backend/revenues/totals/").await.json;
        let is_back = order["PaymentStatus"] == "refunded" && totals["net_amount"] == 0.0;
        check(is_back && order["OrderStatus"] == "cancelled", || format!("{order} {totals}"))
    })
    .await;
    assert_eq!(mesh.stock(&gateway, &admin, "Peach").await, 100);
    let sales = manager.get("/backend/revenues/totals/").await.expect(200)["sales"].clone();
    assert_eq!(sales, 1, "who was refused has paid nothing");

    for (change, word) in [("is_accepting_orders", "not taking orders"), ("is_operational", "out of operation")] {
        change_store(&mesh, &gateway, &admin, json!({ change: false })).await;
        refused(&order(&phone, json!({"PickupTime": tomorrow("12:00")})).await, word);
    }
    assert_eq!(mesh.stock(&gateway, &admin, "Peach").await, 100);
}

/// The golden window: far away nothing starts, near it does; by hand at any time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preparation_starts_when_the_customer_is_near() {
    let (mesh, gateway, _admin) = Mesh::open_shop(1).await;
    let phone = Phone::new(gateway.address());
    let placed = order(&phone, json!({"await_arrival": true})).await.expect(201);
    assert_eq!(placed["OrderStatus"], "pending");
    // The first store is at 41.75, -111.83; one degree of latitude is 69 miles.
    let (far, near) = ((42.05, -111.83), (41.755, -111.83));
    let ask = json!({"store_id": mesh.nodes[1].id.uuid.to_string(), "current_latitude": far.0,
        "current_longitude": far.1, "velocity_mph": 30, "drink_complexity": "simple"});
    let arrival = phone.post("/backend/orders/calculate-arrival/", ask).await.expect(200);
    assert!((arrival["current_distance_miles"].as_f64().unwrap() - 20.7).abs() < 0.2, "{arrival}");
    assert_eq!((&arrival["golden_window_distance_miles"], &arrival["should_start"]), (&json!(1.0), &json!(false)));
    assert!((arrival["estimated_arrival_minutes"].as_f64().unwrap() - 41.4).abs() < 0.5, "{arrival}");

    let track = format!("/backend/orders/{}/track-location/", placed["OrderID"]);
    let at = |(latitude, longitude): (f64, f64)| json!({"current_latitude": latitude, "current_longitude": longitude});
    let tracked = phone.post(&track, at(far)).await.expect(200);
    assert_eq!((&tracked["preparation_started"], &tracked["OrderStatus"]), (&json!(false), &json!("pending")));
    let stranger = Phone::new(gateway.address());
    stranger.design("Coke", &[], &[]).await;
    assert_eq!(stranger.post(&track, at(near)).await.status, 404);
    assert_eq!(phone.post(&track, at((91.0, 0.0))).await.status, 400);
    let tracked = phone.post(&track, at(near)).await.expect(200);
    assert_eq!((&tracked["preparation_started"], &tracked["OrderStatus"]), (&json!(true), &json!("processing")));

    let placed = order(&phone, json!({"await_arrival": true})).await.expect(201);
    let start = format!("/backend/orders/{}/start-preparation/", placed["OrderID"]);
    assert_eq!(stranger.post(&start, json!({})).await.status, 404);
    for _ in 0..2 {
        assert_eq!(phone.post(&start, json!({})).await.expect(200)["OrderStatus"], "processing");
    }
}

/// The robot makes what was paid, and somebody picks it up: nobody has to say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_robot_takes_an_order_to_its_end() {
    let builder = Builder::with(1).setting("ROBOT_SPEED", "1000");
    let (mesh, gateway, admin) = Mesh::open_shop_of(builder, 1, 100).await;
    let phone = Phone::new(gateway.address());
    let placed = order(&phone, json!({})).await.expect(201);
    let path = format!("/backend/orders/{}/", placed["OrderID"]);
    eventually(SPREAD, "it is made and picked up", async || {
        let order = phone.get(&path).await.json;
        check(order["OrderStatus"] == "completed", || order.to_string())
    })
    .await;
    assert_eq!(phone.call(Method::DELETE, &path, false, None).await.status, 409, "it is over");
    assert_eq!(mesh.stock(&gateway, &admin, "Peach").await, 99);
}
