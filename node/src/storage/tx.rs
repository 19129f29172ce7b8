//! A connection in use: the handle that every query takes, whichever database is behind it.

use std::{fmt::Display, sync::Arc};

use diesel::SqliteConnection;
use diesel_async::{
    AsyncPgConnection, pooled_connection::deadpool::Object, sync_connection_wrapper::SyncConnectionWrapper,
};

use super::threads::Threads;
use crate::{clock::Clock, identity::Author};

/// SQLite behind an async face.
pub type SqliteAsync = SyncConnectionWrapper<SqliteConnection, Threads>;

/// A connection to one of the two databases. Only the [`on!`](crate::on) macro looks inside.
#[allow(clippy::large_enum_variant, reason = "few are alive at a time, and a box would cost every query a step")]
pub enum Conn {
    /// SQLite.
    Sqlite(Object<SqliteAsync>),
    /// PostgreSQL.
    Postgres(Object<AsyncPgConnection>),
}

/// What a write leaves to be done after its commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Events were appended or accepted: senders are woken.
    pub journal: bool,
    /// Personal data was erased: the write-ahead log is emptied too.
    pub erased: bool,
    /// The registry of nodes changed.
    pub registry: bool,
    /// Something was written that people wait for: their streams look.
    pub notices: bool,
}

/// What an operation says it did, for the audit trail; what it does not say is taken from the permit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What was touched: a kind of thing and its number or UUID, never a name.
    pub target: Option<String>,
    /// More about it, in words of the program.
    pub detail: Option<String>,
}

impl About {
    /// Names what was touched.
    pub fn is(&mut self, kind: &str, id: impl Display) {
        self.target = Some(format!("{kind}:{id}"));
    }

    /// Says more about it, after what was said before.
    pub fn says(&mut self, words: &str) {
        self.detail = Some(match self.detail.take() {
            Some(before) => format!("{before}; {words}"),
            None => words.to_owned(),
        });
    }
}

/// A transaction (through the write door) or a reader (through the read door).
pub struct Tx {
    pub(crate) conn: Conn,
    /// The node's clock.
    pub clock: Arc<Clock>,
    /// Who signs what is written.
    pub author: Arc<Author>,
    /// What is to be done after the commit.
    pub signals: Signals,
    /// What the operation says it did.
    pub about: About,
}

impl Tx {
    /// What the database itself finds wrong with its file; nothing when it is whole. PostgreSQL looks after its own pages.
    ///
    /// # Errors
    /// The file is so damaged that it cannot be looked at.
    pub async fn integrity(&mut self) -> Result<Vec<String>, super::Error> {
        use diesel::{QueryableByName, sql_types::Text};
        use diesel_async::RunQueryDsl as _;
        #[derive(QueryableByName)]
        struct Line {
            #[diesel(sql_type = Text)]
            integrity_check: String,
        }
        let Conn::Sqlite(object) = &mut self.conn else { return Ok(Vec::new()) };
        let lines: Vec<Line> = diesel::sql_query("PRAGMA integrity_check").load(&mut **object).await?;
        Ok(lines.into_iter().map(|line| line.integrity_check).filter(|line| line != "ok").collect())
    }
}

/// Runs one diesel expression on whichever database is behind `$tx`: `on!(tx, conn => users.load(conn).await)`. What ends in
/// `.cached()` before it is executed is prepared once a connection ([`Cacheable`](crate::storage::Cacheable)).
#[macro_export]
macro_rules! on {
    ($tx:expr, $conn:ident => $query:expr) => {
        match &mut $tx.conn {
            $crate::storage::Conn::Sqlite(object) => {
                #[allow(unused_imports, reason = "only some statements are to be cached")]
                use $crate::storage::Cacheable as _;
                let $conn = &mut **object;
                $query
            }
            $crate::storage::Conn::Postgres(object) => {
                #[allow(unused_imports, reason = "only some statements are to be cached")]
                use $crate::storage::Cacheable as _;
                let $conn = &mut **object;
                $query
            }
        }
    };
}

/// Executes one diesel statement per row, on SQLite in a single visit to its thread: `each!(tx, rows, row => insert_into(…)…)`.
/// The rows are an owned `Vec`. Gives how many rows each statement touched.
#[macro_export]
macro_rules! each {
    ($tx:expr, $rows:expr, $row:ident => $query:expr) => {
        match &mut $tx.conn {
            $crate::storage::Conn::Sqlite(object) => {
                let rows = $rows;
                object
                    .spawn_blocking(move |conn| {
                        let mut touched = Vec::new();
                        for $row in rows {
                            let statement = $crate::storage::Cacheable::cached($query);
                            touched.push(diesel::RunQueryDsl::execute(statement, conn)?);
                        }
                        Ok(touched)
                    })
                    .await
            }
            $crate::storage::Conn::Postgres(object) => {
                let mut touched = Vec::new();
                let mut outcome = Ok(());
                for $row in $rows {
                    let statement = $crate::storage::Cacheable::cached($query);
                    match diesel_async::RunQueryDsl::execute(statement, &mut **object).await {
                        Ok(count) => touched.push(count),
                        Err(error) => {
                            outcome = Err(error);
                            break;
                        }
                    }
                }
                outcome.map(|()| touched)
            }
        }
    };
}
