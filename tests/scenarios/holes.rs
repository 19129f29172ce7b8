//! The holes of the server before this one, shown closed through the gateway. Numbers are those of the table at the end
//! of `docs/MOBILE_APP.md`, which also names the tests of those that are not here.

use codepop_tests::harness::{Gateway, Mesh, PASSWORD, Phone};
use reqwest::Method;
use serde_json::{Value, json};

async fn customer(gateway: &Gateway, name: &str) -> Phone {
    let phone = Phone::new(gateway.address());
    let sign_up = json!({"first_name": name, "username": name, "password": PASSWORD});
    phone.post("/backend/auth/register/", sign_up).await.expect(201);
    phone.log_in(name, PASSWORD).await.expect(200);
    phone
}

/// A customer with one paid order of one drink, and that order.
async fn with_order(gateway: &Gateway, name: &str) -> (Phone, Value, Value) {
    let phone = customer(gateway, name).await;
    let drink = phone.design("Sprite", &["Vanilla"], &[]).await;
    let order = phone.buy(std::slice::from_ref(&drink)).await.expect(201);
    (phone, drink, order)
}

/// 1, 2: orders, revenue, stock and drinks are not open, and nothing tells secrets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_others_cannot_be_seen_or_changed() {
    let (mesh, gateway, admin) = Mesh::open_shop(1).await;
    let (ada, drink, order) = with_order(&gateway, "ada").await;
    let eve = customer(&gateway, "eve").await;
    let guest = Phone::new(gateway.address());
    guest.design("Coke", &[], &[]).await;
    let order_path = format!("/backend/orders/{}/", order["OrderID"]);
    let drink_path = format!("/backend/drinks/{drink}/");
    for other in [&eve, &guest] {
        assert_eq!(other.get(&order_path).await.status, 404);
        for body in
            [json!({"OrderStatus": "cancelled"}), json!({"LockerCombo": "11111"}), json!({"AddDrinks": [drink]})]
        {
            assert_eq!(other.call(Method::PATCH, &order_path, false, Some(body)).await.status, 404);
        }
        assert_eq!(other.call(Method::DELETE, &order_path, false, None).await.status, 404);
        assert_eq!(other.get("/backend/orders/").await.expect(200), json!([]), "others' orders are not listed");
        assert_eq!(other.get(&format!("/backend/email/{}/", order["OrderID"])).await.status, 404);
        assert_eq!(other.get(&drink_path).await.status, 404);
        let edit = json!({"Name": "Mine", "SodaUsed": ["Coke"], "Price": 2.0, "User_Created": true});
        assert_eq!(other.call(Method::PUT, &drink_path, false, Some(edit)).await.status, 404);
        assert_eq!(other.call(Method::DELETE, &drink_path, false, None).await.status, 404);
        assert!([401, 403].contains(&other.get("/backend/revenues/").await.status));
        assert!(
            [401, 403].contains(&other.get(&format!("/backend/orders/{}/payment/", order["OrderID"])).await.status)
        );
    }
    assert!([401, 403, 405].contains(&eve.call(Method::DELETE, "/backend/revenues/1/", false, None).await.status));
    // Nobody without leave sees how much there is, or empties the shelves.
    let report = eve.get("/backend/inventory/report/").await.expect(200);
    let sprite =
        report["inventory_items"].as_array().unwrap().iter().find(|item| item["ItemName"] == "Sprite").unwrap();
    assert_eq!(sprite["Quantity"], 1, "{report}");
    let item = format!("/backend/inventory/{}/", sprite["InventoryID"]);
    eve.call(Method::PATCH, &item, false, Some(json!({"used_quantity": 50}))).await.expect(200);
    let overwrite = json!({"ItemName": "Sprite", "ItemType": "Soda", "Quantity": 0, "ThresholdLevel": 0});
    assert!([401, 403].contains(&eve.call(Method::PUT, &item, false, Some(overwrite)).await.status));
    assert_eq!(mesh.stock(&gateway, &admin, "Sprite").await, 99);
    let shown = ada.get(&order_path).await.expect(200).to_string();
    assert!(!shown.contains("_secret"), "{shown}");
}

/// 3, 4: preferences and notices are one's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preferences_and_notices_are_ones_own() {
    let (_mesh, gateway, _admin) = Mesh::open_shop(1).await;
    let (ada, eve) = (customer(&gateway, "ada").await, customer(&gateway, "eve").await);
    let like = json!({"UserID": ada.kept("userId"), "Preference": "vanilla"});
    let like = ada.call(Method::POST, "/backend/preferences/", true, Some(like)).await.expect(201);
    let path = format!("/backend/preferences/{}/", like["PreferenceID"]);
    assert_eq!(eve.call(Method::GET, "/backend/preferences/", true, None).await.expect(200), json!([]));
    assert_eq!(eve.call(Method::GET, &path, true, None).await.status, 404);
    assert_eq!(eve.call(Method::DELETE, &path, true, None).await.status, 404);
    let of_ada = ada.kept("userId").unwrap();
    let forged = json!({"UserID": of_ada, "Preference": "peach"});
    assert!([400, 403].contains(&eve.call(Method::POST, "/backend/preferences/", true, Some(forged)).await.status));
    for list in ["preferences", "drinks", "orders", "notifications"] {
        let path = format!("/backend/users/{of_ada}/{list}/");
        assert!([403, 404].contains(&eve.call(Method::GET, &path, true, None).await.status), "{list}");
    }
    let global = json!({"UserID": eve.kept("userId"), "Message": "Free drinks!", "Type": "promo", "Global": true});
    assert_eq!(eve.call(Method::POST, "/backend/notifications/", true, Some(global)).await.status, 403);
    let note = json!({"UserID": of_ada, "Message": "Psst", "Type": "note", "Global": false});
    assert_eq!(eve.call(Method::POST, "/backend/notifications/", true, Some(note.clone())).await.status, 403);
    let own = ada.call(Method::POST, "/backend/notifications/", true, Some(note)).await.expect(201);
    let path = format!("/backend/notifications/{}/", own["NotificationID"]);
    assert_eq!(eve.call(Method::GET, &path, true, None).await.status, 404);
    assert_eq!(eve.call(Method::DELETE, &path, true, None).await.status, 404);
    // An order in another's name is a guest's.
    let drink = eve.design("Coke", &[], &[]).await;
    let total = eve.cart_total(std::slice::from_ref(&drink)).await;
    let payment = eve.prepare_payment(total).await;
    let mut order = eve.order(&[drink], &payment);
    order["UserID"] = json!(of_ada);
    let answer = eve.post("/backend/orders/", order).await;
    assert!(answer.status != 201 || answer.json["UserID"].is_null(), "{}", answer.json);
    assert_eq!(ada.get("/backend/orders/").await.expect(200), json!([]));
}

/// 5: the chat gives nothing to who did not order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chat_gives_nothing_to_strangers() {
    let (_mesh, gateway, _admin) = Mesh::open_shop(1).await;
    let (_ada, drink, order) = with_order(&gateway, "ada").await;
    let eve = customer(&gateway, "eve").await;
    let number = &order["OrderID"];
    for (phase, message) in [("refund_phase", "yes"), ("wrong_drink_phase", "all")] {
        let mut body = json!({"message": message, "refund_phase": "none", "wrong_drink_phase": "none",
            "order_num": number, "drink_nums": format!("{drink}, ")});
        body[phase] = json!("2");
        let answer = eve.post("/backend/chatbot/", body).await.expect(200);
        assert_ne!(answer[phase], "3", "{answer}");
    }
}

/// 6: a body cannot make another drink of one's own, nor a catalogue drink.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_overwrites_nothing_else() {
    let (mesh, gateway, admin) = Mesh::open_shop(1).await;
    let catalogue = json!({"Name": "Old Main", "SodaUsed": ["Coke"], "SyrupsUsed": [], "AddIns": [], "Price": 3.5,
        "User_Created": false});
    let number = mesh.publish(&gateway, &admin, catalogue.clone()).await;
    mesh.settled().await;
    let eve = customer(&gateway, "eve").await;
    let own = eve.design("Sprite", &[], &[]).await;
    let forged = json!({"DrinkID": number, "Name": "Hijacked", "SodaUsed": ["Sprite"], "Price": 0.01,
        "User_Created": false});
    let answer = eve.call(Method::PUT, &format!("/backend/drinks/{own}/"), false, Some(forged)).await;
    if answer.status == 200 {
        assert_eq!((&answer.json["DrinkID"], &answer.json["User_Created"]), (&own, &json!(true)));
    }
    assert_eq!(gateway.get(&format!("/backend/drinks/{number}/"), None).await.expect(200)["Name"], "Old Main");
    assert!([401, 403].contains(&eve.post("/backend/drinks/", catalogue).await.status));
    assert_eq!(gateway.get("/backend/drinks/", None).await.expect(200).as_array().unwrap().len(), 1);
}

/// 8: price, payment, revenue: the phone's word counts for nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_cheaper_for_a_lying_phone() {
    let (mesh, gateway, admin) = Mesh::open_shop(1).await;
    let eve = customer(&gateway, "eve").await;
    let cheap = json!({"Name": "Cheap", "SodaUsed": ["Sprite"], "SyrupsUsed": ["Vanilla", "Peach"], "AddIns": [],
        "Price": 0.01, "User_Created": true, "Size": "24oz", "Ice": "Regular"});
    let drink = eve.post("/backend/drinks/", cheap).await.expect(201);
    assert_eq!(drink["Price"], 2.6);
    let drinks = [drink["DrinkID"].clone()];
    // Too little, nothing at all, somebody else's, an invented one.
    let little = eve.prepare_payment(0.5).await;
    let (ada, ..) = with_order(&gateway, "ada").await;
    let hers = ada.prepare_payment(2.6).await;
    let none = [little, Value::Null, json!(""), json!("pi_1_secret_2"), hers.clone()];
    for payment in none {
        let answer = eve.post("/backend/orders/", eve.order(&drinks, &payment)).await;
        assert!([400, 402, 404].contains(&answer.status), "{payment}: {} {}", answer.status, answer.json);
    }
    let mut unpaid = eve.order(&drinks, &Value::Null);
    unpaid.as_object_mut().unwrap().remove("StripeID");
    assert!([400, 402].contains(&eve.post("/backend/orders/", unpaid).await.status));
    assert_eq!(mesh.stock(&gateway, &admin, "Vanilla").await, 99, "only Ada's order took any");
    // One payment is one order.
    let payment = eve.prepare_payment(2.6).await;
    let first = eve.post("/backend/orders/", eve.order(&drinks, &payment)).await.expect(201);
    let again = eve.post("/backend/orders/", eve.order(&drinks, &payment)).await.expect(200);
    assert_eq!(first["OrderID"], again["OrderID"]);
    let more = [drinks[0].clone(), drinks[0].clone()];
    assert_eq!(eve.post("/backend/orders/", eve.order(&more, &payment)).await.status, 409);
    eve.post("/backend/revenues/", json!({"OrderID": first["OrderID"].to_string(), "TotalAmount": 9999.0})).await;
    eve.post("/backend/revenues/", json!({"OrderID": "1", "TotalAmount": -500})).await;
    let manager = mesh.staff(&gateway, &admin, "mia", "staff").await;
    let totals = manager.get("/backend/revenues/totals/").await.expect(200);
    assert_eq!((&totals["sales"], &totals["net_amount"]), (&json!(2), &json!(4.9)), "{totals}");
}

/// 13, 14, 19: ratings are averaged, a name is taken once, cents are exact.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_are_right() {
    let (mesh, gateway, admin) = Mesh::open_shop(1).await;
    let catalogue = json!({"Name": "Old Main", "SodaUsed": ["Coke"], "SyrupsUsed": [], "AddIns": [], "Price": 4.1,
        "User_Created": false});
    let number = mesh.publish(&gateway, &admin, catalogue).await;
    mesh.settled().await;
    let path = format!("/backend/drinks/{number}/");
    for (name, stars) in [("ada", 5), ("bob", 2)] {
        let phone = customer(&gateway, name).await;
        for rating in [1, stars] {
            phone.call(Method::PUT, &path, false, Some(json!({"Rating": rating}))).await.expect(200);
        }
        assert_eq!(phone.call(Method::PUT, &path, false, Some(json!({"Rating": 6}))).await.status, 400);
    }
    assert_eq!(gateway.get(&path, None).await.expect(200)["Rating"], 3.5);
    let again = json!({"first_name": "A", "username": "Ada", "password": PASSWORD});
    assert_eq!(gateway.post("/backend/auth/register/", None, again).await.status, 409);
    // 4.10 was 409 cents once.
    let cat = customer(&gateway, "cat").await;
    let copy = json!({"Name": "Old Main", "SodaUsed": ["Coke"], "SyrupsUsed": [], "AddIns": [], "Price": 4.1,
        "User_Created": true});
    let copy = cat.post("/backend/drinks/", copy).await.expect(201)["DrinkID"].clone();
    assert_eq!(cat.buy(&[copy]).await.expect(201)["TotalAmount"], 4.1);
}

/// 7, 10: nothing internal is told, and every bad body gets a clear answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_bodies_get_clear_answers() {
    let (_mesh, gateway, _admin) = Mesh::open_shop(1).await;
    let (ada, _, order) = with_order(&gateway, "ada").await;
    let order = format!("/backend/orders/{}/", order["OrderID"]);
    let cases = [
        (Method::POST, "/backend/orders/", json!({"Drinks": []})),
        (Method::POST, "/backend/orders/", json!({"Drinks": "all"})),
        (Method::POST, "/backend/orders/", json!({"Drinks": [-1], "StripeID": "pi_x"})),
        (Method::PATCH, order.as_str(), json!({"PickupTime": "soon"})),
        (Method::PATCH, order.as_str(), json!({"AddDrinks": [1.5]})),
        (Method::POST, "/backend/create-payment-intent/", json!({"amount": "much"})),
        (Method::POST, "/backend/create-payment-intent/", json!({"amount": -1})),
        (Method::POST, "/backend/create-payment-intent/", json!({"amount": 1e12})),
        (Method::POST, "/backend/preferences/", json!({"Preference": "motor oil"})),
        (Method::POST, "/backend/notifications/", json!({"Message": "", "Type": ""})),
        (Method::POST, "/backend/drinks/", json!({"Name": "", "SodaUsed": []})),
        (Method::POST, "/backend/chatbot/", json!({"message": "x".repeat(10_000)})),
    ];
    for (method, path, body) in cases {
        let answer = ada.call(method, path, true, Some(body.clone())).await;
        assert!((400..410).contains(&answer.status), "{path} {body}: {} {}", answer.status, answer.json);
        assert!(answer.json["detail"].is_string(), "{path} {body}: {}", answer.json);
    }
    let range = "/backend/notifications/filter_by_time/?start=2026-02-31&end=2026-03-01";
    assert_eq!(ada.call(Method::GET, range, true, None).await.status, 400);
}
