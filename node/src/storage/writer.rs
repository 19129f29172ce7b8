//! The write door: one task, one connection, one transaction at a time. Operations that arrive while a transaction runs
//! share the next one, each behind a savepoint, and are all answered after its commit: one sync to disk for many.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use diesel::{QueryableByName, sql_query, sql_types::Integer};
use diesel_async::RunQueryDsl as _;
use futures::{FutureExt, future::BoxFuture};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use super::{About, Conn, Error, Signals, Tx, open::Connections, threads::writer_thread};
use crate::{clock::Clock, identity::Author};

/// Writes that may wait. At 4,000 a second it is a quarter of a second of work; more is answered `overloaded`.
const QUEUE_MAX: usize = 1_024;

/// Operations that share a transaction: enough to spread the cost of a sync, few enough to keep waits short.
const BATCH_MAX: usize = 64;

/// How long a database server may take for the operations of one transaction, and again for the commit. The longest, taking
/// in a batch of events, takes a second; one that keeps its connection and never answers must not hold up writes for ever.
const SERVER_WAIT: Duration = Duration::from_secs(60);

/// Ends one operation and begins the next, in one round trip.
const NEXT: &str = "RELEASE SAVEPOINT operation; SAVEPOINT operation";

/// Tells what became of an operation once the transaction's fate is known.
type Reply = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// An operation on its way to the writer: runs in the transaction, then says whether to keep its effect.
type Job = Box<dyn for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, (bool, Reply)> + Send>;

/// Where writes are handed in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
    journal: watch::Receiver<u64>,
    registry: watch::Receiver<u64>,
    erasures: watch::Receiver<u64>,
    notices: watch::Receiver<u64>,
    fault: watch::Receiver<Option<String>>,
}

impl Writer {
    /// Starts the writer. SQLite's blocks, and has a thread of its own; PostgreSQL's waits for a socket like any task.
    pub(crate) fn spawn(connections: Connections, clock: Arc<Clock>, author: Arc<Author>) -> Result<Self, Error> {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let (wake, journal) = watch::channel(0);
        let (wake_registry, registry) = watch::channel(0);
        let (wake_erasures, erasures) = watch::channel(0);
        let (wake_notices, notices) = watch::channel(0);
        let (faults, fault) = watch::channel(None);
        let blocks = matches!(connections, Connections::Sqlite(_));
        let task = Task {
            connections,
            clock,
            author,
            queue,
            wake,
            wake_registry,
            wake_erasures,
            wake_notices,
            faults,
            log_holds_erased: false,
        };
        if blocks {
            writer_thread(task.run()).map_err(|error| Error::Unavailable(error.to_string()))?;
        } else {
            tokio::spawn(task.run());
        }
        Ok(Self { jobs, journal, registry, erasures, notices, fault })
    }

    /// Changes whenever committed events were appended or accepted.
    pub(crate) fn journal(&self) -> watch::Receiver<u64> {
        self.journal.clone()
    }

    /// Changes whenever the registry of nodes does.
    pub(crate) fn registry(&self) -> watch::Receiver<u64> {
        self.registry.clone()
    }

    /// Changes whenever personal data was erased.
    pub(crate) fn erasures(&self) -> watch::Receiver<u64> {
        self.erasures.clone()
    }

    /// Changes whenever something was written that people wait for.
    pub(crate) fn notices(&self) -> watch::Receiver<u64> {
        self.notices.clone()
    }

    /// Why the last transaction failed, if it did: a disk that is full, a lock that another program holds.
    pub(crate) fn fault(&self) -> Option<String> {
        self.fault.borrow().clone()
    }

    /// Runs `operation` in a transaction; its effect is on disk when this returns `Ok`.
    pub(crate) async fn write<R, E, F>(&self, operation: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<Error> + Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<R, E>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel::<Result<R, E>>();
        let job: Job = Box::new(move |tx| {
            async move {
                let result = operation(tx).await;
                let keep = result.is_ok();
                let reply: Reply = Box::new(move |fate| {
                    // The caller may have gone away; the write stands all the same.
                    drop(answer.send(fate.map_err(E::from).and(result)));
                });
                (keep, reply)
            }
            .boxed()
        });
        self.jobs.try_send(job).map_err(|_| E::from(Error::Overloaded(QUEUE_MAX)))?;
        match answered.await {
            Ok(result) => result,
            Err(_) => Err(E::from(Error::Unavailable("the operation broke off".into()))),
        }
    }
}

struct Task {
    connections: Connections,
    clock: Arc<Clock>,
    author: Arc<Author>,
    queue: mpsc::Receiver<Job>,
    wake: watch::Sender<u64>,
    wake_registry: watch::Sender<u64>,
    wake_erasures: watch::Sender<u64>,
    wake_notices: watch::Sender<u64>,
    /// Why the last transaction failed, if it did.
    faults: watch::Sender<Option<String>>,
    /// Erased data may still stand in the write-ahead log.
    log_holds_erased: bool,
}

impl Task {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while self.queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
            match self.connections.get().await {
                Ok(conn) => self.transact(conn, &mut batch).await,
                // Dropping the jobs drops their answers: each caller learns that the operation broke off.
                Err(error) => {
                    tracing::error!(error = %error, writes = batch.len(), "writes refused: no connection to the database");
                    self.faults.send_replace(Some(error.to_string()));
                    batch.clear();
                }
            }
        }
    }

    /// One transaction for the whole batch, with a savepoint an operation.
    async fn transact(&mut self, conn: Conn, batch: &mut Vec<Job>) {
        let (clock, author) = (Arc::clone(&self.clock), Arc::clone(&self.author));
        let mut tx = Tx { conn, clock, author, signals: Signals::default(), about: About::default() };
        let mut replies = Vec::with_capacity(batch.len());
        let is_remote = matches!(tx.conn, Conn::Postgres(_));
        let mut fate = in_time(is_remote, run_all(&mut tx, batch, &mut replies), Error::Unavailable).await;
        // Those that did not begin learn that they broke off.
        batch.clear();
        if fate.is_ok() {
            fate = in_time(is_remote, tx.commit(), Error::InDoubt).await;
        }
        match fate {
            Ok(()) => {
                self.faults.send_if_modified(|fault| fault.take().is_some());
                self.after_commit(tx).await;
                replies.into_iter().for_each(|reply: Reply| reply(Ok(())));
            }
            Err(error) => {
                tracing::error!(error = %error, writes = replies.len(), "a transaction failed; nothing of it was written");
                tx.conn.discard();
                self.faults.send_replace(Some(error.to_string()));
                let (why, in_doubt) = (error.to_string(), matches!(error, Error::InDoubt(_)));
                let told = |why: String| if in_doubt { Error::InDoubt(why) } else { Error::Unavailable(why) };
                replies.into_iter().for_each(|reply: Reply| reply(Err(told(why.clone()))));
            }
        }
    }

    async fn after_commit(&mut self, mut tx: Tx) {
        if tx.signals.journal {
            self.wake.send_modify(|version| *version += 1);
        }
        if tx.signals.registry {
            self.wake_registry.send_modify(|version| *version += 1);
        }
        if tx.signals.notices {
            self.wake_notices.send_modify(|version| *version += 1);
        }
        if tx.signals.erased {
            self.wake_erasures.send_modify(|version| *version += 1);
            self.log_holds_erased = true;
        }
        if self.log_holds_erased {
            match tx.empty_log().await {
                Ok(emptied) => self.log_holds_erased = !emptied,
                Err(error) => {
                    tracing::warn!(
                        error = %error,
                        "the write-ahead log with erased data could not be emptied; trying after the next write"
                    )
                }
            }
        }
    }
}

/// Waits for a server no longer than it may take; what is told then is up to where it was. The own disk is no server: what
/// takes long there is being done.
async fn in_time(
    is_remote: bool,
    work: impl Future<Output = Result<(), Error>>,
    told: fn(String) -> Error,
) -> Result<(), Error> {
    if !is_remote {
        return work.await;
    }
    let late = || told(format!("the database server did not answer for {} s", SERVER_WAIT.as_secs()));
    timeout(SERVER_WAIT, work).await.unwrap_or_else(|_| Err(late()))
}

/// Runs a batch of operations, each behind a savepoint. An error means that the whole transaction is lost.
async fn run_all(tx: &mut Tx, batch: &mut Vec<Job>, replies: &mut Vec<Reply>) -> Result<(), Error> {
    tx.begin().await?;
    for (at, job) in batch.drain(..).enumerate() {
        if at > 0 {
            tx.conn.batch(NEXT).await?;
        }
        run_one(tx, job, replies).await?;
    }
    Ok(())
}

/// Runs one operation behind the savepoint that is set. An error means that the whole transaction is lost.
async fn run_one(tx: &mut Tx, job: Job, replies: &mut Vec<Reply>) -> Result<(), Error> {
    let before = tx.signals;
    tx.about = About::default();
    let outcome = AssertUnwindSafe(job(tx)).catch_unwind().await;
    let keep = match outcome {
        Ok((keep, reply)) => {
            replies.push(reply);
            keep
        }
        Err(_) => {
            tracing::error!("an operation panicked; its effect is undone");
            false
        }
    };
    if keep {
        return Ok(());
    }
    tx.signals = before;
    tx.conn.batch("ROLLBACK TO SAVEPOINT operation").await
}

impl Tx {
    /// Begins, with the first operation's savepoint. SQLite takes its write lock at once, so that a transaction can't fail
    /// half-way for want of it.
    async fn begin(&mut self) -> Result<(), Error> {
        let sql = match self.conn {
            Conn::Sqlite(_) => "BEGIN IMMEDIATE; SAVEPOINT operation",
            Conn::Postgres(_) => "BEGIN; SAVEPOINT operation",
        };
        self.conn.batch(sql).await
    }

    /// Commits. SQLite has not committed when it says so; of a PostgreSQL server that goes away meanwhile nobody knows.
    async fn commit(&mut self) -> Result<(), Error> {
        let is_remote = matches!(self.conn, Conn::Postgres(_));
        // PostgreSQL would answer a commit after a failed statement with a silent rollback; the release says so.
        self.conn.batch("RELEASE SAVEPOINT operation; COMMIT").await.map_err(|error| match error {
            Error::Unavailable(why) if is_remote => Error::InDoubt(why),
            error => error,
        })
    }

    /// Moves SQLite's write-ahead log into the (securely erased) database and empties it; waits for readers as long as
    /// any statement does. False when a reader was slower.
    async fn empty_log(&mut self) -> Result<bool, Error> {
        match &mut self.conn {
            Conn::Sqlite(object) => {
                let busy: i32 =
                    sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result::<Checkpoint>(&mut **object).await?.busy;
                Ok(busy == 0)
            }
            Conn::Postgres(_) => Ok(true),
        }
    }
}

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = Integer)]
    busy: i32,
}
