//! A store's dashboard, analysis and revenue table through the gateway: a few sales, and exactly their figures, for the
//! store's people alone.

use codepop_tests::harness::{Backend, Builder, Gateway, Mesh, PASSWORD, Phone, SPREAD, check, eventually};
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};

async fn customer(gateway: &Gateway, name: &str) -> Phone {
    let phone = Phone::new(gateway.address());
    let sign_up = json!({"first_name": name, "username": name, "password": PASSWORD});
    phone.post("/backend/auth/register/", sign_up).await.expect(201);
    phone.log_in(name, PASSWORD).await.expect(200);
    phone
}

/// A file, as a browser would save it.
async fn download(gateway: &Gateway, path: &str, token: &str) -> (HeaderMap, String) {
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request.get(format!("http://{}{path}", gateway.address()));
    let answer = request.header("authorization", format!("Token {token}")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    (answer.headers().clone(), answer.text().await.unwrap())
}

/// Three orders: Ada's of 2.30, Bob's of 2.00 and 2.30, a guest's of 2.00; Ada's money goes back. Answers with the
/// numbers of the orders.
async fn trade(gateway: &Gateway, manager: &Phone) -> [Value; 3] {
    let (ada, bob, guest) =
        (customer(gateway, "ada").await, customer(gateway, "bob").await, Phone::new(gateway.address()));
    let float = ada.design("Sprite", &["Vanilla"], &[]).await;
    let first = ada.buy(&[float]).await.expect(201)["OrderID"].clone();
    let cart = [bob.design("Coke", &[], &[]).await, bob.design("Coke", &["Peach"], &[]).await];
    let second = bob.buy(&cart).await.expect(201)["OrderID"].clone();
    let plain = guest.design("Sprite", &[], &[]).await;
    let third = guest.buy(&[plain]).await.expect(201)["OrderID"].clone();
    manager
        .call(reqwest::Method::POST, &format!("/backend/orders/{first}/refund/"), true, Some(json!({})))
        .await
        .expect(200);
    [first, second, third]
}

on_both!(a_manager_sees_exactly_what_was_sold, async |backend: Backend| {
    let (mesh, gateway, admin) = Mesh::open_shop_of(Builder::with(1).on(backend), 1, 100).await;
    let store = mesh.store_path(1);
    let manager = mesh.staff(&gateway, &admin, "mia", "staff").await;
    let token = manager.kept("userToken").unwrap();
    let [first, second, third] = trade(&gateway, &manager).await;
    let path = format!("{store}/dashboard/");
    let seen = eventually(SPREAD, "the refund is booked", async || {
        let answer = gateway.get(&path, Some(&token)).await;
        check(answer.json["revenue"]["today"] == 6.3, || format!("{}: {}", answer.status, answer.json))?;
        Ok(answer.json)
    })
    .await;
    let revenue = &seen["revenue"];
    assert_eq!((&revenue["sales_today"], &revenue["refunds_today"]), (&json!(3), &json!(2.3)));
    assert_eq!(
        (&revenue["last_7_days"], &revenue["last_30_days"], &revenue["yesterday"]),
        (&json!(6.3), &json!(6.3), &json!(0.0))
    );
    assert_eq!((&seen["orders"]["today"], &seen["complaints"]["open"]), (&json!(3), &json!(0)));
    let recent: Vec<&Value> =
        seen["orders"]["recent"].as_array().unwrap().iter().map(|order| &order["OrderID"]).collect();
    assert_eq!(recent, [&third, &second, &first], "newest first");
    assert_eq!(seen["orders"]["recent"][0]["locker_code"], Value::Null, "the customer's alone");
    assert_eq!((&seen["inventory"]["low_stock"], &seen["inventory"]["low_stock_count"]), (&json!([]), &json!(0)));
    assert_eq!(seen["store"]["store_id"], mesh.nodes[1].id.uuid.to_string());
    assert!(seen["as_of"].is_string() && seen["accounts"].is_null(), "{seen}");
    mesh.set_stock(&gateway, &admin, 1, ("Syrup", "Mango"), 1).await;
    let by_admin = gateway.get(&path, Some(&admin)).await.expect(200);
    assert_eq!(by_admin["inventory"]["low_stock"][0]["ItemName"], "Mango");
    assert_eq!(by_admin["accounts"]["total"], 3, "Mia, Ada, Bob");

    let said = gateway.get(&format!("{store}/analytics/?period=7&forecast=3"), Some(&token)).await.expect(200);
    let trends = &said["revenue_trends"];
    assert_eq!((&trends["total_revenue"], &trends["total_orders"]), (&json!(6.3), &json!(3)));
    assert_eq!((&trends["average_order_value"], &trends["trend"]), (&json!(2.1), &json!("stable")));
    let days = trends["daily"].as_array().unwrap();
    assert_eq!((days.len(), &days[6]["date"], &days[6]["revenue"]), (7, &revenue["date"], &json!(6.3)));
    let hours = said["peak_hours"]["hourly"].as_array().unwrap().iter();
    assert_eq!(hours.map(|hour| hour["orders"].as_i64().unwrap()).sum::<i64>(), 3);
    let used = |name: &str| {
        let items = said["inventory_usage"].as_array().unwrap();
        items.iter().find(|item| item["item_name"] == name).unwrap()["used"].as_i64().unwrap()
    };
    // Of Ada's drink: it was made.
    assert_eq!(["Sprite", "Coke", "Vanilla", "Peach", "Mango"].map(used), [2, 2, 1, 1, 0]);
    assert_eq!(said["drink_popularity"].as_array().unwrap().len(), 4);
    let who = &said["customer_insights"];
    assert_eq!((&who["customers"], &who["new_customers"], &who["guest_orders"]), (&json!(2), &json!(2), &json!(1)));
    let forecast = &said["revenue_forecast"];
    assert_eq!((&forecast["days"], &forecast["confidence"]), (&json!([]), &Value::Null));
    assert!(forecast["note"].as_str().unwrap().contains("there are 0"), "{forecast}");

    let (headers, csv) = download(&gateway, &format!("{store}/revenue/export/"), &token).await;
    assert_eq!(headers[CONTENT_TYPE], "text/csv; charset=utf-8");
    let name = headers[CONTENT_DISPOSITION].to_str().unwrap();
    assert!(name.starts_with("attachment; filename=\"revenue_") && name.ends_with(".csv\""), "{name}");
    let mut lines = csv.split("\r\n");
    assert_eq!(lines.next(), Some("Date,Order ID,Amount,Is Refund,Payment Status"));
    let rows: Vec<&str> = lines.filter(|line| !line.is_empty()).map(|line| line.split_once(',').unwrap().1).collect();
    let row = |order: &Value, rest: &str| format!("{order},{rest}");
    let expected = [
        row(&first, "2.30,No,refunded"),
        row(&second, "4.30,No,paid"),
        row(&third, "2.00,No,paid"),
        row(&first, "-2.30,Yes,refunded"),
    ];
    let mut sorted = rows.clone();
    sorted.sort_unstable();
    let mut wanted: Vec<&str> = expected.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted);
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_see_nothing_and_nonsense_is_named() {
    let (mesh, gateway, admin) = Mesh::open_shop(2).await;
    let at_second = mesh.gateway(&[2, 1, 0]).await;
    let other = mesh.staff(&at_second, &admin, "sam", "staff").await.kept("userToken").unwrap();
    let manager = mesh.staff(&gateway, &admin, "mia", "staff").await.kept("userToken").unwrap();
    let ada = customer(&gateway, "ada").await.kept("userToken").unwrap();
    mesh.settled().await;
    let store = mesh.store_path(1);
    for view in ["dashboard", "analytics", "revenue/export"] {
        let path = format!("{store}/{view}/");
        for token in [&other, &ada] {
            let answer = gateway.get(&path, Some(token)).await;
            assert_eq!((answer.status, &answer.json["code"]), (403, &json!("permission_denied")), "{view}");
        }
        assert_eq!(gateway.get(&path, None).await.status, 401, "{view}");
        assert_eq!(gateway.get(&path, Some("broken")).await.status, 401, "{view}");
        assert_eq!(gateway.get(&path, Some(&manager)).await.status, 200, "{view}");
        assert_eq!(gateway.get(&format!("{}/{view}/", mesh.store_path(2)), Some(&other)).await.status, 200, "{view}");
    }
    let wrong = [
        ("analytics/?period=0", "period"),
        ("analytics/?period=366", "period"),
        ("analytics/?period=month", "period"),
        ("analytics/?forecast=91", "forecast"),
        ("analytics/?forecast=-1", "forecast"),
        ("revenue/export/?start_date=2026-13-01", "start_date"),
        ("revenue/export/?end_date=yesterday", "end_date"),
        ("revenue/export/?start_date=2026-02-02&end_date=2026-02-01", "start_date"),
        ("revenue/export/?start_date=1999-01-01&end_date=2026-02-01", "start_date"),
    ];
    for (path, field) in wrong {
        let answer = gateway.get(&format!("{store}/{path}"), Some(&manager)).await.expect(400);
        assert!(answer["fields"][field].is_array() && answer["code"] == "invalid", "{path}: {answer}");
    }
    assert_eq!(gateway.get("/backend/stores/main/dashboard/", Some(&manager)).await.status, 400);
    let unknown = format!("/backend/stores/{}/dashboard/", uuid::Uuid::now_v7());
    assert_eq!(gateway.get(&unknown, Some(&manager)).await.status, 404);
}
