//! A gateway in the test's own process, and a client that speaks to it.

use std::{net::SocketAddr, sync::LazyLock};

use codepop_gateway::{
    server::{AllowedOrigins, Config, TrustedProxies},
    upstream::{self, Home, Security},
};
use http::{HeaderMap, Method};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use super::Node;

/// The library's contract, compiled anew by each run.
static CONTRACT: LazyLock<Vec<u8>> = LazyLock::new(|| contract("library/v1/library.proto"));

/// Compiles a contract of the tests.
fn contract(file: &str) -> Vec<u8> {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut compiler = protox::Compiler::new([format!("{root}/tests/contract"), format!("{root}/../proto")]).unwrap();
    compiler.include_source_info(true).include_imports(true).open_files([file]).unwrap();
    compiler.encode_file_descriptor_set()
}

/// A running gateway.
pub struct Gateway {
    pub address: SocketAddr,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

/// An answer.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Got {
    /// The cookies that are set, each as one line.
    pub fn cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks status, code and the shape that every error has.
    pub fn is_error(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert!(body["error"].is_string() && body["detail"].is_string(), "{body}");
        assert_eq!(body["request_id"], self.header("x-request-id"));
        assert_eq!(self.header("content-type"), "application/json");
        body
    }
}

impl Gateway {
    /// A gateway at latitude 0 that begins with these nodes.
    pub async fn before(seeds: &[&Node]) -> Self {
        Self::with(seeds.iter().map(|node| node.url()).collect(), None).await
    }

    /// A gateway with everything told.
    pub async fn with(seeds: Vec<String>, store: Option<uuid::Uuid>) -> Self {
        Self::secured(seeds, store, Security::Insecure).await
    }

    /// A gateway behind a proxy on this machine that is believed.
    pub async fn behind_proxy(seeds: &[&Node]) -> Self {
        let proxies = TrustedProxies::parse("127.0.0.1").unwrap();
        Self::start(seeds.iter().map(|node| node.url()).collect(), None, Security::Insecure, proxies).await
    }

    /// A gateway that speaks to nodes in a certain way.
    pub async fn secured(seeds: Vec<String>, store: Option<uuid::Uuid>, security: Security) -> Self {
        Self::start(seeds, store, security, TrustedProxies::default()).await
    }

    async fn start(seeds: Vec<String>, store: Option<uuid::Uuid>, security: Security, proxies: TrustedProxies) -> Self {
        let place = codepop_shared::geo::Place::new(0.0, 0.0);
        let home = Home { store, place };
        let config = Config {
            upstream: upstream::Config { seeds, home, security },
            origins: AllowedOrigins::parse("https://library.example").unwrap(),
            proxies,
        };
        let gateway = codepop_gateway::Gateway::start(&CONTRACT, config).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(gateway.serve(listener, async move {
            let _ = stopped.await;
        }));
        Self { address, client: reqwest::Client::new(), stop: Some(stop), server: Some(server) }
    }

    /// Sends a request; headers are `name: value`.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Got {
        let mut request = self.client.request(method, format!("http://{}{path}", self.address)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Got { status, headers, text: response.text().await.unwrap() }
    }

    pub async fn get(&self, path: &str) -> Got {
        self.send(Method::GET, path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Got {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// Begins to listen to a stream of events.
    pub async fn listen(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("http://{}{path}", self.address)).send().await.unwrap()
    }

    /// Sends bytes as they are and returns what comes until the connection ends.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await.unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Begins to shut down.
    pub fn stop(&mut self) -> JoinHandle<()> {
        let _ = self.stop.take().unwrap().send(());
        self.server.take().unwrap()
    }
}
