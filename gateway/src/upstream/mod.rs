//! The nodes behind the gateway: found by asking, dialled when needed, chosen by what a request is about, and replaced
//! when they fail.

mod choose;
mod discovery;
mod failover;
pub(crate) mod grpc;
mod link;
mod messages;
mod places;
mod questions;
mod revoked;
pub(crate) mod said;
mod security;
mod table;

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use metrics::gauge;
use tokio::task::JoinHandle;

use self::discovery::{Discovery, Seed};
pub(crate) use self::{
    failover::{Outgoing, Refusal},
    messages::Messages,
    said::Said,
    table::Table,
};
pub use self::{security::Security, table::Home};

/// How long the start waits for the first round of discovery. Nodes that are away must not keep the gateway from
/// serving.
const FIRST_ROUND_MAX: Duration = Duration::from_secs(3);

/// How to reach the nodes.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses of nodes to begin with, `https://host:port`.
    pub seeds: Vec<String>,
    /// Where the gateway is.
    pub home: Home,
    /// How nodes are dialled.
    pub security: Security,
}

/// The nodes behind the gateway. Ends its discovery when dropped.
#[derive(Debug)]
pub(crate) struct Upstream {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What discovery and calls share.
#[derive(Debug)]
struct Shared {
    table: RwLock<Arc<Table>>,
    home: Home,
    security: Security,
    /// Whether a node has told whom it knows.
    settled: AtomicBool,
}

impl Upstream {
    /// Asks around once and goes on doing so in the background. The error names a seed that is no address.
    pub(crate) async fn spawn(config: Config) -> Result<Self, String> {
        let mut seeds = Vec::new();
        for url in config.seeds {
            let link = link::Link::new(&config.security, &url, None)?;
            seeds.push(Seed::new(url, link));
        }
        let shared = Arc::new(Shared {
            table: RwLock::default(),
            home: config.home,
            security: config.security,
            settled: AtomicBool::new(false),
        });
        let mut discovery = Discovery::new(Arc::clone(&shared), seeds);
        if tokio::time::timeout(FIRST_ROUND_MAX, discovery.round()).await.is_err() {
            tracing::warn!("no node has answered yet");
        }
        let task = tokio::spawn(follow(Arc::clone(&shared), discovery));
        Ok(Self { shared, task })
    }

    /// The nodes known at this moment.
    pub(crate) fn table(&self) -> Arc<Table> {
        self.shared.table()
    }
}

/// Looks for nodes, and has connections made anew when the gateway's certificate was renewed: calls under way are done on
/// the old ones.
async fn follow(shared: Arc<Shared>, discovery: Discovery) {
    let Security::Tls(trust) = shared.security.clone() else { return discovery.run().await };
    let mut renewals = trust.renewals();
    let renewing = async {
        while renewals.changed().await.is_ok() {
            shared.table().nodes.iter().for_each(|node| node.link.close());
        }
    };
    tokio::join!(discovery.run(), renewing);
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, table: Table) {
        tracing::debug!(nodes = table.nodes.len(), "nodes known");
        gauge!("gateway_nodes_known").set(u32::try_from(table.nodes.len()).unwrap_or(u32::MAX));
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }
}

/// A pause, up to a quarter longer or shorter, so that many gateways do not ask at the same moment.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..1.25))
}
