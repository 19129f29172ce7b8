//! Who signs what this process writes: the node itself, or an operator at the command line.

use std::sync::Arc;

use codepop_shared::identity::{CaCertificate, Certified, KeyId, SpiffeId, key_id};
use ed25519_dalek::{Signer as _, SigningKey};
use uuid::Uuid;

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

    /// Whether a node is this one, or one whose place it takes.
    pub fn is(&self, node: Uuid) -> bool {
        self.id.uuid == node || self.certificate.replaces.iter().any(|replaced| replaced.uuid == node)
    }

    /// Whether numbers that end with this one were given here: by this node, or by one whose place it takes.
    pub fn gave(&self, number: u32) -> bool {
        self.numbers().contains(&number)
    }

    /// The numbers under which this node gave and gives numbers, its own first.
    pub fn numbers(&self) -> Vec<u32> {
        std::iter::once(self.id.number)
            .chain(self.certificate.replaces.iter().map(|replaced| replaced.number))
            .collect()
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
