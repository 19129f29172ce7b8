//! SQLite's part: a consistent copy of the database while others use it, made by SQLite itself (`VACUUM INTO` reads within
//! one transaction of its own, and writers go on beside it), and the counting of rows.

use std::path::Path;

use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _,
    sql_query,
    sql_types::{BigInt, Text},
};

use super::{Error, TableRows};
use crate::storage;

/// How long a lock of another connection is waited for: checkpoints take milliseconds.
const BUSY: &str = "PRAGMA busy_timeout = 10000;";

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    value: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    value: i64,
}

fn failed(error: diesel::result::Error) -> Error {
    storage::Error::from(error).into()
}

fn open(path: &Path) -> Result<SqliteConnection, Error> {
    // Opening would make what is not there.
    if !path.is_file() {
        return Err(Error::refused(format!("{} is not there: the node has no database yet", path.display())));
    }
    let mut conn = SqliteConnection::establish(&path.to_string_lossy())
        .map_err(|error| storage::Error::Unavailable(error.to_string()))?;
    conn.batch_execute(BUSY).map_err(failed)?;
    Ok(conn)
}

/// Copies one consistent state of a database into another file, which is there and empty.
pub(super) fn copy(database: &Path, to: &Path) -> Result<(), Error> {
    let mut conn = open(database)?;
    sql_query("VACUUM INTO ?").bind::<Text, _>(to.to_string_lossy()).execute(&mut conn).map_err(failed)?;
    Ok(())
}

/// The migrations that a database has had, oldest first.
pub(super) fn migrations(database: &Path) -> Result<Vec<String>, Error> {
    let sql = "SELECT version AS value FROM __diesel_schema_migrations ORDER BY version";
    words(&mut open(database)?, sql)
}

fn words(conn: &mut SqliteConnection, sql: &str) -> Result<Vec<String>, Error> {
    let words: Vec<Word> = sql_query(sql).load(conn).map_err(failed)?;
    Ok(words.into_iter().map(|word| word.value).collect())
}

/// All tables and how many rows they have.
pub(super) fn count(database: &Path) -> Result<Vec<TableRows>, Error> {
    let mut conn = open(database)?;
    let tables =
        "SELECT name AS value FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut counted = Vec::new();
    for table in words(&mut conn, tables)? {
        let sql = format!("SELECT COUNT(*) AS value FROM \"{table}\"");
        let count: Count = sql_query(sql).get_result(&mut conn).map_err(failed)?;
        counted.push(TableRows { table, rows: count.value.unsigned_abs() });
    }
    Ok(counted)
}

/// What SQLite finds wrong with a database; nothing when it is whole.
pub(super) fn check(database: &Path) -> Result<Option<String>, Error> {
    let found = words(&mut open(database)?, "SELECT integrity_check AS value FROM pragma_integrity_check LIMIT 1")?;
    Ok(found.into_iter().next().filter(|word| word != "ok"))
}

/// Keeps a setting in a database, and leaves no log of it behind.
pub(super) fn remember(database: &Path, key: &str, value: &str) -> Result<(), Error> {
    let mut conn = open(database)?;
    conn.batch_execute("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;").map_err(failed)?;
    sql_query("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)")
        .bind::<Text, _>(key)
        .bind::<Text, _>(value)
        .execute(&mut conn)
        .map_err(failed)?;
    Ok(())
}
