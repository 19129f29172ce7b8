//! Backups: one file with everything that a node's database holds, taken while the node runs, and put back into the
//! database of the node that takes its place. Private keys are never in it; who finds it can't speak for the node.
//!
//! Reading order: `format` (the file), `age` (encryption, when asked for), `sqlite` and `postgres` (the payload),
//! `create`, `verify`, `restore`, `schedule` (a task of the running node), `vault` (what a hub keeps of stores).

pub mod age;
mod create;
mod format;
mod pages;
mod postgres;
mod restore;
pub mod schedule;
mod sqlite;
#[cfg(test)]
mod tests;
pub mod vault;
mod verify;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use self::{
    create::{Made, Order, create},
    format::{Header, TableRows, Trailer},
    restore::{Restore, Restored, UNFINISHED_FILE, refuse_unfinished, restore},
    verify::verify,
};
use crate::storage;

/// How names of backups end.
pub const ENDING: &str = "codepop-backup";

/// Why there is no backup, or why it is not put back. One line each.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for is not allowed or makes no sense; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// The file is not what was written: cut off, changed, or none of ours. Nothing of it is used.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The key is none, or not the one.
    #[error(transparent)]
    Key(#[from] age::Error),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl Error {
    fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }
}

fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { path, source }
}

/// What the database's driver says, without the statement, which may hold data.
fn said(error: &tokio_postgres::Error) -> Error {
    let why = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    storage::Error::Unavailable(why).into()
}

/// Runs work that waits for disks, off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(storage::Error::Unavailable("the program is stopping".into()).into()),
    }
}

/// A file beside another one: on the same disk, so that it can take the other's name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// A new file that only its owner may read; what a broken-off run left there goes.
fn fresh_private(path: &Path) -> Result<std::fs::File, Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file(path)(error)),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(file(path))
}

/// Has a file's new name on disk.
fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(file(folder))
}

/// A file that goes when this does: nothing half-made stays behind a failure.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        // It may have got its name by now, or never been made.
        drop(std::fs::remove_file(&self.0));
    }
}
