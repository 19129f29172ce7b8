//! A node of a library: a raw gRPC server over plain HTTP/2 that answers what each test wants, and remembers what it
//! was asked.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use codepop_proto::nodes::{DiscoverPeersResponse, GetHealthResponse, NodeType, Peer};
use codepop_shared::{
    Failure,
    tls::{Credentials, server_config},
};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use prost::Message as _;
use tokio::{net::TcpListener, sync::broadcast, task::JoinSet};
use tokio_rustls::TlsAcceptor;
use tonic::Status;
use uuid::Uuid;

/// What a node answers.
#[derive(Clone)]
pub enum Reply {
    Message(Vec<u8>),
    Fail(Failure),
    /// Any gRPC status without details.
    Status(tonic::Code, &'static str),
    /// The request is taken and never answered.
    Hang,
    /// The request is taken, and the connection dies.
    Die,
    /// As `Die`, but only once.
    DieOnce,
    /// What was sent is sent back.
    Echo,
    /// Another reply with metadata.
    With(Box<Reply>, Vec<(&'static str, String)>),
    /// A stream of what is sent to all who listen.
    Feed(broadcast::Sender<Step>),
}

impl Reply {
    pub fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        let (reply, mut metadata) = match self {
            Self::With(reply, metadata) => (reply, metadata),
            reply => (Box::new(reply), Vec::new()),
        };
        metadata.push((name, value.into()));
        Self::With(reply, metadata)
    }

    /// A stream, and what feeds it.
    pub fn feed() -> (Self, broadcast::Sender<Step>) {
        let feed = broadcast::Sender::new(64);
        (Self::Feed(feed.clone()), feed)
    }
}

/// What comes next in a stream.
#[derive(Clone)]
pub enum Step {
    Message(Vec<u8>),
    Fail(Failure),
    End,
}

/// A request that a node got.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub metadata: HeaderMap,
    pub message: Bytes,
}

#[derive(Default)]
struct State {
    replies: Mutex<HashMap<String, Reply>>,
    seen: Mutex<Vec<Seen>>,
    peers: Mutex<Vec<Peer>>,
}

/// A running node.
pub struct Node {
    pub id: Uuid,
    pub number: u32,
    pub name: String,
    kind: NodeType,
    latitude: f64,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    /// Whether others say that it holds the numbers below 100,000.
    pub holds_old_numbers: bool,
    state: Arc<State>,
    server: Option<JoinSet<()>>,
}

impl Node {
    /// A store's node; distances go by the latitude.
    pub async fn store(name: &str, number: u32, latitude: f64) -> Self {
        Self::start(name, number, latitude, NodeType::Store, None).await
    }

    /// A store's node that speaks mutual TLS.
    pub async fn secure(name: &str, latitude: f64, credentials: &Credentials) -> Self {
        let number = credentials.certified().id.number;
        Self::start(name, number, latitude, NodeType::Store, Some(credentials)).await
    }

    pub async fn hub(name: &str, number: u32, latitude: f64) -> Self {
        Self::start(name, number, latitude, NodeType::SupplyHub, None).await
    }

    async fn start(name: &str, number: u32, latitude: f64, kind: NodeType, tls: Option<&Credentials>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut node = Self {
            id: tls.map_or_else(Uuid::now_v7, |credentials| credentials.certified().id.uuid),
            number,
            name: name.to_owned(),
            kind,
            latitude,
            address,
            tls: tls.map(|credentials| TlsAcceptor::from(server_config(credentials).unwrap())),
            holds_old_numbers: false,
            state: Arc::default(),
            server: None,
        };
        node.serve(listener);
        node
    }

    fn serve(&mut self, listener: TcpListener) {
        let mut server = JoinSet::new();
        let (state, health, name) = (Arc::clone(&self.state), self.health(), self.name.clone());
        let tls = self.tls.clone();
        server.spawn(async move {
            // Dropped with the server, and all connections with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (state, health, name) = (Arc::clone(&state), health.clone(), name.clone());
                let tls = tls.clone();
                connections.spawn(async move {
                    let die = Arc::new(tokio::sync::Notify::new());
                    let death = Arc::clone(&die);
                    let service = service_fn(move |request| {
                        let (state, health) = (Arc::clone(&state), health.clone());
                        answer(state, health, name.clone(), Arc::clone(&die), request)
                    });
                    let builder = Builder::new(TokioExecutor::new()).http2_only();
                    let served = async {
                        match tls {
                            None => builder.serve_connection(TokioIo::new(stream), service).await,
                            Some(tls) => {
                                builder.serve_connection(TokioIo::new(tls.accept(stream).await?), service).await
                            }
                        }
                    };
                    tokio::select! {
                        _ = served => {}
                        () = death.notified() => {}
                    }
                });
            }
        });
        self.server = Some(server);
    }

    fn health(&self) -> GetHealthResponse {
        GetHealthResponse {
            status: "healthy".to_owned(),
            node_id: self.id.to_string(),
            node_type: self.kind.into(),
            display_name: self.name.clone(),
            ..Default::default()
        }
    }

    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The node as others describe it.
    pub fn peer(&self) -> Peer {
        Peer {
            peer_id: self.id.to_string(),
            node_type: self.kind.into(),
            display_name: self.name.clone(),
            api_base_url: self.url(),
            latitude: Some(self.latitude),
            longitude: Some(0.0),
            region: "A".to_owned(),
            is_supply_hub: self.kind == NodeType::SupplyHub,
            node_number: self.number,
            holds_legacy_numbers: self.holds_old_numbers,
            ..Default::default()
        }
    }

    /// Tells the node whom it knows.
    pub fn knows(&self, others: &[&Node]) {
        *self.state.peers.lock().unwrap() = others.iter().map(|node| node.peer()).collect();
    }

    /// Decides what the node answers to an RPC from now on; without, it answers with its name.
    pub fn on(&self, method: &str, reply: Reply) {
        self.state.replies.lock().unwrap().insert(method.to_owned(), reply);
    }

    /// What the node was asked by users.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// Ends the node, and gives another address for it from now on.
    pub async fn move_to(&mut self, address: SocketAddr) {
        self.kill().await;
        self.address = address;
    }

    /// Ends the node and all of its connections.
    pub async fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.shutdown().await;
        }
    }

    /// Starts the node again at its old address.
    pub async fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

async fn answer(
    state: Arc<State>,
    health: GetHealthResponse,
    name: String,
    die: Arc<tokio::sync::Notify>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let (parts, body) = request.into_parts();
    let framed = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let message = framed.slice(5.min(framed.len())..);
    let reply = match method.as_str() {
        "GetHealth" => Reply::Message(health.encode_to_vec()),
        "DiscoverPeers" => {
            let peers = state.peers.lock().unwrap().clone();
            Reply::Message(DiscoverPeersResponse { peers }.encode_to_vec())
        }
        // Nobody is.
        "ListRevocations" => Reply::Message(Vec::new()),
        _ => {
            let seen = Seen { method: method.clone(), metadata: parts.headers, message: message.clone() };
            state.seen.lock().unwrap().push(seen);
            let mut replies = state.replies.lock().unwrap();
            let reply = replies.get(&method).cloned();
            if matches!(reply, Some(Reply::DieOnce)) {
                replies.remove(&method);
            }
            reply.unwrap_or_else(|| super::Named::reply(&name))
        }
    };
    let (reply, metadata) = match reply {
        Reply::With(reply, metadata) => (*reply, metadata),
        reply => (reply, Vec::new()),
    };
    let mut response = match reply {
        Reply::Message(message) => success(&message),
        Reply::Echo => success(&message),
        Reply::Fail(failure) => Status::from(failure).into_http(),
        Reply::Status(code, text) => Status::new(code, text).into_http(),
        Reply::Hang => std::future::pending().await,
        Reply::Die | Reply::DieOnce => {
            die.notify_one();
            std::future::pending().await
        }
        Reply::Feed(feed) => stream(feed.subscribe()),
        Reply::With(..) => unreachable!("one layer of metadata"),
    };
    for (name, value) in metadata {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    Ok(response)
}

/// A stream that sends its messages in small pieces.
fn stream(feed: broadcast::Receiver<Step>) -> Answer {
    let frames = futures::stream::unfold(Some(feed), |feed| async {
        let mut feed = feed?;
        let (frames, feed) = match feed.recv().await.ok()? {
            Step::Message(message) => (pieces(&message), Some(feed)),
            Step::Fail(failure) => {
                (vec![Frame::trailers(Status::from(failure).into_http::<()>().headers().clone())], None)
            }
            Step::End => (vec![trailers()], None),
        };
        Some((futures::stream::iter(frames.into_iter().map(Ok)), feed))
    });
    let body = StreamBody::new(futures::StreamExt::flatten(frames));
    Response::builder().header("content-type", "application/grpc").body(body.boxed_unsync()).unwrap()
}

fn pieces(message: &[u8]) -> Vec<Frame<Bytes>> {
    let whole = framed(message);
    // Not too many of them: whoever gets a hundred thousand frames of three bytes takes it for an attack.
    let size = (whole.len() / 64).max(3);
    whole.chunks(size).map(|piece| Frame::data(Bytes::copy_from_slice(piece))).collect()
}

fn trailers() -> Frame<Bytes> {
    Frame::trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]))
}

fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put_slice(message);
    framed.freeze()
}

fn success(message: &[u8]) -> Answer {
    let frames = [Ok(Frame::data(framed(message))), Ok(trailers())];
    let body = StreamBody::new(futures::stream::iter(frames)).boxed_unsync();
    Response::builder().header("content-type", "application/grpc").body(body).unwrap()
}
