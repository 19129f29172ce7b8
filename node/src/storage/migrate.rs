//! Brings the database to the schema that this program knows: in order, each step in a transaction. A database that a
//! newer program has used is refused.

use diesel::{
    SqliteConnection,
    migration::{MigrationSource, MigrationVersion},
};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Conn, Error, Location, open::Connections};

const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// Runs what is missing and names it, oldest first.
pub(crate) async fn migrate(writer: &Connections) -> Result<Vec<String>, Error> {
    match writer.get().await? {
        Conn::Sqlite(mut object) => object.spawn_blocking(|conn: &mut SqliteConnection| Ok(run(conn, SQLITE))).await?,
        Conn::Postgres(object) => {
            let conn: AsyncPgConnection = diesel_async::pooled_connection::deadpool::Object::take(object);
            // The harness blocks on the connection, so it gets a thread of its own. The connection is closed after it.
            tokio::task::spawn_blocking(move || run(&mut AsyncMigrationHarness::new(conn), POSTGRES))
                .await
                .map_err(|error| Error::Migration(error.to_string()))?
        }
    }
}

/// The migrations that this program knows for a database, oldest first.
///
/// # Errors
/// The program was built without them.
pub fn known_migrations(location: &Location) -> Result<Vec<String>, Error> {
    match location {
        Location::Sqlite(_) => names::<diesel::sqlite::Sqlite>(&SQLITE),
        Location::Postgres(_) => names::<diesel::pg::Pg>(&POSTGRES),
    }
}

fn names<DB: diesel::backend::Backend>(known: &EmbeddedMigrations) -> Result<Vec<String>, Error>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let all = MigrationSource::<DB>::migrations(known).map_err(|error| Error::Migration(error.to_string()))?;
    let mut names: Vec<String> = all.iter().map(|migration| migration.name().version().to_string()).collect();
    names.sort();
    Ok(names)
}

/// Brings a PostgreSQL database to an older schema than the newest, that of a backup: runs those migrations alone.
///
/// # Errors
/// The database failed.
pub async fn migrate_to(location: &Location, versions: &[String]) -> Result<(), Error> {
    let Conn::Postgres(object) = Connections::writer(location)?.get().await? else { return Ok(()) };
    let conn: AsyncPgConnection = diesel_async::pooled_connection::deadpool::Object::take(object);
    let versions = versions.to_vec();
    let work = move || {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::Migration(error.to_string());
        let mut conn = AsyncMigrationHarness::new(conn);
        for migration in conn.pending_migrations(POSTGRES).map_err(failed)? {
            if versions.contains(&migration.name().version().to_string()) {
                conn.run_migration(&migration).map_err(failed)?;
            }
        }
        Ok(())
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Migration(error.to_string()))?
}

fn run<DB, C>(conn: &mut C, known: EmbeddedMigrations) -> Result<Vec<String>, Error>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB>,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::Migration(error.to_string());
    let names: Vec<MigrationVersion<'static>> = MigrationSource::<DB>::migrations(&known)
        .map_err(failed)?
        .iter()
        .map(|migration| migration.name().version().as_owned())
        .collect();
    if let Some(newer) = conn.applied_migrations().map_err(failed)?.iter().find(|applied| !names.contains(applied)) {
        return Err(Error::Newer(newer.to_string()));
    }
    let pending = conn.pending_migrations(known).map_err(failed)?;
    let mut done = Vec::with_capacity(pending.len());
    for migration in pending {
        let version = conn.run_migration(&migration).map_err(failed)?;
        done.push(version.to_string());
    }
    Ok(done)
}
