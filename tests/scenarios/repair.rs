//! What a disk loses or changes comes back from peers, told to people; and what people can say and do about it.

use std::{process::Output, time::Duration};

use codepop_tests::harness::{Backend, Builder, Mesh, PASSWORD, check, eventually, programs};
use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
use reqwest::Method;
use serde_json::{Value, json};

/// Time for a difference to be noticed, seen again, and mended: digests every second, told every ten at the latest.
const MENDED: Duration = Duration::from_secs(90);

/// Changes a stopped node's database behind its back.
async fn damage(mesh: &Mesh, node: usize, statements: &str) {
    let node = &mesh.nodes[node];
    assert!(!node.is_running());
    match node.database_url() {
        None => {
            let path = node.dir.join("node.db");
            let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            conn.batch_execute(statements).unwrap();
        }
        Some(url) => {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(statements).await.unwrap();
        }
    }
}

fn url(mesh: &Mesh, node: usize) -> String {
    format!("https://{}", mesh.nodes[node].address())
}

fn operators(mesh: &Mesh, node: usize, command: &str, more: &[&str]) -> Output {
    let url = url(mesh, node);
    let args = [&[command], more, &["--json", "--node", &url, "--pki", mesh.pki().to_str().unwrap()]].concat();
    programs::try_run("codepop-node", mesh.root(), &args, &[])
}

fn told(output: &Output) -> (Option<i32>, Value) {
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

on_both!(
    /// A favourite, an account's events and a whole table go missing at one store, and come back.
    what_a_store_lost_comes_back,
    async |backend: Backend| {
        let mut mesh = Builder::with(2).on(backend).setting("NODE_DIGEST_SECS", "1").start().await;
        let gateway = mesh.gateway(&[2]).await;
        let body = json!({"username": "ada", "password": PASSWORD});
        let made = gateway.post("/backend/auth/register/", None, body).await.expect(201);
        let (token, favorites) =
            (made["token"].as_str().unwrap(), format!("/backend/users/{}/favorites/", made["user_id"]));
        let drink = json!({"Name": "Engine", "SyrupsUsed": [], "SodaUsed": ["Sprite"], "AddIns": [], "Price": 3.5,
            "User_Created": true});
        let drink = gateway.post("/backend/drinks/", Some(token), drink).await.expect(201)["DrinkID"].clone();
        gateway.post(&favorites, Some(token), json!({"drink_id": drink})).await.expect(201);
        mesh.settled().await;
        let before = mesh.digests(2).await;
        let own = |mesh: &Mesh| told(&mesh.nodes[2].try_command("verify", &["--json"]));
        assert_eq!(own(&mesh).0, Some(0), "it can be looked at while it runs: {}", own(&mesh).1);
        let hub = url(&mesh, 0);
        assert_eq!(told(&operators(&mesh, 2, "verify", &["--against", &hub])).0, Some(0));

        mesh.stop(2).await;
        damage(
            &mesh,
            2,
            "DELETE FROM favorites; UPDATE users SET first_name = 'Nobody'; DELETE FROM role_assignments; \
             DELETE FROM events WHERE kind = 'codepop.accounts.v1.UserRegistered'; \
             DELETE FROM events WHERE kind = 'codepop.stores.v1.StoreDescribed' AND seq = 2;",
        )
        .await;
        let (status, findings) = own(&mesh);
        assert_eq!(status, Some(1), "{findings}");
        assert!(findings["damaged"].as_u64().unwrap() >= 2, "{findings}");
        mesh.start(2).await;
        eventually(MENDED, "everything is back", async || {
            let digests = mesh.digests(2).await;
            check(digests["everyone"] == before["everyone"], || format!("{digests:?}"))?;
            let (status, findings) = own(&mesh);
            check(status == Some(0), || findings.to_string())
        })
        .await;
        let hub = url(&mesh, 0);
        let (status, verdict) = told(&operators(&mesh, 2, "verify", &["--against", &hub]));
        assert_eq!((status, &verdict["equal"]), (Some(0), &json!(true)), "{verdict}");
        let listed = gateway.get(&favorites, Some(token)).await.expect(200);
        assert_eq!(listed[0]["Name"], "Engine");
        // Nobody else was touched by it.
        assert!(mesh.conflicts(1).await.is_empty());
        people_are_told(&mesh).await;
    }
);

/// The entry about the repair: listed, dismissed by the operator, shown again when asked for.
async fn people_are_told(mesh: &Mesh) {
    let listed = eventually(MENDED, "the repair is listed", async || {
        let (_, listed) = told(&operators(mesh, 2, "conflicts", &[]));
        check(listed[0]["kind"] == "rows_differ", || listed.to_string())?;
        Ok(listed)
    })
    .await;
    let detail = listed[0]["detail"].as_str().unwrap();
    assert!(detail.contains("events were fetched from it") && detail.contains("everyone"), "{detail}");
    assert!(!detail.contains("ada"), "{detail}");
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    for id in &ids {
        assert!(operators(mesh, 2, "conflicts", &["dismiss", id]).status.success());
    }
    assert_eq!(told(&operators(mesh, 2, "conflicts", &[])).1, json!([]));
    let all = told(&operators(mesh, 2, "conflicts", &["--all"])).1;
    assert_eq!(all.as_array().unwrap().len(), ids.len());
    assert_eq!((&all[0]["dismissed_by"], &all[0]["actions"]), (&json!("operator"), &json!([])));
    assert!(!operators(mesh, 2, "conflicts", &["retry", ids[0]]).status.success());
}

/// Two accounts of one name: the super admin sees it at the hub, a store's administrator at the store, and others nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conflicts_are_seen_by_those_who_decide() {
    let mesh = Mesh::with(2).await;
    mesh.cut(1, 2);
    mesh.cut(1, 0);
    let (one, two) = (mesh.sign_up(1, "grace").await, mesh.sign_up(2, "grace").await);
    mesh.join(1, 2);
    mesh.join(1, 0);
    mesh.settled().await;
    let gateway = mesh.gateway(&[0, 1]).await;
    let admin = mesh.super_admin(&gateway).await;
    let listed = eventually(MENDED, "the collision is listed", async || {
        let answer = gateway.get("/backend/conflicts", Some(&admin)).await;
        let listed = answer.json["conflicts"].clone();
        check(listed[0]["kind"] == "name_collision", || format!("{}: {}", answer.status, answer.json))?;
        Ok(listed)
    })
    .await;
    let detail = listed[0]["detail"].as_str().unwrap();
    assert!([one.user_id, two.user_id].iter().all(|user| detail.contains(&user.to_string())), "{detail}");
    assert!(listed[0]["advice"].as_str().unwrap().contains("choose another name"), "{listed}");
    let dismiss = format!("/backend/conflicts/{}/dismiss", listed[0]["id"].as_str().unwrap());
    assert_eq!(gateway.ask(Method::POST, &dismiss, Some(&one.token), Some(json!({}))).await.status, 403);
    gateway.post(&dismiss, Some(&admin), json!({})).await.expect(200);
    let left = gateway.get("/backend/conflicts", Some(&admin)).await.expect(200);
    assert!(!left.to_string().contains("name_collision"), "{left}");
    let all = gateway.get("/backend/conflicts?include_dismissed=true", Some(&admin)).await.expect(200);
    let by = all["conflicts"][0]["dismissed_by"].as_str().unwrap();
    assert!(by.starts_with("user:"), "{all}");
    let trail = gateway.get("/backend/audit?action=DismissConflict", Some(&admin)).await.expect(200);
    assert!(trail.to_string().contains("DismissConflict"), "{trail}");
}
