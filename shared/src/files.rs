//! Small files that must not be lost or half written: keys, certificates, registers, settings.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

/// Permissions of files with secrets: the owner alone.
const PRIVATE: u32 = 0o600;

/// Permissions of all others.
const PUBLIC: u32 = 0o644;

/// Writes a new file that only its owner may read, and waits until it is on disk.
///
/// # Errors
/// The file exists already, or can't be written.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    create(path, content, PRIVATE)?;
    sync_folder(path)
}

/// Writes a new file that everybody may read, and waits until it is on disk.
///
/// # Errors
/// The file exists already, or can't be written.
pub fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    create(path, content, PUBLIC)?;
    sync_folder(path)
}

/// Puts a file in the place of another, so that after a crash either the old or the new one is there, whole.
///
/// # Errors
/// The file can't be written.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = path.with_file_name(name);
    // What a crashed process of the same number left.
    fs::remove_file(&fresh).or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })?;
    create(&fresh, content, PUBLIC)?;
    fs::rename(&fresh, path)?;
    sync_folder(path)
}

fn create(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A file's name is on disk only when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        fs::File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_files_overwrite_nothing_and_replaced_ones_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write_new(&path, b"one").unwrap();
        assert_eq!(write_private(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        replace(&path, b"three").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
