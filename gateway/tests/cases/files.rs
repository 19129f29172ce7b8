//! Answers that are files.

use codepop_shared::{Code, Failure};
use http::Method;

use crate::support::{File, Gateway, Node, Reply, Step, eventually};

#[tokio::test]
async fn a_file_keeps_its_bytes_type_and_name() {
    let node = Node::hub("archive", 1, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    let disposition = "attachment; filename=\"report.csv\"";
    node.on("GetReport", Reply::Message(File::bytes("", "a,\"b\"\r\n")).with("content-disposition", disposition));
    let got = gateway.get("/library/reports").await;
    assert_eq!((got.status, got.text.as_str()), (200, "a,\"b\"\r\n"));
    assert_eq!((got.header("content-type"), got.header("content-disposition")), ("text/csv", disposition));
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    let head = gateway.send(Method::HEAD, "/library/reports", &[], "").await;
    assert_eq!((head.text.as_str(), head.header("content-length")), ("", "7"));
    node.on("GetReport", Reply::Message(File::bytes("text/plain; charset=utf-8", "x")));
    let got = gateway.get("/library/reports").await;
    assert_eq!((got.header("content-type"), got.header("content-disposition")), ("text/plain; charset=utf-8", ""));
    node.on("GetReport", Reply::Fail(Failure::new(Code::Forbidden, "No.").with("x", "y")));
    gateway.get("/library/reports").await.is_error(403, "permission_denied");
    node.on("GetReport", Reply::Message(vec![0x0a, 5]));
    gateway.get("/library/reports").await.is_error(500, "internal");
}

/// Asks for the catalogue while the node feeds it, once it is asked.
async fn fetch(gateway: &Gateway, node: &Node, steps: Vec<Step>) -> reqwest::Response {
    let (reply, feed) = Reply::feed();
    node.on("Print", reply.with("content-disposition", "inline"));
    let feeding = async {
        eventually("asked", || async { feed.receiver_count() == 1 }).await;
        for step in steps {
            feed.send(step).ok().unwrap();
        }
    };
    tokio::join!(gateway.listen("/library/catalogue"), feeding).0
}

fn piece(kind: &str, data: impl Into<Vec<u8>>) -> Step {
    Step::Message(File::bytes(kind, data))
}

#[tokio::test]
async fn a_file_in_pieces_arrives_whole_or_visibly_broken() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    let large = vec![b'x'; 300_000];
    let steps = vec![piece("text/csv", "a\n"), piece("", large.clone()), piece("", "b\n"), Step::End];
    let got = fetch(&gateway, &node, steps).await;
    let header = |name: &str| got.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("content-type").as_deref(), Some("text/csv"));
    assert_eq!(header("content-disposition").as_deref(), Some("inline"));
    assert_eq!((header("content-length"), header("transfer-encoding").as_deref()), (None, Some("chunked")));
    assert_eq!(got.bytes().await.unwrap(), [b"a\n", large.as_slice(), b"b\n"].concat());

    let fault = || Step::Fail(Failure::new(Code::Internal, "Broken."));
    let got = fetch(&gateway, &node, vec![piece("", "a\n"), fault()]).await;
    assert_eq!(got.status(), 200);
    assert!(got.bytes().await.is_err(), "not taken for the whole file");

    let got = fetch(&gateway, &node, vec![Step::Fail(Failure::new(Code::Forbidden, "No."))]).await;
    assert_eq!((got.status().as_u16(), &got.headers()["content-type"]), (403, &"application/json".parse().unwrap()));
    assert!(got.text().await.unwrap().contains("permission_denied"));
    let got = fetch(&gateway, &node, vec![Step::End]).await;
    assert_eq!((got.status().as_u16(), got.bytes().await.unwrap().len()), (200, 0));
}

#[tokio::test]
async fn the_first_piece_is_waited_for_until_the_deadline() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    let (reply, feed) = Reply::feed();
    node.on("Print", reply);
    let hurry = [("x-request-timeout", "0.5")];
    gateway.send(Method::GET, "/library/catalogue", &hurry, "").await.is_error(504, "deadline_exceeded");
    eventually("the node is told", || async { feed.receiver_count() == 0 }).await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_it() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    let (reply, feed) = Reply::feed();
    node.on("Print", reply);
    let asked = async {
        eventually("asked", || async { feed.receiver_count() == 1 }).await;
        feed.send(piece("", "a")).ok().unwrap();
    };
    let (got, ()) = tokio::join!(gateway.listen("/library/catalogue"), asked);
    assert_eq!(feed.receiver_count(), 1);
    drop(got);
    eventually("the node is told", || async { feed.receiver_count() == 0 }).await;
}
