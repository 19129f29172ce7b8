//! Dialling: the one place that connects, introduces this node, opens the two streams, and tries again when they end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use codepop_proto::{
    mesh::{LinkRequest, Presence, RegisterRequest, ReplicateRequest, mesh_service_client::MeshServiceClient},
    nodes::NodeType,
};
use codepop_shared::{
    identity::{Kind, SpiffeId},
    tls::{Connector, Expect, Trust, client_config},
};
use futures::StreamExt as _;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code as Grpc, Request, Status, metadata::MetadataValue, transport::Channel};
use uuid::Uuid;

use super::{
    accept,
    stream::{End, QUEUE_FRAMES, Replicator},
};
use crate::{
    journal::{conflicts, entries},
    mesh::{
        backoff::{AFTER_FAULT, AFTER_FULL, Backoff},
        heartbeat::{self, Runs},
        links::{LinkGuard, Links},
        plan::{Candidate, plan},
        presence::{self, Instance},
        registry::{self, Known},
        revocations,
    },
    storage::{self, Db},
};

/// Version of the replication protocol.
pub const PROTOCOL: u32 = 1;

/// Metadata of `Link` that names the run of the program which dials.
pub(super) const INSTANCE: &str = "codepop-instance-bin";

/// How long introducing oneself and opening a stream may take.
pub const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// The plan is made again at least this often, should a change have been missed.
pub const REPLAN_EVERY: Duration = Duration::from_secs(5);

/// A link that lasted so long was good: after it, waits begin at the shortest again. One that a peer ends at once must not
/// be dialled ten times a second for ever.
pub const PROVEN_AFTER: Duration = Duration::from_secs(10);

/// Announcements taken from one answer to Register at the most.
const ANNOUNCEMENTS_MAX: usize = 2_000;

/// Revocations and operators' announcements taken from one answer to Register at the most.
const REVOCATIONS_MAX: usize = 5_000;

/// Events taken as proof that this node is refused at the most: a revocation or a node's word, and who said it.
const PROOF_MAX: usize = 4;

/// Why an attempt ended.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Connect(#[from] codepop_shared::tls::Error),
    #[error("{0}")]
    Refused(String),
    #[error("no answer in time")]
    Slow,
    #[error("the pair is linked already")]
    Linked,
    #[error("the peer holds as many links as it may")]
    Full,
    #[error("{0}")]
    Fault(String),
    #[error("{0}")]
    Unwanted(String),
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<Status> for Failed {
    fn from(status: Status) -> Self {
        match status.code() {
            Grpc::AlreadyExists => Self::Linked,
            Grpc::ResourceExhausted => Self::Full,
            _ => Self::Refused(format!("{:?}: {}", status.code(), status.message())),
        }
    }
}

impl From<accept::Error> for Failed {
    fn from(error: accept::Error) -> Self {
        match error {
            accept::Error::Fault(why) => Self::Fault(why),
            accept::Error::Storage(error) => error.into(),
        }
    }
}

/// A node that was met, who it is, and which run of its program.
type Connected = (MeshServiceClient<Channel>, SpiffeId, Option<Instance>);

/// What dialling needs. Cheap to clone.
#[derive(Clone)]
pub struct Dialler {
    /// The database.
    pub db: Db,
    /// The links that are up.
    pub links: Links,
    /// Sessions.
    pub replicator: Replicator,
    /// Own certificate and key, and who is refused.
    pub trust: Trust,
    /// This run of the program.
    pub instance: Instance,
    /// How heartbeats are timed.
    pub heartbeats: heartbeat::Config,
    /// Peers that should be linked and are not.
    pub away: Away,
}

/// Peers that should be linked and did not answer last time. Cheap to clone.
#[derive(Clone, Default)]
pub struct Away(Arc<Mutex<BTreeSet<Uuid>>>);

impl Away {
    /// Who they are.
    pub fn get(&self) -> BTreeSet<Uuid> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, peer: Uuid, away: bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if away {
            all.insert(peer)
        } else {
            all.remove(&peer)
        };
    }
}

impl Dialler {
    /// Keeps this node linked to whom the plan says, until cancelled. `seeds`: addresses to begin with.
    pub async fn run(self, seeds: Vec<String>, stop: CancellationToken) {
        for url in seeds {
            let (dialler, stop) = (self.clone(), stop.clone());
            tokio::spawn(async move { stop.run_until_cancelled(dialler.meet(&url)).await });
        }
        let mut kept: BTreeMap<Uuid, CancellationToken> = BTreeMap::new();
        let (mut registry, mut links) = (self.db.registry_changes(), self.links.changes());
        loop {
            match self.plan().await {
                Ok(wanted) => self.follow(&wanted, &mut kept, &stop),
                Err(error) => tracing::warn!(error = %error, "the plan of links could not be made"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                _ = registry.changed() => {}
                _ = links.changed() => {}
                () = tokio::time::sleep(REPLAN_EVERY) => {}
            }
        }
    }

    async fn plan(&self) -> Result<BTreeSet<Uuid>, storage::Error> {
        let known = self.db.read(|tx| Box::pin(registry::current(tx))).await?;
        let candidate = |known: &Known| Candidate { id: known.id().clone(), place: known.place };
        let all: Vec<Candidate> = known.iter().map(candidate).collect();
        let me = all.iter().find(|node| node.id.uuid == self.db.author().id.uuid);
        Ok(me.map(|me| plan(me, &all, &self.away.get())).unwrap_or_default())
    }

    fn follow(&self, wanted: &BTreeSet<Uuid>, kept: &mut BTreeMap<Uuid, CancellationToken>, stop: &CancellationToken) {
        kept.retain(|peer, token| {
            let keep = wanted.contains(peer);
            if !keep {
                token.cancel();
                self.away.set(*peer, false);
            }
            keep
        });
        for peer in wanted {
            kept.entry(*peer).or_insert_with(|| {
                let (token, dialler, peer) = (stop.child_token(), self.clone(), *peer);
                let until = token.clone();
                tokio::spawn(async move { until.run_until_cancelled(dialler.keep(peer)).await });
                token
            });
        }
    }

    /// Gets to know the node behind an address; the plan does the rest.
    async fn meet(&self, url: &str) {
        let mut backoff = Backoff::default();
        loop {
            match self.connect(url, Expect::AnyNode).await {
                Ok((_, peer, _)) => {
                    tracing::info!(peer = %peer, url, "met a node");
                    return;
                }
                Err(Failed::Unwanted(why)) => {
                    tracing::error!(url, why, "a hub refuses this node");
                    tokio::time::sleep(AFTER_FAULT).await;
                    continue;
                }
                Err(error) => tracing::warn!(url, error = %error, "a hub does not answer; trying again"),
            }
            tokio::time::sleep(backoff.next(rand::random())).await;
        }
    }

    /// Keeps a link to a peer: dials, and dials again.
    async fn keep(&self, peer: Uuid) {
        let mut backoff = Backoff::default();
        let mut rest_until = Instant::now();
        loop {
            let wait = if self.links.is_linked(peer) {
                self.away.set(peer, false);
                self.stay(peer, &mut backoff).await
            } else {
                match self.link_once(peer, &mut backoff).await {
                    Failed::Linked => backoff.next(rand::random()),
                    // It is there; it has others to talk to.
                    Failed::Full => AFTER_FULL,
                    Failed::Fault(why) => {
                        tracing::warn!(peer.id = %peer, why, "the link ended for a fault of the peer");
                        rest_until = Instant::now() + AFTER_FAULT;
                        AFTER_FAULT
                    }
                    Failed::Unwanted(why) => {
                        tracing::error!(peer.id = %peer, why, "the peer refuses this node");
                        AFTER_FAULT
                    }
                    failed => {
                        tracing::debug!(peer.id = %peer, error = %failed, "no link");
                        self.away.set(peer, !self.links.is_linked(peer));
                        backoff.next(rand::random())
                    }
                }
            };
            let wait = wait.max(rest_until.saturating_duration_since(Instant::now()));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.links.until_linked(peer) => {}
            }
        }
    }

    /// Stays for as long as a link holds that the peer has dialled. Afterwards there is a wait as after an own one: two
    /// that end each other's links would otherwise dial in turns without a pause.
    async fn stay(&self, peer: Uuid, backoff: &mut Backoff) -> Duration {
        let (mut changes, since) = (self.links.changes(), Instant::now());
        while self.links.is_linked(peer) && changes.changed().await.is_ok() {}
        if since.elapsed() >= PROVEN_AFTER {
            backoff.reset();
        }
        backoff.next(rand::random())
    }

    /// Dials, and stays for as long as the link holds.
    async fn link_once(&self, peer: Uuid, backoff: &mut Backoff) -> Failed {
        let url = match self.db.read(move |tx| Box::pin(registry::find(tx, peer))).await {
            Ok(Some(known)) => known.api_base_url,
            Ok(None) => return Failed::Refused("the node is not known".to_owned()),
            Err(error) => return error.into(),
        };
        let (channel, id, instance) = match self.connect(&url, Expect::Node(peer)).await {
            Ok(connected) => connected,
            Err(failed) => return failed,
        };
        match self.hold(channel, (&id, instance), backoff).await {
            Ok(end) => end,
            Err(failed) => failed,
        }
    }

    /// Connects, introduces this node, and takes in whom the peer says it should know.
    async fn connect(&self, url: &str, expect: Expect) -> Result<Connected, Failed> {
        let connector = Connector::tls(client_config(&self.trust, expect)?);
        let endpoint = connector
            .endpoint(url)?
            .http2_keep_alive_interval(self.heartbeats.down_after)
            .keep_alive_timeout(self.heartbeats.down_after)
            .keep_alive_while_idle(true);
        let (channel, info) = connector.connect_to(endpoint, url).await?;
        let id = info.certified.map(|certified| certified.id.clone());
        let id = id.ok_or_else(|| Failed::Refused("the peer showed no certificate".to_owned()))?;
        let mut client = MeshServiceClient::new(channel);
        let introduction = introduction(&self.db, self.instance).await?;
        let answer =
            timeout(OPEN_TIMEOUT, client.register(introduction)).await.map_err(|_| Failed::Slow)??.into_inner();
        if let Some(why) = answer.refused {
            let proof: Vec<_> = answer.proof.into_iter().take(PROOF_MAX).collect();
            if let Some(other) = &answer.other {
                self.notice_other_run(other).await;
            }
            // Whoever refuses this node must show why; what it shows is judged like any event.
            return Err(accept::refusals(&self.db, proof).await.map_or_else(Failed::from, |()| Failed::Unwanted(why)));
        }
        let announcements = answer.announcements.into_iter().take(ANNOUNCEMENTS_MAX).collect();
        accept::announcements(&self.db, announcements).await?;
        // Before any event is taken: what revoked nodes said later is void.
        accept::refusals(&self.db, answer.revocations.into_iter().take(REVOCATIONS_MAX).collect()).await?;
        Ok((client, id, presence::read(&answer.instance)))
    }

    /// Takes no more writes, if another run of this node's program began before this one and is still there.
    async fn notice_other_run(&self, other: &Presence) {
        let author = self.db.author();
        let proven = presence::proven(other, author.id.uuid, &author.key().verifying_key(), self.instance);
        let Some(first) = proven.filter(|first| *first < self.instance && self.db.fenced().is_none()) else { return };
        let why = format!(
            "Another process runs with this node's certificate and keys (run {first}, this is {}): was the data directory \
             copied? This one takes no writes. Stop one of the two; if the copy is in other hands, revoke the \
             certificate (pki revoke).",
            self.instance
        );
        tracing::error!("{why}");
        self.db.fence(why.clone());
        let noted = self.db.receive(move |tx| Box::pin(async move { conflicts::note(tx, "clone", why, None).await }));
        if let Err(error) = noted.await {
            tracing::warn!(error = %error, "the copied data directory could not be noted");
        }
    }

    /// What a link needs to notice runs of one program beside each other.
    pub(super) fn runs(&self, guard: &LinkGuard) -> Runs {
        Runs { challenges: guard.challenges(), author: Arc::clone(self.db.author()), instance: self.instance }
    }

    /// Opens heartbeats and replication on a connection and stays until one of them ends.
    async fn hold(
        &self,
        mut client: MeshServiceClient<Channel>,
        (peer, instance): (&SpiffeId, Option<Instance>),
        backoff: &mut Backoff,
    ) -> Result<Failed, Failed> {
        let guard = self.links.open_with(peer, true, instance).map_err(|_| Failed::Linked)?;
        let (beats, queue) = mpsc::channel(QUEUE_FRAMES);
        let outbound = ReceiverStream::new(queue).map(|beat| LinkRequest { heartbeat: Some(beat) });
        let mut request = Request::new(outbound);
        request.metadata_mut().insert_bin(INSTANCE, MetadataValue::from_bytes(self.instance.as_bytes()));
        let linked = timeout(OPEN_TIMEOUT, client.link(request)).await.map_err(|_| Failed::Slow)??;
        let inbound = linked.into_inner().map(|beat| beat.map(|beat| beat.heartbeat.unwrap_or_default()));

        let (frames, queue) = mpsc::channel(QUEUE_FRAMES);
        let outbound = ReceiverStream::new(queue).map(|frame| ReplicateRequest { frame: Some(frame) });
        let opened =
            timeout(OPEN_TIMEOUT, client.replicate(Request::new(outbound))).await.map_err(|_| Failed::Slow)??;
        let events = opened.into_inner().map(|frame| frame.map(|frame| frame.frame.unwrap_or_default()));

        let since = Instant::now();
        self.away.set(peer.uuid, false);
        tracing::info!(peer = %peer, "linked");
        let end = tokio::select! {
            end = heartbeat::run(&self.links, peer, self.heartbeats, (inbound, beats), self.runs(&guard), guard.cut()) => {
                Failed::Refused(end.to_string())
            }
            end = self.replicator.run(peer, events, frames, guard.cut()) => match end {
                End::Fault(why) => Failed::Fault(why),
                end => Failed::Refused(end.to_string()),
            },
        };
        if since.elapsed() >= PROVEN_AFTER {
            backoff.reset();
        }
        tracing::info!(peer = %peer, why = %end, "the link is down");
        Ok(end)
    }
}

/// This node as it introduces itself.
async fn introduction(db: &Db, instance: Instance) -> Result<RegisterRequest, storage::Error> {
    let me = db.author().id.clone();
    let uuid = me.uuid;
    db.read(move |tx| {
        Box::pin(async move {
            let own = registry::find(tx, uuid).await?;
            let revocations_known = revocations::signed(tx).await?.digest.to_vec();
            let own = own.ok_or_else(|| storage::Error::Damaged("this node has not announced itself".to_owned()))?;
            let announcement = entries::get(tx, own.announcement.0, own.announcement.1).await?;
            let node_type = if me.kind == Kind::Hub { NodeType::SupplyHub } else { NodeType::Store };
            Ok(RegisterRequest {
                node_id: me.uuid.to_string(),
                node_type: node_type.into(),
                display_name: own.display_name,
                api_base_url: own.api_base_url,
                latitude: own.place.map(|place| place.latitude),
                longitude: own.place.map(|place| place.longitude),
                region: me.region,
                protocol: PROTOCOL,
                announcement,
                instance: instance.as_bytes().to_vec(),
                revocations_known,
            })
        })
    })
    .await
}
