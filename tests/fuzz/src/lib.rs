//! What the targets share: a chain whose keys are at hand, and a node that takes what they say.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how a target reports")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Once},
};

use codepop_node::{
    clock::Clock,
    identity::Author,
    journal::{Audience, Draft, Event, Hash},
    storage::{Db, Location},
};
use codepop_proto::{journal::SignedEvent, mesh::NodeAnnounced};
use codepop_shared::{
    authority::{Authority, CERTIFICATE_VALID, Order},
    identity::{CaCertificate, Certified, Kind, SpiffeId},
    request::KeyMaterial,
};
use ed25519_dalek::SigningKey;
// Every program is instrumented, and the hooks are in there.
use libfuzzer_sys as _;
use prost::{Message as _, Name as _};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// A chain's authority.
pub struct Chain(Authority);

impl Chain {
    /// A new one.
    pub fn new() -> Self {
        static CRYPTO: Once = Once::new();
        CRYPTO.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        Self(Authority::create("fuzz", chrono::Utc::now()).unwrap())
    }

    /// Somebody with a certificate and an event key.
    pub fn author(&self, kind: Kind, number: u32, region: &str) -> Author {
        let id = SpiffeId { chain: "fuzz".into(), kind, region: region.into(), number, uuid: Uuid::now_v7() };
        let key = SigningKey::from_bytes(&rand::random());
        let csr = KeyMaterial::generate(false).unwrap().csr(id.uuid).unwrap();
        let order = Order {
            id,
            event_key: Some(key.verifying_key()),
            csr: &csr,
            name: "fuzz",
            dns: &[],
            ips: &[],
            now: chrono::Utc::now(),
            valid: CERTIFICATE_VALID,
        };
        let pem = self.0.issue(order).unwrap();
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let ca = Arc::new(CaCertificate::from_pem(self.0.pem().as_bytes()).unwrap());
        Author::new(Arc::new(Certified::parse(&der).unwrap()), ca, key)
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

/// Who signs, and how far its streams are.
pub struct Voice {
    /// The keys.
    pub author: Author,
    clock: Clock,
    streams: BTreeMap<Audience, (u64, Hash)>,
}

/// What an event is to say.
pub struct Saying<'a> {
    /// For whom.
    pub audience: Audience,
    /// Kind of the event.
    pub kind: &'a str,
    /// Version of its schema.
    pub version: u32,
    /// The user whom it is about.
    pub subject: i64,
    /// The message, encoded or not.
    pub message: &'a [u8],
}

impl Voice {
    /// Has said nothing yet.
    pub fn new(author: Author) -> Self {
        Self { clock: Clock::new(author.id.uuid), author, streams: BTreeMap::new() }
    }

    /// Signs the next event of a stream. It counts as said once [`Voice::was_taken`] says so.
    pub fn say(&self, saying: &Saying<'_>) -> Event {
        let (head, hash) = self.streams.get(&saying.audience).copied().unzip();
        let draft = Draft {
            audience: &saying.audience,
            seq: head.unwrap_or(0) + 1,
            previous: hash,
            hlc: self.clock.tick(),
            schema_version: saying.version,
            kind: saying.kind,
            subject: saying.subject,
            message: saying.message,
        };
        Event::sign(&self.author, draft)
    }

    /// The stream goes on after this event.
    pub fn was_taken(&mut self, event: &Event) {
        self.streams.insert(event.header.audience.clone(), (event.header.seq, event.hash()));
    }

    /// Says who it is.
    pub fn announce(&mut self) -> SignedEvent {
        let announced = NodeAnnounced {
            certificate: self.author.certificate.der.clone(),
            display_name: "fuzz".to_owned(),
            api_base_url: "https://127.0.0.1:1".to_owned(),
            ..NodeAnnounced::default()
        };
        let event = self.say(&Saying {
            audience: Audience::Everyone,
            kind: &NodeAnnounced::full_name(),
            version: 1,
            subject: 0,
            message: &announced.encode_to_vec(),
        });
        self.was_taken(&event);
        event.into_signed()
    }
}

/// A node without network: hub 1 of region C, on a database in memory's file system where there is one.
pub struct Node {
    /// Its database.
    pub db: Db,
    /// What runs its calls.
    pub runtime: Runtime,
    _folder: TempDir,
}

impl Node {
    /// A new one.
    pub fn new(chain: &Chain) -> Self {
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let author = Arc::new(chain.author(Kind::Hub, 1, "C"));
        let location = Location::Sqlite(folder.path().join("node.db"));
        let clock = Arc::new(Clock::new(author.id.uuid));
        let (db, _) = runtime.block_on(Db::open(&location, clock, author)).unwrap();
        Self { db, runtime, _folder: folder }
    }
}
