//! What a hub keeps for the stores of its region: their last encrypted backups, as files that it can't read. Bounded per
//! store and in all; a transfer that broke off leaves nothing, and begins anew.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::{ENDING, Error, Passing, age::FIRST_LINE, beside, blocking, file, fresh_private, schedule, sync_folder};

/// The folder in the hub's data directory.
const FOLDER: &str = "backups-of-stores";

/// Backups that are kept of one store.
const KEEP: usize = 3;

/// Bytes of one backup at the most: a busy store writes some hundred megabytes a year.
pub const BACKUP_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;

/// Bytes of all backups at the most.
const ALL_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;

/// Stores that may bring one at the same time: more would take the hub's line from replication.
const AT_ONCE_MAX: usize = 4;

/// Bytes of one message: below the megabyte that every message stays under.
pub const PIECE_BYTES: usize = 256 * 1024;

/// What a hub keeps. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Vault {
    dir: PathBuf,
    coming: Arc<Mutex<BTreeMap<u32, u64>>>,
}

/// A backup that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its bytes.
    pub size: u64,
    /// SHA-256 over them.
    pub sha256: [u8; 32],
}

/// The place and the room of one transfer; free again when it ends, however it ends.
struct Coming(Arc<Mutex<BTreeMap<u32, u64>>>, u32);

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

impl Vault {
    /// The vault in a hub's data directory.
    pub fn of(data_dir: &Path) -> Self {
        Self { dir: data_dir.join(FOLDER), coming: Arc::default() }
    }

    fn folder(&self, store: u32) -> PathBuf {
        self.dir.join(store.to_string())
    }

    /// Keeps a place, and room for so many bytes.
    fn begin(&self, store: u32, size: u64) -> Result<Coming, Error> {
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        if coming.len() >= AT_ONCE_MAX || coming.contains_key(&store) {
            return Err(Error::refused(
                "the hub takes other backups now, or another one of this store; try again later",
            ));
        }
        coming.insert(store, size);
        Ok(Coming(Arc::clone(&self.coming), store))
    }

    /// Bytes of all transfers under way, as they were announced.
    fn bytes_coming(&self) -> u64 {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Takes in the backup of a store, of so many bytes.
    ///
    /// # Errors
    /// It is not encrypted, too large, or broke off; nothing of it is kept then.
    pub async fn take<S>(&self, store: u32, size: u64, now: DateTime<Utc>, mut pieces: S) -> Result<Kept, Error>
    where
        S: Stream<Item = Result<Vec<u8>, String>> + Unpin + Send,
    {
        let no_room = || Error::refused("the hub has no room for a backup of this size");
        if size > BACKUP_BYTES_MAX {
            return Err(no_room());
        }
        let _coming = self.begin(store, size)?;
        let (dir, all, folder) = (self.dir.clone(), self.folder(store), self.folder(store));
        let held = blocking(move || {
            std::fs::create_dir_all(&folder).map_err(file(&folder))?;
            private(&dir)?;
            bytes_in(&dir)
        })
        .await?;
        // What is written meanwhile is counted twice for a moment, never left out.
        if held + self.bytes_coming() > ALL_BYTES_MAX {
            return Err(no_room());
        }
        let path = all.join(format!("{store}-{}.{ENDING}", now.format("%Y%m%dT%H%M%S%3fZ")));
        let unfinished = beside(&path, ".unfinished");
        let _passing = Passing(unfinished.clone());
        let fresh = unfinished.clone();
        let mut to = tokio::fs::File::from_std(blocking(move || fresh_private(&fresh)).await?);
        let (mut came, mut sum, mut begin) = (0_u64, Sha256::new(), Vec::new());
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|why| Error::refused(format!("the transfer broke off: {why}")))?;
            came += piece.len() as u64;
            if came > size {
                return Err(Error::refused("more came than was announced"));
            }
            if begin.len() < FIRST_LINE.len() {
                begin.extend(piece.iter().take(FIRST_LINE.len()));
            }
            sum.update(&piece);
            to.write_all(&piece).await.map_err(file(&unfinished))?;
        }
        if !begin.starts_with(FIRST_LINE.as_bytes()) {
            return Err(Error::refused("the backup is not encrypted: a hub keeps none that it could read"));
        }
        to.sync_all().await.map_err(file(&unfinished))?;
        let folder = all.clone();
        blocking(move || {
            std::fs::rename(&unfinished, &path).map_err(file(&path))?;
            sync_folder(&path)?;
            schedule::drop_old(&folder, &format!("{store}-"), KEEP)
        })
        .await?;
        Ok(Kept { size: came, sha256: sum.finalize().into() })
    }

    /// The newest backup of a store.
    ///
    /// # Errors
    /// The folder can't be read.
    pub async fn newest(&self, store: u32) -> Result<Option<PathBuf>, Error> {
        let folder = self.folder(store);
        blocking(move || Ok(schedule::list(&folder, &format!("{store}-")).pop())).await
    }
}

/// Names and sizes of stores' backups are nobody's business.
fn private(dir: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(dir, mode).map_err(file(dir))?;
    }
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

/// Bytes of all files of all stores.
fn bytes_in(dir: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    for store in std::fs::read_dir(dir).map_err(file(dir))? {
        let store = store.map_err(file(dir))?.path();
        for kept in std::fs::read_dir(&store).into_iter().flatten().flatten() {
            bytes += kept.metadata().map_or(0, |meta| meta.len());
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn bring(vault: &Vault, at: i64, pieces: Vec<Result<Vec<u8>, String>>) -> Result<Kept, Error> {
        let now = DateTime::from_timestamp_millis(at).unwrap();
        let size = pieces.iter().flatten().map(|piece| piece.len() as u64).sum();
        vault.take(1_000, size, now, futures::stream::iter(pieces)).await
    }

    fn sealed(content: &str) -> Vec<Result<Vec<u8>, String>> {
        // The first line comes in two pieces.
        vec![Ok(FIRST_LINE.as_bytes()[..5].to_vec()), Ok(format!("{}\n{content}", &FIRST_LINE[5..]).into_bytes())]
    }

    #[tokio::test]
    async fn the_last_ones_are_kept_and_nothing_that_could_be_read_or_broke_off() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::of(dir.path());
        assert_eq!(vault.newest(1_000).await.unwrap(), None);
        for number in 1..=5 {
            bring(&vault, number, sealed(&number.to_string())).await.unwrap();
        }
        let newest = vault.newest(1_000).await.unwrap().unwrap();
        assert!(std::fs::read_to_string(&newest).unwrap().ends_with("\n5"));
        let left = || std::fs::read_dir(vault.folder(1_000)).unwrap().count();
        assert_eq!(left(), KEEP);
        assert!(bring(&vault, 6, vec![Ok(b"codepop-backup/1\n".to_vec())]).await.is_err());
        let mut broken = sealed("6");
        broken.push(Err("gone".into()));
        assert!(bring(&vault, 7, broken).await.is_err());
        assert_eq!((left(), vault.newest(1_000).await.unwrap().unwrap()), (KEEP, newest));
        let first = vault.begin(1_000, 0).unwrap();
        assert!(bring(&vault, 8, sealed("8")).await.unwrap_err().to_string().contains("try again later"));
        // Room is kept for what is on its way.
        drop(first);
        let _others: Vec<_> = (1..=3).map(|other| vault.begin(other, ALL_BYTES_MAX / 3).unwrap()).collect();
        assert!(bring(&vault, 9, sealed("9")).await.unwrap_err().to_string().contains("no room"));
        assert_eq!(vault.bytes_coming(), ALL_BYTES_MAX / 3 * 3);
    }

    #[tokio::test]
    async fn no_more_is_taken_than_was_announced() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::of(dir.path());
        let longer = vault.take(1_001, 1, DateTime::UNIX_EPOCH, futures::stream::iter(sealed("more"))).await;
        assert!(longer.unwrap_err().to_string().contains("than was announced"));
        let large = vault.take(1_001, u64::MAX, DateTime::UNIX_EPOCH, futures::stream::iter(sealed("all"))).await;
        assert!(large.unwrap_err().to_string().contains("no room"));
        assert_eq!((vault.newest(1_001).await.unwrap(), vault.bytes_coming()), (None, 0));
    }
}
