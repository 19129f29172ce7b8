//! RPCs become REST.

use http::Method;
use prost::Message as _;
use serde_json::{Value, json};

use crate::support::{Book, Books, Gateway, Named, Node, Parcel, PutBook, Reply};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_list_is_a_bare_array_with_and_without_slash() {
    let node = Node::store("main", 1001, 0.0).await;
    let book = Book {
        id: 104_200_017,
        title: "Dune".into(),
        authors: vec!["F. Herbert".into()],
        price: 5.99,
        ..Book::default()
    };
    node.on("ListBooks", Reply::Message(Books { books: vec![book] }.encode_to_vec()));
    let gateway = Gateway::before(&[&node]).await;
    for path in ["/library/books", "/library/books/", "/library/books?x=1"] {
        let got = gateway.get(path).await;
        assert_eq!((got.status, got.header("content-type")), (200, "application/json"));
        let expected = json!([{
            "BookID": 104_200_017, "Title": "Dune", "page_count": null, "kind": "UNSPECIFIED", "authors": ["F. Herbert"],
            "added_at": null, "sequel_of": null, "price": 5.99,
        }]);
        assert_eq!(got.json(), expected);
    }
    node.on("ListBooks", Reply::Message(vec![]));
    assert_eq!(gateway.get("/library/books").await.json(), json!([]));
    let head = gateway.send(Method::HEAD, "/library/books", &[], "").await;
    assert_eq!((head.status, head.text.as_str(), head.header("content-length")), (200, "", "2"));
}

#[tokio::test]
async fn path_query_and_body_reach_the_node() {
    let node = Node::store("main", 1001, 0.0).await;
    for method in ["CreateBook", "Search"] {
        node.on(method, Reply::Echo);
    }
    node.on("GetBook", Reply::Message(vec![]));
    let gateway = Gateway::before(&[&node]).await;

    let got =
        gateway.post("/library/books", &json!({"Title": "Emma", "BookID": "7", "kind": "NOVEL", "title": 1})).await;
    assert_eq!((got.status, &got.json()["Title"], &got.json()["BookID"]), (201, &json!("Emma"), &json!(7)));

    let body = json!({"Title": "Emma", "page_count": 300}).to_string();
    gateway.send(Method::PUT, "/library/books/9?notify=true&book_id=8", &[JSON], body).await;
    let put = PutBook::decode(node.seen().pop().unwrap().message).unwrap();
    assert_eq!((put.book_id, put.notify), (9, true));
    assert_eq!(put.book.map(|book| (book.title, book.page_count)), Some(("Emma".into(), Some(300))));

    let body = json!({"book": {"BookID": 5, "Title": "Emma"}}).to_string();
    gateway.send(Method::PATCH, "/library/books/6/", &[JSON], body).await;
    let bytes = node.seen().pop().unwrap().message;
    #[derive(prost::Message)]
    struct Patch {
        #[prost(message, optional, tag = "1")]
        book: Option<Book>,
    }
    let book = Patch::decode(bytes).unwrap().book.unwrap();
    assert_eq!((book.id, book.title.as_str()), (6, "Emma"), "the path wins over the body");

    let got = gateway.get("/library/search?words=a%20b&kinds=NOVEL&kinds=HISTORY&where.name=x").await.json();
    assert_eq!(
        (&got["words"], &got["kinds"], &got["where"]),
        (&json!("a b"), &json!(["NOVEL", "HISTORY"]), &json!({"name": "x"}))
    );
    assert_eq!(gateway.get("/library/by-id/3").await.json(), json!({"book": null}), "an additional binding");
    assert_eq!(gateway.get("/library/books/3/").await.json(), Value::Null, "response_body of one message");
}

#[tokio::test]
async fn delete_may_have_a_body() {
    let node = Node::hub("archive", 1, 0.0).await;
    node.on("Dismiss", Reply::Echo);
    let gateway = Gateway::before(&[&node]).await;
    let dismiss = |path: &'static str, headers: &'static [(&'static str, &'static str)], body: &'static str| {
        gateway.send(Method::DELETE, path, headers, body)
    };
    let got = dismiss("/library/appointments/", &[JSON], r#"{"book_id": 7, "branch_id": "b"}"#).await;
    assert_eq!((got.status, got.json()), (200, json!({"book_id": 7, "branch_id": "b"})));
    let got = dismiss("/library/appointments/8", &[JSON], r#"{"book_id": 7, "branch_id": "b"}"#).await;
    assert_eq!(got.json(), json!({"book_id": 8, "branch_id": "b"}), "the path wins over the body");
    let got = dismiss("/library/appointments/8", &[], "").await;
    assert_eq!(got.json(), json!({"book_id": 8, "branch_id": ""}), "which may be missing");
    dismiss("/library/appointments", &[JSON], "{").await.is_error(400, "malformed");
    dismiss("/library/appointments", &[], "{}").await.is_error(415, "unsupported_media_type");
}

#[tokio::test]
async fn statuses_are_those_of_the_contract() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    let got = gateway.send(Method::DELETE, "/library/books/1", &[], "").await;
    assert_eq!((got.status, got.text.as_str()), (204, ""));
    let path = format!("/library/branches/{}/loans", node.id);
    assert_eq!(gateway.post(&path, &json!({"book_id": 1})).await.status, 201);
    node.on("Lend", Reply::Message(Named { name: String::new(), existed: true }.encode_to_vec()));
    assert_eq!(gateway.post(&path, &json!({"book_id": 1})).await.status, 200, "ok_when");
    assert_eq!(gateway.post("/library/once", &json!({})).await.status, 200);
    let no_type = gateway.send(Method::POST, "/library/enter", &[], "").await;
    assert_eq!(no_type.status, 200, "no body needs no content type: {}", no_type.text);
}

#[tokio::test]
async fn metadata_tells_who_asks() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    let headers = [
        ("authorization", "token abc"),
        ("x-request-id", "my-id"),
        ("x-request-timeout", "2"),
        ("x-forwarded-for", "6.6.6.6"),
    ];
    let got = gateway.send(Method::GET, "/library/anyone", &headers, "").await;
    assert_eq!((got.header("x-request-id"), got.header("cache-control")), ("my-id", "no-store"));
    let sent = node.seen().pop().unwrap().metadata;
    let text = |name: &str| sent.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(text("authorization").as_deref(), Some("Bearer abc"));
    assert_eq!(text("x-codepop-client").as_deref(), Some("127.0.0.1"), "no trusted proxy");
    assert_eq!(text("x-request-id").as_deref(), Some("my-id"));
    let timeout: u32 = text("grpc-timeout").unwrap().trim_end_matches('m').parse().unwrap();
    assert!((1..=2000).contains(&timeout), "{timeout}");

    let got = gateway
        .send(Method::GET, "/library/anyone", &[("authorization", "Token null"), ("x-request-id", "a b")], "")
        .await;
    let sent = node.seen().pop().unwrap().metadata;
    assert!(!sent.contains_key("authorization"), "the app's word for nobody");
    assert_eq!(sent["x-request-id"], got.header("x-request-id"));
    assert_eq!(got.header("x-request-id").len(), 36, "made anew");
}

#[tokio::test]
async fn bodies_and_headers_reach_the_node_as_they_are() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    node.on("TakeParcel", Reply::Echo);
    let take = async |headers: &'static [(&'static str, &'static str)], query: &str, body: Vec<u8>| {
        let got = gateway.send(Method::POST, &format!("/library/parcels/7{query}"), headers, body).await;
        (got, node.seen().pop().map(|seen| Parcel::decode(seen.message).unwrap()))
    };
    let bytes = vec![0, 1, 0xff, b'{', b'"', 10];
    for headers in [&[][..], &[JSON], &[("content-type", "application/octet-stream")]] {
        let (got, seen) = take(headers, "?word=w", bytes.clone()).await;
        assert_eq!(got.status, 200, "{got:?}");
        let expected = Parcel { shelf: 7, content: bytes.clone(), seal: String::new(), word: "w".into() };
        assert_eq!(seen, Some(expected), "{headers:?}");
    }
    let (_, seen) = take(&[("x-seal", "t=1,v1=abc")], "?seal=forged&content=Zm9v", Vec::new()).await;
    let expected = Parcel { shelf: 7, seal: "t=1,v1=abc".into(), ..Parcel::default() };
    assert_eq!(seen, Some(expected), "header and body cannot be given otherwise");
    let (_, seen) = take(&[], "?seal=forged", Vec::new()).await;
    assert_eq!(seen.unwrap().seal, "", "also not when the header is missing");
    assert_eq!(take(&[], "", vec![b'x'; 64 * 1024]).await.1.unwrap().content.len(), 64 * 1024);
    take(&[], "", vec![b'x'; 64 * 1024 + 1]).await.0.is_error(413, "too_large");
    take(&[("x-seal", "\u{e9}")], "", Vec::new()).await.0.is_error(400, "invalid");
}

#[tokio::test]
async fn a_content_type_without_a_body_does_no_harm() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    for (method, path, status) in [
        (Method::GET, "/library/anyone/", 200),
        (Method::HEAD, "/library/anyone/", 200),
        (Method::DELETE, "/library/books/1/", 204),
        (Method::POST, "/library/once/", 200),
        (Method::POST, "/library/enter/", 200),
        (Method::PUT, "/library/books/1/", 200),
    ] {
        node.on("PutBook", Reply::Message(vec![]));
        let got = gateway.send(method.clone(), path, &[JSON], "").await;
        assert_eq!(got.status, status, "{method} {path} {}", got.text);
    }
}
