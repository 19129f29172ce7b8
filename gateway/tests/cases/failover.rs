//! Who answers, and what happens when somebody is away.

use std::time::Duration;

use codepop_shared::{Code, Failure};
use http::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Gateway, Node, Reply, eventually};

/// Two stores and a hub; `near` is preferred by its distance.
async fn chain() -> (Node, Node, Node) {
    let (near, far, hub) =
        tokio::join!(Node::store("near", 1001, 1.0), Node::store("far", 1002, 2.0), Node::hub("archive", 1, 3.0));
    near.knows(&[&far, &hub]);
    far.knows(&[&near, &hub]);
    hub.knows(&[&near, &far]);
    (near, far, hub)
}

async fn who(gateway: &Gateway, path: &str) -> String {
    gateway.get(path).await.json()["name"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_right_node_answers() {
    let (near, far, hub) = chain().await;
    let gateway = Gateway::before(&[&far]).await;
    // The first round learns of `near` from `far`; nobody has told of `far` itself before the second.
    eventually("all found", || async { gateway.get("/healthz").await.json()["nodes"]["healthy"] == 3 }).await;
    eventually("nearest first", || async { who(&gateway, "/library/anyone").await == "near" }).await;
    assert_eq!(who(&gateway, "/library/any-branch").await, "near");
    assert_eq!(who(&gateway, "/library/any-archive").await, "archive");
    assert_eq!(who(&gateway, "/library/archives/A").await, "archive");
    gateway.get("/library/archives/B").await.is_error(503, "unavailable");
    eventually("numbers known", || async { who(&gateway, "/library/loans/500001002").await == "far" }).await;
    assert_eq!(who(&gateway, "/library/loans/500001001").await, "near");
    assert_eq!(who(&gateway, "/library/loans/64").await, "near", "old numbers belong to the default store");
    gateway.get("/library/loans/500099999").await.is_error(404, "not_found");
    gateway.get("/library/loans/0").await.is_error(400, "invalid");

    let prefer = |value: String, name: &'static str| {
        let gateway = &gateway;
        async move { gateway.send(Method::GET, "/library/anyone", &[(name, &value)], "").await.json()["name"].clone() }
    };
    assert_eq!(prefer(far.id.to_string(), "x-codepop-store").await, "far");
    assert_eq!(prefer(format!("a=1; X-CodePop-Store={}", far.id), "cookie").await, "far");
    assert_eq!(prefer("nonsense".into(), "x-codepop-store").await, "near");
    assert_eq!(prefer(Uuid::now_v7().to_string(), "x-codepop-store").await, "near");

    let lend =
        |id: String| gateway.send(Method::POST, "/library/branches/{id}/loans".replace("{id}", &id).leak(), &[], "");
    assert_eq!(lend(far.id.to_string()).await.json()["name"], "far");
    let body = lend("main".into()).await.is_error(400, "invalid");
    assert_eq!(body["fields"], json!({"branch_id": ["must be the UUID of a store"]}));
    lend(Uuid::now_v7().to_string()).await.is_error(404, "not_found");
    lend(hub.id.to_string()).await.is_error(404, "not_found");
    drop(near);
}

#[tokio::test]
async fn the_own_store_comes_first() {
    let (near, far, hub) = chain().await;
    let gateway = Gateway::with(vec![near.url(), far.url(), hub.url()], Some(far.id)).await;
    assert_eq!(who(&gateway, "/library/anyone").await, "far");
    assert_eq!(who(&gateway, "/library/loans/64").await, "far");
}

#[tokio::test]
async fn others_take_over_and_step_back() {
    let (mut near, far, hub) = chain().await;
    let gateway = Gateway::before(&[&near, &far, &hub]).await;
    assert_eq!(who(&gateway, "/library/anyone").await, "near");
    near.kill().await;
    for _ in 0..3 {
        let got = gateway.send(Method::POST, "/library/once", &[], "").await;
        assert_eq!(
            (got.status, &got.json()["name"]),
            (200, &json!("far")),
            "nothing was sent, so it may be sent elsewhere"
        );
    }
    assert_eq!(far.seen().len(), 3);
    near.revive().await;
    eventually("back", || async { who(&gateway, "/library/anyone").await == "near" }).await;
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_twice() {
    let (near, far, hub) = chain().await;
    let gateway = Gateway::before(&[&near, &far, &hub]).await;
    near.on("Once", Reply::Die);
    let body = gateway.send(Method::POST, "/library/once", &[], "").await.is_error(503, "unavailable");
    assert!(body["detail"].as_str().unwrap().contains("not known whether"), "{body}");
    assert!(far.seen().is_empty() && hub.seen().is_empty());
    near.on("Anyone", Reply::Die);
    assert_eq!(who(&gateway, "/library/anyone").await, "far");
    assert_eq!(near.seen().len(), 2);
    assert_eq!(far.seen().last().unwrap().method, "Anyone", "what is safe is sent elsewhere");
}

#[tokio::test]
async fn a_connection_that_broke_is_made_anew() {
    let (near, far, hub) = chain().await;
    let gateway = Gateway::before(&[&near, &far, &hub]).await;
    near.on("GetLoan", Reply::DieOnce);
    assert_eq!(who(&gateway, "/library/loans/500001001").await, "near", "the only one is asked once more");
    assert_eq!(near.seen().len(), 2);
    near.on("Lend", Reply::DieOnce);
    let path = format!("/library/branches/{}/loans", near.id);
    gateway.post(&path, &json!({})).await.is_error(503, "unavailable");
    assert_eq!(near.seen().len(), 3, "what may have been done is not done twice");
    assert_eq!(gateway.post(&path, &json!({})).await.status, 201, "the node is not taken for dead");
}

#[tokio::test]
async fn refusals_and_silence_lead_elsewhere() {
    let (near, far, hub) = chain().await;
    let gateway = Gateway::before(&[&near, &far, &hub]).await;
    near.on("Once", Reply::Fail(Failure::new(Code::StorageUnavailable, "No database.")));
    assert_eq!(
        gateway.send(Method::POST, "/library/once", &[], "").await.json()["name"],
        "far",
        "the node did nothing"
    );
    near.on("Once", Reply::Status(tonic::Code::Unavailable, "Perhaps."));
    gateway.send(Method::POST, "/library/once", &[], "").await.is_error(503, "unavailable");
    assert_eq!(far.seen().len(), 1, "a bare UNAVAILABLE promises nothing");
    near.on("Anyone", Reply::Status(tonic::Code::Unavailable, "Perhaps."));
    assert_eq!(who(&gateway, "/library/anyone").await, "far");
    near.on("Anyone", Reply::Hang);
    let got = gateway.send(Method::GET, "/library/anyone", &[("x-request-timeout", "1")], "").await;
    assert_eq!(got.json()["name"], "far", "half of the time is left for another");
    near.on("Anyone", Reply::Fail(Failure::new(Code::Forbidden, "No.")));
    gateway.get("/library/anyone").await.is_error(403, "permission_denied");
    for node in [&near, &far, &hub] {
        node.on("Anyone", Reply::Fail(Failure::new(Code::Overloaded, "Busy.")));
    }
    let asked = near.seen().len() + far.seen().len() + hub.seen().len();
    assert_eq!(gateway.get("/library/anyone").await.is_error(503, "overloaded")["detail"], "Busy.");
    assert_eq!(near.seen().len() + far.seen().len() + hub.seen().len(), asked + 3, "three attempts at most");
}

#[tokio::test]
async fn referrals_are_followed_once() {
    let (near, far, hub) = chain().await;
    let gateway = Gateway::before(&[&near, &far, &hub]).await;
    near.on("Once", Reply::Fail(Failure::new(Code::AskHub, "Ask the archive.")));
    assert_eq!(gateway.send(Method::POST, "/library/once", &[], "").await.json()["name"], "archive");
    hub.on("AnyArchive", Reply::Fail(Failure::new(Code::AskStore, "Ask a branch.")));
    assert_eq!(who(&gateway, "/library/any-archive").await, "near");
    hub.on("Once", Reply::Fail(Failure::new(Code::AskHub, "Ask another.")));
    gateway.send(Method::POST, "/library/once", &[], "").await.is_error(421, "ask_hub");
    assert_eq!(hub.seen().iter().filter(|seen| seen.method == "Once").count(), 2);
}

#[tokio::test]
async fn a_store_that_is_away_is_named_with_alternatives() {
    let (near, mut far, hub) = chain().await;
    let gateway = Gateway::before(&[&near, &far, &hub]).await;
    far.kill().await;
    let path = format!("/library/branches/{}/loans", far.id);
    for _ in 0..2 {
        let got = gateway.post(&path, &json!({"book_id": 1})).await;
        let body = got.is_error(503, "unavailable");
        assert!(body["detail"].as_str().unwrap().contains("far"), "{body}");
        assert_eq!(body["alternatives"], json!([{"store_id": near.id, "name": "near", "distance_miles": 69.1}]));
        assert_eq!(got.header("retry-after"), "3");
    }
    assert!(near.seen().is_empty(), "no other store can answer");
    far.revive().await;
    eventually("back", || async { gateway.post(&path, &json!({"book_id": 1})).await.status == 201 }).await;
}

#[tokio::test]
async fn the_chosen_store_answers_or_nobody() {
    let (near, mut far, hub) = chain().await;
    let gateway = Gateway::before(&[&near, &far, &hub]).await;
    let id = far.id.to_string();
    let at = |name: &'static str, value: String| {
        let gateway = &gateway;
        async move { gateway.send(Method::GET, "/library/chosen-branch", &[(name, &value)], "").await }
    };
    let cookie = format!("X-CodePop-Store={id}");
    assert_eq!(at("x-codepop-store", id.clone()).await.json()["name"], "far");
    assert_eq!(at("cookie", cookie.clone()).await.json()["name"], "far");
    far.kill().await;
    at("x-codepop-store", id).await.is_error(503, "unavailable");
    // What was kept from before gives way.
    assert_eq!(at("cookie", cookie).await.json()["name"], "near");
}

#[tokio::test]
async fn a_gateway_without_nodes_serves_and_says_so() {
    let mut node = Node::store("main", 1001, 0.0).await;
    node.kill().await;
    let gateway = Gateway::before(&[&node]).await;
    let got = gateway.get("/library/anyone").await;
    got.is_error(503, "unavailable");
    assert_eq!(got.header("retry-after"), "3");
    assert_eq!(gateway.get("/healthz").await.json(), json!({"status": "ok", "nodes": {"known": 0, "healthy": 0}}));
    gateway.post(&format!("/library/branches/{}/loans", node.id), &json!({})).await.is_error(503, "unavailable");
    node.revive().await;
    eventually("found", || async { gateway.get("/library/anyone").await.status == 200 }).await;
}

#[tokio::test]
async fn callers_in_a_hurry_do_not_make_a_node_look_dead() {
    // Connections are taken by the system, but nobody ever speaks on them.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (node, mut other) = (Node::store("main", 1001, 0.0).await, Node::store("other", 1002, 1.0).await);
    other.move_to(silent.local_addr().unwrap()).await;
    node.knows(&[&other]);
    let gateway = Gateway::before(&[&node]).await;
    let path = format!("/library/branches/{}/loans", other.id);
    let hurry = || gateway.send(Method::POST, &path, &[("x-request-timeout", "0.05")], "");
    eventually("known", || async { hurry().await.status == 504 }).await;
    assert_eq!(gateway.get("/healthz").await.json()["nodes"]["healthy"], 2);

    // Those who waited long enough do, when there are several of them.
    let patient = || gateway.send(Method::POST, &path, &[("x-request-timeout", "1.1")], "");
    futures::future::join_all([patient(), patient(), patient()]).await;
    patient().await.is_error(503, "unavailable");
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    let answers = futures::future::join_all((0..300).map(|_| gateway.get("/library/anyone"))).await;
    assert!(answers.iter().all(|got| got.status == 200));
    tokio::time::timeout(Duration::from_secs(1), async { node.seen() }).await.unwrap();
}

#[tokio::test]
async fn a_key_lets_the_same_node_be_asked_again() {
    let (near, far, hub) = chain().await;
    let gateway = Gateway::before(&[&near, &far, &hub]).await;
    let once = async |path: &'static str, headers: &'static [(&'static str, &'static str)]| {
        gateway.send(Method::POST, path, headers, "").await
    };
    near.on("Once", Reply::DieOnce);
    let got = once("/library/once", &[("idempotency-key", "k-1")]).await;
    assert_eq!(got.json()["name"], "near", "{got:?}");
    let seen = near.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| seen.metadata["idempotency-key"] == "k-1"));

    near.on("Once", Reply::Die);
    let body = once("/library/once", &[("idempotency-key", "k-2")]).await.is_error(503, "unavailable");
    assert!(body["detail"].as_str().unwrap().contains("not known whether"), "{body}");
    assert_eq!(near.seen().len(), 4, "once more, and no more");
    assert!(far.seen().is_empty() && hub.seen().is_empty(), "nobody else knows the key");

    // Whoever is given a new session by each call is not known again.
    near.on("PutIntoBasket", Reply::DieOnce);
    once("/library/basket", &[("idempotency-key", "k-3")]).await.is_error(503, "unavailable");
    near.on("PutIntoBasket", Reply::DieOnce);
    let with_cookie = once("/library/basket", &[("idempotency-key", "k-4"), ("cookie", "codepop_session=t")]).await;
    assert_eq!(with_cookie.json()["name"], "near");
    assert!(far.seen().is_empty());

    let asked = near.seen().len();
    for bad in [&[("idempotency-key", "")][..], &[("idempotency-key", "a"), ("idempotency-key", "b")]] {
        let body = once("/library/once", bad).await.is_error(400, "invalid");
        assert!(body["fields"]["Idempotency-Key"].is_array(), "{body}");
    }
    assert_eq!(near.seen().len(), asked);
}

#[tokio::test]
async fn a_key_does_not_tie_what_was_not_sent() {
    let (mut near, far, hub) = chain().await;
    let gateway = Gateway::before(&[&near, &far, &hub]).await;
    near.kill().await;
    let got = gateway.send(Method::POST, "/library/once", &[("idempotency-key", "k")], "").await;
    assert_eq!(got.json()["name"], "far");
}

#[tokio::test]
async fn hubs_answer_without_a_target_and_after_it() {
    let (near, mut far, hub) = chain().await;
    let mut other = Node::hub("attic", 2, 9.0).await;
    near.knows(&[&far, &hub, &other]);
    let gateway = Gateway::before(&[&near, &far, &hub, &other]).await;
    let appoint = |branch: String| {
        let gateway = &gateway;
        async move { gateway.post("/library/appointments", &json!({"branch_id": branch})).await }
    };
    let name = async |branch: String| appoint(branch).await.json()["name"].as_str().unwrap_or_default().to_owned();
    assert_eq!(name(String::new()).await, "archive", "nobody is named: the nearest hub");
    assert_eq!(name(far.id.to_string()).await, "far");
    appoint("far".into()).await.is_error(400, "invalid");
    assert_eq!(name(Uuid::now_v7().to_string()).await, "archive", "the hub knows whether there is one");
    for region in ["", "?region=A", "?region=B"] {
        assert_eq!(gateway.get(&format!("/library/reports{region}")).await.status, 200, "{region}");
        assert_eq!(hub.seen().last().unwrap().method, "GetReport");
    }

    // What may have been done is not done again elsewhere; what was not, is.
    far.on("Appoint", Reply::DieOnce);
    appoint(far.id.to_string()).await.is_error(503, "unavailable");
    assert_eq!(hub.seen().iter().filter(|seen| seen.method == "Appoint").count(), 2);
    far.on("Appoint", Reply::Fail(Failure::new(Code::StorageUnavailable, "No database.")));
    eventually("back", || async { name(far.id.to_string()).await == "archive" }).await;
    far.kill().await;
    assert_eq!(name(far.id.to_string()).await, "archive", "not sent");
    assert_eq!(name(far.id.to_string()).await, "archive", "known to be away");
    let dismiss = || gateway.send(Method::DELETE, "/library/appointments/500001002", &[], "");
    hub.on("Dismiss", Reply::Die);
    assert_eq!(dismiss().await.status, 200);
    assert_eq!(other.seen().last().unwrap().method, "Dismiss", "and what may be repeated goes to the next hub");
    other.kill().await;
    hub.on("Appoint", Reply::Fail(Failure::new(Code::Forbidden, "No.")));
    appoint(far.id.to_string()).await.is_error(403, "permission_denied");
}

#[tokio::test]
async fn with_no_hub_left_the_store_that_is_away_is_named() {
    let (near, mut far, mut hub) = chain().await;
    let gateway = Gateway::before(&[&near, &far, &hub]).await;
    far.kill().await;
    hub.kill().await;
    let path = format!("/library/branches/{}/loans", far.id);
    gateway.post(&path, &json!({})).await.is_error(503, "unavailable");
    gateway.get("/library/archives/A").await.is_error(503, "unavailable");
    let body = gateway.post("/library/appointments", &json!({"branch_id": far.id})).await.is_error(503, "unavailable");
    assert!(body["detail"].as_str().unwrap().contains("far"), "{body}");
    gateway.post("/library/appointments", &json!({})).await.is_error(503, "unavailable");
    assert!(near.seen().is_empty(), "no other store can answer");
}

#[tokio::test]
async fn old_numbers_belong_to_whoever_holds_them() {
    let (near, mut far, hub) = chain().await;
    let gateway = Gateway::with(vec![near.url(), far.url(), hub.url()], Some(near.id)).await;
    assert_eq!(who(&gateway, "/library/loans/64").await, "near", "nobody holds them: the own store");
    far.holds_old_numbers = true;
    near.knows(&[&far, &hub]);
    eventually("told", || async { who(&gateway, "/library/loans/64").await == "far" }).await;
    assert_eq!(who(&gateway, "/library/loans/99999").await, "far");
    assert_eq!(who(&gateway, "/library/loans/500001001").await, "near", "other numbers as ever");
    far.kill().await;
    let body = gateway.get("/library/loans/64").await.is_error(503, "unavailable");
    assert!(body["detail"].as_str().unwrap().contains("far"), "nobody else has them: {body}");
}

#[tokio::test]
async fn referrals_name_the_thing_that_they_are_about() {
    let (near, mut far, hub) = chain().await;
    far.holds_old_numbers = true;
    near.knows(&[&far, &hub]);
    let gateway = Gateway::before(&[&near, &far, &hub]).await;
    let refer = |number: &str| {
        near.on("Once", Reply::Fail(Failure::new(Code::AskStore, "Not mine.").with("number", number)));
    };
    let once = || gateway.send(Method::POST, "/library/once", &[], "");
    for (number, expected) in [("500001002", "far"), ("64", "far"), ("500000001", "archive")] {
        refer(number);
        assert_eq!(once().await.json()["name"], expected, "{number}");
    }
    refer("500099999");
    once().await.is_error(404, "not_found");
    refer("500001001");
    once().await.is_error(421, "ask_store");
    for nonsense in ["", "-1", "x"] {
        refer(nonsense);
        once().await.is_error(421, "ask_store");
    }
    far.on("Once", Reply::Fail(Failure::new(Code::AskStore, "Not mine either.").with("number", "500001001")));
    refer("500001002");
    let asked = near.seen().len();
    once().await.is_error(421, "ask_store");
    assert_eq!(near.seen().len(), asked + 1, "followed once");
}
