//! The session in a cookie: what reaches the node, and what the client is told to keep.

use codepop_shared::{Code, Failure};
use http::Method;
use serde_json::json;

use crate::support::{Gateway, Named, Node, Reply};

const JSON: (&str, &str) = ("content-type", "application/json");
const COOKIE: (&str, &str) = ("cookie", "codepop_session=old");
const GOOD: (&str, &str) = ("origin", "https://library.example");
const EVIL: (&str, &str) = ("origin", "https://evil.example");

type Headers<'h> = &'h [(&'h str, &'h str)];

async fn library() -> (Node, Gateway) {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    (node, gateway)
}

/// What the node was told of who asks, last.
fn asked_as(node: &Node) -> (Option<String>, Option<String>) {
    let metadata = node.seen().pop().unwrap().metadata;
    let text = |name: &str| metadata.get(name).map(|value| value.to_str().unwrap().to_owned());
    (text("authorization"), text("x-codepop-session"))
}

fn token(name: &str) -> (Option<String>, Option<String>) {
    match name {
        "" => (None, None),
        "header" => (Some("Bearer new".to_owned()), None),
        _ => (None, Some(name.to_owned())),
    }
}

#[tokio::test]
async fn the_cookie_reaches_the_node_when_nothing_better_does() {
    let (node, gateway) = library().await;
    let cases: [(Method, &str, Headers<'_>, &str, &str); 16] = [
        (Method::GET, "/library/anyone", &[], "", ""),
        (Method::GET, "/library/anyone", &[COOKIE], "", "old"),
        (Method::HEAD, "/library/anyone", &[COOKIE], "", "old"),
        (Method::GET, "/library/anyone", &[COOKIE, JSON], "", "old"),
        (Method::GET, "/library/anyone", &[COOKIE, ("authorization", "Token new")], "", "header"),
        (Method::GET, "/library/anyone", &[COOKIE, ("authorization", "Token null")], "", "old"),
        (Method::GET, "/library/anyone", &[COOKIE, ("authorization", "Token undefined")], "", "old"),
        (Method::GET, "/library/anyone", &[COOKIE, GOOD], "", "old"),
        (Method::GET, "/library/anyone", &[COOKIE, EVIL], "", ""),
        (Method::GET, "/library/anyone", &[COOKIE, ("origin", "null")], "", ""),
        (Method::GET, "/library/anyone", &[("x-codepop-session", "forged")], "", ""),
        (Method::POST, "/library/once", &[COOKIE], "", "old"),
        (Method::POST, "/library/once", &[COOKIE, JSON], "{}", "old"),
        (Method::POST, "/library/once", &[COOKIE, EVIL, JSON], "{}", ""),
        (Method::POST, "/library/once", &[COOKIE, ("content-type", "text/plain")], "{}", ""),
        (Method::DELETE, "/library/books/1", &[COOKIE, JSON], "", "old"),
    ];
    for (method, path, headers, body, expected) in cases {
        let got = gateway.send(method.clone(), path, headers, body).await;
        assert!(got.status < 300, "{method} {headers:?} {got:?}");
        assert_eq!(asked_as(&node), token(expected), "{method} {path} {headers:?}");
        assert!(got.cookies().is_empty(), "the node said nothing");
        let personal = headers.contains(&COOKIE) || headers.iter().any(|(name, _)| *name == "authorization");
        assert_eq!(got.header("cache-control"), if personal { "no-store" } else { "" }, "{headers:?}");
    }
    let bad = [COOKIE, ("authorization", "Token a b")];
    gateway.send(Method::GET, "/library/anyone", &bad, "").await.is_error(401, "not_authenticated");
    assert_eq!(gateway.send(Method::POST, "/library/leave", &bad, "").await.status, 200, "the contract says lenient");
    assert_eq!(asked_as(&node), token("old"));
}

#[tokio::test]
async fn what_the_node_says_becomes_a_cookie() {
    let (node, gateway) = library().await;
    let line = |token: &str| format!("codepop_session={token}; Path=/; Max-Age=15552000; SameSite=Strict; HttpOnly");
    node.on("Once", Named::reply("x").with("x-codepop-session", "new"));
    let once = async |headers: &'static [(&'static str, &'static str)]| {
        let got = gateway.send(Method::POST, "/library/once", headers, "").await;
        assert_eq!(got.status, 200);
        assert!(got.header("x-codepop-session").is_empty(), "not for scripts");
        let lines: Vec<String> = got.cookies().into_iter().map(str::to_owned).collect();
        assert!(lines.is_empty() || got.header("cache-control") == "no-store");
        lines
    };
    assert_eq!(once(&[]).await, [line("new")]);
    assert_eq!(once(&[COOKIE]).await, [line("new")]);
    assert_eq!(once(&[GOOD]).await, [line("new")]);
    assert_eq!(once(&[("authorization", "Token new")]).await, [line("new")]);
    assert_eq!(once(&[("cookie", "codepop_session=new")]).await, [""; 0], "it is there already");
    assert_eq!(once(&[EVIL]).await, [""; 0]);
    assert_eq!(once(&[COOKIE, ("content-type", "text/plain")]).await, [""; 0], "the cookie did not count");
    assert_eq!(once(&[("x-forwarded-proto", "https")]).await, [line("new")], "no trusted proxy");

    let refused = Reply::Fail(Failure::new(Code::Conflict, "No.")).with("x-codepop-session", "guest");
    node.on("Once", refused);
    let got = gateway.send(Method::POST, "/library/once", &[], "").await;
    got.is_error(409, "conflict");
    assert_eq!(got.cookies(), [line("guest")], "also beside an error");
    node.on("Once", Named::reply("x").with("x-codepop-session", ""));
    let got = gateway.send(Method::POST, "/library/once", &[COOKIE], "").await;
    assert_eq!(got.cookies(), ["codepop_session=; Path=/; Max-Age=0; SameSite=Strict; HttpOnly"]);
    assert_eq!(got.header("cache-control"), "no-store");
}

#[tokio::test]
async fn over_tls_cookies_are_secure() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::behind_proxy(&[&node]).await;
    let reply = Named::reply("x").with("x-codepop-session", "new").with("x-codepop-store", node.id.to_string());
    node.on("Once", reply);
    for (proto, secure) in [("https", true), ("http", false)] {
        let got = gateway.send(Method::POST, "/library/once", &[("x-forwarded-proto", proto)], "").await;
        assert_eq!(got.cookies().len(), 2);
        assert!(got.cookies().iter().all(|line| line.ends_with("; Secure") == secure), "{proto} {:?}", got.cookies());
    }
}

#[tokio::test]
async fn the_store_is_kept_and_preferred() {
    let (near, far) = tokio::join!(Node::store("near", 1001, 1.0), Node::store("far", 1002, 2.0));
    near.knows(&[&far]);
    far.knows(&[&near]);
    let gateway = Gateway::before(&[&near, &far]).await;
    near.on("Enter", Named::reply("x").with("x-codepop-store", far.id.to_string()));
    let got = gateway.post("/library/enter", &json!({})).await;
    let line = format!("X-CodePop-Store={}; Path=/; Max-Age=15552000; SameSite=Strict", far.id);
    assert_eq!(got.cookies(), [line.as_str()]);
    let cookie = line.split(';').next().unwrap().to_owned();
    let headers = [("cookie", cookie.as_str())];
    assert_eq!(gateway.send(Method::GET, "/library/anyone", &headers, "").await.json()["name"], "far");
    far.on("Enter", Named::reply("x").with("x-codepop-store", far.id.to_string()));
    let again = gateway.send(Method::POST, "/library/enter", &[("cookie", &cookie), JSON], "{}").await;
    assert!(again.cookies().is_empty(), "it is there already");
}
