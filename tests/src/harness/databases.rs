//! Where a node's rows are: SQLite in its folder, or a PostgreSQL database of its own that goes with it.

use std::path::Path;

use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection, sql_query, sql_types};
use tokio_postgres::NoTls;
use uuid::Uuid;

/// Which database the nodes of a mesh use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file in the data directory.
    Sqlite,
    /// A new database of the server that `TEST_POSTGRES_URL` names.
    Postgres,
}

/// A PostgreSQL database, dropped with this.
#[derive(Debug)]
pub struct PostgresDatabase {
    admin: String,
    name: String,
}

impl PostgresDatabase {
    /// Makes an empty one.
    ///
    /// # Panics
    /// `TEST_POSTGRES_URL` is not set, or the server does not answer.
    pub async fn create() -> Self {
        let admin = std::env::var("TEST_POSTGRES_URL")
            .expect("TEST_POSTGRES_URL names the PostgreSQL server for tests; ./scripts/test.sh starts one");
        let name = format!("mesh_{}", Uuid::now_v7().simple());
        execute(&admin, &format!("CREATE DATABASE {name}")).await;
        Self { admin, name }
    }

    /// Its address.
    pub fn url(&self) -> String {
        let (server, _) = self.admin.rsplit_once('/').expect("TEST_POSTGRES_URL ends in /<database>");
        format!("{server}/{}", self.name)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let (admin, sql) = (self.admin.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        // A thread with its own runtime: `drop` can't wait on the test's.
        let done = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(execute(&admin, &sql));
        });
        done.join().unwrap();
    }
}

/// The first column, as text, of what a PostgreSQL database answers.
///
/// # Panics
/// It does not answer, or the column is no text.
pub async fn sql(url: &str, query: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let rows = client.query(query, &[]).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[derive(diesel::QueryableByName)]
struct Word {
    #[diesel(sql_type = sql_types::Text)]
    word: String,
}

/// The column `word` of what a SQLite database answers.
///
/// # Panics
/// It does not answer.
pub fn sqlite_sql(file: &Path, query: &str) -> Vec<String> {
    let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    sql_query(query).load::<Word>(&mut conn).unwrap().into_iter().map(|row| row.word).collect()
}

async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
}
