//! The certificate request that `codepop-node init` and `codepop-gateway init` write and the authority reads: public
//! keys with a proof that the sender holds both private ones.

mod file;
mod keys;
mod region;

pub use file::{CertificateRequest, REQUEST_FILE};
pub use keys::{EVENT_KEY_FILE, KEY_FILE, KeyMaterial};
pub use region::{REGION_KEY_FILE, RegionKey};

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

/// Makes keys and request under `<dir>/pki`; what is there already is kept, but for the request of a hub that does not ask
/// for its region's authority with the key that is there: it is made anew. Returns the request and whether it is new.
///
/// # Errors
/// A file can't be read or written, or what is there is of another kind.
pub fn init(dir: &Path, kind: Kind, uuid: Uuid, name: &str, region: &str) -> Result<(CertificateRequest, bool), Error> {
    let request = dir.join(REQUEST_FILE);
    if request.exists() {
        let found = CertificateRequest::read(&request)?;
        if found.kind != kind {
            return Err(Error::Invalid(format!("{} is a {}'s, not a {kind}'s", request.display(), found.kind)));
        }
        return Ok((if kind == Kind::Hub { with_region(found, dir)? } else { found }, false));
    }
    let folder = dir.join(PKI_FOLDER);
    std::fs::create_dir_all(&folder).map_err(|source| Error::File { path: folder.clone(), source })?;
    let keys = KeyMaterial::load_or_generate(&folder, kind.signs_events())?;
    let mut made = CertificateRequest::make(&keys, kind, uuid, name, region)?;
    if kind == Kind::Hub {
        made = made.asking_for_region(&keys, &RegionKey::load_or_generate(&folder)?)?;
    }
    made.write(&request)?;
    Ok((made, true))
}

/// A hub that was made by an older program has no key for its region yet.
fn with_region(found: CertificateRequest, dir: &Path) -> Result<CertificateRequest, Error> {
    let folder = dir.join(PKI_FOLDER);
    let key = RegionKey::load_or_generate(&folder)?;
    if found.asks_for_region_with(&key) {
        return Ok(found);
    }
    let made = found.asking_for_region(&KeyMaterial::load(&folder, true)?, &key)?;
    made.replace(&dir.join(REQUEST_FILE))?;
    Ok(made)
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

    #[test]
    fn a_hub_of_an_older_program_gets_its_region_s_key_by_repeating() {
        let dir = tempfile::tempdir().unwrap();
        let repeat = || init(dir.path(), Kind::Hub, Uuid::from_u128(1), "Hub", "C").unwrap();
        let (first, _) = repeat();
        let asked = first.verified_region().unwrap().unwrap();
        assert_eq!(repeat().0, first);
        // As the older program left it.
        let (file, key) = (dir.path().join(REQUEST_FILE), dir.path().join(PKI_FOLDER).join(REGION_KEY_FILE));
        let older = CertificateRequest { region_csr_pem: None, region_proof: None, ..first.clone() };
        older.replace(&file).unwrap();
        std::fs::remove_file(&key).unwrap();
        let (renewed, new) = repeat();
        assert!(!new && renewed.verified_region().unwrap().is_some_and(|fresh| fresh != asked));
        assert_eq!((&renewed.csr_pem, &renewed.proof), (&first.csr_pem, &first.proof), "the hub's own keys stay");
        assert_eq!(CertificateRequest::read(&file).unwrap(), renewed);
        assert_eq!(repeat().0, renewed);
        let (store, _) = init(&dir.path().join("store"), Kind::Store, Uuid::now_v7(), "Store", "C").unwrap();
        assert!(store.verified_region().unwrap().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn private_keys_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        init(dir.path(), Kind::Hub, Uuid::now_v7(), "Hub", "C").unwrap();
        for file in [KEY_FILE, EVENT_KEY_FILE, REGION_KEY_FILE] {
            let mode = dir.path().join(PKI_FOLDER).join(file).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }
}
