//! Every error is JSON and says what to do.

use std::time::Duration;

use codepop_shared::{Code, Failure};
use http::Method;
use serde_json::json;

use crate::support::{Gateway, Node, Reply};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn library() -> (Node, Gateway) {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    (node, gateway)
}

#[tokio::test]
async fn paths_and_methods() {
    let (node, gateway) = library().await;
    for path in
        ["/", "/library", "/library/hidden", "/library/books/1/2", "//library/books", "/library/branches//loans"]
    {
        gateway.get(path).await.is_error(404, "not_found");
    }
    let got = gateway.send(Method::DELETE, "/library/books", &[], "").await;
    got.is_error(405, "method_not_allowed");
    assert_eq!(got.header("allow"), "GET, POST, HEAD, OPTIONS");
    let got = gateway.send(Method::OPTIONS, "/library/books/", &[], "").await;
    assert_eq!((got.status, got.header("allow")), (204, "GET, POST, HEAD, OPTIONS"));
    let gone = gateway.send(Method::POST, "/library/exchange/", &[JSON], "{}").await.is_error(410, "gone");
    assert!(
        gone["detail"].as_str().unwrap().contains("gRPC")
            && gone["detail"].as_str().unwrap().contains("library.v1.LibraryService.Exchange")
    );
    assert!(node.seen().is_empty());
}

#[tokio::test]
async fn bodies() {
    let (node, gateway) = library().await;
    node.on("Echo", Reply::Echo);
    let post = |headers: &'static [(&'static str, &'static str)], body: Vec<u8>| {
        gateway.send(Method::POST, "/library/echo", headers, body)
    };
    let broken = post(&[JSON], b"{\"int32\": 1,\n oops}".to_vec()).await.is_error(400, "malformed");
    assert_eq!(broken["detail"], "JSON parse error: expected a text in double quotes, found 'o' (line 2, column 2).");
    post(&[JSON], vec![0xff, 0xfe]).await.is_error(400, "malformed");
    post(&[("content-type", "text/plain")], b"{}".to_vec()).await.is_error(415, "unsupported_media_type");
    post(&[], b"{}".to_vec()).await.is_error(415, "unsupported_media_type");
    assert_eq!(post(&[("content-type", "application/json; charset=utf-8")], b"{}".to_vec()).await.status, 200);
    let full = format!("{{\"string\": \"{}\"}}", "x".repeat(1024 * 1024 - 14));
    assert_eq!(full.len(), 1024 * 1024);
    assert_eq!(post(&[JSON], full.clone().into_bytes()).await.status, 200);
    post(&[JSON], (full + " ").into_bytes()).await.is_error(413, "too_large");
    let seen = node.seen().len();
    let chunked = b"POST /library/echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("200000\r\n{}\r\n0\r\n\r\n", " ".repeat(0x20_0000));
    let got = gateway.raw(&[chunked, chunk.as_bytes()].concat()).await;
    assert!(got.starts_with("HTTP/1.1 413"), "{got}");
    assert_eq!(node.seen().len(), seen);
}

#[tokio::test]
async fn fields() {
    let (node, gateway) = library().await;
    let got = gateway.post("/library/books", &json!({"BookID": "x", "kind": "POEM", "authors": [true]})).await;
    let body = got.is_error(400, "invalid");
    assert_eq!(body["fields"]["BookID"], json!(["must be a whole number"]));
    assert_eq!(body["fields"]["kind"], json!(["must be one of NOVEL, HISTORY"]));
    assert_eq!(body["fields"]["authors[0]"], json!(["must be a text"]));
    assert!(body["detail"].as_str().unwrap().contains("BookID: must be a whole number"));
    let body = gateway.get("/library/books/seven").await.is_error(400, "invalid");
    assert_eq!(body["fields"]["book_id"], json!(["must be a whole number"]));
    for path in [
        "/library/loans/undefined/",
        "/library/loans/null",
        "/library/loans/1.5",
        "/library/loans/%00",
        "/library/loans/-5",
    ] {
        gateway.get(path).await.is_error(400, "invalid");
    }
    assert!(node.seen().is_empty());

    node.on("CreateBook", Reply::Fail(Failure::invalid("id", "is taken").field("page_count", "too many")));
    let body = gateway.post("/library/books", &json!({})).await.is_error(400, "invalid");
    assert_eq!(
        body["fields"],
        json!({"BookID": ["is taken"], "page_count": ["too many"]}),
        "the node's names are spelled in JSON"
    );
    let headers = [("x-request-timeout", "soon")];
    gateway.send(Method::GET, "/library/anyone", &headers, "").await.is_error(400, "invalid");
}

#[tokio::test]
async fn what_nodes_say_is_passed_on() {
    let (node, gateway) = library().await;
    for code in Code::ALL {
        if matches!(code, Code::AskHub | Code::AskStore) {
            continue;
        }
        node.on("Once", Reply::Fail(Failure::new(*code, "So it is.")));
        let got = gateway.send(Method::POST, "/library/once", &[], "").await;
        let body = got.is_error(code.http(), code.word());
        assert_eq!(body["detail"], "So it is.");
        assert_eq!(got.header("www-authenticate"), if code.http() == 401 { "Token" } else { "" });
        assert_eq!(got.header("retry-after"), if matches!(code.http(), 429 | 503) { "3" } else { "" });
        assert_eq!(body.get("non_field_errors").is_some(), *code == Code::LoginFailed);
    }
    let wait = Failure::new(Code::TooManyAttempts, "Slowly.").retry_after(Duration::from_millis(2500));
    node.on("Once", Reply::Fail(wait.with("alternatives", "a, b")));
    let got = gateway.send(Method::POST, "/library/once", &[], "").await;
    assert_eq!(got.is_error(429, "too_many_attempts")["alternatives"], json!(["a", "b"]));
    assert_eq!(got.header("retry-after"), "3");
    node.on("Once", Reply::Status(tonic::Code::NotFound, "No such shelf."));
    gateway.send(Method::POST, "/library/once", &[], "").await.is_error(404, "not_found");
    node.on("Once", Reply::Status(tonic::Code::Unknown, "panicked at secret.rs"));
    let body = gateway.send(Method::POST, "/library/once", &[], "").await.is_error(500, "internal");
    assert!(!body.to_string().contains("secret"), "{body}");
    node.on("Once", Reply::Message(vec![0xff]));
    gateway.send(Method::POST, "/library/once", &[], "").await.is_error(500, "internal");
}

#[tokio::test]
async fn credentials() {
    let (node, gateway) = library().await;
    for value in ["Basic abc", "Token a b", "abc"] {
        let got = gateway.send(Method::GET, "/library/anyone", &[("authorization", value)], "").await;
        got.is_error(401, "not_authenticated");
        assert_eq!(got.header("www-authenticate"), "Token");
    }
    assert!(node.seen().is_empty());
}

#[tokio::test]
async fn deadlines() {
    let (node, gateway) = library().await;
    node.on("Once", Reply::Hang);
    let start = tokio::time::Instant::now();
    let got = gateway.send(Method::POST, "/library/once", &[("x-request-timeout", "0.2")], "").await;
    got.is_error(504, "deadline_exceeded");
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn failed_log_ins_are_slowed_down() {
    let (node, gateway) = library().await;
    let enter = || gateway.send(Method::POST, "/library/enter", &[JSON], r#"{"reader_name": "ada"}"#);
    node.on("Enter", Reply::Fail(Failure::new(Code::LoginFailed, "Wrong.")));
    for _ in 0..10 {
        assert_eq!(enter().await.is_error(401, "login_failed")["non_field_errors"], json!(["Wrong."]));
    }
    // The eleventh failure begins the first pause.
    enter().await.is_error(401, "login_failed");
    let got = enter().await;
    got.is_error(429, "too_many_attempts");
    assert_eq!(got.header("retry-after"), "1");
    assert_eq!(node.seen().len(), 11, "the node is not asked");
    assert_eq!(gateway.get("/library/anyone").await.status, 200, "other RPCs go on");
}
