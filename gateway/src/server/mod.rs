//! The HTTP side: takes requests, finds their route, has them answered and says what went wrong.

mod body;
mod cors;
mod events;
mod file;
mod handle;
mod headers;
mod listener;
mod meters;
mod places;
mod problem;
mod proxies;
mod session;
mod throttle;
mod transcode;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::{Either, Full};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

pub(crate) use self::session::COOKIE as SESSION_COOKIE;
pub use self::{cors::AllowedOrigins, proxies::TrustedProxies};
use self::{events::Events, file::Pieces, meters::Meters, places::Places, throttle::Throttle};
use crate::{
    contract::{self, Contract},
    openapi,
    router::{Endpoint, Router},
    upstream::{self, Upstream},
};

/// Where the OpenAPI page is.
const OPENAPI_PATH: &str = "/openapi.json";

/// Where the gateway tells about itself.
const HEALTH_PATH: &str = "/healthz";

/// Requests under way at the same time; each may hold a body of 1 MiB.
const REQUESTS_MAX: usize = 1024;

/// An answer: whole, a stream of events, or a file in pieces.
type Answer = Response<Either<Full<Bytes>, Either<Events, Pieces>>>;

/// How the gateway serves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the nodes are.
    pub upstream: upstream::Config,
    /// Web pages that may use the gateway from a browser.
    pub origins: AllowedOrigins,
    /// Proxies whose word about their clients is believed.
    pub proxies: TrustedProxies,
}

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The contract cannot be served.
    #[error("contract: {0}")]
    Contract(#[from] contract::Error),
    /// The address of a node is wrong.
    #[error("GATEWAY_NODES: {0}")]
    Nodes(String),
}

/// Everything that answers requests.
#[derive(Debug)]
pub struct Gateway {
    contract: Arc<Contract>,
    router: Router,
    upstream: Upstream,
    openapi: Bytes,
    throttle: Throttle,
    origins: AllowedOrigins,
    proxies: TrustedProxies,
    permits: Semaphore,
    places: Places,
    /// Cancelled when the gateway stops: streams would go on for ever.
    stop: CancellationToken,
    meters: Meters,
}

impl Gateway {
    /// Builds routes from an encoded descriptor set and looks for nodes.
    ///
    /// # Errors
    ///
    /// When the contract cannot be served or the address of a node is wrong. Nodes that are away are no error.
    pub async fn start(descriptors: &[u8], config: Config) -> Result<Arc<Self>, Error> {
        let contract = Contract::load(descriptors)?;
        let mut router = Router::new(&contract)?;
        router.add_path(&Method::GET, OPENAPI_PATH, Endpoint::OpenApi)?;
        router.add_path(&Method::GET, HEALTH_PATH, Endpoint::Health)?;
        let openapi = openapi::page(&contract).to_string();
        Ok(Arc::new(Self {
            router,
            openapi: openapi.into(),
            contract: Arc::new(contract),
            upstream: Upstream::spawn(config.upstream).await.map_err(Error::Nodes)?,
            throttle: Throttle::default(),
            origins: config.origins,
            proxies: config.proxies,
            permits: Semaphore::new(REQUESTS_MAX),
            places: Places::default(),
            stop: CancellationToken::new(),
            meters: Meters::default(),
        }))
    }

    /// Serves until `shutdown`, then ends streams and lets requests under way finish.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        listener::serve(self, listener, shutdown).await;
    }
}
