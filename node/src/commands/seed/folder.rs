//! The folder in which a chain is made. A marker in it says what was made there: so that another run knows, and so that
//! nobody else's files are ever touched.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use chrono::NaiveDate;
use codepop_shared::files::{replace, write_new};
use serde::{Deserialize, Serialize};

use super::{identities::GATEWAY, password::PASSWORD_FILE};
use crate::{
    config::SeedConfig,
    identity::DataLock,
    seed::{Profile, Site},
};

/// The marker.
const MARKER: &str = ".codepop-seed.json";

/// The version of the marker's form.
const VERSION: u32 = 1;

/// The authority's folder.
pub(super) const AUTHORITY: &str = "authority";

/// The list of nodes.
pub(super) const NODES_FILE: &str = "nodes.txt";

/// What the run said at its end.
const SUMMARY_FILE: &str = "summary.txt";

/// What was made, as the marker says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Made {
    version: u32,
    /// Word of the profile.
    pub(super) profile: String,
    /// Where chance began.
    pub(super) seed: u64,
    /// Days of orders.
    pub(super) days: u32,
    /// The last of them.
    pub(super) until: NaiveDate,
    /// Whether the run came to its end.
    pub(super) is_complete: bool,
    /// The files and folders in it that are the run's.
    names: Vec<String>,
}

impl Made {
    /// What a configuration asks for.
    pub(super) fn of(config: &SeedConfig, profile: Profile, until: NaiveDate) -> Self {
        let (seed, days) = (config.seed, config.days);
        let profile = profile.word().to_owned();
        Self { version: VERSION, profile, seed, days, until, is_complete: false, names: Vec::new() }
    }

    /// Whether the data are the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let of = |made: &Self| (made.profile.clone(), made.seed, made.days, made.until);
        of(self) == of(other)
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (profile, seed, days, until) = (&self.profile, self.seed, self.days, self.until);
        write!(f, "profile {profile}, seed {seed}, {days} days until {until}")
    }
}

/// The folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A folder that may not be there yet.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn marker(&self) -> PathBuf {
        self.path.join(MARKER)
    }

    /// What was made in it; `None` when it is empty or not there.
    ///
    /// # Errors
    /// It holds something else.
    pub(super) fn made(&self) -> Result<Option<Made>> {
        let marker = self.marker();
        let text = match fs::read_to_string(&marker) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.require_empty()?;
                return Ok(None);
            }
            Err(error) => return Err(error).with_context(|| format!("read {}", marker.display())),
        };
        let made: Made = serde_json::from_str(&text).with_context(|| format!("{} is damaged", marker.display()))?;
        ensure!(made.version == VERSION, "{} is of another version of this program", marker.display());
        Ok(Some(made))
    }

    fn require_empty(&self) -> Result<()> {
        let mut entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("read {}", self.path.display())),
        };
        if entries.next().is_some() {
            bail!("{} is not empty, and this command did not make it: name another folder", self.path.display());
        }
        Ok(())
    }

    /// Takes the folder: from here on it is known what will be in it.
    ///
    /// # Errors
    /// It can't be made, or not be written to.
    pub(super) fn begin(&mut self, made: &Made, sites: &[Site]) -> Result<()> {
        fs::create_dir_all(&self.path).with_context(|| format!("make {}", self.path.display()))?;
        // Everything that is said of it later holds wherever one stands.
        self.path = self.path.canonicalize().with_context(|| format!("find {}", self.path.display()))?;
        let fixed = [AUTHORITY, GATEWAY, NODES_FILE, PASSWORD_FILE, SUMMARY_FILE].map(str::to_owned);
        let names = fixed.into_iter().chain(sites.iter().map(Site::folder)).collect();
        self.mark(&Made { names, ..made.clone() })
    }

    /// The run has come to its end.
    ///
    /// # Errors
    /// The folder can't be written to.
    pub(super) fn end(&self, made: Made, summary: &str) -> Result<()> {
        write_new(&self.path.join(SUMMARY_FILE), summary.as_bytes()).context("write the summary")?;
        let begun = self.made()?.map(|begun| begun.names).unwrap_or_default();
        self.mark(&Made { is_complete: true, names: begun, ..made })
    }

    fn mark(&self, made: &Made) -> Result<()> {
        let text = serde_json::to_string_pretty(made).context("write the marker")? + "\n";
        replace(&self.marker(), text.as_bytes()).with_context(|| format!("write {}", self.marker().display()))
    }

    /// What the run said at its end.
    ///
    /// # Errors
    /// It can't be read.
    pub(super) fn summary(&self) -> Result<String> {
        let path = self.path.join(SUMMARY_FILE);
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }

    /// Removes what an earlier run made, and nothing else. Says what was done.
    ///
    /// # Errors
    /// The folder is not this command's, one of its nodes runs (then nothing was removed), or something can't be removed.
    pub(super) fn clear(&self) -> Result<&'static str> {
        let Some(made) = self.made()? else { return Ok("there was nothing to remove") };
        let mut locks = Vec::new();
        for name in &made.names {
            ensure!(is_plain(name), "{} is damaged: it names \"{name}\"", self.marker().display());
            let path = self.path.join(name);
            if path.is_dir() && name != AUTHORITY && name != GATEWAY {
                locks.push(DataLock::take(&path).context("a node must be stopped before its data are removed")?);
            }
        }
        for name in &made.names {
            let path = self.path.join(name);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("remove {}", path.display()));
                }
                _ => {}
            }
        }
        fs::remove_file(self.marker()).with_context(|| format!("remove {}", self.marker().display()))?;
        Ok("what an earlier run made was removed")
    }
}

/// Whether a name is that of something in the folder itself.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|char| char.is_ascii_alphanumeric() || "-.".contains(char))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::sites;

    fn made() -> Made {
        Made {
            version: VERSION,
            profile: "demo".to_owned(),
            seed: 1,
            days: 30,
            until: NaiveDate::MIN,
            is_complete: false,
            names: Vec::new(),
        }
    }

    #[test]
    fn only_what_was_made_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(&dir.path().join("chain"));
        assert_eq!(folder.clear().unwrap(), "there was nothing to remove");
        folder.begin(&made(), &sites(Profile::Demo)).unwrap();
        fs::create_dir_all(folder.path().join("hub-c/pki")).unwrap();
        fs::write(folder.path().join(NODES_FILE), "nodes").unwrap();
        fs::write(folder.path().join("mine.txt"), "mine").unwrap();
        assert_eq!(folder.clear().unwrap(), "what an earlier run made was removed");
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["mine.txt"]);
        // Now it is a folder like any other, and not empty.
        assert!(folder.made().unwrap_err().to_string().contains("name another folder"));
        assert!(folder.clear().is_err() && folder.path().join("mine.txt").exists());
    }

    #[test]
    fn a_running_node_keeps_everything() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(dir.path());
        folder.begin(&made(), &sites(Profile::Demo)).unwrap();
        fs::write(folder.path().join(NODES_FILE), "nodes").unwrap();
        fs::create_dir_all(folder.path().join("hub-c")).unwrap();
        let lock = DataLock::take(&folder.path().join("logan-003")).unwrap();
        assert!(format!("{:#}", folder.clear().unwrap_err()).contains("in use by another process"));
        assert!(folder.path().join(NODES_FILE).exists() && folder.made().unwrap().is_some());
        drop(lock);
        folder.clear().unwrap();
    }

    #[test]
    fn a_forged_marker_reaches_nothing_outside() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(&dir.path().join("chain"));
        fs::create_dir_all(folder.path()).unwrap();
        fs::write(dir.path().join("precious"), "precious").unwrap();
        for name in ["../precious", "/etc", "..", "", "a/b"] {
            folder.mark(&Made { names: vec![name.to_owned()], ..made() }).unwrap();
            assert!(folder.clear().is_err(), "{name}");
        }
        assert!(dir.path().join("precious").exists());
    }
}
