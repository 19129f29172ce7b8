//! An event as bytes, and its header read. The bytes are kept and passed on verbatim.

use bytes::Bytes;
use codepop_proto::journal::{EventHeader, SignedEvent};
use codepop_shared::identity::{KeyId, SpiffeId, is_signed};
use ed25519_dalek::VerifyingKey;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Audience;
use crate::{clock::Hlc, identity::Author};

/// Largest header, in bytes; real ones have about 250.
pub const HEADER_MAX: usize = 1_024;

/// Largest body, in bytes; real ones have a few hundred.
pub const BODY_MAX: usize = 64 * 1_024;

/// Random bytes before the message in a body: without them an erased body could be guessed from its hash.
const SALT_LEN: usize = 16;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Why bytes are not an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an event: {0}")]
pub struct Malformed(pub &'static str);

/// A header, read and checked for form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The chain.
    pub chain: String,
    /// Who made it.
    pub origin: Uuid,
    /// With which key.
    pub key_id: KeyId,
    /// For whom.
    pub audience: Audience,
    /// Position in the stream, from 1.
    pub seq: u64,
    /// Hash of the header before it; `None` at seq 1.
    pub previous: Option<Hash>,
    /// When, in hybrid logical time.
    pub hlc: Hlc,
    /// Version of the body's schema.
    pub schema_version: u32,
    /// Full name of the body's message.
    pub kind: String,
    /// Hash of the body.
    pub body_hash: Hash,
    /// Number of the user whom it is about; 0 for none.
    pub subject: i64,
}

/// An event: bytes, and the header that was read from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The header, read.
    pub header: Header,
    /// The header's bytes.
    pub header_bytes: Bytes,
    /// The origin's signature over the header's bytes.
    pub signature: [u8; 64],
    /// The body with its salt; empty once erased.
    pub body: Bytes,
}

impl Event {
    /// Reads an event. A body must match its hash; proves nothing about the signature.
    pub fn parse(signed: SignedEvent) -> Result<Self, Malformed> {
        if signed.header.len() > HEADER_MAX || signed.body.len() > BODY_MAX {
            return Err(Malformed("larger than allowed"));
        }
        let header = Header::parse(&signed.header)?;
        let signature =
            signed.signature.as_ref().try_into().map_err(|_| Malformed("the signature has not 64 bytes"))?;
        if !signed.body.is_empty() && (signed.body.len() < SALT_LEN || sha256(&signed.body) != header.body_hash) {
            return Err(Malformed("the body does not match its hash"));
        }
        Ok(Self { header, header_bytes: signed.header, signature, body: signed.body })
    }

    /// Makes and signs an event.
    pub fn sign(author: &Author, draft: Draft<'_>) -> Self {
        let mut body = Vec::with_capacity(SALT_LEN + draft.message.len());
        body.extend_from_slice(&rand::random::<[u8; SALT_LEN]>());
        body.extend_from_slice(draft.message);
        let header = Header {
            chain: author.id.chain.clone(),
            origin: author.id.uuid,
            key_id: author.key_id,
            audience: draft.audience.clone(),
            seq: draft.seq,
            previous: draft.previous,
            hlc: draft.hlc,
            schema_version: draft.schema_version,
            kind: draft.kind.to_owned(),
            body_hash: sha256(&body),
            subject: draft.subject,
        };
        let header_bytes = Bytes::from(header.encode());
        Self { signature: author.sign(&header_bytes), header, header_bytes, body: body.into() }
    }

    /// Whether the signature is the key's, on every node alike.
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        is_signed((key, &self.header_bytes, &self.signature))
    }

    /// Hash of the header: what the next event of the stream names as its predecessor.
    pub fn hash(&self) -> Hash {
        sha256(&self.header_bytes)
    }

    /// The body's message without its salt; `None` once erased.
    pub fn message(&self) -> Option<&[u8]> {
        self.body.get(SALT_LEN..)
    }

    /// Whether `origin` is whom the header names, of the same chain.
    pub fn is_of(&self, origin: &SpiffeId) -> bool {
        self.header.origin == origin.uuid && self.header.chain == origin.chain
    }

    /// The form in which it travels.
    pub fn into_signed(self) -> SignedEvent {
        SignedEvent { header: self.header_bytes, signature: Bytes::copy_from_slice(&self.signature), body: self.body }
    }
}

/// What an author says in a new event.
pub struct Draft<'a> {
    /// For whom.
    pub audience: &'a Audience,
    /// Position in the stream.
    pub seq: u64,
    /// Hash of the header before it.
    pub previous: Option<Hash>,
    /// When.
    pub hlc: Hlc,
    /// Version of the body's schema.
    pub schema_version: u32,
    /// Full name of the message.
    pub kind: &'a str,
    /// Number of the user whom it is about; 0 for none.
    pub subject: i64,
    /// The encoded message.
    pub message: &'a [u8],
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let raw = EventHeader::decode(bytes).map_err(|_| Malformed("the header cannot be read"))?;
        let hash = |bytes: &[u8]| Hash::try_from(bytes).map_err(|_| Malformed("a hash has not 32 bytes"));
        let previous = if raw.previous.is_empty() { None } else { Some(hash(&raw.previous)?) };
        if raw.seq == 0 || i64::try_from(raw.seq).is_err() || previous.is_none() != (raw.seq == 1) {
            return Err(Malformed("seq and previous hash do not fit"));
        }
        let is_name =
            |kind: &str| kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_');
        // PostgreSQL holds no NUL in text, and a log no line breaks.
        if raw.kind.is_empty() || !is_name(&raw.kind) || raw.subject < 0 {
            return Err(Malformed("the kind or the subject is not allowed"));
        }
        Ok(Self {
            chain: raw.chain,
            origin: Uuid::from_slice(&raw.origin).map_err(|_| Malformed("the origin is not a UUID"))?,
            key_id: KeyId::try_from(raw.key_id.as_ref()).map_err(|_| Malformed("the key id has not 16 bytes"))?,
            audience: raw.audience.parse().map_err(Malformed)?,
            seq: raw.seq,
            previous,
            hlc: Hlc(raw.hlc),
            schema_version: raw.schema_version,
            kind: raw.kind,
            body_hash: hash(&raw.body_hash)?,
            subject: raw.subject,
        })
    }

    fn encode(&self) -> Vec<u8> {
        EventHeader {
            chain: self.chain.clone(),
            origin: Bytes::copy_from_slice(self.origin.as_bytes()),
            key_id: Bytes::copy_from_slice(&self.key_id.0),
            audience: self.audience.to_string(),
            seq: self.seq,
            previous: self.previous.map(|hash| Bytes::copy_from_slice(&hash)).unwrap_or_default(),
            hlc: self.hlc.0,
            schema_version: self.schema_version,
            kind: self.kind.clone(),
            body_hash: Bytes::copy_from_slice(&self.body_hash),
            subject: self.subject,
        }
        .encode_to_vec()
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}
