//! What the scenarios share: a library's nodes, a gateway in front of them, and a client.

mod gateway;
mod node;

pub use gateway::Gateway;
pub use node::{Node, Reply, Step};

use prost::Message;

/// `library.v1.Book`, written by hand: a second opinion on the wire format.
#[derive(Clone, PartialEq, Message)]
pub struct Book {
    #[prost(int64, tag = "1")]
    pub id: i64,
    #[prost(string, tag = "2")]
    pub title: String,
    #[prost(int32, optional, tag = "3")]
    pub page_count: Option<i32>,
    #[prost(int32, tag = "4")]
    pub kind: i32,
    #[prost(string, repeated, tag = "5")]
    pub authors: Vec<String>,
    #[prost(double, tag = "8")]
    pub price: f64,
}

/// `library.v1.ListBooksResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct Books {
    #[prost(message, repeated, tag = "1")]
    pub books: Vec<Book>,
}

/// `library.v1.PutBookRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct PutBook {
    #[prost(int64, tag = "1")]
    pub book_id: i64,
    #[prost(message, optional, tag = "2")]
    pub book: Option<Book>,
    #[prost(bool, tag = "3")]
    pub notify: bool,
}

/// `library.v1.TakeParcelRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct Parcel {
    #[prost(int64, tag = "1")]
    pub shelf: i64,
    #[prost(bytes = "vec", tag = "2")]
    pub content: Vec<u8>,
    #[prost(string, tag = "3")]
    pub seal: String,
    #[prost(string, tag = "4")]
    pub word: String,
}

/// `library.v1.WatchResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct Arrival {
    #[prost(message, optional, tag = "1")]
    pub book: Option<Book>,
}

/// `library.v1.Where`, `LendResponse` and others that begin with a name.
#[derive(Clone, PartialEq, Message)]
pub struct Named {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(bool, tag = "2")]
    pub existed: bool,
}

/// `google.api.HttpBody`.
#[derive(Clone, PartialEq, Message)]
pub struct File {
    #[prost(string, tag = "1")]
    pub content_type: String,
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
}

impl File {
    pub fn bytes(content_type: &str, data: impl Into<Vec<u8>>) -> Vec<u8> {
        Self { content_type: content_type.to_owned(), data: data.into() }.encode_to_vec()
    }
}

impl Named {
    pub fn reply(name: &str) -> Reply {
        Reply::Message(Self { name: name.to_owned(), existed: false }.encode_to_vec())
    }
}

/// Waits until something holds; ten seconds at most.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let start = tokio::time::Instant::now();
    while !holds().await {
        assert!(start.elapsed() < std::time::Duration::from_secs(10), "not in time: {what}");
        tokio::task::yield_now().await;
    }
}
