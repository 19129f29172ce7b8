//! Streams of messages over REST.

use std::time::Duration;

use codepop_shared::{Code, Failure};
use http::Method;
use prost::Message as _;
use serde_json::{Value, json};

use crate::support::{Arrival, Book, Gateway, Node, Reply, Step, eventually};

fn arrival(title: &str) -> Step {
    let book = Book { title: title.to_owned(), ..Book::default() };
    Step::Message(Arrival { book: Some(book) }.encode_to_vec())
}

/// Reads until the events hold a text, or the stream ends.
async fn until(response: &mut reqwest::Response, text: &str) -> String {
    let mut all = String::new();
    let read = async {
        while !all.contains(text) {
            match response.chunk().await.unwrap() {
                Some(chunk) => all.push_str(std::str::from_utf8(&chunk).unwrap()),
                None => break,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap_or_else(|_| panic!("no {text:?} came"));
    all
}

fn data(event: &str) -> Value {
    let line = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_else(|| panic!("{event:?}"));
    serde_json::from_str(line).unwrap()
}

#[tokio::test]
async fn messages_come_as_they_are_written() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    let (reply, feed) = Reply::feed();
    node.on("Watch", reply.with("x-codepop-session", "new"));
    let mut events = gateway.listen("/library/watch/?kind=NOVEL").await;
    assert_eq!(events.status(), 200);
    let header = |name: &str| events.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/event-stream");
    assert_eq!((header("cache-control").as_str(), header("x-accel-buffering").as_str()), ("no-store", "no"));
    assert!(header("set-cookie").starts_with("codepop_session=new;"));
    assert_eq!(node.seen()[0].message, [8, 1].as_slice(), "the query fills fields");
    let timeout = node.seen()[0].metadata["grpc-timeout"].to_str().unwrap().trim_end_matches('m').parse::<u64>();
    assert!(timeout.unwrap() > 3_600_000, "no deadline of some seconds");

    assert_eq!(until(&mut events, "\n\n").await, ": listening\n\n");
    for title in ["Emma", "a \"quote\"\nand a line"] {
        feed.send(arrival(title)).ok().unwrap();
        let event = until(&mut events, "\n\n").await;
        assert_eq!(event.matches('\n').count(), 2, "one line a message: {event:?}");
        assert_eq!(data(&event)["Title"], title, "response_body counts");
    }
    feed.send(Step::End).ok().unwrap();
    assert_eq!(events.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn errors_come_as_json_or_as_the_last_event() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    node.on("Watch", Reply::Fail(Failure::new(Code::NotAuthenticated, "Log in.")));
    gateway.get("/library/watch").await.is_error(401, "not_authenticated");
    gateway.get("/library/watch?kind=POEM").await.is_error(400, "invalid");
    gateway.post("/library/watch", &json!({})).await.is_error(405, "method_not_allowed");

    let (reply, feed) = Reply::feed();
    node.on("Watch", reply);
    // A node that begins to answer and then refuses at once.
    let refused = async {
        eventually("asked", || async { feed.receiver_count() == 1 }).await;
        feed.send(Step::Fail(Failure::new(Code::Forbidden, "No."))).ok().unwrap();
    };
    let (got, ()) = tokio::join!(gateway.get("/library/watch"), refused);
    got.is_error(403, "permission_denied");

    let mut events = gateway.listen("/library/watch").await;
    feed.send(arrival("Emma")).ok().unwrap();
    until(&mut events, "Emma").await;
    let request_id = events.headers()["x-request-id"].to_str().unwrap().to_owned();
    feed.send(Step::Fail(Failure::new(Code::NotAuthenticated, "The session is over."))).ok().unwrap();
    let last = until(&mut events, "event: error\ndata: {\"error\"").await;
    let error = data(last.split_once("event: error\n").unwrap().1);
    assert_eq!((&error["code"], &error["detail"]), (&json!("not_authenticated"), &json!("The session is over.")));
    assert_eq!(error["request_id"], request_id.as_str());
    assert_eq!(events.chunk().await.unwrap(), None, "nothing after an error");
}

#[tokio::test]
async fn a_node_that_dies_ends_the_stream_with_an_error() {
    let mut node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::before(&[&node]).await;
    let (reply, feed) = Reply::feed();
    node.on("Watch", reply);
    let mut events = gateway.listen("/library/watch").await;
    feed.send(arrival("Emma")).ok().unwrap();
    until(&mut events, "Emma").await;
    node.kill().await;
    assert_eq!(data(until(&mut events, "}\n\n").await.split_once("event: error\n").unwrap().1)["code"], "unavailable");
    gateway.get("/library/watch").await.is_error(503, "unavailable");
}

#[tokio::test]
async fn nobody_listens_for_ever() {
    let node = Node::store("main", 1001, 0.0).await;
    let mut gateway = Gateway::before(&[&node]).await;
    let (reply, feed) = Reply::feed();
    node.on("Watch", reply);
    let head = gateway.send(Method::HEAD, "/library/watch", &[], "").await;
    assert_eq!((head.status, head.header("content-type"), head.text.as_str()), (200, "text/event-stream", ""));
    eventually("the node is told", || async { feed.receiver_count() == 0 }).await;

    let events = gateway.listen("/library/watch").await;
    assert_eq!(feed.receiver_count(), 1);
    drop(events);
    eventually("the node is told", || async { feed.receiver_count() == 0 }).await;

    let mut events = gateway.listen("/library/watch").await;
    let server = gateway.stop();
    assert_eq!(until(&mut events, "nothing").await, ": listening\n\n", "it ends in good order");
    tokio::time::timeout(Duration::from_secs(5), server).await.unwrap().unwrap();
    eventually("the node is told", || async { feed.receiver_count() == 0 }).await;
}

#[tokio::test]
async fn streams_are_bounded_and_leave_room_for_calls() {
    let node = Node::store("main", 1001, 0.0).await;
    let gateway = Gateway::behind_proxy(&[&node]).await;
    let (reply, feed) = Reply::feed();
    node.on("Watch", reply);
    let open = |client: usize| {
        let headers = [("x-forwarded-for", format!("10.0.0.{client}"))];
        let url = format!("http://{}/library/watch", gateway.address);
        let [(name, value)] = headers;
        reqwest::Client::new().get(url).header(name, value).send()
    };
    // More than one connection to the node can carry.
    let all = futures::future::join_all((0..128).map(|at| open(at % 4))).await;
    let all: Vec<reqwest::Response> = all.into_iter().map(Result::unwrap).collect();
    assert!(all.iter().all(|events| events.status() == 200));
    assert_eq!(feed.receiver_count(), 128);
    assert_eq!(open(0).await.unwrap().status(), 429, "32 of one address");
    assert_eq!(gateway.get("/library/anyone").await.status, 200);
    let mut last = open(4).await.unwrap();
    feed.send(arrival("Emma")).ok().unwrap();
    assert!(until(&mut last, "Emma").await.contains("Emma"));
    drop(all);
    eventually("places are given back", || async { open(0).await.unwrap().status() == 200 }).await;
}
