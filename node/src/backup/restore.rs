//! Putting a backup back: into the database of a new node whose certificate says that it takes the place of the one that
//! was backed up. Streams, numbers and keys of the old life stay the old life's; the new one goes on with the rows under a
//! number of its own. What is broken off can be repeated: until all of it is there, the node does not start.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use codepop_shared::{files, identity::Certified};
use serde::{Deserialize, Serialize};

use super::{
    Error, Header, Passing, Trailer,
    age::Identity,
    beside, blocking, file,
    pages::Pages,
    postgres, said, sqlite, sync_folder,
    verify::{check_sqlite, extract, read},
};
use crate::storage::{self, Location};

/// The file in the data directory that is there while a restore is not finished.
pub const UNFINISHED_FILE: &str = "restore.unfinished";

/// The setting of a database that says which backup it comes from.
const SETTING: &str = "backup.restored";

/// What is to be put back, and where to.
pub struct Restore {
    /// The backup.
    pub file: PathBuf,
    /// The secret key, if it is encrypted.
    pub identity: Option<Arc<Identity>>,
    /// The new node's folder.
    pub data_dir: PathBuf,
    /// The new node's database.
    pub location: Location,
    /// The new node's certificate.
    pub certificate: Arc<Certified>,
    /// The present time.
    pub now: DateTime<Utc>,
}

/// What was put back.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the backup says of itself.
    pub header: Header,
    /// What was counted.
    pub trailer: Trailer,
}

/// What a restored database remembers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    node_number: u32,
    taken_at: DateTime<Utc>,
    digest: String,
    restored_at: DateTime<Utc>,
}

/// Makes sure that no restore into this folder was broken off: what is there could be half of it.
///
/// # Errors
/// One was.
pub fn refuse_unfinished(data_dir: &Path) -> Result<(), Error> {
    let marker = data_dir.join(UNFINISHED_FILE);
    if marker.exists() {
        let why = format!(
            "{} is there: a restore was broken off; repeat it (codepop-node restore FILE --data-dir {})",
            marker.display(),
            data_dir.display()
        );
        return Err(Error::refused(why));
    }
    Ok(())
}

/// Puts a backup back. The node must not run, and whoever calls holds the folder's lock.
///
/// # Errors
/// The backup is damaged, or not of a node whose place this one takes; or the node has a database already. Nothing was
/// changed then. When disk or database fail on the way, it can be repeated.
pub async fn restore(order: Restore) -> Result<Restored, Error> {
    let (path, identity) = (order.file.clone(), order.identity.clone());
    let (header, trailer) = blocking(move || read(&path, identity.as_deref())).await?;
    check(&order, &header)?;
    let marker = order.data_dir.join(UNFINISHED_FILE);
    let is_repeated = marker.exists();
    let origin = Origin {
        node_number: header.node_number,
        taken_at: header.taken_at,
        digest: trailer.payload_sha256.clone(),
        restored_at: order.now,
    };
    let done = check_fresh(&order, is_repeated, &origin).await?;
    if !done {
        files::replace(&marker, b"A restore has begun and not ended. Repeat it.\n").map_err(file(&marker))?;
        match order.location.clone() {
            Location::Sqlite(database) => of_sqlite(&order, database, trailer.clone(), origin).await?,
            Location::Postgres(url) => of_postgres(&order, &url, &header, &trailer, &origin).await?,
        }
    }
    if marker.exists() {
        std::fs::remove_file(&marker).map_err(file(&marker))?;
        sync_folder(&marker)?;
    }
    Ok(Restored { header, trailer })
}

/// The backup must be of a node whose place this one takes, by the word of the chain's authority.
fn check(order: &Restore, header: &Header) -> Result<(), Error> {
    let id = &order.certificate.id;
    let is_of = |what: &str, theirs: &str, own: &str| {
        Err(Error::refused(format!("the backup is of {what} {theirs}, this node's certificate says {own}")))
    };
    if header.chain != id.chain {
        return is_of("chain", &header.chain, &id.chain);
    }
    if header.kind != id.kind.to_string() {
        return is_of("a", &header.kind, &id.kind.to_string());
    }
    if header.region != id.region {
        return is_of("region", &header.region, &id.region);
    }
    let of = format!("node {} ({})", header.node_number, header.node_id);
    if header.node_id == id.uuid {
        return Err(Error::refused(format!(
            "the backup is of {of}, which this node is itself: its numbers would be given twice. Make a new identity with \
             `init` in an empty data directory, and certify it with `pki issue REQUEST --replaces {}`",
            header.node_number
        )));
    }
    let is_named =
        order.certificate.replaces.iter().any(|old| (old.uuid, old.number) == (header.node_id, header.node_number));
    if !is_named {
        return Err(Error::refused(format!(
            "the backup is of {of}, whose place this node does not take: certify it with `pki issue REQUEST --replaces {}`",
            header.node_number
        )));
    }
    if header.database != order.location.kind() {
        return is_of(
            "a database of",
            &header.database,
            &format!("nothing of it, but DATABASE_URL {}", order.location.kind()),
        );
    }
    let known = storage::known_migrations(&order.location)?;
    match header.migrations.iter().find(|migration| !known.contains(migration)) {
        Some(newer) => Err(storage::Error::Newer(newer.clone()).into()),
        None => Ok(()),
    }
}

/// A database that was written to is nobody's to overwrite. True when a repeated restore finds its work done.
async fn check_fresh(order: &Restore, is_repeated: bool, origin: &Origin) -> Result<bool, Error> {
    let written = "this node has a database already: a backup goes into a fresh data directory, before the first start; \
                   nothing was changed";
    match &order.location {
        // With the marker there no node ran on it, so what is there came from the restore that was broken off.
        Location::Sqlite(database) if is_repeated || !database.exists() => Ok(false),
        Location::Postgres(url) if postgres::is_fresh(url).await? => Ok(false),
        Location::Postgres(url) if is_repeated && remembered(url).await?.as_deref() == Some(&origin.digest) => Ok(true),
        _ => Err(Error::refused(written)),
    }
}

async fn remembered(url: &str) -> Result<Option<String>, Error> {
    let client = storage::connect(url).await?;
    let sql = "SELECT value FROM settings WHERE key = $1";
    let row = client.query_opt(sql, &[&SETTING]).await.map_err(|error| said(&error))?;
    let origin = row.and_then(|row| serde_json::from_str::<Origin>(row.get(0)).ok());
    Ok(origin.map(|origin| origin.digest))
}

fn words(origin: &Origin) -> Result<String, Error> {
    serde_json::to_string(origin).map_err(|error| Error::refused(error.to_string()))
}

async fn of_sqlite(order: &Restore, database: PathBuf, trailer: Trailer, origin: Origin) -> Result<(), Error> {
    let (path, identity) = (order.file.clone(), order.identity.clone());
    blocking(move || {
        let fresh = beside(&database, ".restoring");
        let _passing = Passing(fresh.clone());
        extract(&path, identity.as_deref(), &fresh)?;
        check_sqlite(&path, &fresh, &trailer)?;
        sqlite::remember(&fresh, SETTING, &words(&origin)?)?;
        std::fs::File::open(&fresh).and_then(|done| done.sync_all()).map_err(file(&fresh))?;
        // What a broken-off restore left: a log of it must not be taken for this database's.
        for ending in ["-wal", "-shm"] {
            drop(std::fs::remove_file(beside(&database, ending)));
        }
        std::fs::rename(&fresh, &database).map_err(file(&database))?;
        sync_folder(&database)
    })
    .await
}

async fn of_postgres(
    order: &Restore,
    url: &str,
    header: &Header,
    trailer: &Trailer,
    origin: &Origin,
) -> Result<(), Error> {
    storage::migrate_to(&order.location, &header.migrations).await?;
    let mut load = postgres::Load::begin(url).await?;
    // Reading waits for the disk, a quarter of a megabyte at a time.
    let (path, identity) = (order.file.clone(), order.identity.clone());
    let (pieces, mut waiting) = tokio::sync::mpsc::channel(super::create::WAITING_MAX);
    let reading = tokio::spawn(blocking(move || {
        let (mut pages, _) = Pages::open(&path, identity.as_deref())?;
        while let Some(piece) = pages.piece()? {
            if pieces.blocking_send(piece).is_err() {
                return Err(storage::Error::Unavailable("the database took no more of the backup".into()).into());
            }
        }
        pages.finish()
    }));
    let mut failed = None;
    while let Some(piece) = waiting.recv().await {
        if let Err(error) = load.piece(piece).await {
            failed = Some(error);
            break;
        }
    }
    drop(waiting);
    let read = reading.await.map_err(|_| storage::Error::Unavailable("the program is stopping".into()))?;
    if let Some(error) = failed {
        return Err(error);
    }
    read?;
    if load.finish().await? != trailer.tables {
        return Err(Error::refused("the database took other rows than the backup has; nothing of it was kept"));
    }
    load.remember(SETTING, &words(origin)?).await?;
    load.commit().await
}
