//! The two private keys of a node: ECDSA P-256 for TLS (what all clients understand), Ed25519 for events and tokens.

use std::{fmt, fs, io, path::Path};

use ed25519_dalek::{
    Signer as _, SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, spki::der::pem::LineEnding},
};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};
use uuid::Uuid;

use super::Error;
use crate::{files::write_private, identity::EVENT_KEY_URI};

/// The TLS key's file.
pub const KEY_FILE: &str = "node.key";

/// The event key's file.
pub const EVENT_KEY_FILE: &str = "event.key";

/// What stands before the UUID in a request's URI SAN.
pub(super) const UUID_URI: &str = "urn:uuid:";

/// The private keys. Never printed.
pub struct KeyMaterial {
    tls: KeyPair,
    event: Option<SigningKey>,
}

impl KeyMaterial {
    /// The keys in a folder, which must be there.
    ///
    /// # Errors
    /// A file can't be read, or is no key of its kind.
    pub fn load(folder: &Path, with_event_key: bool) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|source| Error::File { path, source })
        };
        let event = with_event_key.then(|| read(EVENT_KEY_FILE)).transpose()?;
        Self::from_pem(&read(KEY_FILE)?, event.as_deref())
    }

    /// New keys; the event key only for those that sign events.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate(with_event_key: bool) -> Result<Self, Error> {
        let tls = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| Error::Keys(e.to_string()))?;
        Ok(Self { tls, event: with_event_key.then(|| SigningKey::from_bytes(&rand::random())) })
    }

    /// The keys in a folder; those that are missing are made and written, readable by the owner alone.
    ///
    /// # Errors
    /// A file can't be read or written, or is no key of its kind.
    pub fn load_or_generate(folder: &Path, with_event_key: bool) -> Result<Self, Error> {
        let made = Self::generate(with_event_key)?;
        let tls = keep_or_write(&folder.join(KEY_FILE), &made.tls_pem())?;
        let tls = KeyPair::from_pkcs8_pem_and_sign_algo(&tls, &PKCS_ECDSA_P256_SHA256)
            .map_err(|_| Error::Keys(format!("{} is no ECDSA P-256 key", folder.join(KEY_FILE).display())))?;
        let event = match made.event_pem()? {
            None => None,
            Some(pem) => {
                let path = folder.join(EVENT_KEY_FILE);
                let pem = keep_or_write(&path, &pem)?;
                let key = SigningKey::from_pkcs8_pem(&pem)
                    .map_err(|_| Error::Keys(format!("{} is no Ed25519 key", path.display())))?;
                Some(key)
            }
        };
        Ok(Self { tls, event })
    }

    /// Keys from the content of PEM files.
    ///
    /// # Errors
    /// One is no key of its kind.
    pub fn from_pem(tls: &str, event: Option<&str>) -> Result<Self, Error> {
        let tls = KeyPair::from_pkcs8_pem_and_sign_algo(tls, &PKCS_ECDSA_P256_SHA256)
            .map_err(|_| Error::Keys("the TLS key is no ECDSA P-256 key".to_owned()))?;
        let read = |pem| SigningKey::from_pkcs8_pem(pem);
        let event =
            event.map(read).transpose().map_err(|_| Error::Keys("the event key is no Ed25519 key".to_owned()))?;
        Ok(Self { tls, event })
    }

    /// The public event key.
    pub fn event_key(&self) -> Option<VerifyingKey> {
        self.event.as_ref().map(SigningKey::verifying_key)
    }

    /// The TLS key as PEM. Secret.
    pub fn tls_pem(&self) -> String {
        self.tls.serialize_pem()
    }

    /// The event key as PEM. Secret.
    ///
    /// # Errors
    /// The key can't be encoded.
    pub fn event_pem(&self) -> Result<Option<String>, Error> {
        let encode = |key: &SigningKey| key.to_pkcs8_pem(LineEnding::LF).map(|pem| pem.to_string());
        self.event.as_ref().map(encode).transpose().map_err(|e| Error::Keys(e.to_string()))
    }

    /// A signing request (PKCS #10, DER) that names the UUID and the event key, signed by the TLS key.
    ///
    /// # Errors
    /// It can't be encoded.
    pub fn csr(&self, uuid: Uuid) -> Result<Vec<u8>, Error> {
        let mut names = vec![format!("{UUID_URI}{uuid}")];
        names.extend(self.event_key().map(|key| format!("{EVENT_KEY_URI}{}", hex::encode(key.as_bytes()))));
        let build = || -> Result<Vec<u8>, rcgen::Error> {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, uuid.to_string());
            for name in names {
                params.subject_alt_names.push(SanType::URI(name.try_into()?));
            }
            Ok(params.serialize_request(&self.tls)?.der().to_vec())
        };
        build().map_err(|e| Error::Keys(e.to_string()))
    }

    /// The event key's signature, which proves that the request's sender holds it.
    pub(super) fn proof(&self, csr: &[u8]) -> Option<[u8; 64]> {
        self.event.as_ref().map(|key| key.sign(csr).to_bytes())
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial")
    }
}

/// Writes a new file, or reads the one that is there.
pub(super) fn keep_or_write(path: &Path, fresh: &str) -> Result<String, Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    match write_private(path, fresh.as_bytes()) {
        Ok(()) => Ok(fresh.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read_to_string(path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}
