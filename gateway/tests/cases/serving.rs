//! How the gateway behaves as an HTTP server.

use http::Method;
use serde_json::json;

use crate::support::{Gateway, Node, Reply, eventually};

#[tokio::test]
async fn web_pages_need_to_be_on_the_list() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    let preflight = async |origin: &'static str| {
        let headers = [("origin", origin), ("access-control-request-method", "PUT")];
        gateway.send(Method::OPTIONS, "/library/books/1", &headers, "").await
    };
    let good = preflight("https://library.example").await;
    assert_eq!((good.status, good.header("access-control-allow-origin")), (204, "https://library.example"));
    assert!(good.header("access-control-allow-headers").contains("authorization"));
    assert_eq!(good.header("vary"), "Origin");
    let bad = preflight("https://evil.example").await;
    assert_eq!((bad.header("access-control-allow-origin"), bad.header("access-control-allow-methods")), ("", ""));
    let got = gateway.send(Method::GET, "/library/anyone", &[("origin", "https://library.example")], "").await;
    assert_eq!(got.header("access-control-allow-origin"), "https://library.example");
    assert_eq!(got.header("access-control-allow-credentials"), "");
    let got = gateway.send(Method::GET, "/nothing", &[("origin", "https://library.example")], "").await;
    assert_eq!(got.header("access-control-allow-origin"), "https://library.example", "errors can be read too");
    assert_eq!(got.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn requests_under_way_may_finish() {
    let node = Node::store("main", 1001, 0.0).await;
    let mut gateway = Gateway::before(&[&node]).await;
    node.on("Once", Reply::Hang);
    let url = format!("http://{}/library/once", gateway.address);
    let request = reqwest::Client::new().post(url).header("x-request-timeout", "0.5").send();
    let request = tokio::spawn(request);
    eventually("under way", || async { !node.seen().is_empty() }).await;
    let server = gateway.stop();
    assert_eq!(request.await.unwrap().unwrap().status(), 504, "answered, not cut off");
    server.await.unwrap();
    assert!(tokio::net::TcpStream::connect(gateway.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn headers_are_limited() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    let long = format!("GET /library/anyone HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(64 * 1024));
    let got = gateway.raw(long.as_bytes()).await;
    assert!(got.starts_with("HTTP/1.1 431"), "{got}");
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200));
    assert!(gateway.raw(many.as_bytes()).await.starts_with("HTTP/1.1 431"));
    assert!(gateway.raw(b"nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    assert_eq!(gateway.get("/library/anyone").await.status, 200);
}

#[tokio::test]
async fn the_gateway_tells_about_itself() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    let expected = json!({"status": "ok", "nodes": {"known": 1, "healthy": 1}});
    assert_eq!(gateway.get("/healthz/").await.json(), expected);
    gateway.post("/healthz", &json!({})).await.is_error(405, "method_not_allowed");
}

#[tokio::test]
async fn requests_are_counted() {
    let metrics = codepop_shared::telemetry::install_recorder().unwrap();
    let mut node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    gateway.get("/library/books/seven").await;
    gateway.get("/nothing/at/all").await;
    node.kill().await;
    gateway.get("/library/any-branch/").await;
    let page = metrics.render();
    for line in [
        "gateway_requests_total{route=\"/library/books/{book_id}\",method=\"GET\",code=\"invalid\"}",
        "gateway_requests_total{route=\"unmatched\",method=\"-\",code=\"not_found\"}",
        "gateway_requests_total{route=\"/library/any-branch\",method=\"GET\",code=\"unavailable\"}",
        "gateway_request_seconds_bucket{route=\"/library/any-branch\",method=\"GET\",",
        "gateway_upstream_failures_total{node=\"0\",reason=\"",
        "gateway_nodes_known ",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
}
