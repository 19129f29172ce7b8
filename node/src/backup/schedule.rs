//! Backups of a running node, one after the other: a task that takes one when the last one is old enough, drops those that
//! are not kept, and says how it stands.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};
use codepop_shared::identity::SpiffeId;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::{ENDING, Error, Made, Order, age::Recipient, blocking, create, file};
use crate::storage::Location;

/// Settings of the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where backups are kept.
    pub dir: PathBuf,
    /// Time between two.
    pub every: Duration,
    /// How many are kept.
    pub keep: usize,
    /// For whom they are encrypted.
    pub recipient: Option<Recipient>,
    /// Whether each is brought to the own hub as well.
    pub to_hub: bool,
}

/// How often it is looked whether one is due, and its age is told.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// After a failure it is tried again no sooner than this, and no later than the next one is due.
const AGAIN_AFTER: Duration = Duration::from_secs(300);

/// Brings a backup elsewhere.
pub trait Carrier: Send + Sync {
    /// Brings it; says why not.
    fn carry<'a>(&'a self, made: &'a Made) -> BoxFuture<'a, Result<(), String>>;
}

/// How backups stand. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Standing(Arc<Mutex<Option<String>>>);

impl Standing {
    /// Why the last backup failed, if it did.
    pub fn problem(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, problem: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

/// The task.
pub struct Task {
    /// Its settings.
    pub config: Config,
    /// Whose database it is.
    pub id: SpiffeId,
    /// Where the database is.
    pub location: Location,
    /// Where it is told how backups stand.
    pub standing: Standing,
    /// Who brings them to the hub, if anybody is to.
    pub carrier: Option<Arc<dyn Carrier>>,
}

impl Task {
    /// Takes backups until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut tried: Option<SystemTime> = None;
        loop {
            let newest = newest(&self.config.dir, &self.id);
            let now = SystemTime::now();
            let age = newest.map(|newest| now.duration_since(newest).unwrap_or_default());
            if let Some(age) = age {
                metrics::gauge!("codepop_backup_age_seconds").set(age.as_secs_f64());
            }
            let again = AGAIN_AFTER.min(self.config.every);
            let may_try = tried.is_none_or(|tried| now.duration_since(tried).unwrap_or(again) >= again);
            if may_try && age.is_none_or(|age| age >= self.config.every) {
                tried = Some(now);
                self.take().await;
            }
            let pause = LOOK_EVERY.min(self.config.every);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    async fn take(&self) {
        let taken = self.take_one().await;
        let result = if taken.is_ok() { "ok" } else { "failed" };
        metrics::counter!("codepop_backups_total", "result" => result).increment(1);
        match taken {
            Ok(made) => {
                let (bytes, rows) = (made.bytes, made.trailer.rows());
                tracing::info!(file = %made.path.display(), bytes, rows, took_ms = made.took.as_millis(), "a backup was taken");
                self.standing.set(None);
            }
            Err(problem) => {
                tracing::error!(problem, "no backup could be taken or brought away; trying again");
                self.standing.set(Some(problem));
            }
        }
    }

    async fn take_one(&self) -> Result<Made, String> {
        let order = Order {
            id: self.id.clone(),
            location: self.location.clone(),
            to: self.config.dir.clone(),
            recipient: self.config.recipient,
            force: false,
            now: Utc::now(),
        };
        let made = self.in_folder(order).await.map_err(|error| error.to_string())?;
        if let Some(carrier) = &self.carrier {
            let carried = carrier.carry(&made).await;
            carried.map_err(|why| format!("{} was not brought to the hub: {why}", made.path.display()))?;
        }
        Ok(made)
    }

    async fn in_folder(&self, order: Order) -> Result<Made, Error> {
        let dir = self.config.dir.clone();
        blocking(move || std::fs::create_dir_all(&dir).map_err(file(&dir))).await?;
        let made = create(order).await?;
        let (dir, prefix, keep) = (self.config.dir.clone(), prefix(&self.id), self.config.keep);
        blocking(move || drop_old(&dir, &prefix, keep)).await?;
        Ok(made)
    }
}

/// How names of a node's backups begin.
fn prefix(id: &SpiffeId) -> String {
    format!("{}-{}-", id.chain, id.number)
}

/// A node's backups in a folder, oldest first: their names have the time in them.
pub(super) fn list(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).map(|entries| entries.flatten().collect()).unwrap_or_else(|_| Vec::new());
    let is_one = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(prefix) && path.extension().is_some_and(|ending| ending == ENDING)
    };
    let mut found: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(is_one).collect();
    found.sort();
    found
}

fn newest(dir: &Path, id: &SpiffeId) -> Option<SystemTime> {
    list(dir, &prefix(id)).last()?.metadata().ok()?.modified().ok()
}

/// Drops all but the newest.
pub(super) fn drop_old(dir: &Path, prefix: &str, keep: usize) -> Result<(), Error> {
    let found = list(dir, prefix);
    for path in found.iter().take(found.len().saturating_sub(keep)) {
        std::fs::remove_file(path).map_err(file(path))?;
    }
    Ok(())
}

/// When a node's newest backup in a folder was taken.
pub fn taken_last(dir: &Path, id: &SpiffeId) -> Option<DateTime<Utc>> {
    newest(dir, id).map(DateTime::from)
}
