//! A node that is no process: a certificate of the chain in a test's hands, which says whatever the test wants, also what
//! no real node would say.

use std::{sync::Arc, time::Duration};

use codepop_node::{
    clock::{Clock, Hlc},
    identity::{Author, Expected, NodeIdentity},
    journal::{Audience, Draft, Event, sha256},
};
use codepop_proto::{
    journal::{SignedEvent, StreamPosition, Vector},
    mesh::{
        EventBatch, Heartbeat, Hello, LinkRequest, NodeAnnounced, RegisterRequest, ReplicateRequest, ReplicateResponse,
        ReplicationFrame, mesh_service_client::MeshServiceClient, replication_frame::Frame,
    },
    nodes::NodeType,
};
use codepop_shared::identity::{Kind, SpiffeId};
use prost::Name;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use super::{Mesh, operator::dial, programs::run};

/// Time for any single answer of a node.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Time between heartbeats: below every setting that a test gives its nodes.
const BEAT_EVERY: Duration = Duration::from_millis(100);

/// Frames that wait to be sent.
const QUEUE: usize = 64;

/// Field number that no version of the header has.
const UNKNOWN_FIELD: u32 = 1_000;

/// What an event is to say.
#[derive(Clone, Debug)]
pub struct Saying {
    /// For whom.
    pub audience: Audience,
    /// Full name of the message.
    pub kind: String,
    /// The message.
    pub message: Vec<u8>,
    /// The user whom it is about; 0 for none.
    pub subject: i64,
    /// Whether the header has a field that nobody knows.
    pub unknown_field: bool,
    /// Version of the message; nodes know the first.
    pub schema_version: u32,
}

impl Saying {
    /// A message of the contract for everyone.
    pub fn of<M: Name>(message: &M, subject: i64) -> Self {
        let (kind, message) = (M::full_name(), message.encode_to_vec());
        Self { audience: Audience::Everyone, kind, message, subject, unknown_field: false, schema_version: 1 }
    }
}

/// The certificate and keys of a node, and where its stream for everyone ends.
pub struct Stranger {
    /// Its certified name.
    pub id: SpiffeId,
    identity: NodeIdentity,
    author: Author,
    clock: Clock,
    /// Its announcement: the first event of its stream for everyone.
    pub announcement: SignedEvent,
    streams: std::collections::BTreeMap<Audience, (u64, [u8; 32])>,
}

impl Stranger {
    /// A store of the mesh's chain, certified as any other.
    pub fn store(mesh: &Mesh, name: &str, region: &str) -> Self {
        let dir = mesh.root().join(name);
        let (folder, pki) = (dir.to_str().unwrap(), mesh.pki().to_str().unwrap());
        run(
            "codepop-node",
            mesh.root(),
            &["init", "--data-dir", folder, "--type", "STORE", "--name", name, "--region", region],
        );
        let request = dir.join("request.json");
        run("codepop-node", mesh.root(), &["pki", "issue", request.to_str().unwrap(), "--dir", pki]);
        let identity = NodeIdentity::load(&dir, &Expected::default()).unwrap();
        let author = identity.author();
        let mut stranger = Self {
            id: identity.id.clone(),
            clock: Clock::new(identity.id.uuid),
            identity,
            author,
            announcement: SignedEvent::default(),
            streams: std::collections::BTreeMap::new(),
        };
        let announced = NodeAnnounced {
            certificate: stranger.author.certificate.der.clone(),
            display_name: name.to_owned(),
            // Nobody is there: others must not dial it.
            api_base_url: "https://127.0.0.1:1".to_owned(),
            latitude: None,
            longitude: None,
            version: "0".to_owned(),
        };
        stranger.announcement = stranger.say(&Saying::of(&announced, 0));
        stranger
    }

    /// Signs the next event of its stream.
    pub fn say(&mut self, saying: &Saying) -> SignedEvent {
        let (head, hash) = self.streams.get(&saying.audience).copied().unzip();
        let draft = Draft {
            audience: &saying.audience,
            seq: head.unwrap_or(0) + 1,
            previous: hash,
            hlc: self.now(),
            schema_version: saying.schema_version,
            kind: &saying.kind,
            subject: saying.subject,
            message: &saying.message,
        };
        let mut signed = Event::sign(&self.author, draft).into_signed();
        if saying.unknown_field {
            let mut header = signed.header.to_vec();
            prost::encoding::string::encode(UNKNOWN_FIELD, &"from the future".to_owned(), &mut header);
            signed.signature = self.author.sign(&header).to_vec().into();
            signed.header = header.into();
        }
        self.streams.insert(saying.audience.clone(), (head.unwrap_or(0) + 1, sha256(&signed.header)));
        signed
    }

    fn now(&self) -> Hlc {
        self.clock.tick()
    }

    /// Introduces itself, as what its certificate says.
    pub fn introduction(&self) -> RegisterRequest {
        RegisterRequest {
            node_id: self.id.uuid.to_string(),
            node_type: if self.id.kind == Kind::Hub { NodeType::SupplyHub } else { NodeType::Store }.into(),
            display_name: "stranger".to_owned(),
            api_base_url: "https://127.0.0.1:1".to_owned(),
            latitude: None,
            longitude: None,
            region: self.id.region.clone(),
            protocol: 1,
            announcement: Some(self.announcement.clone()),
            instance: Vec::new(),
            revocations_known: Vec::new(),
        }
    }

    /// A client for the mesh's service of a node.
    pub async fn client(&self, mesh: &Mesh, node: usize) -> MeshServiceClient<Channel> {
        MeshServiceClient::new(dial(&self.identity.credentials, mesh.nodes[node].address()).await.unwrap())
    }

    /// Introduces itself to a node, opens both streams and says hello. `has`: what it claims to have.
    pub async fn session(&self, mesh: &Mesh, node: usize, has: Vec<StreamPosition>) -> Session {
        let mut client = self.client(mesh, node).await;
        client.register(self.introduction()).await.unwrap();
        let (beats, queue) = mpsc::channel(QUEUE);
        beats.send(LinkRequest { heartbeat: Some(Heartbeat { number: 1, ..Heartbeat::default() }) }).await.unwrap();
        let mut heard = client.link(ReceiverStream::new(queue)).await.unwrap().into_inner();
        let beating = tokio::spawn(async move {
            let mut every = tokio::time::interval(BEAT_EVERY);
            let mut echo = 0;
            for number in 2.. {
                tokio::select! {
                    _ = every.tick() => {}
                    beat = heard.message() => match beat {
                        Ok(Some(beat)) => echo = beat.heartbeat.unwrap_or_default().number,
                        _ => return,
                    },
                }
                let heartbeat = Some(Heartbeat { number, echo, ..Heartbeat::default() });
                if beats.send(LinkRequest { heartbeat }).await.is_err() {
                    return;
                }
            }
        });
        let (frames, queue) = mpsc::channel(QUEUE);
        let hello = Frame::Hello(Hello { vector: Some(Vector { streams: has }) });
        frames.send(framed(hello)).await.unwrap();
        let inbound = client.replicate(ReceiverStream::new(queue)).await.unwrap().into_inner();
        Session { frames, inbound, rest: Vec::new(), beating: Arc::new(beating) }
    }
}

fn framed(frame: Frame) -> ReplicateRequest {
    ReplicateRequest { frame: Some(ReplicationFrame { frame: Some(frame) }) }
}

/// A replication session of a [`Stranger`] with a node.
pub struct Session {
    frames: mpsc::Sender<ReplicateRequest>,
    inbound: Streaming<ReplicateResponse>,
    /// Events of the last frame that came after the one that was waited for.
    rest: Vec<SignedEvent>,
    beating: Arc<JoinHandle<()>>,
}

impl Session {
    /// Sends events in one frame.
    pub async fn send(&self, events: Vec<SignedEvent>) {
        self.frames.send(framed(Frame::Events(EventBatch { events, ..EventBatch::default() }))).await.unwrap();
    }

    /// The next frame; an error or nothing when the node has ended the session.
    ///
    /// # Errors
    /// The node ended it with a status.
    ///
    /// # Panics
    /// Nothing comes in time.
    pub async fn next(&mut self) -> Result<Option<Frame>, Status> {
        let frame = timeout(ANSWER_TIMEOUT, self.inbound.message()).await.expect("a frame in time")?;
        Ok(frame.and_then(|frame| frame.frame).and_then(|frame| frame.frame))
    }

    /// Waits for the acknowledgement of so many events in all.
    pub async fn acknowledged(&mut self, events: u64) {
        loop {
            match self.next().await {
                Ok(Some(Frame::Ack(ack))) if ack.received >= events => return,
                Ok(Some(_)) => {}
                ended => panic!("the session ended before {events} events were acknowledged: {ended:?}"),
            }
        }
    }

    /// Waits until the node ends the session.
    ///
    /// # Panics
    /// It acknowledges more than `taken` events, or goes on.
    pub async fn ended(&mut self, taken: u64) {
        loop {
            match self.next().await {
                Ok(Some(Frame::Ack(ack))) => assert!(ack.received <= taken, "events were taken: {ack:?}"),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Events that came in the same frame after the last one that was waited for.
    pub fn rest(&mut self, wanted: impl Fn(&SignedEvent) -> bool) -> Vec<SignedEvent> {
        std::mem::take(&mut self.rest).into_iter().filter(wanted).collect()
    }

    /// Looks at every event that comes, until one is the wanted one, and returns it as it came.
    pub async fn receives(&mut self, mut wanted: impl FnMut(&SignedEvent) -> bool) -> SignedEvent {
        loop {
            match self.next().await {
                Ok(Some(Frame::Events(batch))) => {
                    let mut events = batch.events.into_iter();
                    if let Some(event) = events.find(&mut wanted) {
                        self.rest = events.collect();
                        return event;
                    }
                }
                Ok(Some(_)) => {}
                ended => panic!("the session ended before the event came: {ended:?}"),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.beating.abort();
    }
}
