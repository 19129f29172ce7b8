//! The gateway's process, and a REST client for it.

use std::{net::SocketAddr, path::Path, time::Duration};

use reqwest::{Client, Method, header::HeaderMap};
use serde_json::Value;

use super::programs::{Program, command, run};

/// Time for the gateway to serve.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for one answer: longer than the longest deadline of the gateway (10 s).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    client: Client,
    program: Program,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null when there is none or it is not JSON.
    pub json: Value,
}

impl Answer {
    /// The body, if the status is this one.
    ///
    /// # Panics
    /// It is another.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.json);
        self.json
    }
}

impl Gateway {
    pub(super) async fn start(dir: &Path, pki: &Path, nodes: &str, store: &str) -> Self {
        let root = dir.parent().unwrap();
        run("codepop-gateway", root, &["init", "--data-dir", dir.to_str().unwrap()]);
        let request = dir.join("request.json");
        let pki = pki.to_str().unwrap();
        run("codepop-node", root, &["pki", "issue", request.to_str().unwrap(), "--dir", pki]);
        let mut command = command("codepop-gateway");
        command.args(["run", "--listen", "127.0.0.1:0", "--log-format", "json", "--nodes", nodes]);
        command.args(["--store", store, "--data-dir", dir.to_str().unwrap()]);
        let mut program = Program::start(command, &dir.with_extension("log"));
        let line = program.said(START_TIMEOUT, "serving").await;
        let address = line["http.listen"].as_str().unwrap().parse().unwrap();
        Self { address, client: client(), program }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks. `token`: the user's, if any; `body`: JSON, if any.
    pub async fn ask(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = self.client.request(method, format!("http://{}{path}", self.address));
        if let Some(token) = token {
            request = request.header("authorization", format!("Token {token}"));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }

    /// `GET`.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.ask(Method::GET, path, token, None).await
    }

    /// `POST`.
    pub async fn post(&self, path: &str, token: Option<&str>, body: Value) -> Answer {
        self.ask(Method::POST, path, token, Some(body)).await
    }
}

/// A REST client without cookies of its own.
pub(super) fn client() -> Client {
    Client::builder().timeout(ANSWER_TIMEOUT).no_proxy().build().unwrap()
}

/// Reads an answer to its end.
pub(super) async fn read(response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    Answer { status, headers, json: serde_json::from_str(&text).unwrap_or(Value::Null) }
}
