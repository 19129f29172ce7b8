//! Who this node is: its settings, its certificate and its two keys, and the lock on its data directory. The certificate
//! decides; settings and environment may only agree with it.

mod author;
mod lock;
mod operator;
mod settings;

pub use author::Author;
pub use lock::DataLock;
pub use operator::{OPERATOR_EVENT_KEY_FILE, OperatorIdentity};
pub use settings::{NodeSettings, SETTINGS_FILE};

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use codepop_shared::{
    identity::{Certified, Kind, SpiffeId},
    request::{EVENT_KEY_FILE, PKI_FOLDER, REQUEST_FILE},
    tls::{self, Credentials, TlsFiles},
};
use ed25519_dalek::{SigningKey, pkcs8::DecodePrivateKey as _};
use uuid::Uuid;

/// Why the node has no identity. Every message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is not there.
    #[error("{} is missing: run `{command}`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The command that makes it.
        command: String,
    },
    /// A file is not what it should be.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Another process uses the data directory.
    #[error("{} is in use by another process: every node needs a data directory of its own", .0.display())]
    Locked(PathBuf),
    /// What was set differs from what the certificate says.
    #[error("{name} is \"{value}\", but the certificate in {} says {certified}", path.display())]
    Differs {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What the certificate says.
        certified: String,
        /// The certificate's file.
        path: PathBuf,
    },
    /// Certificate, key and authority don't belong together.
    #[error(transparent)]
    Tls(#[from] tls::Error),
}

/// What the surroundings say the node is; each must agree with the certificate.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// `NODE_ID`.
    pub node_id: Option<Uuid>,
    /// `NODE_TYPE`.
    pub kind: Option<Kind>,
    /// `SUPPLY_HUB_REGION`.
    pub region: Option<String>,
}

/// The node's identity.
#[derive(Clone)]
pub struct NodeIdentity {
    /// Chain, kind, region, number and UUID, as certified.
    pub id: SpiffeId,
    /// Signs events and user tokens.
    pub signing_key: SigningKey,
    /// The own certificate.
    pub certificate: Arc<Certified>,
    /// For TLS.
    pub credentials: Credentials,
}

impl NodeIdentity {
    /// Loads the identity from `<data dir>/pki`.
    ///
    /// # Errors
    /// A file is missing or not what it should be, the event key is not the certificate's, or the certificate says
    /// otherwise than what is expected.
    pub fn load(data_dir: &Path, expected: &Expected) -> Result<Self, Error> {
        let folder = data_dir.join(PKI_FOLDER);
        let (files, event_key) = (TlsFiles::in_folder(&folder), folder.join(EVENT_KEY_FILE));
        let init = format!("codepop-node init --data-dir {}", data_dir.display());
        let issue = format!("codepop-node pki issue {}", data_dir.join(REQUEST_FILE).display());
        for (path, command) in
            [(&files.key, &init), (&event_key, &init), (&files.certificate, &issue), (&files.ca, &issue)]
        {
            require(path, command)?;
        }
        let credentials = files.load()?;
        let certificate = Arc::clone(credentials.certified());
        let signing_key = read_event_key(&event_key, &certificate)?;
        let id = certificate.id.clone();
        if !id.is_node() {
            return Err(content(&files.certificate, format!("it is a {}'s, not a store's or hub's", id.kind)));
        }
        expected.agree(&id, &files.certificate)?;
        Ok(Self { id, signing_key, certificate, credentials })
    }

    /// The node as author of events and tokens.
    pub fn author(&self) -> Author {
        Author::new(Arc::clone(&self.certificate), Arc::clone(self.credentials.ca()), self.signing_key.clone())
    }
}

impl fmt::Debug for NodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeIdentity({})", self.id)
    }
}

impl Expected {
    fn agree(&self, id: &SpiffeId, path: &Path) -> Result<(), Error> {
        let differs =
            |name, value: String, certified: String| Error::Differs { name, value, certified, path: path.to_owned() };
        if let Some(uuid) = self.node_id.filter(|uuid| *uuid != id.uuid) {
            return Err(differs("NODE_ID", uuid.to_string(), id.uuid.to_string()));
        }
        if let Some(kind) = self.kind.filter(|kind| *kind != id.kind) {
            return Err(differs("NODE_TYPE", type_word(kind).to_owned(), type_word(id.kind).to_owned()));
        }
        if let Some(region) = self.region.as_ref().filter(|region| **region != id.region) {
            return Err(differs("SUPPLY_HUB_REGION", region.clone(), id.region.clone()));
        }
        Ok(())
    }
}

/// The plan's word for a kind of node.
pub fn type_word(kind: Kind) -> &'static str {
    if kind == Kind::Hub { "SUPPLY_HUB" } else { "STORE" }
}

fn require(path: &Path, command: &str) -> Result<(), Error> {
    if path.exists() {
        return Ok(());
    }
    Err(Error::Missing { path: path.to_owned(), command: command.to_owned() })
}

/// Reads an event key and checks that the certificate binds it.
fn read_event_key(path: &Path, certificate: &Certified) -> Result<SigningKey, Error> {
    let pem = fs::read_to_string(path).map_err(|e| content(path, e))?;
    let key = SigningKey::from_pkcs8_pem(&pem).map_err(|_| content(path, "no PEM Ed25519 key in the file"))?;
    if certificate.event_key != Some(key.verifying_key()) {
        return Err(content(path, "it is not the event key that the certificate names"));
    }
    Ok(key)
}

fn content(path: &Path, problem: impl ToString) -> Error {
    Error::Content { path: path.to_owned(), problem: problem.to_string() }
}
