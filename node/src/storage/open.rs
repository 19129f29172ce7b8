//! Opens the database: SQLite in the data directory by default, PostgreSQL when asked. The settings on which the promise
//! "an acknowledged write is on disk" hangs are made here, and asserted by a test.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{
    AsyncConnection, AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
        deadpool::{Object, Pool},
    },
};
use futures::{FutureExt, future::BoxFuture};
use tokio_postgres::{NoTls, config::Host};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Conn, Error, SqliteAsync};

/// How many connections read at the same time. SQLite readers each hold a page cache; four keep two cores busy.
const READERS: usize = 4;

/// How long a read waits for a free connection.
const READER_WAIT: Duration = Duration::from_secs(5);

/// How long connecting to PostgreSQL may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of every SQLite connection. `secure_delete` overwrites what is erased; the cache is 2 MiB a connection.
const SQLITE_PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048;";

/// Settings of every PostgreSQL session.
const POSTGRES_SETTINGS: &str = "SET synchronous_commit = on; SET timezone = 'UTC'; SET statement_timeout = '10s'; \
     SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '60s'";

/// Key of the advisory lock that keeps a second node off the same PostgreSQL database ("codepop" in ASCII).
const POSTGRES_LOCK: i64 = 0x63_6f_64_65_70_6f_70;

/// How often the lock is tried, and the pause between two tries: together less than a caller waits for a connection.
const LOCK_TRIES: u32 = 60;

/// Pause between two tries for the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A connection to PostgreSQL that is silent for so long is asked whether the server is alive.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);

/// Time between such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// Questions without an answer until the connection counts as broken.
const KEEPALIVE_RETRIES: u32 = 3;

/// How long what was sent to PostgreSQL may stay without a sign that it arrived: longer than any statement takes.
const SENT_MAX: Duration = Duration::from_secs(20);

/// Complaints about a damaged file that are shown.
const COMPLAINTS_MAX: usize = 3;

/// Where the data are.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database, by URL. The URL may hold a password: it is never shown.
    Postgres(String),
}

impl Location {
    /// `sqlite` or `postgres`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite {}", path.display()),
            Self::Postgres(_) => write!(f, "postgres"),
        }
    }
}

/// Connections of one purpose.
#[derive(Clone)]
pub(crate) enum Connections {
    Sqlite(Pool<SqliteAsync>),
    Postgres(Pool<AsyncPgConnection>),
}

impl Connections {
    /// The one connection that writes.
    pub(crate) fn writer(location: &Location) -> Result<Self, Error> {
        Self::build(location, 1, true)
    }

    /// The connections that read.
    pub(crate) fn readers(location: &Location) -> Result<Self, Error> {
        Self::build(location, READERS, false)
    }

    fn build(location: &Location, size: usize, lock: bool) -> Result<Self, Error> {
        let built =
            |error: diesel_async::pooled_connection::deadpool::BuildError| Error::Unavailable(error.to_string());
        Ok(match location {
            Location::Sqlite(path) => {
                let mut config = ManagerConfig::default();
                config.custom_setup = Box::new(|url| open_sqlite(url).boxed());
                let manager = AsyncDieselConnectionManager::new_with_config(path.to_string_lossy(), config);
                Self::Sqlite(Pool::builder(manager).max_size(size).build().map_err(built)?)
            }
            Location::Postgres(url) => {
                let mut config = ManagerConfig::default();
                // A server that was restarted leaves dead connections behind: each is tried before it is lent.
                config.recycling_method = RecyclingMethod::Verified;
                config.custom_setup = Box::new(move |url| open_postgres(url, lock).boxed());
                let manager = AsyncDieselConnectionManager::new_with_config(url, config);
                Self::Postgres(Pool::builder(manager).max_size(size).build().map_err(built)?)
            }
        })
    }

    /// A connection, waiting a while for a free one.
    pub(crate) async fn get(&self) -> Result<Conn, Error> {
        let unavailable = |error: &dyn std::fmt::Display| Error::Unavailable(error.to_string());
        let conn: BoxFuture<'_, Result<Conn, Error>> = match self {
            Self::Sqlite(pool) => pool.get().map(|got| got.map(Conn::Sqlite).map_err(|e| unavailable(&e))).boxed(),
            Self::Postgres(pool) => pool.get().map(|got| got.map(Conn::Postgres).map_err(|e| unavailable(&e))).boxed(),
        };
        tokio::time::timeout(READER_WAIT, conn)
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("no free connection".into())))
    }
}

impl Conn {
    /// Closes the connection instead of giving it back: its state is not known any more.
    pub(crate) fn discard(self) {
        match self {
            Self::Sqlite(object) => drop(Object::take(object)),
            Self::Postgres(object) => drop(Object::take(object)),
        }
    }

    /// Runs statements without results.
    pub(crate) async fn batch(&mut self, sql: &str) -> Result<(), Error> {
        let done = match self {
            Self::Sqlite(object) => object.batch_execute(sql).await,
            Self::Postgres(object) => object.batch_execute(sql).await,
        };
        done.map_err(Error::from)
    }
}

/// Looks at every page of a SQLite file: a node must not start on a database whose structure is broken. PostgreSQL looks
/// after its own, by checksums, if its cluster was made with them.
///
/// # Errors
/// [`Error::Damaged`] with the first complaints.
pub(crate) async fn check(writer: &Connections) -> Result<(), Error> {
    #[derive(diesel::QueryableByName)]
    struct Complaint {
        #[diesel(sql_type = diesel::sql_types::Text)]
        quick_check: String,
    }
    // A connection that cannot even be set up says why: no header, no schema.
    let mut conn = writer.get().await.map_err(|error| match error {
        Error::Unavailable(why) if super::error::is_damage(&why) => Error::Damaged(why),
        error => error,
    })?;
    let Conn::Sqlite(object) = &mut conn else { return Ok(()) };
    let sql = format!("PRAGMA quick_check({COMPLAINTS_MAX})");
    let found: Vec<Complaint> =
        diesel_async::RunQueryDsl::load(diesel::sql_query(sql), &mut **object).await.map_err(Error::from)?;
    let complaints: Vec<String> = found.into_iter().map(|row| row.quick_check).filter(|text| text != "ok").collect();
    if complaints.is_empty() { Ok(()) } else { Err(Error::Damaged(complaints.join("; "))) }
}

async fn open_sqlite(path: &str) -> ConnectionResult<SqliteAsync> {
    let mut conn = SqliteAsync::establish(path).await?;
    conn.batch_execute(SQLITE_PRAGMAS).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

async fn open_postgres(url: &str, lock: bool) -> ConnectionResult<AsyncPgConnection> {
    let bad = |error: &dyn std::fmt::Display| ConnectionError::BadConnection(error.to_string());
    let mut config: tokio_postgres::Config = url.parse().map_err(|_| bad(&"DATABASE_URL cannot be read"))?;
    config.connect_timeout(CONNECT_TIMEOUT).keepalives_idle(KEEPALIVE_IDLE).keepalives_interval(KEEPALIVE_INTERVAL);
    config.keepalives_retries(KEEPALIVE_RETRIES).tcp_user_timeout(SENT_MAX);
    let mut conn = if is_local(&config) {
        let (client, connection) = config.connect(NoTls).await.map_err(|error| bad(&error))?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await?
    } else {
        config.ssl_mode(tokio_postgres::config::SslMode::Require);
        let (client, connection) = config.connect(tls()).await.map_err(|error| bad(&error))?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await?
    };
    conn.batch_execute(POSTGRES_SETTINGS).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    if lock {
        take_lock(&mut conn).await?;
    }
    Ok(conn)
}

/// Connects to a PostgreSQL database that is not this node's own, under the same rules: TLS unless it is on this machine.
///
/// # Errors
/// The address makes no sense, or nobody answers there. The address itself is not in the error.
pub async fn connect(url: &str) -> Result<tokio_postgres::Client, Error> {
    let unavailable = |error: tokio_postgres::Error| {
        let why = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
        Error::Unavailable(why)
    };
    let mut config: tokio_postgres::Config =
        url.parse().map_err(|_| Error::Unavailable("its address cannot be read".into()))?;
    config.connect_timeout(CONNECT_TIMEOUT);
    if is_local(&config) {
        let (client, connection) = config.connect(NoTls).await.map_err(unavailable)?;
        tokio::spawn(connection);
        return Ok(client);
    }
    config.ssl_mode(tokio_postgres::config::SslMode::Require);
    let (client, connection) = config.connect(tls()).await.map_err(unavailable)?;
    tokio::spawn(connection);
    Ok(client)
}

/// Waits a moment for a session of this node's own that was just closed: the server lets go of its lock a little later.
async fn take_lock(conn: &mut AsyncPgConnection) -> ConnectionResult<()> {
    for _ in 0..LOCK_TRIES {
        if try_lock(conn).await? {
            return Ok(());
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Err(ConnectionError::BadConnection("another node uses this PostgreSQL database".into()))
}

async fn try_lock(conn: &mut AsyncPgConnection) -> ConnectionResult<bool> {
    use diesel::{dsl::sql, sql_types::Bool};
    use diesel_async::RunQueryDsl;
    diesel::select(sql::<Bool>(&format!("pg_try_advisory_lock({POSTGRES_LOCK})")))
        .get_result(conn)
        .await
        .map_err(ConnectionError::CouldntSetupConfiguration)
}

/// Takes the lock that keeps a second node off a PostgreSQL database, until the connection ends. False when another has it.
///
/// # Errors
/// The server does not answer.
pub async fn lock_database(client: &tokio_postgres::Client) -> Result<bool, Error> {
    let sql = format!("SELECT pg_try_advisory_lock({POSTGRES_LOCK})");
    // A connection that was just closed, or whose program was killed, may still have it for a moment.
    for _ in 0..LOCK_TRIES {
        let row = client.query_one(&sql, &[]).await.map_err(|error| Error::Unavailable(error.to_string()))?;
        if row.get(0) {
            return Ok(true);
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Ok(false)
}

/// Whether the server is on this machine: a socket or a loopback address. Everything else gets TLS.
fn is_local(config: &tokio_postgres::Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

fn tls() -> MakeRustlsConnect {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    MakeRustlsConnect::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
