//! The own certificate, its key and the authority's certificate, read from files and checked against each other.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _},
};

use super::Error;
use crate::identity::{self, CaCertificate, Certified};

/// Largest file that is read; real ones have about 1 KiB.
const FILE_MAX: u64 = 64 * 1024;

/// Where certificate, key and the authority's certificate are.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The authority's certificate, PEM.
    pub ca: PathBuf,
    /// The own certificate, PEM.
    pub certificate: PathBuf,
    /// The own private key, PEM.
    pub key: PathBuf,
}

impl TlsFiles {
    /// The files of a node or gateway: `ca.pem`, `node.pem` and `node.key` in a folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self { ca: folder.join("ca.pem"), certificate: folder.join("node.pem"), key: folder.join("node.key") }
    }

    /// The files of the operator: `ca.pem`, `operator.pem` and `operator.key` in a folder.
    pub fn of_operator(folder: &Path) -> Self {
        Self { ca: folder.join("ca.pem"), certificate: folder.join("operator.pem"), key: folder.join("operator.key") }
    }

    /// Reads the files.
    ///
    /// # Errors
    /// One can't be read or is of the wrong kind, or they don't belong together; the message names the file.
    pub fn load(&self) -> Result<Credentials, Error> {
        self.load_with(&self.certificate_now()?)
    }

    /// As [`TlsFiles::load`], with another certificate than that in the file; as in [`Certified::der`].
    ///
    /// # Errors
    /// As [`TlsFiles::load`].
    pub fn load_with(&self, certificate: &[u8]) -> Result<Credentials, Error> {
        let ca = CaCertificate::from_pem(&read(&self.ca)?).map_err(|e| content(&self.ca, e))?;
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?)
            .map_err(|_| content(&self.key, "no PEM private key in the file"))?;
        Credentials::new(ca, certificate, key).map_err(|e| content(&self.certificate, e))
    }

    /// The bytes of the own certificate as they are in the file now, as in [`Certified::der`].
    ///
    /// # Errors
    /// The file can't be read or is no PEM.
    pub fn certificate_now(&self) -> Result<Vec<u8>, Error> {
        let pem = read(&self.certificate)?;
        certificates(&pem).map_err(|_| content(&self.certificate, "no PEM certificate in the file"))
    }
}

/// The own identity for TLS.
#[derive(Clone)]
pub struct Credentials {
    ca: Arc<CaCertificate>,
    certified: Arc<Certified>,
    key: Arc<rustls::sign::CertifiedKey>,
}

impl Credentials {
    /// Checks that certificate, key and authority belong together; `certificate` as in [`Certified::der`]. Today's date is
    /// not checked: a certificate that has run out is reported by those who use it.
    ///
    /// # Errors
    /// They don't, or the key is of a kind that TLS can't use.
    pub fn new(ca: CaCertificate, certificate: &[u8], key: PrivateKeyDer<'static>) -> Result<Self, Error> {
        let certified = Certified::verify(certificate, &ca)?;
        let provider = rustls::crypto::ring::default_provider();
        let key = rustls::sign::CertifiedKey::from_der(certified.certificates(), key, &provider)?;
        key.keys_match()?;
        Ok(Self { ca: Arc::new(ca), certified: Arc::new(certified), key: Arc::new(key) })
    }

    /// From the content of PEM files.
    ///
    /// # Errors
    /// As [`Credentials::new`], or one is no PEM.
    pub fn from_pem(ca: &str, certificate: &str, key: &str) -> Result<Self, Error> {
        let ca = CaCertificate::from_pem(ca.as_bytes())?;
        let certificate =
            certificates(certificate.as_bytes()).map_err(|_| identity::Error::Malformed("no PEM certificate"))?;
        let key =
            PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| identity::Error::Malformed("no PEM key"))?;
        Self::new(ca, &certificate, key)
    }

    /// The own certificate.
    pub fn certified(&self) -> &Arc<Certified> {
        &self.certified
    }

    /// The authority's certificate.
    pub fn ca(&self) -> &Arc<CaCertificate> {
        &self.ca
    }

    pub(super) fn key(&self) -> &Arc<rustls::sign::CertifiedKey> {
        &self.key
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.certified.id)
    }
}

/// The certificates of a PEM file, one after the other.
fn certificates(pem: &[u8]) -> Result<Vec<u8>, pem::Error> {
    let mut all = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        all.extend_from_slice(&certificate?);
    }
    if all.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(all) }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > FILE_MAX {
        return Err(content(path, "longer than 64 KiB"));
    }
    fs::read(path).map_err(failed)
}

fn content(path: &Path, problem: impl ToString) -> Error {
    Error::Content { path: path.to_owned(), problem: problem.to_string() }
}
