//! Who signs what this process writes: the node itself, or an operator at the command line.

use std::sync::Arc;

use codepop_shared::identity::{CaCertificate, Certified, KeyId, SpiffeId, key_id};
use ed25519_dalek::{Signer as _, SigningKey};

/// The name and the event key under which events and tokens are signed.
pub struct Author {
    /// The certified name.
    pub id: SpiffeId,
    /// Short name of the key.
    pub key_id: KeyId,
    /// The certificate that binds name and key.
    pub certificate: Arc<Certified>,
    /// The chain's authority, against which others are judged.
    pub ca: Arc<CaCertificate>,
    key: SigningKey,
}

impl Author {
    /// An author.
    pub fn new(certificate: Arc<Certified>, ca: Arc<CaCertificate>, key: SigningKey) -> Self {
        Self { id: certificate.id.clone(), key_id: key_id(&key.verifying_key()), certificate, ca, key }
    }

    /// Signs bytes.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }

    /// The key itself, for tokens.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }
}
