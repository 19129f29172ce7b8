//! The mobile app as it is in customers' hands, replayed: all 34 calls in its own order and with its own bodies, through
//! the gateway, as guest, as customer, as manager and as administrator. Numbers in comments are those of the calls.

use codepop_tests::harness::{
    Answer, Backend, Builder, Gateway, Mesh, PASSWORD, Phone, SPREAD, check, eventually, silence,
};
use reqwest::Method;
use serde_json::{Value, json};

/// A catalogue drink with a price of its own.
fn float() -> Value {
    json!({"Name": "Coke Float", "SodaUsed": ["Coke"], "SyrupsUsed": ["Vanilla"], "AddIns": ["Cream"], "Price": 5.99,
        "User_Created": false, "Size": "24oz", "Ice": "Regular"})
}

async fn shop() -> (Mesh, Gateway, String) {
    shop_on(Backend::Sqlite).await
}

async fn shop_on(backend: Backend) -> (Mesh, Gateway, String) {
    let (mesh, gateway, admin) = Mesh::open_shop_of(Builder::with(1).on(backend), 1, 100).await;
    mesh.publish(&gateway, &admin, float()).await;
    eventually(SPREAD, "the catalogue has arrived", async || {
        let drinks = gateway.get("/backend/drinks/", None).await.json;
        check(drinks.as_array().is_some_and(|drinks| !drinks.is_empty()), || drinks.to_string())
    })
    .await;
    (mesh, gateway, admin)
}

/// From the carousel and the designer to the cart (calls 4 to 11). Answers with the numbers in the cart.
async fn fill_cart(phone: &Phone) -> Vec<Value> {
    let carousel = phone.get("/backend/drinks/").await.expect(200);
    let seasonal = carousel.as_array().unwrap().first().unwrap().clone();
    assert!(seasonal["Price"].is_f64() && seasonal["SyrupsUsed"].is_array() && seasonal["AddIns"].is_array());
    let tapped = json!({"Name": seasonal["Name"], "SodaUsed": seasonal["SodaUsed"], "SyrupsUsed": seasonal["SyrupsUsed"],
        "AddIns": seasonal["AddIns"], "Price": seasonal["Price"], "User_Created": true, "Size": "24oz",
        "Ice": "Regular"});
    let copy = phone.post("/backend/drinks/", tapped).await.expect(201);
    assert_eq!(
        (&copy["Price"], &copy["User_Created"]),
        (&json!(5.99), &json!(true)),
        "a copy costs what it is a copy of"
    );

    let designed = phone.design("Sprite", &["Peach", "mango"], &["whip"]).await;

    let mine = phone.kept("userId").map(|id| id + "/").unwrap_or_default();
    let made = phone.get(&format!("/backend/generate/{mine}")).await.expect(200);
    assert!(
        made["SyrupsUsed"].is_array()
            && made["AddIns"].is_array()
            && made["Size"] == "24oz"
            && made["Ice"] == "regular"
    );
    let soda = if made["SodaUsed"].is_string() { json!([made["SodaUsed"]]) } else { made["SodaUsed"].clone() };
    let generated = json!({"Name": "AI drink", "SodaUsed": soda, "SyrupsUsed": made["SyrupsUsed"],
        "AddIns": made["AddIns"], "Price": 2.0, "User_Created": true, "Size": made["Size"], "Ice": made["Ice"]});
    let generated = phone.post("/backend/drinks/", generated).await.expect(201)["DrinkID"].clone();

    // 11: the drink is edited, then 10: the generated one is taken out again, with the token or the word null.
    let edited = json!({"Name": "Updated Drink", "SodaUsed": ["Sprite"], "SyrupsUsed": ["Peach"], "AddIns": [],
        "Price": 2.0, "User_Created": true, "Size": "32oz", "Ice": "Extra"});
    let edited =
        phone.call(Method::PUT, &format!("/backend/drinks/{designed}/"), false, Some(edited)).await.expect(200);
    assert_eq!((&edited["Price"], &edited["Size"], &edited["Ice"]), (&json!(2.3), &json!("32oz"), &json!("extra")));
    assert!(generated.as_i64().unwrap() > 6, "the app deletes nothing at or below 6");
    phone.call(Method::DELETE, &format!("/backend/drinks/{generated}/"), true, None).await.expect(204);
    let gone = phone.get(&format!("/backend/drinks/{generated}/")).await;
    assert!(gone.status == 404 && gone.json.is_object(), "the cart needs JSON: {}", gone.json);
    vec![copy["DrinkID"].clone(), designed]
}

/// Payment, order and pick-up (calls 14 to 21) of a cart of 8.29 dollars. Answers with the order's number.
async fn pay_and_pick_up(phone: &Phone, cart: &[Value]) -> Value {
    phone.prepare_payment(0.0).await;
    let total = phone.cart_total(cart).await;
    assert!((total - 8.29).abs() < 1e-9, "{total}");
    let payment = phone.prepare_payment(total).await;
    let order = phone.post("/backend/orders/", phone.order(cart, &payment)).await.expect(201);
    let number = order["OrderID"].clone();
    let path = format!("/backend/orders/{number}/");
    assert_eq!((&order["OrderStatus"], &order["PaymentStatus"]), (&json!("processing"), &json!("paid")));
    assert_eq!(order["Drinks"], json!(cart));
    assert!(!order["StripeID"].as_str().unwrap().contains("_secret"), "{order}");

    let revenue = json!({"OrderID": number.to_string(), "TotalAmount": total});
    let revenue = phone.post("/backend/revenues/", revenue).await.expect(201);
    assert_eq!((&revenue["TotalAmount"], &revenue["Refunded"]), (&json!(8.29), &json!(false)));
    assert!(phone.get(&format!("/backend/email/{number}/")).await.expect(200)["message"].is_string());
    assert!((400..500).contains(&phone.get("/backend/email/undefined/").await.status));

    let report = phone.get("/backend/inventory/report/").await.expect(200);
    let used: Vec<&Value> = report["inventory_items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| ["coke", "vanilla"].contains(&item["ItemName"].as_str().unwrap().to_lowercase().as_str()))
        .collect();
    assert_eq!(used.len(), 2, "{report}");
    for item in used {
        let path = format!("/backend/inventory/{}/", item["InventoryID"]);
        phone.call(Method::PATCH, &path, false, Some(json!({"used_quantity": 1}))).await.expect(200);
    }
    let locker = phone.call(Method::PATCH, &path, false, Some(json!({"LockerCombo": "01234"}))).await.expect(200);
    assert_eq!((&locker["LockerCombo"], &locker["locker_code"]), (&json!(1234), &json!("01234")));
    let other = phone.call(Method::PATCH, &path, false, Some(json!({"LockerCombo": "99999"}))).await.expect(200);
    assert_eq!(other["locker_code"], "01234", "the first one counts");
    for _ in 0..2 {
        let answer =
            phone.call(Method::PATCH, &path, false, Some(json!({"OrderStatus": "completed"}))).await.expect(200);
        assert_ne!(answer["OrderStatus"], "completed", "nobody has made it yet");
    }
    number
}

/// The star under a drink (call 12), with keys in the wrong case.
async fn rate(phone: &Phone, drink: &Value, expected: &Value) {
    let path = format!("/backend/drinks/{drink}/");
    let before = phone.get(&path).await.expect(200);
    let body = json!({"drinkID": drink, "Name": before["Name"], "Price": before["Price"], "SodaUsed": before["SodaUsed"],
        "syrupsUsed": before["SyrupsUsed"], "addIns": before["AddIns"], "User_Created": true, "Rating": 4});
    phone.call(Method::PUT, &path, false, Some(body)).await.expect(200);
    let after = phone.get(&path).await.expect(200);
    assert_eq!((&after["SyrupsUsed"], &after["AddIns"]), (&before["SyrupsUsed"], &before["AddIns"]));
    assert_eq!(after["Rating"], *expected);
}

/// The whole talk to a remake, and what the app does then (call 34).
async fn have_remade(phone: &Phone, order: &Value) {
    let state = phone.say(&silence(), "You made my drink wrong").await;
    assert_eq!((&state["refund_phase"], &state["wrong_drink_phase"]), (&json!("init"), &json!("init")), "{state}");
    let state = phone.say(&state, "I want it remade").await;
    assert_eq!(state["wrong_drink_phase"], "1", "{state}");
    let state = phone.say(&state, &format!("It was order {order}")).await;
    assert_eq!((&state["wrong_drink_phase"], &state["order_num"]), (&json!("2"), order), "{state}");
    let state = phone.say(&state, "drink 1 please").await;
    assert_eq!(state["wrong_drink_phase"], "3", "{state}");
    let remade = state["order_num"].clone();
    assert_ne!(remade, *order);
    let state = phone.say(&state, "I accept").await;
    assert_eq!(state["wrong_drink_phase"], "4", "{state}");
    let remade = phone.get(&format!("/backend/orders/{remade}/")).await.expect(200);
    assert_eq!(remade["PaymentStatus"], "remade");
    for drink in remade["Drinks"].as_array().unwrap() {
        phone.get(&format!("/backend/drinks/{drink}/")).await.expect(200);
    }
}

on_both!(a_guest_buys_without_an_account, async |backend: Backend| {
    let (mesh, gateway, admin) = shop_on(backend).await;
    let phone = Phone::new(gateway.address());
    let cart = fill_cart(&phone).await;
    let order = pay_and_pick_up(&phone, &cart).await;
    rate(&phone, &cart[0], &Value::Null).await;
    have_remade(&phone, &order).await;
    // One Coke for the order, one for the remade drink; none for what the phone said it took.
    assert_eq!(mesh.stock(&gateway, &admin, "Coke").await, 98);
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_signs_up_likes_buys_and_leaves() {
    let (_mesh, gateway, _admin) = shop().await;
    let phone = Phone::new(gateway.address());
    let guest_drink = phone.design("Sprite", &[], &[]).await;
    let sign_up = json!({"first_name": "Ada", "username": "ada", "password": PASSWORD, "email": "ada@example.org"});
    phone.post("/backend/auth/register/", sign_up).await.expect(201);
    assert_ne!(phone.log_in("ada", "not her password").await.status, 200);
    let answer = phone.log_in("ada", PASSWORD).await.expect(200);
    assert!(answer["user_id"].is_i64() && answer["first_name"] == "Ada");
    assert_eq!((&answer["is_admin"], &answer["is_manager"]), (&json!(false), &json!(false)));
    // What was in the cart before the log-in is still hers.
    phone.get(&format!("/backend/drinks/{guest_drink}/")).await.expect(200);

    let items = phone.get("/backend/inventory/").await.expect(200);
    let kinds = ["Soda", "Syrup", "Add In", "Physical"];
    assert!(items.as_array().unwrap().iter().all(|item| kinds.contains(&item["ItemType"].as_str().unwrap())));
    let like = json!({"UserID": phone.kept("userId"), "Preference": "Mtn. Dew"});
    let like = phone.call(Method::POST, "/backend/preferences/", true, Some(like)).await.expect(201);
    assert_eq!(like["Preference"], "mtn. dew");
    // The generator composes nothing for who likes no syrup at all.
    assert_eq!(phone.get(&format!("/backend/generate/{}/", phone.kept("userId").unwrap())).await.status, 400);
    let syrup = json!({"UserID": phone.kept("userId"), "Preference": "Mango"});
    phone.call(Method::POST, "/backend/preferences/", true, Some(syrup)).await.expect(201);
    let likes = phone.call(Method::GET, "/backend/preferences/", true, None).await.expect(200);
    assert_eq!(likes.as_array().unwrap().len(), 2);
    assert_eq!(likes[0]["UserID"].to_string(), phone.kept("userId").unwrap());

    let cart = fill_cart(&phone).await;
    let order = pay_and_pick_up(&phone, &cart).await;
    rate(&phone, &cart[0], &json!(4.0)).await;
    have_remade(&phone, &order).await;
    let own = phone.get("/backend/orders/").await.expect(200);
    assert_eq!(own.as_array().unwrap().len(), 2, "the order and the remade one: {own}");

    let unlike = format!("/backend/preferences/{}/", like["PreferenceID"]);
    phone.call(Method::DELETE, &unlike, true, None).await.expect(204);
    phone.log_out().await.expect(200);
    assert_eq!(phone.cookie("codepop_session"), None);
    phone.log_out().await.expect(200);
    assert_eq!(phone.get(&format!("/backend/orders/{order}/")).await.status, 401);
}

/// A refund by the chat, to the end: the money is back and the manager's figures say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_in_the_chat_gives_the_money_back_once() {
    let (mesh, gateway, admin) = shop().await;
    let phone = Phone::new(gateway.address());
    let cart = fill_cart(&phone).await;
    let order = pay_and_pick_up(&phone, &cart).await;
    let state = phone.say(&silence(), "My drink was made wrong").await;
    let state = phone.say(&state, "refund").await;
    assert_eq!(state["refund_phase"], "1", "{state}");
    let state = phone.say(&state, &order.to_string()).await;
    assert_eq!(state["refund_phase"], "2", "{state}");
    let state = phone.say(&state, "yes").await;
    assert_eq!(state["refund_phase"], "3", "{state}");
    phone.say(&state, "I accept").await;
    let manager = mesh.staff(&gateway, &admin, "mia", "staff").await;
    eventually(SPREAD, "the money is back", async || {
        let totals = manager.get("/backend/revenues/totals/").await.json;
        check(totals["net_amount"] == json!(0.0) && totals["refunds"] == json!(1), || totals.to_string())
    })
    .await;
    // Another talk about the same order gives nothing more.
    let state = phone.say(&silence(), "My drink was made wrong").await;
    let state = phone.say(&state, "refund").await;
    let state = phone.say(&state, &order.to_string()).await;
    if state["refund_phase"] == "2" {
        phone.say(&state, "yes").await;
    }
    assert_eq!(manager.get("/backend/revenues/totals/").await.json["refunds"], json!(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_sees_the_store_and_fills_the_shelves() {
    let (mesh, gateway, admin) = shop().await;
    let customer = Phone::new(gateway.address());
    let cart = fill_cart(&customer).await;
    pay_and_pick_up(&customer, &cart).await;
    let manager = mesh.staff(&gateway, &admin, "mia", "staff").await;
    let log_in = manager.log_in("mia", PASSWORD).await.expect(200);
    assert_eq!((&log_in["is_admin"], &log_in["is_manager"]), (&json!(false), &json!(true)));

    let revenues = manager.get("/backend/revenues/").await.expect(200);
    let sums: f64 = revenues.as_array().unwrap().iter().map(|entry| entry["TotalAmount"].as_f64().unwrap()).sum();
    assert!((sums - 8.29).abs() < 1e-9 && revenues[0]["SaleDate"].is_string(), "{revenues}");
    let orders = manager.get("/backend/orders/").await.expect(200);
    assert_eq!(orders.as_array().unwrap().len(), 1);
    assert_eq!(orders[0]["LockerCombo"], Value::Null, "the locker is the customer's");
    let report = manager.get("/backend/inventory/report/").await.expect(200);
    let item = report["inventory_items"].as_array().unwrap().iter().find(|item| item["ItemName"] == "Coke").unwrap();
    assert_eq!((&item["Quantity"], &item["ThresholdLevel"]), (&json!(99), &json!(2)));
    let path = format!("/backend/inventory/{}/", item["InventoryID"]);
    let reset = manager.call(Method::PATCH, &path, false, Some(json!({"reset": true}))).await.expect(200);
    assert!(reset["Quantity"].as_i64().unwrap() > reset["ThresholdLevel"].as_i64().unwrap(), "{reset}");
    let refused = Phone::new(gateway.address()).call(Method::PATCH, &path, false, Some(json!({"reset": true}))).await;
    assert!([401, 403].contains(&refused.status) && refused.json["detail"].is_string(), "{}", refused.json);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_edits_and_deletes_accounts() {
    let (mesh, gateway, boss) = shop().await;
    let customer = Phone::new(gateway.address());
    let sign_up = json!({"first_name": "Bob", "username": "bob", "password": PASSWORD, "email": ""});
    let bob = customer.post("/backend/auth/register/", sign_up).await.expect(201)["user_id"].clone();
    let admin = mesh.staff(&gateway, &boss, "anna", "admin").await;
    assert_eq!(admin.log_in("anna", PASSWORD).await.expect(200)["is_admin"], true);
    let users = admin.call(Method::GET, "/backend/users/", true, None).await.expect(200);
    let row = users.as_array().unwrap().iter().find(|user| user["id"] == bob).unwrap();
    assert_eq!(
        (&row["username"], &row["is_staff"], &row["is_superuser"]),
        (&json!("bob"), &json!(false), &json!(false))
    );
    let edits = json!({"edits": {"username": "robert", "firstName": "unchanged", "lastName": "Builder",
        "password": "unchanged", "role": "staff"}});
    let path = format!("/backend/users/edit/{bob}/");
    let said = admin.call(Method::POST, &path, true, Some(edits.clone())).await.expect(200);
    assert!(said["message"].is_string());
    assert_eq!(customer.log_in("robert", PASSWORD).await.expect(200)["is_manager"], true);
    assert_eq!(
        customer.call(Method::POST, &path, true, Some(edits)).await.status,
        403,
        "a manager is no administrator"
    );
    let path = format!("/backend/users/delete/{bob}/");
    assert!(admin.call(Method::DELETE, &path, true, None).await.expect(200)["message"].is_string());
    assert_ne!(customer.log_in("robert", PASSWORD).await.status, 200);
    let own = format!("/backend/users/delete/{}/", admin.kept("userId").unwrap());
    assert!((400..500).contains(&admin.call(Method::DELETE, &own, true, None).await.status), "never the own account");
}

/// The gateway dies in the middle of a cart and another takes over; then the store dies, and the cart goes on elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cart_survives_the_loss_of_gateway_and_store() {
    let (mut mesh, gateway, admin) = Mesh::open_shop(2).await;
    mesh.publish(&gateway, &admin, float()).await;
    mesh.settled().await;
    let phone = Phone::new(gateway.address());
    let cart = fill_cart(&phone).await;
    drop(gateway);
    let gateway = mesh.gateway(&[2, 1, 0]).await;
    let phone = phone.moved_to(gateway.address());
    mesh.settled().await;
    mesh.kill9(1);
    let order: Answer = eventually(SPREAD, "the other store takes the order", async || {
        let answer = phone.buy(&cart).await;
        check(answer.status == 201, || format!("{}: {}", answer.status, answer.json))?;
        Ok(answer)
    })
    .await;
    assert_eq!(order.json["store_id"], mesh.nodes[2].id.uuid.to_string());
}

/// Which store: the header or cookie, else the one that the account prefers, else the gateway's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_is_the_one_that_the_customer_wants() {
    let (mesh, gateway, _admin) = Mesh::open_shop(2).await;
    let phone = Phone::new(gateway.address());
    let cart = [phone.design("Sprite", &[], &[]).await];
    let (own, other) = (mesh.nodes[1].id.uuid.to_string(), mesh.nodes[2].id.uuid.to_string());
    assert_eq!(phone.buy(&cart).await.expect(201)["store_id"], own);
    mesh.settled().await;
    phone.set_cookie("X-CodePop-Store", &other);
    let order = phone.buy(&cart).await.expect(201);
    assert_eq!(order["store_id"], other);
    // An order is found by its number, whatever store is asked.
    phone.set_cookie("X-CodePop-Store", &own);
    phone.get(&format!("/backend/orders/{}/", order["OrderID"])).await.expect(200);

    let ada = Phone::new(gateway.address());
    let sign_up = json!({"first_name": "Ada", "username": "ada", "password": PASSWORD, "preferred_store": other});
    ada.post("/backend/auth/register/", sign_up).await.expect(201);
    ada.log_in("ada", PASSWORD).await.expect(200);
    let cart = [ada.design("Sprite", &[], &[]).await];
    assert_eq!(ada.buy(&cart).await.expect(201)["store_id"], other);
}
