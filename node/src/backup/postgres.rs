//! PostgreSQL's part: all tables within one transaction that sees one state and writes nothing, by COPY; and back, within
//! one transaction, into a database that has the same tables and nothing in them.

use std::pin::pin;

use bytes::Bytes;
use futures::{SinkExt as _, TryStreamExt as _};
use tokio::sync::mpsc;
use tokio_postgres::{Client, CopyInSink};

use super::{
    Error, TableRows,
    format::{PIECE_MAX, Piece, TableColumns},
    said,
};
use crate::storage;

/// One state, never written to. A large table takes longer than any other statement.
const BEGIN_READING: &str =
    "SET timezone = 'UTC'; SET statement_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The table in which migrations are kept; it comes from the program, not from a backup.
const MIGRATIONS: &str = "__diesel_schema_migrations";

/// Tables of the database, with their columns; those that others refer to before those.
async fn tables(client: &Client) -> Result<Vec<TableColumns>, Error> {
    let sql = "SELECT c.table_name::text, c.column_name::text FROM information_schema.columns c \
               JOIN information_schema.tables t USING (table_schema, table_name) \
               WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' \
               ORDER BY c.table_name, c.ordinal_position";
    let mut found: Vec<TableColumns> = Vec::new();
    for row in client.query(sql, &[]).await.map_err(|error| said(&error))? {
        let (table, column): (String, String) = (row.get(0), row.get(1));
        match found.last_mut() {
            Some(last) if last.table == table => last.columns.push(column),
            _ => found.push(TableColumns { table, columns: vec![column] }),
        }
    }
    found.retain(|table| table.table != MIGRATIONS);
    Ok(in_order(found, &references(client).await?))
}

/// Which table refers to which.
async fn references(client: &Client) -> Result<Vec<(String, String)>, Error> {
    let sql = "SELECT a.relname::text, b.relname::text FROM pg_constraint k JOIN pg_class a ON a.oid = k.conrelid \
               JOIN pg_class b ON b.oid = k.confrelid WHERE k.contype = 'f'";
    let rows = client.query(sql, &[]).await.map_err(|error| said(&error))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Puts every table after those that it refers to.
fn in_order(mut left: Vec<TableColumns>, references: &[(String, String)]) -> Vec<TableColumns> {
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let waits = |table: &TableColumns| {
            let mut to = references.iter().filter(|(from, to)| *from == table.table && to != from);
            to.any(|(_, to)| left.iter().any(|other| other.table == *to))
        };
        let (later, now): (Vec<_>, Vec<_>) = left.iter().cloned().partition(waits);
        // Tables that refer to each other in a circle come as they are; there are none.
        if now.is_empty() {
            ordered.extend(later);
            return ordered;
        }
        ordered.extend(now);
        left = later;
    }
    ordered
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    quoted.join(", ")
}

/// Reads the whole database and sends it piece by piece; ends with what was counted. The pieces wait for whoever writes
/// them, a few at a time.
pub(super) async fn dump(url: &str, to: mpsc::Sender<Piece>) -> Result<Vec<TableRows>, Error> {
    let client = storage::connect(url).await?;
    client.batch_execute(BEGIN_READING).await.map_err(|error| said(&error))?;
    let mut counted = Vec::new();
    for table in tables(&client).await? {
        let name = quoted(std::slice::from_ref(&table.table));
        let row = client.query_one(&format!("SELECT COUNT(*) FROM {name}"), &[]).await.map_err(|error| said(&error))?;
        counted.push(TableRows { table: table.table.clone(), rows: row.get::<_, i64>(0).unsigned_abs() });
        let sql = format!("COPY {name} ({}) TO STDOUT (FORMAT binary)", quoted(&table.columns));
        let gone = || Error::from(storage::Error::Unavailable("the backup could not be written".into()));
        to.send(Piece::Table(table)).await.map_err(|_| gone())?;
        let mut stream = pin!(client.copy_out(&sql).await.map_err(|error| said(&error))?);
        let mut held = Vec::with_capacity(PIECE_MAX);
        while let Some(chunk) = stream.try_next().await.map_err(|error| said(&error))? {
            held.extend_from_slice(&chunk);
            if held.len() >= PIECE_MAX {
                let full = std::mem::replace(&mut held, Vec::with_capacity(PIECE_MAX));
                to.send(Piece::Data(full)).await.map_err(|_| gone())?;
            }
        }
        if !held.is_empty() {
            to.send(Piece::Data(held)).await.map_err(|_| gone())?;
        }
    }
    client.batch_execute("COMMIT").await.map_err(|error| said(&error))?;
    Ok(counted)
}

/// The migrations that a database has had, oldest first.
pub(super) async fn migrations(url: &str) -> Result<Vec<String>, Error> {
    let client = storage::connect(url).await?;
    let sql = format!("SELECT version::text FROM {MIGRATIONS} ORDER BY version");
    let rows = client.query(&sql, &[]).await.map_err(|error| said(&error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Whether nothing was ever written to a database: it has no tables, or nothing in them.
pub(super) async fn is_fresh(url: &str) -> Result<bool, Error> {
    let client = storage::connect(url).await?;
    for table in tables(&client).await? {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", quoted(&[table.table]));
        let row = client.query_one(&sql, &[]).await.map_err(|error| said(&error))?;
        if row.get(0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes a whole database back, in one transaction that is committed when all of it was there and proved to be whole.
pub(super) struct Load {
    client: Client,
    sink: Option<std::pin::Pin<Box<CopyInSink<Bytes>>>>,
    table: String,
    written: Vec<TableRows>,
}

impl Load {
    pub(super) async fn begin(url: &str) -> Result<Self, Error> {
        let client = storage::connect(url).await?;
        let begin = "SET timezone = 'UTC'; SET synchronous_commit = on; SET statement_timeout = 0; BEGIN";
        if !storage::lock_database(&client).await? {
            return Err(Error::refused("another node uses this PostgreSQL database"));
        }
        client.batch_execute(begin).await.map_err(|error| said(&error))?;
        Ok(Self { client, sink: None, table: String::new(), written: Vec::new() })
    }

    pub(super) async fn piece(&mut self, piece: Piece) -> Result<(), Error> {
        match piece {
            Piece::Table(table) => {
                self.end_table().await?;
                let name = quoted(std::slice::from_ref(&table.table));
                let sql = format!("COPY {name} ({}) FROM STDIN (FORMAT binary)", quoted(&table.columns));
                self.sink = Some(Box::pin(self.client.copy_in(&sql).await.map_err(|error| said(&error))?));
                self.table = table.table;
                Ok(())
            }
            Piece::Data(bytes) => match &mut self.sink {
                Some(sink) => sink.send(Bytes::from(bytes)).await.map_err(|error| said(&error)),
                None => Err(Error::refused("the backup has data that are of no table")),
            },
        }
    }

    async fn end_table(&mut self) -> Result<(), Error> {
        if let Some(mut sink) = self.sink.take() {
            let rows = sink.as_mut().finish().await.map_err(|error| said(&error))?;
            self.written.push(TableRows { table: std::mem::take(&mut self.table), rows });
        }
        Ok(())
    }

    /// Ends the last table, puts counters of rows after those that are there, and tells what was written. Nothing is kept
    /// before [`Load::commit`].
    pub(super) async fn finish(&mut self) -> Result<Vec<TableRows>, Error> {
        self.end_table().await?;
        let sql = "SELECT table_name::text, column_name::text FROM information_schema.columns \
                   WHERE table_schema = 'public' AND is_identity = 'YES'";
        for row in self.client.query(sql, &[]).await.map_err(|error| said(&error))? {
            let (table, column): (String, String) = (row.get(0), row.get(1));
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('\"{table}\"', '{column}'), \
                 (SELECT COALESCE(MAX(\"{column}\"), 0) + 1 FROM \"{table}\"), false)"
            );
            self.client.query(&sql, &[]).await.map_err(|error| said(&error))?;
        }
        Ok(std::mem::take(&mut self.written))
    }

    /// Keeps a setting.
    pub(super) async fn remember(&self, key: &str, value: &str) -> Result<(), Error> {
        let sql = "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = $2";
        self.client.execute(sql, &[&key, &value]).await.map_err(|error| said(&error))?;
        Ok(())
    }

    pub(super) async fn commit(self) -> Result<(), Error> {
        self.client.batch_execute("COMMIT").await.map_err(|error| said(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_referred_to_comes_first() {
        let table = |name: &str| TableColumns { table: name.into(), columns: Vec::new() };
        let refers = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let references = [refers("a", "c"), refers("c", "d"), refers("a", "a")];
        let ordered = in_order(["a", "b", "c", "d"].map(table).to_vec(), &references);
        let names: Vec<&str> = ordered.iter().map(|table| table.table.as_str()).collect();
        assert_eq!(names, ["b", "d", "c", "a"]);
    }
}
