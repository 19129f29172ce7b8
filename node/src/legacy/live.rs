//! A running PostgreSQL database of the old system: read within one read-only transaction that sees one state of it, in
//! the same form in which dumps have their rows.

use futures::TryStreamExt as _;
use tokio_postgres::Client;

use super::{Error, snapshot::Loader, table::Table};
use crate::{app::Progress, storage};

/// Longest row, in bytes: as in a dump.
const ROW_MAX: usize = 4 * 1_024 * 1_024;

/// One state, never written to, and texts as dumps have them.
const BEGIN: &str = "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET extra_float_digits = 1; SET statement_timeout = 0; \
     BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Reads a database.
///
/// # Errors
/// The server can't be reached, or the database is not of the old system.
pub(super) async fn read(url: &str, loader: &mut Loader, progress: Progress) -> Result<(), Error> {
    let client = storage::connect(url).await.map_err(|error| Error::Source(error.to_string()))?;
    client.batch_execute(BEGIN).await.map_err(|error| said(&error))?;
    for table in Table::ALL {
        if exists(&client, table).await? {
            let columns: Vec<String> = table.columns().iter().map(|column| (*column).to_owned()).collect();
            loader.table(table, &columns)?;
            rows(&client, table, loader).await?;
            progress.reading(loader.rows());
        }
    }
    client.batch_execute("COMMIT").await.map_err(|error| said(&error))
}

async fn exists(client: &Client, table: Table) -> Result<bool, Error> {
    let sql = format!("SELECT to_regclass('\"{}\"') IS NOT NULL", table.name());
    let row = client.query_one(&sql, &[]).await.map_err(|error| said(&error))?;
    row.try_get(0).map_err(|error| said(&error))
}

async fn rows(client: &Client, table: Table, loader: &mut Loader) -> Result<(), Error> {
    let columns: Vec<String> = table.columns().iter().map(|column| format!("\"{column}\"")).collect();
    let sql = format!("COPY (SELECT {} FROM \"{}\") TO STDOUT", columns.join(", "), table.name());
    let stream = client.copy_out(&sql).await.map_err(|error| said(&error))?;
    futures::pin_mut!(stream);
    let mut rest = Vec::new();
    while let Some(chunk) = stream.try_next().await.map_err(|error| said(&error))? {
        rest.extend_from_slice(&chunk);
        let mut done = 0;
        while let Some(length) = rest[done..].iter().position(|byte| *byte == b'\n') {
            loader.row(table, &rest[done..done + length])?;
            done += length + 1;
        }
        rest.drain(..done);
        if rest.len() > ROW_MAX {
            return Err(Error::Source(format!("table {} has a row of more than {ROW_MAX} bytes", table.name())));
        }
    }
    Ok(())
}

/// What the server said, without what it was asked.
fn said(error: &tokio_postgres::Error) -> Error {
    let text = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    Error::Source(format!("the old database: {text}"))
}
