//! Databases for tests: the same test runs on SQLite and on PostgreSQL, each time on a database of its own.

use std::sync::{Arc, Once, OnceLock};

use codepop_shared::{
    authority::{Authority, CERTIFICATE_VALID, Order, RegionSigner},
    identity::{CaCertificate, Certified, Kind, NO_REGION, Replaced, SpiffeId},
    request::{KeyMaterial, RegionKey},
    tls::{Credentials, Trust},
};
use ed25519_dalek::SigningKey;
use uuid::Uuid;

use crate::{
    app::{AccountFinder, App, DrinkFinder, Lookup, Sightings},
    clock::Clock,
    identity::Author,
    storage::{Db, Location},
};

/// Runs one async test on both databases: `on_both!(name, |node| async move { … })` makes `name::sqlite` and
/// `name::postgres`.
#[macro_export]
macro_rules! on_both {
    ($(#[$meta:meta])* $name:ident, $test:expr) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let node = $crate::testing::Node::sqlite().await;
                ($test)(node).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let node = $crate::testing::Node::postgres().await;
                ($test)(node).await;
            }
        }
    };
}

/// A node without network: database, clock, keys.
pub(crate) struct Node {
    /// Its doors.
    pub(crate) app: App,
    /// Its database.
    pub(crate) db: Db,
    location: Location,
    kind: Backend,
}

enum Backend {
    Sqlite { _folder: tempfile::TempDir },
    Postgres { name: String, admin: String },
}

/// The certified name of a test node: hubs have numbers up to 999.
pub(crate) fn name(number: u32, region: &str) -> SpiffeId {
    let kind = if number <= 999 { Kind::Hub } else { Kind::Store };
    SpiffeId { chain: "test".into(), kind, region: region.into(), number, uuid: Uuid::now_v7() }
}

/// The authority of the chain `test`, one a test run.
pub(crate) fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::create("test", chrono::Utc::now()).unwrap())
}

/// An author with fresh keys and a certificate of the test authority.
pub(crate) fn author(id: SpiffeId) -> Author {
    author_replacing(id, &[])
}

/// The author of a node that takes the place of others.
pub(crate) fn author_replacing(id: SpiffeId, replaces: &[Replaced]) -> Author {
    let key = SigningKey::from_bytes(&rand::random());
    let csr = KeyMaterial::generate(false).unwrap().csr(id.uuid).unwrap();
    let pem = authority()
        .issue_replacing(
            Order {
                id,
                event_key: Some(key.verifying_key()),
                csr: &csr,
                name: "test",
                dns: &[],
                ips: &[],
                now: chrono::Utc::now(),
                valid: CERTIFICATE_VALID,
            },
            replaces,
        )
        .unwrap();
    let der = rustls::pki_types::pem::PemObject::from_pem_slice(pem.as_bytes())
        .map(|der: rustls::pki_types::CertificateDer<'static>| der)
        .unwrap();
    let ca = Arc::new(CaCertificate::from_pem(authority().pem().as_bytes()).unwrap());
    Author::new(Arc::new(Certified::parse(&der).unwrap()), ca, key)
}

/// By what a gateway of the chain judges connections; it refuses nobody yet.
pub(crate) fn trust() -> Trust {
    let (keys, uuid) = (KeyMaterial::generate(false).unwrap(), Uuid::now_v7());
    let (chain, region) = ("test".to_owned(), NO_REGION.to_owned());
    let id = SpiffeId { chain, kind: Kind::Gateway, region, number: 0, uuid };
    let (csr, now) = (keys.csr(uuid).unwrap(), chrono::Utc::now());
    let order = Order { id, event_key: None, csr: &csr, name: "g", dns: &[], ips: &[], now, valid: CERTIFICATE_VALID };
    let pem = authority().issue(order).unwrap();
    Trust::new(Credentials::from_pem(authority().pem(), &pem, &keys.tls_pem()).unwrap())
}

/// A hub as authority of its region, with a fresh key.
pub(crate) fn region(hub: &SpiffeId) -> RegionSigner {
    let (key, now) = (RegionKey::generate().unwrap(), chrono::Utc::now());
    let pem = authority().issue_region(hub, &key.csr(hub.uuid).unwrap(), now, now + 2 * CERTIFICATE_VALID).unwrap();
    RegionSigner::from_pem(&pem, &key.pem(), authority().certificate()).unwrap()
}

/// What a hub signs for a store whose certificate has a quarter of its life left.
pub(crate) fn renewed(store: &Author, hub: &RegionSigner) -> Certified {
    hub.renew(&store.certificate, chrono::Utc::now() + CERTIFICATE_VALID * 4 / 5).unwrap()
}

impl Node {
    /// Store 1000 of region C on SQLite.
    pub(crate) async fn sqlite() -> Self {
        Self::sqlite_as(name(1_000, "C")).await
    }

    /// Any node on SQLite.
    pub(crate) async fn sqlite_as(id: SpiffeId) -> Self {
        let Fresh { location, kind } = Fresh::sqlite();
        Self::open(location, kind, author(id)).await
    }

    /// Another database of the same kind, with nothing in it.
    pub(crate) async fn fresh(&self) -> Fresh {
        match self.kind {
            Backend::Sqlite { .. } => Fresh::sqlite(),
            Backend::Postgres { .. } => Fresh::postgres().await,
        }
    }

    /// Any node on a database that is there.
    pub(crate) async fn on(fresh: Fresh, author: Author) -> Self {
        Self::open(fresh.location, fresh.kind, author).await
    }

    /// Store 1000 of region C on a new database of the PostgreSQL server that `TEST_POSTGRES_URL` names.
    pub(crate) async fn postgres() -> Self {
        Self::postgres_as(name(1_000, "C")).await
    }

    /// Any node on PostgreSQL.
    pub(crate) async fn postgres_as(id: SpiffeId) -> Self {
        let Fresh { location, kind } = Fresh::postgres().await;
        Self::open(location, kind, author(id)).await
    }

    async fn open(location: Location, kind: Backend, author: Author) -> Self {
        static CRYPTO: Once = Once::new();
        CRYPTO.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let clock = Arc::new(Clock::new(author.id.uuid));
        let (db, _) = Db::open(&location, clock, Arc::new(author)).await.unwrap();
        let alone = Arc::new(Alone);
        let app = App { db: db.clone(), finder: alone.clone(), drinks: alone.clone(), sightings: alone };
        Self { app, db, location, kind }
    }

    /// Where its database is.
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }
}

/// A database with nothing in it.
pub(crate) struct Fresh {
    /// Where it is.
    pub(crate) location: Location,
    kind: Backend,
}

impl Fresh {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("node.db"));
        Self { location, kind: Backend::Sqlite { _folder: folder } }
    }

    async fn postgres() -> Self {
        let admin = std::env::var("TEST_POSTGRES_URL")
            .expect("TEST_POSTGRES_URL names the PostgreSQL server for tests; ./scripts/test.sh starts one");
        let name = format!("node_{}", Uuid::now_v7().simple());
        execute(&admin, &format!("CREATE DATABASE {name}")).await;
        let (server, _) = admin.rsplit_once('/').expect("TEST_POSTGRES_URL ends in /<database>");
        Self { location: Location::Postgres(format!("{server}/{name}")), kind: Backend::Postgres { name, admin } }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Self::Postgres { name, admin } = self {
            let (name, admin) = (name.clone(), admin.clone());
            // A thread with its own runtime: `drop` cannot wait on the test's.
            let done = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(execute(&admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
            });
            done.join().unwrap();
        }
    }
}

/// There are no peers.
struct Alone;

impl AccountFinder for Alone {
    fn find(&self, _account: Lookup) -> futures::future::BoxFuture<'_, bool> {
        Box::pin(std::future::ready(false))
    }
}

impl DrinkFinder for Alone {
    fn find_drink(
        &self,
        _drink: i64,
    ) -> futures::future::BoxFuture<'_, Option<codepop_proto::catalog::UserDrinkSaved>> {
        Box::pin(std::future::ready(None))
    }
}

impl Sightings for Alone {
    fn last_seen(&self, _node: Uuid) -> Option<chrono::DateTime<chrono::Utc>> {
        None
    }

    fn is_linked(&self, _node: Uuid) -> bool {
        false
    }
}

async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
}
