//! One process per data directory: two that write the same journal under one name would be a fork that nobody can mend.

use std::{
    fs::{self, File},
    path::Path,
};

use super::{Error, content};

/// The file that is locked.
const LOCK_FILE: &str = "lock";

/// The lock, held until dropped; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Locks a directory, which is made if it is not there.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has it; otherwise the file can't be made.
    pub fn take(dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(|e| content(dir, e))?;
        let path = dir.join(LOCK_FILE);
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(|e| content(&path, e))?;
        match fs4::FileExt::try_lock(&file) {
            Ok(()) => Ok(Self { _file: file }),
            Err(fs4::TryLockError::WouldBlock) => Err(Error::Locked(dir.to_owned())),
            Err(fs4::TryLockError::Error(error)) => Err(content(&path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let first = DataLock::take(&data).unwrap();
        let error = DataLock::take(&data).unwrap_err().to_string();
        assert!(error.contains("is in use by another process"), "{error}");
        drop(first);
        DataLock::take(&data).unwrap();
    }
}
