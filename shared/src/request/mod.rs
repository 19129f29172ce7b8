//! The certificate request that `codepop-node init` and `codepop-gateway init` write and the authority reads: public
//! keys with a proof that the sender holds both private ones.

mod file;
mod keys;

pub use file::{CertificateRequest, REQUEST_FILE};
pub use keys::{EVENT_KEY_FILE, KEY_FILE, KeyMaterial};

use std::{
    io,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use crate::identity::{Kind, NO_REGION};

/// The folder under a data directory that holds keys and certificates.
pub const PKI_FOLDER: &str = "pki";

/// Why there is no request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The request is not of the known form, or its proofs don't hold.
    #[error("not a valid certificate request: {0}")]
    Invalid(String),
    /// Keys or request can't be made.
    #[error("make keys: {0}")]
    Keys(String),
}

/// Makes keys and request of a gateway under `<dir>/pki`; what is there already is kept. Returns the request and whether
/// it is new.
///
/// # Errors
/// A file can't be read or written, or what is there is not a gateway's.
pub fn init_gateway(dir: &Path, name: &str) -> Result<(CertificateRequest, bool), Error> {
    init(dir, Kind::Gateway, Uuid::now_v7(), name, NO_REGION)
}

/// Makes keys and request under `<dir>/pki`; what is there already is kept. Returns the request and whether it is new.
///
/// # Errors
/// A file can't be read or written, or what is there is of another kind.
pub fn init(dir: &Path, kind: Kind, uuid: Uuid, name: &str, region: &str) -> Result<(CertificateRequest, bool), Error> {
    let request = dir.join(REQUEST_FILE);
    if request.exists() {
        let found = CertificateRequest::read(&request)?;
        return if found.kind == kind {
            Ok((found, false))
        } else {
            Err(Error::Invalid(format!("{} is a {}'s, not a {kind}'s", request.display(), found.kind)))
        };
    }
    let folder = dir.join(PKI_FOLDER);
    std::fs::create_dir_all(&folder).map_err(|source| Error::File { path: folder.clone(), source })?;
    let keys = KeyMaterial::load_or_generate(&folder, kind.signs_events())?;
    let made = CertificateRequest::make(&keys, kind, uuid, name, region)?;
    made.write(&request)?;
    Ok((made, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeating_keeps_keys_and_request() {
        let dir = tempfile::tempdir().unwrap();
        let (first, new) = init_gateway(dir.path(), "Front door").unwrap();
        assert!(new);
        let (second, new) = init_gateway(dir.path(), "Other name").unwrap();
        assert!(!new);
        assert_eq!(first, second);
        assert!(init(dir.path(), Kind::Hub, Uuid::now_v7(), "Hub", "C").is_err(), "a gateway's folder is no hub's");
    }

    #[cfg(unix)]
    #[test]
    fn private_keys_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        init(dir.path(), Kind::Store, Uuid::now_v7(), "Store", "C").unwrap();
        for file in [KEY_FILE, EVENT_KEY_FILE] {
            let mode = dir.path().join(PKI_FOLDER).join(file).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }
}
