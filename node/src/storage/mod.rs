//! The database behind two doors: [`Db::read`] and [`Db::write`]. Which database it is, SQLite or PostgreSQL, ends here:
//! everything above takes `&mut Tx` and writes its leaf queries once, inside [`on!`](crate::on).
//!
//! Read [`Db`], then `tx.rs`, `writer.rs`, `open.rs`.

mod cached;
mod error;
pub mod figures;
mod migrate;
mod open;
pub mod schema;
mod threads;
mod tx;
pub mod types;
mod writer;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::sync::watch;

pub use self::{
    cached::{Cacheable, Cached},
    error::Error,
    migrate::{known_migrations, migrate_to},
    open::{Location, connect, lock_database},
    tx::{About, Conn, Signals, SqliteAsync, Tx},
};
use self::{open::Connections, writer::Writer};
use crate::{clock::Clock, identity::Author};

/// The node's database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    readers: Connections,
    writer: Writer,
    clock: Arc<Clock>,
    author: Arc<Author>,
    fence: Arc<RwLock<Option<String>>>,
    gate: Arc<watch::Sender<bool>>,
    kind: &'static str,
}

impl Db {
    /// Opens the database and brings it to the newest schema; names the migrations that it ran.
    pub async fn open(
        location: &Location,
        clock: Arc<Clock>,
        author: Arc<Author>,
    ) -> Result<(Self, Vec<String>), Error> {
        let connections = Connections::writer(location)?;
        open::check(&connections).await?;
        let migrated = migrate::migrate(&connections).await?;
        let writer = Writer::spawn(connections, Arc::clone(&clock), Arc::clone(&author))?;
        let readers = Connections::readers(location)?;
        let (fence, gate) = (Arc::default(), Arc::new(watch::Sender::new(true)));
        Ok((Self { readers, writer, clock, author, fence, gate, kind: location.kind() }, migrated))
    }

    /// Opens a database to look at it, whether or not a node uses it: one consistent state of it, in which nothing can be
    /// changed. Nothing is migrated and no lock taken.
    ///
    /// # Errors
    /// There is no such database, or it does not open.
    pub async fn inspect(location: &Location, clock: Arc<Clock>, author: Arc<Author>) -> Result<Tx, Error> {
        if let Location::Sqlite(path) = location
            && !path.is_file()
        {
            return Err(Error::Unavailable(format!("there is no file {}", path.display())));
        }
        let conn = Connections::readers(location)?.get().await?;
        let mut tx = Tx { conn, clock, author, signals: Signals::default(), about: About::default() };
        if matches!(tx.conn, Conn::Sqlite(_)) {
            tx.conn.batch("PRAGMA query_only = ON").await?;
        }
        let begin = tx.snapshot_sql();
        tx.conn.batch(begin).await?;
        Ok(tx)
    }

    /// Reads. Each statement sees what was committed before it.
    pub async fn read<R, E, F>(&self, operation: F) -> Result<R, E>
    where
        E: From<Error>,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<R, E>>,
    {
        let mut tx = self.reader().await?;
        operation(&mut tx).await
    }

    /// Reads from one consistent state of the database, however many statements it takes.
    pub async fn read_consistent<R, E, F>(&self, operation: F) -> Result<R, E>
    where
        E: From<Error>,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<R, E>>,
    {
        let mut snapshot = Snapshot(Some(self.reader().await?));
        let Some(tx) = snapshot.0.as_mut() else { return Err(Error::Unavailable("no connection".into()).into()) };
        tx.conn.batch(tx.snapshot_sql()).await?;
        let result = operation(tx).await;
        tx.conn.batch("COMMIT").await?;
        // Only a reader whose transaction has ended goes back to the others.
        drop(snapshot.0.take());
        result
    }

    /// Writes in a transaction; the effect is on disk when this returns `Ok`, and nothing of it is when it returns an
    /// error.
    pub async fn write<R, E, F>(&self, operation: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<Error> + Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<R, E>> + Send + 'static,
    {
        self.wait_for_gate().await;
        if let Some(why) = self.fenced() {
            return Err(Error::Fenced(why).into());
        }
        self.writer.write(operation).await
    }

    /// As [`Db::write`], for what others said: goes on when the node takes no writes of its own.
    pub async fn receive<R, E, F>(&self, operation: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<Error> + Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<R, E>> + Send + 'static,
    {
        self.writer.write(operation).await
    }

    /// Lets this node's own writes wait until a peer has confirmed that the database is not older than what it holds, or
    /// until `longest` has passed: a node whose peers are all away must go on.
    pub fn hold_writes(&self, longest: Duration) {
        self.gate.send_replace(false);
        let gate = Arc::clone(&self.gate);
        tokio::spawn(async move {
            tokio::time::sleep(longest).await;
            gate.send_replace(true);
        });
    }

    /// A peer has confirmed that the database is up to date with its own words.
    pub fn release_writes(&self) {
        self.gate.send_if_modified(|open| !std::mem::replace(open, true));
    }

    async fn wait_for_gate(&self) {
        if !*self.gate.borrow() {
            // Whoever holds the gate opens it; the sender lives as long as this handle.
            let _ = self.gate.subscribe().wait_for(|open| *open).await;
        }
    }

    /// Takes no writes of this node's own from now on, and says why.
    pub fn fence(&self, why: String) {
        *self.fence.write().unwrap_or_else(PoisonError::into_inner) = Some(why);
        self.release_writes();
    }

    /// Why the node takes no writes, when it does not.
    pub fn fenced(&self) -> Option<String> {
        self.fence.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the last write failed for want of the database, if it did; gone as soon as one succeeds.
    pub fn fault(&self) -> Option<String> {
        self.writer.fault()
    }

    /// Who signs what is written.
    pub fn author(&self) -> &Arc<Author> {
        &self.author
    }

    /// The node's clock.
    pub fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// Changes whenever committed events were appended or accepted.
    pub fn journal_changes(&self) -> watch::Receiver<u64> {
        self.writer.journal()
    }

    /// Changes whenever the registry of nodes does.
    pub fn registry_changes(&self) -> watch::Receiver<u64> {
        self.writer.registry()
    }

    /// Changes whenever personal data was erased.
    pub fn erasures(&self) -> watch::Receiver<u64> {
        self.writer.erasures()
    }

    /// Changes whenever something was written that people wait for.
    pub fn notice_changes(&self) -> watch::Receiver<u64> {
        self.writer.notices()
    }

    /// `sqlite` or `postgres`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    async fn reader(&self) -> Result<Tx, Error> {
        let conn = self.readers.get().await?;
        let (clock, author) = (Arc::clone(&self.clock), Arc::clone(&self.author));
        Ok(Tx { conn, clock, author, signals: Signals::default(), about: About::default() })
    }
}

/// A reader within a transaction. When it is dropped half-way (the caller went away, a statement failed, a panic), its
/// connection is closed: given back open, it would show its old state to everyone after.
struct Snapshot(Option<Tx>);

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Some(tx) = self.0.take() {
            tx.conn.discard();
        }
    }
}

impl Tx {
    fn snapshot_sql(&self) -> &'static str {
        match self.conn {
            Conn::Sqlite(_) => "BEGIN",
            Conn::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

#[cfg(test)]
mod tests;
