//! Who did what is written down at the node where it was done: the use of rights, refusals, the operator's hand. Nobody
//! changes it afterwards, and who may read it is decided by the store.

use codepop_proto::audit::{ListAuditEntriesRequest, audit_service_client::AuditServiceClient};
use codepop_tests::harness::{Gateway, Mesh, PASSWORD, Phone, check, eventually, sql};
use reqwest::Method;
use serde_json::{Value, json};

use std::time::Duration;

/// Time for a refusal, which is written after its answer, to be there.
const WRITTEN: Duration = Duration::from_secs(10);

async fn sign_up(gateway: &Gateway, name: &str) -> (String, i64) {
    let body = json!({"username": name, "password": PASSWORD, "first_name": "Unmistakable"});
    let made = gateway.post("/backend/auth/register/", None, body).await.expect(201);
    (made["token"].as_str().unwrap().to_owned(), made["user_id"].as_i64().unwrap())
}

async fn trail(gateway: &Gateway, admin: &str, query: &str) -> Vec<Value> {
    let answer = gateway.get(&format!("/backend/audit/?{query}"), Some(admin)).await.expect(200);
    answer.as_array().unwrap().clone()
}

/// The field of every entry.
fn column<'a>(entries: &'a [Value], field: &str) -> Vec<&'a str> {
    entries.iter().map(|entry| entry[field].as_str().unwrap_or("-")).collect()
}

fn token(phone: &Phone) -> String {
    phone.kept("userToken").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_use_of_a_right_is_written_down_and_read_by_those_who_may() {
    let (mesh, gateway, boss) = Mesh::open_shop(2).await;
    let (store, other) = (mesh.nodes[1].id.uuid, mesh.nodes[2].id.uuid);
    let here = format!("store_id={store}");
    let admin = mesh.staff(&gateway, &boss, "ann", "admin").await;
    let manager = token(&mesh.staff(&gateway, &boss, "mia", "staff").await);
    let (customer, user) = sign_up(&gateway, "cora").await;
    let admin = token(&admin);

    // A change: who, what, to whom, where, from where.
    let edits = json!({"edits": {"username": "unchanged", "role": "staff"}});
    let path = format!("/backend/users/edit/{user}/");
    gateway.post(&path, Some(&admin), edits.clone()).await.expect(200);
    let about = trail(&gateway, &admin, &format!("{here}&user_id={user}")).await;
    let entry = &about[0];
    assert_eq!(entry["action"], "codepop.accounts.v1.AdministrationService/EditUser", "{entry}");
    assert_eq!((&entry["permission"], &entry["outcome"]), (&json!("USERS_MANAGE"), &json!("done")));
    assert_eq!(entry["target"], format!("user:{user}"));
    assert_eq!(entry["detail"], format!("gave MANAGER at store:{store}"));
    assert_eq!(entry["place"], format!("store:{store}"));
    assert_eq!((&entry["client"], &entry["caller_kind"]), (&json!("127.0.0.1"), &json!("gateway")));
    assert_eq!(entry["node"], store.to_string());

    // A change that fails is none.
    let before = trail(&gateway, &admin, &format!("{here}&action=EditUser")).await.len();
    gateway.post("/backend/users/edit/999999901000/", Some(&admin), edits).await.expect(404);
    assert_eq!(trail(&gateway, &admin, &format!("{here}&action=EditUser")).await.len(), before);

    // Reading is written down too; nobody else reads.
    let reads = trail(&gateway, &admin, &format!("{here}&action=ListAuditEntries")).await;
    assert!(reads.len() >= 3, "{reads:?}");
    for nobody in [Some(manager.as_str()), Some(customer.as_str())] {
        assert_eq!(gateway.get(&format!("/backend/audit/?{here}"), nobody).await.status, 403);
    }
    assert_eq!(gateway.get(&format!("/backend/audit/?{here}"), None).await.status, 401);
    assert_eq!(gateway.get(&format!("/backend/audit/?store_id={other}"), Some(&admin)).await.status, 403);
    assert_eq!(gateway.get(&format!("/backend/audit/?{here}&limit=0"), Some(&manager)).await.status, 403);
    for wrong in ["limit=0", "limit=501", "action=Everything"] {
        assert_eq!(gateway.get(&format!("/backend/audit/?{here}&{wrong}"), Some(&admin)).await.status, 400, "{wrong}");
    }

    // A super admin reads every store's, page by page.
    let other = trail(&gateway, &boss, &format!("store_id={other}")).await;
    assert!(column(&other, "action").contains(&"codepop.stores.v1.StoresService/UpdateStore"), "{other:?}");
    let first = trail(&gateway, &boss, &format!("{here}&limit=2")).await;
    let next = trail(&gateway, &boss, &format!("{here}&limit=2&before={}", first[1]["id"])).await;
    assert!(next[0]["id"].as_i64() < first[1]["id"].as_i64(), "{first:?} {next:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_and_the_operators_hand_are_written_down() {
    let (mut mesh, gateway, boss) = Mesh::open_shop(1).await;
    let store = mesh.nodes[1].id.uuid;
    let (customer, user) = sign_up(&gateway, "eve").await;
    // By the gate, by the handler, many times alike.
    for _ in 0..20 {
        gateway.get("/backend/complaints/", Some(&customer)).await.expect(403);
    }
    let others = format!("/backend/users/{}/favorites/", user + 100_000);
    gateway.get(&others, Some(&customer)).await.expect(403);
    // A token whose session has ended, on a right that not everybody has.
    gateway.post("/backend/auth/logout/", Some(&customer), json!({})).await.expect(200);
    gateway.get("/backend/revenues/", Some(&customer)).await.expect(401);
    let query = format!("store_id={store}&user_id={user}");
    let entries = eventually(WRITTEN, "the refusals are written down", async || {
        let entries = trail(&gateway, &boss, &query).await;
        check(entries.len() >= 3, || format!("{entries:?}")).map(|()| entries)
    })
    .await;
    let names: Vec<&str> = column(&entries, "action").iter().map(|name| name.rsplit_once('/').unwrap().1).collect();
    assert_eq!(names, ["ListRevenue", "ListFavorites", "ListComplaints"], "one of many alike: {entries:?}");
    let outcomes = column(&entries, "outcome");
    assert_eq!(outcomes, ["not_authenticated", "permission_denied", "permission_denied"]);
    // Stopping loses no count.
    mesh.stop(1).await;
    mesh.start(1).await;
    let alike = eventually(WRITTEN, "the rest was counted", async || {
        let answer = gateway.get(&format!("/backend/audit/?{query}&action=ListComplaints"), Some(&boss)).await;
        let entries = answer.json.as_array().cloned().unwrap_or_default();
        check(entries.len() == 2, || format!("{} {}", answer.status, answer.json)).map(|()| entries)
    })
    .await;
    let refused: i64 = alike.iter().map(|entry| 1 + entry["repeated"].as_i64().unwrap()).sum();
    assert_eq!(refused, 20, "{alike:?}");

    // The account and the role that the operator's key gave, at the hub, with the events' kinds.
    let mut ask = tonic::Request::new(ListAuditEntriesRequest::default());
    ask.metadata_mut().insert("authorization", format!("Bearer {boss}").parse().unwrap());
    let mut hub = AuditServiceClient::new(mesh.channel(0).await);
    let by_hub = hub.list_audit_entries(ask).await.unwrap().into_inner().entries;
    let by_operator: Vec<_> = by_hub.iter().filter(|entry| entry.caller_kind == "operator").collect();
    let given = by_operator.iter().find(|entry| entry.detail.as_deref() == Some("codepop.roles.v1.RoleAssigned"));
    let given = given.unwrap_or_else(|| panic!("{by_hub:?}"));
    assert!(given.target.as_ref().unwrap().starts_with("user:"), "{given:?}");
    assert_eq!((given.user_id, given.permission.as_str()), (None, "CERTIFICATE"));
    let made = by_operator.iter().find(|entry| entry.action.ends_with("/CreateStaffAccount"));
    assert_eq!(made.unwrap().target, given.target);
}

on_both!(
    /// The entry outlives the user, without the address; the rows hold no name.
    an_entry_outlives_its_user_and_holds_nothing_personal,
    |backend: codepop_tests::harness::Backend| async move {
        let mesh = codepop_tests::harness::Builder::with(1).on(backend).start().await;
        let gateway = mesh.gateway(&[1, 0]).await;
        let boss = mesh.super_admin(&gateway).await;
        mesh.settled().await;
        let admin = mesh.staff(&gateway, &boss, "ann", "admin").await;
        let user: i64 = admin.kept("userId").unwrap().parse().unwrap();
        let query = format!("store_id={}&user_id={user}", mesh.nodes[1].id.uuid);
        trail(&gateway, &token(&admin), &format!("store_id={}", mesh.nodes[1].id.uuid)).await;
        let delete = json!({"password": PASSWORD});
        gateway.ask(Method::DELETE, "/backend/users/me/", Some(&token(&admin)), Some(delete)).await.expect(204);
        let entries = eventually(WRITTEN, "the address is gone", async || {
            let entries = trail(&gateway, &boss, &query).await;
            let own: Vec<Value> = entries.into_iter().filter(|entry| entry["user_id"] == user).collect();
            let blank = !own.is_empty() && own.iter().all(|entry| entry["client"].is_null());
            check(blank, || format!("{own:?}")).map(|()| own)
        })
        .await;
        assert!(entries.iter().any(|entry| entry["outcome"] == "done"), "{entries:?}");
        if let Some(url) = mesh.nodes[1].database_url() {
            let rows = sql(&url, "SELECT audit_entries::text FROM audit_entries").await.join("\n");
            assert!(!rows.is_empty() && !rows.contains("ann") && !rows.contains("Unmistakable"), "{rows}");
        }
    }
);
