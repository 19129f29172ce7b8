//! Things of others, reached for by their number: as another customer, a guest, nobody, and the staff of another store; and
//! fields that a caller may not set. Every RPC that takes an id is here or says why it is open, by the contract's own list.

use codepop_proto::{DESCRIPTORS, contract, options::CallerKind};
use codepop_tests::harness::{Gateway, Mesh, PASSWORD, Phone, call, hours_ago, session};
use prost_reflect::DescriptorPool;
use reqwest::Method;
use serde_json::{Value, json};
use tonic::Code;

/// RPCs that take an id and are open to everybody, and why.
const OPEN: &[(&str, &str)] = &[
    ("GetStore", "the list of stores is public"),
    ("GetItem", "whether something is there is public; how much is told to the staff alone (holes.rs)"),
    ("CheckInventory", "whether drinks can be made is public; others' drinks are unknown (drinks.rs)"),
    ("CalculateArrival", "asks about a place, not about a thing"),
    ("GenerateDrink", "the number is not looked at: likes are the session's (generator/tests.rs)"),
    ("CreateOrder", "an order in another's name is a guest's (below, and holes.rs)"),
    ("ReportRevenue", "what a phone says of revenue counts for nothing (holes.rs)"),
    ("ReceiveStripeEvent", "signed by the provider (payments/tests/stripe.rs)"),
    ("AcceptInvitation", "the code decides (roles.rs)"),
];

/// Somebody who reaches for what is not theirs.
enum Stranger {
    /// With a token; the name says who.
    Token(&'static str, String),
    /// With a guest's session.
    Guest(Phone),
    Nobody,
}

impl Stranger {
    fn name(&self) -> &'static str {
        match self {
            Self::Token(name, _) => name,
            Self::Guest(_) => "a guest",
            Self::Nobody => "nobody",
        }
    }

    async fn ask(&self, gateway: &Gateway, attack: &Attack) -> (u16, Value) {
        let body = attack.body.clone();
        let (method, path) = (attack.method.clone(), attack.path.as_str());
        let answer = match self {
            Self::Token(_, token) => gateway.ask(method, path, Some(token), body).await,
            Self::Guest(phone) => phone.call(method, path, false, body).await,
            Self::Nobody => gateway.ask(method, path, None, body).await,
        };
        (answer.status, answer.json)
    }
}

/// One way to reach for something.
struct Attack {
    rpc: &'static str,
    method: Method,
    path: String,
    body: Option<Value>,
}

/// What is attacked: a customer's things, and those of the first store.
struct Things {
    user: i64,
    store: String,
    drink: Value,
    order: Value,
    like: Value,
    notice: Value,
    item: Value,
    revenue: Value,
    role: String,
    /// Whose role it is.
    holder: Value,
    invitation: Value,
    machine: i64,
}

fn attack(rpc: &'static str, method: Method, path: String, body: Option<Value>) -> Attack {
    Attack { rpc, method, path: format!("/backend/{path}"), body }
}

#[rustfmt::skip]
fn on_the_customer(of: &Things) -> Vec<Attack> {
    let Things { user, drink, order, like, notice, .. } = of;
    let get = |rpc, path| attack(rpc, Method::GET, path, None);
    let delete = |rpc, path| attack(rpc, Method::DELETE, path, None);
    let note = json!({"UserID": user, "Message": "Psst", "Type": "note"});
    let here = json!({"current_latitude": 41.74, "current_longitude": -111.83, "velocity_mph": 20.0});
    vec![
        get("GetDrink", format!("drinks/{drink}/")),
        attack("UpdateDrink", Method::PUT, format!("drinks/{drink}/"), Some(json!({"Name": "Mine now"}))),
        attack("UpdateDrink", Method::PUT, format!("drinks/{drink}/"), Some(json!({"Rating": 1}))),
        delete("DeleteDrink", format!("drinks/{drink}/")),
        get("ListFavorites", format!("users/{user}/favorites/")),
        get("ListFavorites", format!("users/{user}/drinks/")),
        attack("AddFavorite", Method::POST, format!("users/{user}/favorites/"), Some(json!({"drink_id": drink}))),
        delete("RemoveFavorite", format!("users/{user}/favorites/{drink}/")),
        get("GetOrder", format!("orders/{order}/")),
        get("GetOrder", format!("users/{user}/orders/{order}/")),
        get("ListOrders", format!("users/{user}/orders/")),
        attack("UpdateOrder", Method::PATCH, format!("orders/{order}/"), Some(json!({"OrderStatus": "cancelled"}))),
        attack("UpdateOrder", Method::PUT, format!("orders/{order}/"), Some(json!({"LockerCombo": "11111"}))),
        attack("UpdateOrder", Method::PATCH, format!("users/{user}/orders/{order}/"), Some(json!({"AddDrinks": [drink]}))),
        delete("CancelOrder", format!("orders/{order}/")),
        delete("CancelOrder", format!("users/{user}/orders/{order}/")),
        attack("TrackLocation", Method::POST, format!("orders/{order}/track-location/"), Some(here)),
        attack("StartPreparation", Method::POST, format!("orders/{order}/start-preparation/"), None),
        get("SendReceipt", format!("email/{order}/")),
        get("ListPreferences", format!("users/{user}/preferences/")),
        attack("CreatePreference", Method::POST, "preferences/".into(), Some(json!({"UserID": user, "Preference": "peach"}))),
        get("GetPreference", format!("preferences/{like}/")),
        attack("UpdatePreference", Method::PUT, format!("preferences/{like}/"), Some(json!({"Preference": "mango"}))),
        delete("DeletePreference", format!("preferences/{like}/")),
        get("ListNotifications", format!("users/{user}/notifications/")),
        attack("CreateNotification", Method::POST, "notifications/".into(), Some(note)),
        get("GetNotification", format!("notifications/{notice}/")),
        attack("UpdateNotification", Method::PUT, format!("notifications/{notice}/"), Some(json!({"Message": "Ha"}))),
        delete("DeleteNotification", format!("notifications/{notice}/")),
    ]
}

#[rustfmt::skip]
fn on_the_store(of: &Things) -> Vec<Attack> {
    let Things { user, store, order, item, revenue, role, holder, invitation, machine, .. } = of;
    let get = |rpc, path| attack(rpc, Method::GET, path, None);
    let post = |rpc, path: String, body| attack(rpc, Method::POST, path, Some(body));
    let stock = json!({"ItemName": "Sprite", "ItemType": "Soda", "Quantity": 0, "ThresholdLevel": 0});
    let edits = json!({"edits": {"username": "owned", "role": "admin"}});
    vec![
        attack("UpdateStore", Method::PATCH, format!("stores/{store}/"), Some(json!({"name": "Mine", "is_operational": false}))),
        attack("SetItem", Method::PUT, format!("stores/{store}/inventory/"), Some(stock)),
        attack("UpdateItem", Method::PATCH, format!("inventory/{item}/"), Some(json!({"Quantity": 0}))),
        attack("UpdateItem", Method::PUT, format!("inventory/{item}/"), Some(json!({"reset": true}))),
        get("ListMovements", format!("inventory/{item}/movements/")),
        post("SetOrderStatus", format!("orders/{order}/status/"), json!({"OrderStatus": "completed"})),
        get("GetPayment", format!("orders/{order}/payment/")),
        post("RefundOrder", format!("orders/{order}/refund/"), json!({"reason": "for me"})),
        get("GetRevenue", format!("revenues/{revenue}/")),
        get("GetStoreDashboard", format!("stores/{store}/dashboard/")),
        get("GetStoreAnalytics", format!("stores/{store}/analytics/")),
        get("ExportRevenue", format!("stores/{store}/revenue/export/?start_date=2026-01-01&end_date=2026-01-31")),
        get("GetAdminDashboard", format!("admin/dashboard/?store_id={store}")),
        get("ListAuditEntries", format!("audit/?store_id={store}")),
        get("GetLogisticsDashboard", "logistics/regions/C/dashboard/".into()),
        get("GetLogisticsStore", format!("logistics/regions/C/stores/{store}/")),
        get("GetRepairDashboard", "repair/regions/C/dashboard/".into()),
        attack("UpdateMachineStatus", Method::PATCH, format!("machines/{machine}/status/"), Some(json!({"status": "repair-start"}))),
        post("AssignRole", "roles/assign/".into(), json!({"user_id": user, "role_type": "ADMIN", "store_id": store})),
        attack("RevokeRole", Method::DELETE, format!("roles/revoke/{role}/"), None),
        attack("RevokeRole", Method::DELETE, "roles/revoke/".into(), Some(json!({"role_id": role, "store_id": store}))),
        get("ListUserRoles", format!("users/{holder}/roles/")),
        get("ListRoles", format!("roles/?store_id={store}")),
        get("ListRoles", "roles/?region_code=C".into()),
        post("InviteStaff", "staff/invitations/".into(), json!({"role_type": "MANAGER", "store_id": store})),
        get("ListInvitations", format!("staff/invitations/?store_id={store}")),
        attack("WithdrawInvitation", Method::DELETE, format!("staff/invitations/{invitation}/"), None),
        get("ListConflicts", format!("conflicts/?store_id={store}")),
        post("RetryConflict", format!("conflicts/{role}/retry/"), json!({"store_id": store})),
        post("DismissConflict", format!("conflicts/{role}/dismiss/"), json!({"store_id": store})),
        post("EditUser", format!("users/edit/{user}/"), edits),
        attack("RemoveUser", Method::DELETE, format!("users/delete/{user}/"), None),
        post("SetUserStatus", format!("users/{user}/status/"), json!({"status": "DISABLED"})),
    ]
}

async fn token(gateway: &Gateway, name: &str) -> (String, i64) {
    let body = json!({"username": name, "password": PASSWORD, "first_name": name});
    let made = gateway.post("/backend/auth/register/", None, body).await.expect(201);
    (made["token"].as_str().unwrap().to_owned(), made["user_id"].as_i64().unwrap())
}

fn held(phone: &Phone) -> String {
    phone.kept("userToken").unwrap()
}

/// A store with a customer and staff, and all that they have.
async fn things(mesh: &Mesh, gateway: &Gateway, boss: &str) -> (Things, Phone) {
    let ada = Phone::new(gateway.address());
    let sign_up = json!({"first_name": "ada", "username": "ada", "password": PASSWORD});
    let user = ada.post("/backend/auth/register/", sign_up).await.expect(201)["user_id"].as_i64().unwrap();
    ada.log_in("ada", PASSWORD).await.expect(200);
    let drink = ada.design("Sprite", &["Vanilla"], &[]).await;
    let order = ada.buy(std::slice::from_ref(&drink)).await.expect(201)["OrderID"].clone();
    let own = async |path: &str, body: Value| {
        gateway.post(&format!("/backend/{path}/"), Some(&held(&ada)), body).await.expect(201)
    };
    let like = own("preferences", json!({"Preference": "vanilla"})).await["PreferenceID"].clone();
    let note = json!({"UserID": user, "Message": "Milk", "Type": "note", "Global": false});
    let notice = own("notifications", note).await["NotificationID"].clone();
    own(&format!("users/{user}/favorites"), json!({"drink_id": drink})).await;
    let admin = mesh.staff(gateway, boss, "ann", "admin").await;
    let read = async |path: &str| gateway.get(&format!("/backend/{path}"), Some(&held(&admin))).await.expect(200);
    let item = read("inventory/report/").await["inventory_items"][0]["InventoryID"].clone();
    let revenue = read("revenues/").await[0]["RevenueID"].clone();
    let store = mesh.nodes[1].id.uuid.to_string();
    let given = read(&format!("roles/?store_id={store}")).await[0].clone();
    let (role, holder) = (given["id"].as_str().unwrap().to_owned(), given["user"].clone());
    let invite = json!({"role_type": "MANAGER", "store_id": store});
    let made = gateway.post("/backend/staff/invitations/", Some(&held(&admin)), invite).await.expect(201);
    let invitation = made["invitation"]["id"].clone();
    let machine = i64::from(mesh.nodes[1].id.number) + 100_000;
    (Things { user, store, drink, order, like, notice, item, revenue, role, holder, invitation, machine }, ada)
}

/// All that can be seen of the things, by those whose they are.
async fn seen(gateway: &Gateway, of: &Things, ada: &Phone, boss: &str) -> Value {
    let Things { user, store, drink, order, .. } = of;
    let mut seen = Vec::new();
    let own = [
        "preferences/".to_owned(),
        "notifications/".to_owned(),
        format!("users/{user}/favorites/"),
        format!("orders/{order}/"),
        format!("drinks/{drink}/"),
        "users/me/".to_owned(),
    ];
    for path in own {
        seen.push(gateway.get(&format!("/backend/{path}"), Some(&held(ada))).await.expect(200));
    }
    let by_boss = [
        format!("stores/{store}/"),
        "inventory/report/".to_owned(),
        format!("roles/?store_id={store}"),
        format!("staff/invitations/?store_id={store}"),
        format!("orders/{order}/payment/"),
    ];
    for path in by_boss {
        let mut answer = gateway.get(&format!("/backend/{path}"), Some(boss)).await.expect(200);
        // What moves by itself.
        answer
            .as_object_mut()
            .map(|store| ["current_wait_time", "last_online", "inventory_last_updated"].map(|key| store.remove(key)));
        seen.push(answer);
    }
    Value::Array(seen)
}

/// RPCs for users whose request names something by an id.
fn with_ids() -> Vec<&'static str> {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let for_users = contract::rpcs().iter().filter(|rpc| {
        rpc.access.as_ref().is_some_and(|access| access.callers().any(|kind| kind == CallerKind::Gateway))
    });
    let with_id = for_users.filter(|rpc| {
        let fields = pool.get_message_by_name(&rpc.input).unwrap();
        fields.fields().any(|field| field.name().ends_with("_id") || field.name() == "region_code")
    });
    with_id.map(|rpc| rpc.name().rsplit_once('/').unwrap().1).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_anothers_is_out_of_reach_by_every_route() {
    let (mesh, gateway, boss) = Mesh::open_shop(2).await;
    let (of, ada) = things(&mesh, &gateway, &boss).await;
    let there = mesh.gateway(&[2, 0]).await;
    let manager = held(&mesh.staff(&there, &boss, "max", "staff").await);
    let admin = held(&mesh.staff(&there, &boss, "sam", "admin").await);
    mesh.settled().await;
    let guest = Phone::new(gateway.address());
    guest.design("Coke", &[], &[]).await;
    let strangers = [
        Stranger::Token("a customer", token(&gateway, "eve").await.0),
        Stranger::Token("a manager of another store", manager),
        Stranger::Token("an administrator of another store", admin),
        Stranger::Guest(guest),
        Stranger::Nobody,
    ];
    let attacks: Vec<Attack> = on_the_customer(&of).into_iter().chain(on_the_store(&of)).collect();
    for rpc in with_ids() {
        let known = attacks.iter().any(|attack| attack.rpc == rpc) || OPEN.iter().any(|(open, _)| *open == rpc);
        assert!(known, "{rpc} takes an id: say here how it is attacked");
    }
    let before = seen(&gateway, &of, &ada, &boss).await;
    let mut wrong = Vec::new();
    for attack in &attacks {
        for stranger in &strangers {
            let (status, answer) = stranger.ask(&gateway, attack).await;
            // A list of what one may see of somebody, which is nothing.
            let is_empty = attack.rpc == "ListUserRoles" && answer == json!([]);
            if ![401, 403, 404].contains(&status) && !is_empty {
                let (name, Attack { rpc, method, path, .. }) = (stranger.name(), attack);
                wrong.push(format!("{rpc} {method} {path} as {name}: {status} {answer}"));
            }
        }
    }
    let reached = attacks.len() * strangers.len();
    assert!(wrong.is_empty(), "{} of {reached} reached through:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(seen(&gateway, &of, &ada, &boss).await, before, "something was changed all the same");
}

/// A store's own hand gives no more than its own: a token that it signs for somebody is that customer's and no more, and
/// a node asked past the gateway decides alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_reached_past_the_gateway_either() {
    let (mesh, gateway, boss) = Mesh::open_shop(2).await;
    let there = mesh.gateway(&[2, 0]).await;
    let admin = held(&mesh.staff(&there, &boss, "sam", "admin").await);
    mesh.settled().await;
    let name = "/codepop.stores.v1.StoresService/UpdateStore";
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let mut message =
        prost_reflect::DynamicMessage::new(pool.get_message_by_name("codepop.stores.v1.UpdateStoreRequest").unwrap());
    let store = mesh.nodes[1].id.uuid.to_string();
    message.set_field_by_name("store_id", prost_reflect::Value::String(store));
    message.set_field_by_name("name", prost_reflect::Value::String("Mine".into()));
    let bytes = prost::Message::encode_to_vec(&message);
    for node in [1, 2, 0] {
        let channel = mesh.dial_as(codepop_tests::harness::Caller::Gateway, node).await;
        let status = call(channel, name, Some(&admin), bytes.clone()).await;
        assert_eq!(status.code(), Code::PermissionDenied, "node {node}: {status}");
    }
    // The store's own key makes no super admin of anybody.
    let forged = session(&mesh.author(2), 100_001, hours_ago(0), std::time::Duration::from_secs(3_600));
    assert_eq!(gateway.get("/backend/users/", Some(&forged)).await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_sets_no_field_that_is_not_the_callers() {
    let (mesh, gateway, boss) = Mesh::open_shop(1).await;
    let (other, other_id) = token(&gateway, "ada").await;
    let powers = json!({"username": "eve", "password": PASSWORD, "first_name": "eve", "is_superuser": true,
        "is_staff": true, "is_admin": true, "is_manager": true, "user_role": "SUPER_ADMIN", "role": "admin",
        "roles": ["SUPER_ADMIN"], "user_id": other_id, "id": other_id, "disabled": false, "date_joined": "2001-01-01"});
    let made = gateway.post("/backend/auth/register/", None, powers.clone()).await.expect(201);
    let eve = made["token"].as_str().unwrap().to_owned();
    assert_ne!(made["user_id"].as_i64(), Some(other_id));
    let mut change = powers.clone();
    for own in ["username", "password"] {
        change.as_object_mut().unwrap().remove(own);
    }
    let changed = gateway.ask(Method::PATCH, "/backend/users/me/", Some(&eve), Some(change)).await;
    assert!([200, 400].contains(&changed.status), "{}", changed.json);
    let profile = gateway.get("/backend/users/me/", Some(&eve)).await.expect(200);
    assert_eq!((&profile["roles"], &profile["id"]), (&json!(["ACCOUNT_USER"]), &made["user_id"]), "{profile}");
    assert!(!profile["date_joined"].as_str().unwrap().starts_with("2001"), "{profile}");
    for path in ["users/", "revenues/", "complaints/"] {
        gateway.get(&format!("/backend/{path}"), Some(&eve)).await.expect(403);
    }
    let log_in = gateway.post("/backend/auth/login/", None, powers).await.expect(200);
    assert_eq!((&log_in["is_admin"], &log_in["is_manager"]), (&json!(false), &json!(false)), "{log_in}");

    drinks_and_orders(&gateway, other_id).await;
    notes_and_likes(&gateway, (&eve, made["user_id"].as_i64().unwrap()), (&other, other_id)).await;
    staff(&mesh, &gateway, &boss, other_id).await;
}

/// Price, rating, owner, state, payment: the node's word counts.
async fn drinks_and_orders(gateway: &Gateway, other: i64) {
    let phone = Phone::new(gateway.address());
    phone.log_in("eve", PASSWORD).await.expect(200);
    let drink = json!({"DrinkID": 1, "Name": "Cheap", "SodaUsed": ["Sprite"], "SyrupsUsed": [], "AddIns": [], "Price": 0.01,
        "User_Created": true, "Rating": 5, "Favorite": [other], "owner": other});
    let made = phone.post("/backend/drinks/", drink).await.expect(201);
    assert_ne!(made["DrinkID"], 1);
    assert_eq!((&made["Price"], &made["Rating"], &made["Favorite"]), (&json!(2.0), &Value::Null, &json!([])), "{made}");
    let path = format!("/backend/drinks/{}/", made["DrinkID"]);
    let change = json!({"DrinkID": 1, "Name": "Cheaper", "Price": 0.01, "User_Created": false, "Favorite": [other]});
    let changed = phone.call(Method::PUT, &path, false, Some(change)).await.expect(200);
    assert_eq!((&changed["DrinkID"], &changed["Price"]), (&made["DrinkID"], &json!(2.0)), "{changed}");
    assert_eq!((&changed["User_Created"], &changed["Favorite"]), (&json!(true), &json!([])), "{changed}");

    let drinks = [made["DrinkID"].clone()];
    let payment = phone.prepare_payment(2.0).await;
    let mut order = phone.order(&drinks, &payment);
    order["OrderStatus"] = json!("completed");
    order["OrderID"] = json!(1);
    order["TotalAmount"] = json!(0.01);
    order["LockerCombo"] = json!("00000");
    order["CreationTime"] = json!("2001-01-01T00:00:00Z");
    let placed = phone.post("/backend/orders/", order).await.expect(201);
    let fields = [("TotalAmount", json!(2.0)), ("PaymentStatus", json!("paid"))];
    assert_ne!(placed["OrderID"], 1);
    assert_ne!(placed["OrderStatus"], "completed");
    assert!(!placed["CreationTime"].as_str().unwrap().starts_with("2001"), "{placed}");
    let path = format!("/backend/orders/{}/", placed["OrderID"]);
    for lie in [
        json!({"OrderStatus": "ready"}),
        json!({"OrderStatus": "completed"}),
        json!({"PaymentStatus": "refunded"}),
        json!({"StripeID": "pi_1"}),
        json!({"UserID": other}),
        json!({"TotalAmount": 0.0}),
        json!({"OrderID": 1}),
    ] {
        let answer = phone.call(Method::PATCH, &path, false, Some(lie.clone())).await;
        assert!([200, 400, 403, 409].contains(&answer.status), "{lie}: {} {}", answer.status, answer.json);
        let is = phone.get(&path).await.expect(200);
        for (field, right) in &fields {
            assert_eq!(is[field], *right, "{lie}: {is}");
        }
        assert_eq!((&is["OrderID"], &is["UserID"]), (&placed["OrderID"], &placed["UserID"]), "{lie}: {is}");
        assert!(!["ready", "completed"].contains(&is["OrderStatus"].as_str().unwrap()), "{lie}: {is}");
    }
}

/// Numbers, owners, authors and times of notices and preferences.
async fn notes_and_likes(gateway: &Gateway, (eve, eve_id): (&str, i64), (other, other_id): (&str, i64)) {
    let like = json!({"PreferenceID": 1, "Preference": "peach"});
    let made = gateway.post("/backend/preferences/", Some(eve), like).await.expect(201);
    assert_ne!(made["PreferenceID"], 1);
    let path = format!("/backend/preferences/{}/", made["PreferenceID"]);
    let moved = json!({"UserID": other_id, "Preference": "mango"});
    gateway.ask(Method::PUT, &path, Some(eve), Some(moved)).await.expect(403);
    let note = json!({"UserID": eve_id, "NotificationID": 1, "Message": "Hm", "Type": "note", "Timestamp": "2001-01-01T00:00:00Z",
        "author": other_id, "Global": false});
    let made = gateway.post("/backend/notifications/", Some(eve), note).await.expect(201);
    assert_ne!(made["NotificationID"], 1);
    assert!(!made["Timestamp"].as_str().unwrap().starts_with("2001"), "{made}");
    let path = format!("/backend/notifications/{}/", made["NotificationID"]);
    let change = json!({"UserID": other_id, "Global": true, "Message": "Hm!"});
    let changed = gateway.ask(Method::PUT, &path, Some(eve), Some(change)).await;
    assert!([200, 400, 403].contains(&changed.status), "{}", changed.json);
    gateway.get(&path, Some(other)).await.expect(404);
    for list in ["notifications", "preferences"] {
        let of_other = gateway.get(&format!("/backend/{list}/"), Some(other)).await.expect(200);
        assert_eq!(of_other, json!([]), "{list}");
    }
}

/// What staff may not make of themselves and others.
async fn staff(mesh: &Mesh, gateway: &Gateway, boss: &str, user: i64) {
    let store = mesh.nodes[1].id.uuid;
    let phone = mesh.staff(gateway, boss, "ann", "admin").await;
    let (admin, admin_id): (_, i64) = (held(&phone), phone.kept("userId").unwrap().parse().unwrap());
    let manager = held(&mesh.staff(gateway, boss, "mia", "staff").await);
    let roles = async |body: Value| gateway.post("/backend/roles/assign/", Some(&admin), body).await;
    // Who gave it and when is not the caller's to say.
    let given =
        roles(json!({"user_id": user, "role_type": "MANAGER", "store_id": store, "assigned_by": user, "by": user,
        "assigned_at": "2001-01-01T00:00:00Z", "is_active": false, "id": "00000000-0000-0000-0000-000000000001"}));
    let given = given.await.expect(201);
    assert_eq!((&given["assigned_by"], &given["is_active"]), (&json!(admin_id), &json!(true)), "{given}");
    assert!(!given["assigned_at"].as_str().unwrap().starts_with("2001"), "{given}");
    assert_ne!(given["id"], "00000000-0000-0000-0000-000000000001");
    for (role, more) in [
        ("SUPER_ADMIN", json!({})),
        ("SUPER_ADMIN", json!({"store_id": store})),
        ("LOGISTICS_MANAGER", json!({"region_code": "C"})),
        ("REPAIR_STAFF", json!({"region_code": "C"})),
        ("ADMIN", json!({})),
        ("ACCOUNT_USER", json!({})),
    ] {
        let mut body = json!({"user_id": admin_id, "role_type": role});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = roles(body.clone()).await;
        assert!([400, 403].contains(&answer.status), "{body}: {} {}", answer.status, answer.json);
    }
    let edits = json!({"edits": {"role": "superuser", "is_superuser": true, "disabled": true}});
    gateway.post(&format!("/backend/users/edit/{user}/"), Some(&admin), edits).await.expect(400);
    let own = json!({"status": "DISABLED", "changed_by": user});
    gateway.post(&format!("/backend/users/{admin_id}/status/"), Some(&admin), own).await.expect(403);
    // A manager changes the store's details, not where and whose it is.
    let moved = json!({"name": "Ours", "region": "D", "store_id": "00000000-0000-0000-0000-000000000001", "node_id": "x",
        "latitude": 0.0, "longitude": 0.0, "api_base_url": "https://evil.example"});
    let path = format!("/backend/stores/{store}/");
    let before = gateway.get(&path, None).await.expect(200);
    let after = gateway.ask(Method::PATCH, &path, Some(&manager), Some(moved)).await.expect(200);
    assert_eq!(after["name"], "Ours");
    for field in ["store_id", "region", "latitude", "longitude", "api_base_url", "region_code"] {
        assert_eq!(after[field], before[field], "{field}: {after}");
    }
    let number =
        json!({"InventoryID": 1, "ItemName": "New", "ItemType": "Soda", "Quantity": 1, "LastUpdated": "2001-01-01"});
    let item = gateway.ask(Method::PUT, &format!("{path}inventory/"), Some(&manager), Some(number)).await.expect(200);
    assert_ne!(item["InventoryID"], 1, "{item}");
}
