//! What `backup`, `restore` and the backups of a running node are told.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use super::{
    ClientConfig, Database, Refused,
    cli::{BackupArgs, BackupCommand, RestoreArgs},
    run::database,
    setting::{BACKUP_DIR, BACKUP_EVERY, BACKUP_KEEP, BACKUP_RECIPIENT, BACKUP_TO_HUB, Values},
};
use crate::backup::{age::Recipient, schedule};

/// Seconds between two backups that are allowed: a database of some gigabytes takes a minute, and a week is long.
const EVERY_RANGE: RangeInclusive<u64> = 1..=7 * 24 * 60 * 60;

/// How many backups may be kept.
const KEEP_RANGE: RangeInclusive<u64> = 1..=1_000;

/// What `backup` is to do.
#[derive(Clone, Debug)]
pub enum BackupConfig {
    /// Take one.
    Take {
        /// Folder of the node's files.
        data_dir: PathBuf,
        /// Its database.
        database: Database,
        /// The file or folder.
        to: PathBuf,
        /// For whom it is encrypted.
        recipient: Option<Recipient>,
        /// Whether a file that is there may be replaced.
        force: bool,
    },
    /// Look whether one is whole.
    Verify {
        /// The file.
        file: PathBuf,
        /// The file with the secret key.
        identity: Option<PathBuf>,
    },
    /// Make a key.
    Keygen {
        /// The file to make.
        out: PathBuf,
    },
    /// Fetch one from a hub.
    Fetch {
        /// The hub.
        client: ClientConfig,
        /// Number of the store.
        of: u32,
        /// The file to make.
        out: PathBuf,
    },
}

impl BackupConfig {
    pub(super) fn read(values: &Values<'_>, args: BackupArgs) -> Result<Self, Refused> {
        match args.command {
            Some(BackupCommand::Keygen(keygen)) => return Ok(Self::Keygen { out: keygen.out }),
            Some(BackupCommand::Fetch(fetch)) => {
                let client = ClientConfig::read(values, &fetch.client)?;
                let of = values.number("of", "--of")?.unwrap_or_default();
                return Ok(Self::Fetch { client, of, out: fetch.out });
            }
            None => {}
        }
        match (args.to, args.verify) {
            (None, Some(file)) => Ok(Self::Verify { file, identity: args.identity }),
            (Some(to), None) => Ok(Self::Take {
                data_dir: values.data_dir()?,
                database: database(values)?,
                to,
                recipient: recipient(values)?,
                force: args.force,
            }),
            _ => Err(Refused::plain(
                "say where the backup goes: --to FILE or --to DIR; or which to look at: --verify FILE",
            )),
        }
    }
}

/// What `restore` is to do.
#[derive(Clone, Debug)]
pub struct RestoreConfig {
    /// The backup.
    pub file: PathBuf,
    /// Folder of the new node's files.
    pub data_dir: PathBuf,
    /// Its database.
    pub database: Database,
    /// The file with the secret key.
    pub identity: Option<PathBuf>,
}

impl RestoreConfig {
    pub(super) fn read(values: &Values<'_>, args: RestoreArgs) -> Result<Self, Refused> {
        let (data_dir, database) = (values.data_dir()?, database(values)?);
        Ok(Self { file: args.file, data_dir, database, identity: args.identity })
    }
}

fn recipient(values: &Values<'_>) -> Result<Option<Recipient>, Refused> {
    values.get(BACKUP_RECIPIENT, str::parse)
}

fn number(text: &str, range: RangeInclusive<u64>, what: &str) -> Result<u64, String> {
    let allowed = || format!("must be {} to {} {what}", range.start(), range.end());
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(allowed)
}

/// The backups of a running node; none when no folder is named.
pub(super) fn scheduled(values: &Values<'_>) -> Result<Option<schedule::Config>, Refused> {
    let every = values.require(BACKUP_EVERY, |text| number(text, EVERY_RANGE, "seconds"))?;
    let keep = values.require(BACKUP_KEEP, |text| number(text, KEEP_RANGE, "backups"))?;
    let recipient = recipient(values)?;
    let to_hub = values.require(BACKUP_TO_HUB, |text| match text {
        "0" => Ok(false),
        "1" if recipient.is_some() => Ok(true),
        "1" => Err("needs a key for which backups are encrypted (--recipient, NODE_BACKUP_RECIPIENT)"),
        _ => Err("must be 0 or 1"),
    })?;
    let Some(dir) = values.text(BACKUP_DIR).filter(|dir| !dir.is_empty()) else { return Ok(None) };
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    Ok(Some(schedule::Config { dir: dir.into(), every: Duration::from_secs(every), keep, recipient, to_hub }))
}
