//! The key with which a hub signs for its region, and the part of its request that asks for the certificate to it.

use std::{fmt, path::Path};

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};
use uuid::Uuid;

use super::{Error, keys::keep_or_write};

/// The file of a region's key.
pub const REGION_KEY_FILE: &str = "region.key";

/// What stands before the hub's UUID in the URI SAN of the signing request: another one than in the request for the hub's own
/// certificate, so that neither is taken for the other.
pub(super) const REGION_OF_URI: &str = "urn:codepop:region-of:";

/// A hub's key for signing certificates of its region's stores. Never printed.
pub struct RegionKey(KeyPair);

impl RegionKey {
    /// A new key.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<Self, Error> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map(Self).map_err(|e| Error::Keys(e.to_string()))
    }

    /// The key in a folder; made and written, readable by the owner alone, if it is missing.
    ///
    /// # Errors
    /// The file can't be read or written, or is no key of its kind.
    pub fn load_or_generate(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(REGION_KEY_FILE);
        let pem = keep_or_write(&path, &Self::generate()?.pem())?;
        KeyPair::from_pkcs8_pem_and_sign_algo(&pem, &PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(|_| Error::Keys(format!("{} is no ECDSA P-256 key", path.display())))
    }

    /// The key as PEM. Secret.
    pub fn pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// The public key's bytes.
    pub(super) fn public(&self) -> &[u8] {
        self.0.public_key_raw()
    }

    /// A signing request (PKCS #10, DER) that names the hub, signed by this key.
    ///
    /// # Errors
    /// It can't be encoded.
    pub fn csr(&self, hub: Uuid) -> Result<Vec<u8>, Error> {
        let build = || -> Result<Vec<u8>, rcgen::Error> {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, hub.to_string());
            params.subject_alt_names = vec![SanType::URI(format!("{REGION_OF_URI}{hub}").try_into()?)];
            Ok(params.serialize_request(&self.0)?.der().to_vec())
        };
        build().map_err(|e| Error::Keys(e.to_string()))
    }
}

impl fmt::Debug for RegionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegionKey")
    }
}
