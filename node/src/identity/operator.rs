//! The operator's identity, for the commands that act as the operator.

use std::{fmt, path::Path, sync::Arc};

use codepop_shared::{
    identity::Kind,
    tls::{Credentials, TlsFiles},
};
use ed25519_dalek::SigningKey;

use super::{Author, Error, content, read_event_key, require};

/// The operator's event key in the authority's folder.
pub const OPERATOR_EVENT_KEY_FILE: &str = "operator-event.key";

/// The operator's certificate and keys.
#[derive(Clone)]
pub struct OperatorIdentity {
    /// For TLS; has the certificate.
    pub credentials: Credentials,
    /// Signs the operator's events.
    pub signing_key: SigningKey,
}

impl OperatorIdentity {
    /// Loads `ca.pem`, `operator.pem`, `operator.key` and `operator-event.key` from a folder.
    ///
    /// # Errors
    /// A file is missing or not what it should be.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let (files, event_key) = (TlsFiles::of_operator(folder), folder.join(OPERATOR_EVENT_KEY_FILE));
        let init = format!("codepop-node pki init --dir {} --chain NAME", folder.display());
        for path in [&files.ca, &files.certificate, &files.key, &event_key] {
            require(path, &init)?;
        }
        let credentials = files.load()?;
        if credentials.certified().id.kind != Kind::Operator {
            return Err(content(&files.certificate, "it is not an operator's"));
        }
        let signing_key = read_event_key(&event_key, credentials.certified())?;
        Ok(Self { credentials, signing_key })
    }

    /// The operator as author of events.
    pub fn author(&self) -> Author {
        Author::new(
            Arc::clone(self.credentials.certified()),
            Arc::clone(self.credentials.ca()),
            self.signing_key.clone(),
        )
    }
}

impl fmt::Debug for OperatorIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperatorIdentity({})", self.credentials.certified().id)
    }
}
