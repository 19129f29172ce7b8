//! The node as a server: a table of contents of its layers and services. One of the two places where machinery names
//! shop nouns.

pub mod access;
mod audit;
mod conflicts;
mod gauges;
mod nodes;
mod observe;
mod operator;
mod session;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use codepop_proto::{
    DESCRIPTORS,
    accounts::{
        accounts_service_server::AccountsServiceServer, administration_service_server::AdministrationServiceServer,
    },
    audit::audit_service_server::AuditServiceServer,
    catalog::catalog_service_server::CatalogServiceServer,
    dashboards::{
        chain_service_server::ChainServiceServer, regions_service_server::RegionsServiceServer,
        store_dashboards_service_server::StoreDashboardsServiceServer,
    },
    generator::generator_service_server::GeneratorServiceServer,
    inventory::inventory_service_server::InventoryServiceServer,
    maintenance::maintenance_service_server::MaintenanceServiceServer,
    mesh::mesh_service_server::MeshServiceServer,
    nodes::nodes_service_server::NodesServiceServer,
    notifications::notifications_service_server::NotificationsServiceServer,
    operator::operator_service_server::OperatorServiceServer,
    orders::orders_service_server::OrdersServiceServer,
    payments::{payments_service_server::PaymentsServiceServer, revenue_service_server::RevenueServiceServer},
    preferences::preferences_service_server::PreferencesServiceServer,
    receipts::receipts_service_server::ReceiptsServiceServer,
    reports::reports_service_server::ReportsServiceServer,
    roles::roles_service_server::RolesServiceServer,
    staff::staff_service_server::StaffServiceServer,
    stores::stores_service_server::StoresServiceServer,
    support::support_service_server::SupportServiceServer,
};
use codepop_shared::{Failure, tls::Incoming};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use self::access::{Authenticator, Gate, GateLayer};
use crate::{
    accounts::{self, Accounts, Known},
    app::{App, Dial},
    audit::Refusals,
    auth::Session,
    backup::{schedule::Standing, vault::Vault},
    catalog::CatalogRpc,
    dashboards::{
        regions::{ChainRpc, RegionsRpc},
        store::StoreDashboardsRpc,
    },
    generator::{self, GeneratorRpc},
    inventory::{self, InventoryRpc},
    maintenance::MaintenanceRpc,
    mesh::region::Region,
    notifications::{Feed, NotificationsRpc},
    orders::{self, Orders, OrdersRpc},
    payments::{Payments, PaymentsRpc, revenue::RevenueRpc},
    preferences::PreferencesRpc,
    receipts::{Receipts, ReceiptsRpc},
    replication::{peer::Dialler, rpc::MeshRpc},
    reports::ReportsRpc,
    roles::RolesRpc,
    staff::StaffRpc,
    stores::StoresRpc,
    support::SupportRpc,
};

/// Largest message taken or sent: the contract's batches stay under 2 MiB.
pub const MESSAGE_MAX: usize = 4 * 1_024 * 1_024;

/// Largest request of people and programs: what a gateway takes, and room for numbers that are longer in a message than in
/// JSON. Between nodes it is [`MESSAGE_MAX`].
pub const REQUEST_MAX: usize = 2 * 1_024 * 1_024;

/// Streams that one connection may have open at the same time.
const STREAMS_MAX: u32 = 128;

/// Requests of one connection that are worked on at the same time.
const CONCURRENCY_MAX: usize = 128;

/// Streams that a connection may begin and reset before they are looked at; one more ends the connection (rapid reset).
const RESETS_PENDING_MAX: usize = 20;

/// Streams of one connection that this node may reset because of faults of the caller; one more ends the connection.
const RESETS_FOR_FAULTS_MAX: usize = 256;

/// Largest header list taken, in bytes.
const HEADERS_MAX: u32 = 32 * 1_024;

/// Longest time until an answer begins, for callers that set no deadline; gateways set ten seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that is silent for so long is asked whether it is alive.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);

/// How long the answer may take.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything that is served.
pub struct Parts {
    /// What features are handed.
    pub app: App,
    /// The mesh.
    pub dialler: Dialler,
    /// Connections for questions to other nodes.
    pub dial: Arc<dyn Dial>,
    /// Payments of the store.
    pub payments: Payments,
    /// Orders of this node's store.
    pub orders: Orders,
    /// Receipts of its orders.
    pub receipts: Receipts,
    /// How the backups of the running node stand.
    pub backups: Standing,
    /// Where a hub keeps backups of stores.
    pub vault: Vault,
    /// What a hub signs certificates of its region's stores with.
    pub region: Region,
    /// When the node was set up.
    pub created_at: DateTime<Utc>,
    /// Its name for people.
    pub display_name: String,
    /// How long roles for regions and the chain hold without word from a hub.
    pub hub_silence_max: Duration,
}

macro_rules! limited {
    ($server:expr) => {
        $server.max_decoding_message_size(REQUEST_MAX).max_encoding_message_size(MESSAGE_MAX)
    };
}

/// Tells clients what there is to be called.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// Serves until stopped; requests under way are finished.
pub async fn serve(parts: Parts, incoming: Incoming, stop: CancellationToken) -> anyhow::Result<()> {
    let own = own(&parts);
    let (app, dialler) = (parts.app, parts.dialler);
    let authenticator = Arc::new(ByAccounts(app.clone()));
    let accounts = Accounts::new(app.clone());
    let links = dialler.links.clone();
    let (refusals, writing) = Refusals::start(app.db.clone());
    let me = Arc::new(app.author().id.clone());
    let (trust, trust_of_node) = (dialler.trust.clone(), dialler.trust.clone());
    let gate =
        Gate { authenticator, trust, links: links.clone(), me, refusals, hub_silence_max: parts.hub_silence_max };
    let (health, health_service) = tonic_health::server::health_reporter();
    tokio::spawn(report_health(app.clone(), health));
    tokio::spawn(gauges::keep(app.clone(), links.clone(), stop.clone()));
    bounded()
        .layer(observe::ObserveLayer)
        .layer(GateLayer(gate))
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(
            MeshServiceServer::new(MeshRpc::new(dialler, parts.vault, parts.region))
                .max_decoding_message_size(MESSAGE_MAX)
                .max_encoding_message_size(MESSAGE_MAX),
        )
        .add_service(limited!(NodesServiceServer::new(nodes::NodesRpc::new(app.clone(), links, trust_of_node, own))))
        .add_service(limited!(OperatorServiceServer::new(operator::OperatorRpc::new(app.clone(), accounts.clone()))))
        .add_service(limited!(AuditServiceServer::new(audit::AuditRpc::new(app.clone()))))
        .add_service(limited!(AdministrationServiceServer::new(accounts.clone())))
        .add_service(limited!(RolesServiceServer::new(RolesRpc::new(app.clone(), Arc::new(Known)))))
        .add_service(limited!(StaffServiceServer::new(StaffRpc::new(app.clone(), accounts.clone()))))
        .add_service(limited!(AccountsServiceServer::new(accounts)))
        .add_service(limited!(StoresServiceServer::new(StoresRpc::new(
            app.clone(),
            Arc::new(inventory::OwnStock),
            Arc::new(orders::OwnQueue)
        ))))
        .add_service(limited!(CatalogServiceServer::new(CatalogRpc::new(app.clone()))))
        .add_service(limited!(InventoryServiceServer::new(InventoryRpc::new(app.clone()))))
        .add_service(limited!(PreferencesServiceServer::new(PreferencesRpc::new(app.clone()))))
        .add_service(limited!(GeneratorServiceServer::new(GeneratorRpc::new(
            app.clone(),
            Arc::new(generator::Ordered)
        ))))
        .add_service(limited!(PaymentsServiceServer::new(PaymentsRpc::new(parts.payments))))
        .add_service(limited!(RevenueServiceServer::new(RevenueRpc::new(app.clone()))))
        .add_service(limited!(SupportServiceServer::new(SupportRpc::new(app.clone(), parts.orders.clone()))))
        .add_service(limited!(StoreDashboardsServiceServer::new(StoreDashboardsRpc::new(app.clone()))))
        .add_service(limited!(MaintenanceServiceServer::new(MaintenanceRpc::new(app.clone()))))
        .add_service(limited!(RegionsServiceServer::new(RegionsRpc::new(app.clone()))))
        .add_service(limited!(ChainServiceServer::new(ChainRpc::new(app.clone(), parts.dial))))
        .add_service(limited!(ReportsServiceServer::new(ReportsRpc::new(app.clone()))))
        .add_service(limited!(ReceiptsServiceServer::new(ReceiptsRpc::new(parts.receipts))))
        .add_service(limited!(OrdersServiceServer::new(OrdersRpc::new(parts.orders))))
        .add_service(limited!(NotificationsServiceServer::new(NotificationsRpc::new(
            app.clone(),
            Feed::start(app, stop.clone())
        ))))
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await?;
    writing.finish().await;
    Ok(())
}

/// What there is to tell of this node itself.
fn own(parts: &Parts) -> nodes::Own {
    nodes::Own {
        created_at: parts.created_at,
        display_name: parts.display_name.clone(),
        backups: parts.backups.clone(),
        vault: parts.vault.clone(),
        region: parts.region.clone(),
    }
}

/// A server with the limits of every connection.
fn bounded() -> Server {
    Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .concurrency_limit_per_connection(CONCURRENCY_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_max_header_list_size(HEADERS_MAX)
        .http2_max_pending_accept_reset_streams(Some(RESETS_PENDING_MAX))
        .http2_max_local_error_reset_streams(Some(RESETS_FOR_FAULTS_MAX))
        .timeout(CALL_TIMEOUT)
}

/// How often `grpc.health.v1` is brought up to date.
const HEALTH_EVERY: Duration = Duration::from_secs(2);

/// Says NOT_SERVING while the database does not answer or the node takes no writes.
async fn report_health(app: App, health: tonic_health::server::HealthReporter) {
    use tonic_health::ServingStatus;
    let mut every = tokio::time::interval(HEALTH_EVERY);
    loop {
        every.tick().await;
        let works = app.read(|tx| Box::pin(crate::journal::entries::counts(tx))).await.is_ok();
        let serving = works && app.db.fenced().is_none() && app.db.fault().is_none();
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        health.set_service_status("", status).await;
    }
}

/// Checks tokens by the accounts.
struct ByAccounts(App);

impl Authenticator for ByAccounts {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Session, Failure>> {
        Box::pin(accounts::authenticate(&self.0, token))
    }

    fn whose<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Option<i64>> {
        Box::pin(accounts::whose(&self.0, token))
    }

    fn begin_guest(&self) -> Result<(uuid::Uuid, String), Failure> {
        accounts::begin_guest(&self.0)
    }
}
