//! Sign up at one store, be at home at every store: through the app's door, as the app would.

use std::time::Duration;

use codepop_proto::accounts::{RegisterRequest, accounts_service_client::AccountsServiceClient};
use codepop_tests::{
    faults::Fault,
    harness::{Backend, Builder, Gateway, Mesh, PASSWORD, check, eventually},
};
use reqwest::Method;
use serde_json::{Value, json};

/// Time for something written at one node to be seen at another, on a busy machine.
const SPREAD: Duration = Duration::from_secs(20);

async fn sign_up(gateway: &Gateway, name: &str) -> Value {
    let body =
        json!({"username": name, "password": PASSWORD, "first_name": "Ada", "email": format!("{name}@example.org")});
    gateway.post("/backend/auth/register/", None, body).await.expect(201)
}

async fn log_in(gateway: &Gateway, name: &str, password: &str) -> Result<Value, String> {
    let answer = gateway.post("/backend/auth/login/", None, json!({"username": name, "password": password})).await;
    if answer.status == 200 { Ok(answer.json) } else { Err(format!("{}: {}", answer.status, answer.json)) }
}

/// The own profile, once the user's token and account are known there.
async fn profile(gateway: &Gateway, token: &str) -> Result<Value, String> {
    let answer = gateway.get("/backend/users/me/", Some(token)).await;
    if answer.status == 200 { Ok(answer.json) } else { Err(format!("{}: {}", answer.status, answer.json)) }
}

on_both!(
    /// One account, every store: the profile that is changed at one is read at the other.
    an_account_is_the_same_at_every_store,
    |backend: Backend| async move {
        let mesh = Builder::with(2).on(backend).start().await;
        let (one, two) = (mesh.gateway(&[1]).await, mesh.gateway(&[2]).await);
        let made = sign_up(&one, "ada").await;
        assert!(made["user_id"].as_i64().unwrap() > 100_000, "a JSON number: {made}");
        mesh.settled().await;
        let token = log_in(&two, "ada", PASSWORD).await.unwrap()["token"].as_str().unwrap().to_owned();

        let change = json!({"last_name": "Lovelace"});
        two.ask(Method::PATCH, "/backend/users/me/", Some(&token), Some(change)).await.expect(200);
        eventually(SPREAD, "the change is seen at store 1", async || {
            let profile = profile(&one, &token).await?;
            check(profile["last_name"] == "Lovelace", || profile.to_string())
        })
        .await;
        let seen = profile(&one, &token).await.unwrap();
        assert_eq!(seen["first_name"], "Ada");
        assert_eq!(seen["email"], "ada@example.org");
        mesh.settled().await;
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_replication_log_in_works_with_every_other_node_down() {
    let mut mesh = Mesh::with(3).await;
    let (one, three) = (mesh.gateway(&[1]).await, mesh.gateway(&[3]).await);
    sign_up(&one, "ada").await;
    mesh.settled().await;
    for node in 0..=2 {
        mesh.kill9(node);
    }
    let token = log_in(&three, "ADA ", PASSWORD).await.unwrap()["token"].as_str().unwrap().to_owned();
    assert_eq!(profile(&three, &token).await.unwrap()["username"], "ada");
    log_in(&three, "ada", "not-her-password").await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_different_fields_on_both_sides_of_a_cut_both_survive() {
    let mesh = Mesh::with(2).await;
    let (one, two) = (mesh.gateway(&[1]).await, mesh.gateway(&[2]).await);
    let token = sign_up(&one, "ada").await["token"].as_str().unwrap().to_owned();
    mesh.settled().await;
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        mesh.cut(a, b);
    }
    let change = async |gateway: &Gateway, body: Value| {
        gateway.ask(Method::PATCH, "/backend/users/me/", Some(&token), Some(body)).await.expect(200)
    };
    change(&one, json!({"first_name": "Augusta"})).await;
    change(&two, json!({"last_name": "King"})).await;
    change(&two, json!({"email": "older@example.org"})).await;
    change(&one, json!({"email": "newer@example.org"})).await;
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        mesh.join(a, b);
    }
    mesh.settled().await;
    for gateway in [&one, &two] {
        let merged = profile(gateway, &token).await.unwrap();
        let fields = ["first_name", "last_name", "email"].map(|field| merged[field].as_str().unwrap().to_owned());
        assert_eq!(fields, ["Augusta", "King", "newer@example.org"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_name_claimed_at_two_stores_leaves_two_accounts_that_can_both_log_in() {
    let mesh = Mesh::with(2).await;
    let (one, two) = (mesh.gateway(&[1]).await, mesh.gateway(&[2]).await);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        mesh.cut(a, b);
    }
    // At the nodes themselves: a gateway goes on to another store whenever one is slow.
    let first = mesh.sign_up(1, "grace").await.user_id;
    let other = RegisterRequest {
        username: "Grace".to_owned(),
        password: "another-good-secret-4".to_owned(),
        ..Default::default()
    };
    let mut second_store = AccountsServiceClient::new(mesh.channel(2).await);
    let second = second_store.register(other).await.unwrap().into_inner().user_id;
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        mesh.join(a, b);
    }
    mesh.settled().await;
    for gateway in [&one, &two] {
        let winner = log_in(gateway, "grace", PASSWORD).await.unwrap();
        assert_eq!((winner["user_id"].as_i64(), winner["username"].as_str()), (Some(first), Some("grace")));
        let loser = log_in(gateway, "grace", "another-good-secret-4").await.unwrap();
        assert_eq!(loser["user_id"].as_i64(), Some(second));
        let name = format!("Grace~{second}");
        assert_eq!(loser["username"].as_str().unwrap(), name);
        assert!(loser["notice"].as_str().is_some_and(|notice| notice.contains(&name)), "{loser}");
        log_in(gateway, &name, "another-good-secret-4").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logged_out_or_with_a_new_password_is_so_everywhere() {
    let mesh = Mesh::with(2).await;
    let (one, two) = (mesh.gateway(&[1]).await, mesh.gateway(&[2]).await);
    let first = sign_up(&one, "ada").await["token"].as_str().unwrap().to_owned();
    let token = |answer: Value| answer["token"].as_str().unwrap().to_owned();
    mesh.settled().await;
    let second = token(log_in(&two, "ada", PASSWORD).await.unwrap());
    two.post("/backend/auth/logout/", Some(&second), json!({})).await.expect(200);
    eventually(SPREAD, "the session is over at store 1", async || {
        let answer = one.get("/backend/users/me/", Some(&second)).await;
        check(answer.status == 401, || format!("{}", answer.status))
    })
    .await;
    profile(&one, &first).await.unwrap();

    let change = json!({"current_password": PASSWORD, "new_password": "quite-another-77"});
    let fresh = token(two.post("/backend/users/me/password/", Some(&first), change).await.expect(200));
    mesh.settled().await;
    assert_eq!(one.get("/backend/users/me/", Some(&first)).await.status, 401, "older sessions have ended");
    profile(&one, &fresh).await.unwrap();
    log_in(&one, "ada", PASSWORD).await.unwrap_err();
    log_in(&one, "ada", "quite-another-77").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_user_is_found_in_no_file_of_any_node() {
    /// Looked for as bytes: an address that nothing else contains.
    const ADDRESS: &str = "unmistakable.person@deleted.example.org";
    let mut mesh = Mesh::with(2).await;
    let one = mesh.gateway(&[1]).await;
    let body = json!({"username": "gone", "password": PASSWORD, "email": ADDRESS});
    let token = one.post("/backend/auth/register/", None, body).await.expect(201)["token"].as_str().unwrap().to_owned();
    mesh.settled().await;
    for node in 0..=2 {
        assert!(found_at(&mesh, node, ADDRESS).is_some(), "node {node} has it before, or this test proves nothing");
    }
    let delete = json!({"password": PASSWORD});
    one.ask(Method::DELETE, "/backend/users/me/", Some(&token), Some(delete)).await.expect(204);
    for node in 0..=2 {
        eventually(SPREAD, &format!("the address is gone from the files of node {node}"), async || {
            found_at(&mesh, node, ADDRESS).map_or(Ok(()), |file| Err(format!("it is still in {file}")))
        })
        .await;
    }
    mesh.settled().await;
    for node in 0..=2 {
        mesh.stop(node).await;
        assert_eq!(found_at(&mesh, node, ADDRESS), None, "node {node}, stopped");
    }
}

/// The file in a node's folder that has the words, if any.
fn found_at(mesh: &Mesh, node: usize, words: &str) -> Option<String> {
    let files = std::fs::read_dir(&mesh.nodes[node].dir).unwrap();
    let mut files = files.flatten().map(|file| file.path()).filter(|path| path.is_file());
    let found = files.find(|path| {
        // A file of the moment may be gone by now.
        let content = std::fs::read(path).unwrap_or_default();
        content.windows(words.len()).any(|window| window == words.as_bytes())
    });
    found.map(|path| path.display().to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_sign_up_is_said_by_field() {
    let mesh = Mesh::with(1).await;
    let gateway = mesh.gateway(&[1]).await;
    for (body, field) in [
        (json!({"username": "", "password": PASSWORD}), "username"),
        (json!({"username": "a~b", "password": PASSWORD}), "username"),
        (json!({"username": "ada", "password": "short"}), "password"),
        (json!({"username": "ada", "password": "password"}), "password"),
        (json!({"password": PASSWORD}), "username"),
    ] {
        let answer = gateway.post("/backend/auth/register/", None, body.clone()).await.expect(400);
        assert!(answer["fields"].get(field).is_some(), "{body} was answered with {answer}");
        assert!(answer["error"].is_string() && answer["detail"].is_string(), "{answer}");
    }
    sign_up(&gateway, "ada").await;
    let again = json!({"username": " ADA", "password": PASSWORD});
    gateway.post("/backend/auth/register/", None, again).await.expect(409);
    assert_eq!(gateway.get("/backend/users/me/", None).await.status, 401);
    assert_eq!(gateway.get("/backend/users/me/", Some("v4.public.rubbish")).await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_app_goes_on_when_the_node_it_speaks_to_is_killed() {
    let mut mesh = Mesh::with(2).await;
    let gateway = mesh.gateway(&[0, 1, 2]).await;
    let token = sign_up(&gateway, "ada").await["token"].as_str().unwrap().to_owned();
    mesh.settled().await;
    for killed in [1, 2, 0] {
        mesh.kill9(killed);
        // At once: what is safe to repeat is repeated elsewhere, without the app's doing.
        for _ in 0..5 {
            profile(&gateway, &token).await.unwrap();
        }
        mesh.start(killed).await;
    }
    mesh.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_just_opened_fetches_who_logs_in_first() {
    let mut mesh = Mesh::with(2).await;
    mesh.stop(1).await;
    mesh.sign_up(2, "ada").await;
    // Its links take a moment to come up, and what it missed a moment more.
    for other in [0, 2] {
        mesh.between(1, other, Fault::Delay(Duration::from_millis(50)));
    }
    mesh.start(1).await;
    mesh.log_in(1, "ada").await.unwrap();
}
