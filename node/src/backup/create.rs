//! Taking a backup: into a new file beside the wanted one, which gets its name when all of it is on disk.

use std::{
    fs::File,
    io::{BufWriter, Read as _, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use codepop_shared::identity::SpiffeId;
use tokio::sync::mpsc;

use super::{
    ENDING, Error, Header, Passing, Trailer,
    age::{Recipient, Seal},
    beside, blocking, file,
    format::{PIECE_MAX, Piece, Writer},
    fresh_private, postgres, sqlite, sync_folder,
};
use crate::storage::Location;

/// Pieces that wait to be written: a few, so that neither side waits for each byte of the other.
pub(super) const WAITING_MAX: usize = 8;

/// What is to be backed up, and where to.
#[derive(Clone, Debug)]
pub struct Order {
    /// Whose database it is.
    pub id: SpiffeId,
    /// Where the database is.
    pub location: Location,
    /// A file to make, or a folder in which one with a name of its own is made.
    pub to: PathBuf,
    /// For whom it is encrypted, if it is.
    pub recipient: Option<Recipient>,
    /// Whether a file that is there may be replaced.
    pub force: bool,
    /// The present time.
    pub now: DateTime<Utc>,
}

/// A backup that was taken.
#[derive(Clone, Debug)]
pub struct Made {
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// What it says of itself.
    pub header: Header,
    /// What was counted.
    pub trailer: Trailer,
    /// How long it took.
    pub took: Duration,
}

/// Takes a backup. The node may run meanwhile, and nobody waits for it.
///
/// # Errors
/// The file is there already, or database or disk failed; nothing is left of it then.
pub async fn create(order: Order) -> Result<Made, Error> {
    let begun = Instant::now();
    let path = destination(&order)?;
    let header = header(&order).await?;
    let (unfinished, copy) = (beside(&path, ".unfinished"), beside(&path, ".copy"));
    let _passing = (Passing(unfinished.clone()), Passing(copy.clone()));
    let to = Target { path: path.clone(), unfinished, recipient: order.recipient, force: order.force };
    let (bytes, trailer) = match order.location {
        Location::Sqlite(database) => of_sqlite(database, copy, to, header.clone()).await?,
        Location::Postgres(url) => of_postgres(&url, to, header.clone()).await?,
    };
    Ok(Made { path, bytes, header, trailer, took: begun.elapsed() })
}

fn destination(order: &Order) -> Result<PathBuf, Error> {
    let path = if order.to.is_dir() { order.to.join(name(&order.id, order.now)) } else { order.to.clone() };
    if path.file_name().is_none() {
        return Err(Error::refused(format!("{} names no file", path.display())));
    }
    refuse_existing(&path, order.force)?;
    Ok(path)
}

fn refuse_existing(path: &Path, force: bool) -> Result<(), Error> {
    if path.exists() && !force {
        return Err(Error::refused(format!(
            "{} is there already: nothing was changed (--force replaces it)",
            path.display()
        )));
    }
    Ok(())
}

/// The name of a backup in a folder: in the order of names is the order of time.
fn name(id: &SpiffeId, now: DateTime<Utc>) -> String {
    format!("{}-{}-{}.{ENDING}", id.chain, id.number, now.format("%Y%m%dT%H%M%S%3fZ"))
}

async fn header(order: &Order) -> Result<Header, Error> {
    let migrations = match order.location.clone() {
        Location::Sqlite(database) => blocking(move || sqlite::migrations(&database)).await?,
        Location::Postgres(url) => postgres::migrations(&url).await?,
    };
    let id = &order.id;
    Ok(Header {
        chain: id.chain.clone(),
        node_id: id.uuid,
        node_number: id.number,
        kind: id.kind.to_string(),
        region: id.region.clone(),
        database: order.location.kind().to_owned(),
        migrations,
        taken_at: order.now,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Where a backup goes.
struct Target {
    path: PathBuf,
    unfinished: PathBuf,
    recipient: Option<Recipient>,
    force: bool,
}

/// The file, encrypted or not.
enum Sink {
    Plain(BufWriter<File>),
    Sealed(Box<Seal<BufWriter<File>>>),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(to) => to.write(bytes),
            Self::Sealed(to) => to.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(to) => to.flush(),
            Self::Sealed(to) => to.flush(),
        }
    }
}

impl Target {
    fn begin(&self, header: &Header) -> Result<Writer<Sink>, Error> {
        let to = BufWriter::new(fresh_private(&self.unfinished)?);
        let sink = match &self.recipient {
            Some(recipient) => Sink::Sealed(Box::new(Seal::begin(to, recipient)?)),
            None => Sink::Plain(to),
        };
        Writer::begin(sink, header).map_err(file(&self.unfinished))
    }

    /// Has all of it on disk, and then under its name.
    fn finish(&self, sink: Sink) -> Result<u64, Error> {
        let to = match sink {
            Sink::Plain(to) => to,
            Sink::Sealed(seal) => seal.finish()?,
        };
        let done = to.into_inner().map_err(|error| file(&self.unfinished)(error.into_error()))?;
        done.sync_all().map_err(file(&self.unfinished))?;
        let bytes = done.metadata().map_err(file(&self.unfinished))?.len();
        refuse_existing(&self.path, self.force)?;
        std::fs::rename(&self.unfinished, &self.path).map_err(file(&self.path))?;
        sync_folder(&self.path)?;
        Ok(bytes)
    }
}

async fn of_sqlite(database: PathBuf, copy: PathBuf, to: Target, header: Header) -> Result<(u64, Trailer), Error> {
    blocking(move || {
        // Made by us first, so that nobody else may read it.
        drop(fresh_private(&copy)?);
        sqlite::copy(&database, &copy)?;
        let tables = sqlite::count(&copy)?;
        let mut writer = to.begin(&header)?;
        let mut source = File::open(&copy).map_err(file(&copy))?;
        loop {
            let mut piece = Vec::with_capacity(PIECE_MAX);
            let read = std::io::Read::by_ref(&mut source)
                .take(PIECE_MAX as u64)
                .read_to_end(&mut piece)
                .map_err(file(&copy))?;
            if read == 0 {
                break;
            }
            writer.piece(&Piece::Data(piece)).map_err(file(&to.unfinished))?;
        }
        let (sink, trailer) = writer.finish(tables).map_err(file(&to.unfinished))?;
        Ok((to.finish(sink)?, trailer))
    })
    .await
}

async fn of_postgres(url: &str, to: Target, header: Header) -> Result<(u64, Trailer), Error> {
    let (pieces, mut waiting) = mpsc::channel::<Piece>(WAITING_MAX);
    let writing = tokio::spawn(blocking(move || {
        let mut writer = to.begin(&header)?;
        while let Some(piece) = waiting.blocking_recv() {
            writer.piece(&piece).map_err(file(&to.unfinished))?;
        }
        Ok((writer, to))
    }));
    let dumped = postgres::dump(url, pieces).await;
    let written = writing.await.map_err(|_| crate::storage::Error::Unavailable("the program is stopping".into()))?;
    // When the disk is full, that is the reason, not that nobody took the next piece.
    let (writer, to) = written?;
    let tables = dumped?;
    blocking(move || {
        let (sink, trailer) = writer.finish(tables).map_err(file(&to.unfinished))?;
        Ok((to.finish(sink)?, trailer))
    })
    .await
}
