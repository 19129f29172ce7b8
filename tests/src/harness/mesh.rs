//! The mesh: nodes and gateway of one chain, and what one can do to them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use codepop_proto::nodes::{
    Conflict, GetDigestRequest, GetHealthRequest, GetHealthResponse, GetStatusRequest, GetStatusResponse,
    ListConflictsRequest, Peer, nodes_service_client::NodesServiceClient,
};
use codepop_shared::identity::Kind;
use tempfile::TempDir;
use tonic::transport::Channel;

use super::{Backend, Gateway, Node, Operator, PostgresDatabase, Spec, check, eventually, node::Common, programs::run};
use crate::faults::{Fault, Processes, Proxy};

/// Time for a mesh to have everything everywhere: generous, because only a fault takes it.
pub const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Milliseconds between heartbeats, and of silence until a peer counts as down, unless a test says otherwise: an eighth
/// of the settings in a shop, so that tests need not wait long.
const TIMES: (u64, u64) = (250, 1_000);

/// Says what a mesh is to be.
#[derive(Debug)]
pub struct Builder {
    specs: Vec<Spec>,
    backend: Backend,
    times: (u64, u64),
    settings: Vec<(String, String)>,
}

impl Builder {
    /// Hubs and stores, each given the addresses of the nodes in its own list.
    pub fn of(specs: Vec<Spec>) -> Self {
        Self { specs, backend: Backend::Sqlite, times: TIMES, settings: Vec::new() }
    }

    /// One hub (node 0) and so many stores around it.
    pub fn with(stores: usize) -> Self {
        let hub =
            Spec { name: "hub".to_owned(), kind: "SUPPLY_HUB", region: "C", place: (41.74, -111.83), seeds: vec![] };
        Self::of(std::iter::once(hub).chain((1..=stores).map(|number| store(number, vec![0]))).collect())
    }

    /// Where the rows of all nodes are.
    pub fn on(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Milliseconds between heartbeats, and of silence until a peer counts as down.
    pub fn times(mut self, heartbeat: u64, down_after: u64) -> Self {
        self.times = (heartbeat, down_after);
        self
    }

    /// A variable in the environment of every node.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes everything, and starts nothing.
    pub async fn make(self) -> Mesh {
        let root = tempfile::tempdir().unwrap();
        let pki = root.path().join("pki");
        run("codepop-node", root.path(), &["pki", "init", "--chain", "test", "--dir", pki.to_str().unwrap()]);
        let processes = Processes::default();
        let mut proxies = Vec::new();
        for _ in &self.specs {
            proxies.push(Proxy::start(processes.clone()).await);
        }
        let urls: Vec<String> = proxies.iter().map(|proxy| format!("https://{}", proxy.address())).collect();
        let common = Common { root: root.path(), pki: &pki, times: self.times, settings: &self.settings };
        let mut nodes = Vec::new();
        for (numbered, proxy) in self.specs.iter().enumerate().zip(proxies) {
            let seeds: Vec<String> = numbered.1.seeds.iter().map(|seed| urls[*seed].clone()).collect();
            let database = match self.backend {
                Backend::Sqlite => None,
                Backend::Postgres => Some(PostgresDatabase::create().await),
            };
            nodes.push(Node::make(&common, numbered, proxy, &seeds, database));
        }
        Mesh { operator: Operator::of(&pki), nodes, processes, pki, root }
    }

    /// Makes and starts everything, and waits until all nodes have the same.
    pub async fn start(self) -> Mesh {
        let mut mesh = self.make().await;
        for node in 0..mesh.nodes.len() {
            mesh.start(node).await;
        }
        mesh.settled().await;
        mesh
    }
}

/// A store of region C, a little apart from the others.
pub fn store(number: usize, seeds: Vec<usize>) -> Spec {
    #[allow(clippy::cast_precision_loss, reason = "a few dozen stores")]
    let offset = number as f64 / 100.0;
    let place = (41.74 + offset, -111.83);
    Spec { name: format!("store{number}"), kind: "STORE", region: "C", place, seeds }
}

/// A running mesh. Everything of it goes when it is dropped.
#[derive(Debug)]
pub struct Mesh {
    /// Its nodes.
    pub nodes: Vec<Node>,
    operator: Operator,
    processes: Processes,
    pki: PathBuf,
    root: TempDir,
}

/// Digest and number of rows of each audience.
pub type Digests = BTreeMap<String, (String, u64)>;

impl Mesh {
    /// One hub (node 0) and so many stores on SQLite, started and settled.
    pub async fn with(stores: usize) -> Self {
        Builder::with(stores).start().await
    }

    /// The folder of everything.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// A new node, made and certified to take the place of another, with the hub's address; its index. It has no database
    /// yet and does not run.
    pub async fn successor(&mut self, of: usize) -> usize {
        let (number, proxy) = (self.nodes.len(), Proxy::start(self.processes.clone()).await);
        let hub = format!("https://{}", self.nodes[0].proxy.address());
        let node = self.nodes[of].successor(self.root.path(), &self.pki, number, proxy, &[hub]).await;
        self.nodes.push(node);
        number
    }

    /// The authority's folder.
    pub fn pki(&self) -> &Path {
        &self.pki
    }

    /// The operator.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// Starts a node that does not run.
    pub async fn start(&mut self, node: usize) {
        self.nodes[node].start(&self.processes).await;
    }

    /// Starts a node; whether it serves. If it does not, its process has ended, and its log says why.
    pub async fn try_start(&mut self, node: usize) -> bool {
        self.nodes[node].try_start(&self.processes).await
    }

    /// Starts a node's process and waits for nothing: it does not serve yet.
    pub fn launch(&mut self, node: usize) {
        self.nodes[node].launch(&self.processes);
    }

    /// Ends a node at once, as a power cut would.
    pub fn kill9(&mut self, node: usize) {
        self.nodes[node].take_program().kill9();
    }

    /// Asks a node to stop, and waits until it has.
    pub async fn stop(&mut self, node: usize) {
        self.nodes[node].take_program().stop().await;
    }

    /// From now on `a` and `b` can't connect to each other.
    pub fn cut(&self, a: usize, b: usize) {
        self.between(a, b, Fault::Cut);
    }

    /// From now on `a` and `b` can connect to each other.
    pub fn join(&self, a: usize, b: usize) {
        self.between(a, b, Fault::None);
    }

    /// From now on nothing that `from` says arrives at `to`, whoever dialled; what `to` says still arrives at `from`.
    pub fn silence(&self, from: usize, to: usize) {
        self.nodes[to].proxy.set_for(from, Fault::Deaf);
        self.nodes[from].proxy.set_for(to, Fault::Mute);
    }

    /// What happens between two nodes, whoever dials.
    pub fn between(&self, a: usize, b: usize, fault: Fault) {
        self.nodes[a].proxy.set_for(b, fault);
        self.nodes[b].proxy.set_for(a, fault);
    }

    /// A gateway that begins with these nodes and stands at the first of them, if that is a store: it prefers that one.
    pub async fn gateway(&self, nodes: &[usize]) -> Gateway {
        let name: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        let urls: Vec<String> =
            nodes.iter().map(|node| format!("https://{}", self.nodes[*node].proxy.address())).collect();
        let first = &self.nodes[nodes[0]].id;
        let store = if first.kind == Kind::Store { first.uuid.to_string() } else { String::new() };
        let dir = self.root().join(format!("gateway-{}", name.join("-")));
        Gateway::start(&dir, self.pki(), &urls.join(","), &store).await
    }

    /// A connection to a node with the operator's certificate, past its proxy.
    pub async fn channel(&self, node: usize) -> Channel {
        self.operator.dial(self.nodes[node].address()).await.unwrap()
    }

    async fn ask(&self, node: usize) -> NodesServiceClient<Channel> {
        NodesServiceClient::new(self.channel(node).await)
    }

    /// What a node says of itself.
    pub async fn status(&self, node: usize) -> GetStatusResponse {
        self.ask(node).await.get_status(GetStatusRequest {}).await.unwrap().into_inner()
    }

    /// What a node knows of another.
    pub async fn peer(&self, node: usize, other: usize) -> Option<Peer> {
        let id = self.nodes[other].id.uuid.to_string();
        self.status(node).await.peers.into_iter().find(|peer| peer.peer_id == id)
    }

    /// How a node says it is.
    pub async fn health(&self, node: usize) -> GetHealthResponse {
        self.ask(node).await.get_health(GetHealthRequest {}).await.unwrap().into_inner()
    }

    /// What people should look at, at a node.
    pub async fn conflicts(&self, node: usize) -> Vec<Conflict> {
        self.ask(node).await.list_conflicts(ListConflictsRequest::default()).await.unwrap().into_inner().conflicts
    }

    /// The digests of a node.
    pub async fn digests(&self, node: usize) -> Digests {
        let answer = self.ask(node).await.get_digest(GetDigestRequest {}).await.unwrap().into_inner();
        answer.digests.into_iter().map(|digest| (digest.audience, (digest.digest, digest.rows))).collect()
    }

    fn running(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].is_running()).collect()
    }

    /// Waits until all running nodes know of all others and hold the same rows.
    pub async fn settled(&self) {
        eventually(SETTLE_TIMEOUT, "all running nodes hold the same", async || self.differences().await).await;
    }

    /// `Ok` when all running nodes know of each other and hold the same rows of every audience they share.
    ///
    /// # Errors
    /// The first difference.
    pub async fn differences(&self) -> Result<(), String> {
        let running = self.running();
        let mut held: BTreeMap<String, (usize, (String, u64))> = BTreeMap::new();
        for node in running.iter().copied() {
            let known = self.status(node).await.peers;
            let unknown = running.iter().find(|other| {
                let id = self.nodes[**other].id.uuid.to_string();
                **other != node && !known.iter().any(|peer| peer.peer_id == id)
            });
            check(unknown.is_none(), || format!("node {node} does not know node {unknown:?}"))?;
            for (audience, digest) in self.digests(node).await {
                let (first, expected) = held.entry(audience.clone()).or_insert((node, digest.clone()));
                check(*expected == digest, || {
                    format!("{audience} of node {node} {digest:?} is not that of node {first} {expected:?}")
                })?;
            }
        }
        Ok(())
    }
}
