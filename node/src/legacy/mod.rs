//! Coming from the old system: a Django database, live or dumped, is brought into this node's store, once or again, whole
//! or in pieces, and every row is accounted for.
//!
//! Reading order: `table`, `copy` and `rows` (how the old rows are read), `dump` and `live` (from where), `snapshot` (one
//! state of all of it), `normal` (putting it right, pure), `bring` (writing it, a batch a transaction), `store` (what was
//! brought before), [`Report`].

mod bring;
mod copy;
mod dump;
mod live;
mod normal;
mod report;
mod rows;
mod snapshot;
mod store;
mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use codepop_shared::identity::Kind;

pub use self::report::{Entity, Report, Rows, Tally, Total};
use self::{
    bring::{Import, Step},
    snapshot::{Loader, Snapshot},
};
use crate::{
    app::Progress,
    journal,
    storage::{self, Db},
};

/// Where the old database is.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A PostgreSQL server. The address may hold a password: it is never shown.
    Live(String),
    /// A file that `pg_dump` wrote.
    Dump(PathBuf),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Live(_) => f.write_str("Live"),
            Self::Dump(path) => write!(f, "Dump {}", path.display()),
        }
    }
}

/// How to import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Writes nothing.
    pub dry_run: bool,
    /// Brings over customers' drinks that are in no order and no favourite.
    pub abandoned_carts: bool,
    /// Tells this database from others, instead of what is in it.
    pub name: Option<String>,
}

/// Why nothing, or not everything, was imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The old database can't be read; nothing was written.
    #[error("{0}")]
    Source(String),
    /// This node is a hub.
    #[error("a database of the old system becomes a store: import it at a store's node, not at a hub's")]
    NoStore,
    /// This node's database failed; what was written before is kept, and the next run goes on from there.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// Something could not be said; as with [`Error::Storage`].
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// A dry run has ended: its transaction is undone, this is what is left of it.
    #[error("the dry run was undone")]
    Undone(Box<Report>),
}

/// Brings an old database to this node's store.
///
/// # Errors
/// [`Error`] says whether anything was written.
pub async fn import(db: &Db, source: Source, options: Options, progress: Progress) -> Result<Report, Error> {
    if db.author().id.kind != Kind::Store {
        return Err(Error::NoStore);
    }
    let (snapshot, report) = read(source, options.name.clone(), progress).await?;
    let import = Import::new(snapshot, report, options.abandoned_carts);
    let outcome = if options.dry_run { rehearse(db, import).await } else { perform(db, import, progress).await };
    progress.done();
    match outcome {
        Err(Error::Undone(report)) => Ok(*report),
        outcome => outcome,
    }
}

async fn read(source: Source, name: Option<String>, progress: Progress) -> Result<(Snapshot, Report), Error> {
    let mut loader = Loader::default();
    let loader = match source {
        Source::Live(url) => {
            live::read(&url, &mut loader, progress).await?;
            loader
        }
        Source::Dump(path) => {
            let work = tokio::task::spawn_blocking(move || {
                dump::read(&path, &mut loader, progress)?;
                Ok::<_, Error>(loader)
            });
            work.await.map_err(|_| Error::Source("reading the dump failed".into()))??
        }
    };
    progress.read(loader.rows());
    loader.finish(name.as_deref())
}

/// Writes step by step, each in a transaction of its own: what is done is done, however this ends.
async fn perform(db: &Db, mut import: Import, progress: Progress) -> Result<Report, Error> {
    let (all, mut done) = (import.rows(), 0);
    for step in import.steps() {
        if let Step::Rows(entity, range) = &step {
            progress.doing(entity.word(), done, all);
            done += range.len();
        }
        import = db
            .write(move |tx| {
                Box::pin(async move {
                    import.step(tx, step).await?;
                    Ok::<_, Error>(import)
                })
            })
            .await?;
    }
    progress.doing("done", done, all);
    Ok(import.report)
}

/// The same steps in one transaction that is undone.
async fn rehearse(db: &Db, mut import: Import) -> Result<Report, Error> {
    db.write(move |tx| {
        Box::pin(async move {
            for step in import.steps() {
                import.step(tx, step).await?;
            }
            Err(Error::Undone(Box::new(import.report)))
        })
    })
    .await
}
