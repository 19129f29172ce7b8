//! What can go wrong with the database, in the few kinds that callers treat differently.

use codepop_shared::{Code, Failure};
use diesel::result::{DatabaseErrorKind, Error as Diesel};

/// A fault of the database. The caller may try again on `Unavailable`; the rest is for the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database does not answer, is locked, full or shutting down. Nothing was written.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// The connection broke while the transaction was being committed: nobody knows whether it was.
    #[error("the connection to the database broke within a commit: {0}")]
    InDoubt(String),
    /// More writes wait than the queue holds. Nothing was written; try again.
    #[error("more writes wait than the queue of {0} holds")]
    Overloaded(usize),
    /// The database takes no writes, because it is older than what peers hold of this node.
    #[error("{0}")]
    Fenced(String),
    /// A statement failed: a fault of the program or a damaged database.
    #[error("query: {0}")]
    Query(#[source] Diesel),
    /// The database was made by a newer program.
    #[error(
        "the database has migration {0}, which this program does not know: it was used by a newer version; run that version"
    )]
    Newer(String),
    /// A migration failed.
    #[error("migrate the database: {0}")]
    Migration(String),
    /// What was read is not what was written.
    #[error("the database is damaged: {0}")]
    Damaged(String),
}

impl Error {
    /// Whether the row was there already.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Query(Diesel::DatabaseError(DatabaseErrorKind::UniqueViolation, _)))
    }
}

impl Error {
    /// Whether the database answers, but not to this: trying again changes nothing.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Query(_) | Self::Damaged(_))
    }
}

impl From<Diesel> for Error {
    fn from(error: Diesel) -> Self {
        match &error {
            Diesel::DatabaseError(
                DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
                why,
            ) => Self::Unavailable(why.message().to_owned()),
            Diesel::DatabaseError(DatabaseErrorKind::SerializationFailure, why) => {
                Self::Unavailable(why.message().to_owned())
            }
            Diesel::DatabaseError(DatabaseErrorKind::Unknown, why) if is_passing(why.message()) => {
                Self::Unavailable(why.message().to_owned())
            }
            Diesel::DatabaseError(DatabaseErrorKind::Unknown, why) if is_damage(why.message()) => {
                tracing::error!(error = why.message(), "the database is damaged: stop the node and restore it");
                metrics::counter!("codepop_database_damage_total").increment(1);
                Self::Damaged(why.message().to_owned())
            }
            Diesel::BrokenTransactionManager => Self::Unavailable("the connection broke within a transaction".into()),
            _ => Self::Query(error),
        }
    }
}

/// Messages of SQLite and PostgreSQL for states of the machine rather than faults of the statement.
fn is_passing(message: &str) -> bool {
    const PASSING: &[&str] = &[
        "database is locked",
        "database or disk is full",
        "disk I/O error",
        "unable to open database file",
        "connection closed",
        "the database system is",
        "terminating connection",
        // A statement or a lock took too long.
        "canceling statement",
        "interrupted",
        "No space left on device",
        "server closed the connection",
        "attempt to write a readonly database",
    ];
    PASSING.iter().any(|text| message.contains(text))
}

/// Messages of SQLite and PostgreSQL for pages that are not what was written.
pub(super) fn is_damage(message: &str) -> bool {
    const DAMAGE: &[&str] =
        &["database disk image is malformed", "file is not a database", "malformed database schema", "invalid page in block"];
    DAMAGE.iter().any(|text| message.contains(text))
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error {
            Error::Unavailable(_) => Self::new(
                Code::StorageUnavailable,
                "The node's database does not answer; nothing was written. Try again soon.",
            ),
            // Not `storage_unavailable`: with that word a node says that another one may be asked.
            Error::InDoubt(_) => Self::new(
                Code::Unavailable,
                "The node's database broke off within a commit; it is not known whether the request was carried out.",
            ),
            Error::Overloaded(_) => Self::new(
                Code::Overloaded,
                "The node has more to write than it can; nothing was written. Try again soon.",
            ),
            Error::Fenced(why) => Self::new(Code::StaleDatabase, why.clone()),
            Error::Query(_) | Error::Newer(_) | Error::Migration(_) | Error::Damaged(_) => {
                Self::new(Code::Internal, "Something went wrong at the node; its log has the details.")
            }
        }
    }
}
