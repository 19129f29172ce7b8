//! The mesh's gRPC face. The caller's identity is what its certificate says, never what its message says.

use std::{
    collections::{BTreeSet, HashMap},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use codepop_proto::{
    journal::SignedEvent,
    mesh::{
        CompareStateRequest, CompareStateResponse, FetchLiveRequest, FetchLiveResponse, FindAccountRequest,
        FindAccountResponse, FindDrinkRequest, FindDrinkResponse, LinkRequest, LinkResponse, ListLiveRequest,
        ListLiveResponse, Presence, RegisterRequest, RegisterResponse, RenewCertificateRequest,
        RenewCertificateResponse, ReplicateRequest, ReplicateResponse, StoreBackupRequest, StoreBackupResponse,
        find_account_request::Account, mesh_service_server::MeshService,
    },
};
use codepop_shared::{
    Code, Failure,
    geo::Place,
    identity::{Kind, SpiffeId},
    tls::PeerInfo,
};
use ed25519_dalek::VerifyingKey;
use futures::{Stream, StreamExt as _};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::{
    accept, carry, find, find_drink, lend,
    peer::{Dialler, INSTANCE, PROTOCOL},
    stream::QUEUE_FRAMES,
};
use crate::{
    app::Lookup,
    auth::Actor,
    backup::vault::Vault,
    journal::{conflicts, entries},
    mesh::{
        heartbeat,
        links::Refused,
        plan::{Candidate, plan},
        presence::{self, Instance},
        region::Region,
        registry::{self, Known},
        replaced, revocations,
    },
    storage::{self, Tx},
};

/// Accounts and drinks that one node may ask for in a second; a node that knows it is behind needs a few, and a cart from
/// another region a few more.
const FINDS_PER_SECOND: u32 = 20;

/// How long an earlier run of a program may take to say that it is still there. A restarted node whose old connection has
/// not been given up yet waits so long for its link.
const CHALLENGE_WAIT: Duration = Duration::from_secs(1);

/// Second runs that are remembered as noted.
const CLONES_MAX: usize = 1_000;

/// What a second run is told.
const RUNS_TWICE: &str =
    "This certificate is already linked from another running process: was the data directory copied?";

/// What a node is told whose place another one has.
const REPLACED: &str = "Another node has this one's place.";

/// The service.
pub struct MeshRpc {
    dialler: Dialler,
    vault: Vault,
    region: Region,
    finds: Arc<Mutex<HashMap<Uuid, (Instant, u32)>>>,
    /// Second runs of programs that were noted.
    clones: Arc<Mutex<BTreeSet<Instance>>>,
}

impl MeshRpc {
    /// The service of a node; `vault` is where a hub keeps backups of stores, `region` what it signs their certificates with.
    pub fn new(dialler: Dialler, vault: Vault, region: Region) -> Self {
        Self { dialler, vault, region, finds: Arc::default(), clones: Arc::default() }
    }

    /// The word of an earlier run of the caller's program that is linked here and still there, if it answers.
    async fn other_run(
        &self,
        caller: &SpiffeId,
        key: Option<VerifyingKey>,
        newcomer: Option<Instance>,
    ) -> Option<Presence> {
        let (key, newcomer) = (key?, newcomer?);
        let mut answers = self.dialler.links.challenge(caller.uuid, newcomer)?;
        let proven = async {
            loop {
                answers.changed().await.ok()?;
                let said = answers.borrow_and_update().clone()?;
                if let Some(first) = presence::proven(&said, caller.uuid, &key, newcomer) {
                    return Some((said, first));
                }
            }
        };
        let (said, first) = timeout(CHALLENGE_WAIT, proven).await.ok()??;
        self.note_clone(caller, first, newcomer).await;
        Some(said)
    }

    async fn note_clone(&self, caller: &SpiffeId, first: Instance, newcomer: Instance) {
        let is_new = {
            let mut clones = self.clones.lock().unwrap_or_else(PoisonError::into_inner);
            clones.len() < CLONES_MAX && clones.insert(newcomer)
        };
        if !is_new {
            return;
        }
        let detail = format!(
            "{caller} runs twice at the same time: run {first} is linked here, run {newcomer} was refused; was its data \
             directory copied?"
        );
        let db = &self.dialler.db;
        let noted = db.receive(move |tx| Box::pin(async move { conflicts::note(tx, "clone", detail, None).await }));
        if let Err(error) = noted.await {
            tracing::warn!(error = %error, "a node that runs twice could not be noted");
        }
    }

    /// What proves that another node has a node's place, for the node itself: announcement and word of that other one.
    async fn replaced_by(&self, node: Uuid) -> Result<Vec<SignedEvent>, storage::Error> {
        let db = &self.dialler.db;
        let found = db.read(move |tx| {
            Box::pin(async move {
                let Some((by, stamp)) = replaced::taken_by(tx, node).await? else { return Ok(Vec::new()) };
                let said = entries::get(tx, stamp.stream, stamp.seq).await?;
                let announced = lend::announcement_of(tx, by).await?;
                Ok::<_, storage::Error>(announced.into_iter().chain(said).collect())
            })
        });
        let proof: Vec<SignedEvent> = found.await?;
        if !proof.is_empty() {
            db.receive(move |tx| Box::pin(replaced::note_still_runs(tx, node))).await?;
        }
        Ok(proof)
    }

    /// Who asks, and may ask now.
    fn asker<T>(&self, request: &Request<T>) -> Result<SpiffeId, Failure> {
        let asker = Actor::of(request)?.caller;
        self.count_find(asker.uuid)?;
        Ok(asker)
    }

    /// Counts a question of a node; refuses those beyond the limit.
    fn count_find(&self, asker: Uuid) -> Result<(), Failure> {
        let mut finds = self.finds.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let entry = finds.entry(asker).or_insert((now, 0));
        if now.duration_since(entry.0).as_secs() >= 1 {
            *entry = (now, 0);
        }
        entry.1 += 1;
        if entry.1 > FINDS_PER_SECOND {
            return Err(Failure::new(Code::Overloaded, "Too much asked for; try again in a second."));
        }
        Ok(())
    }
}

/// A stream of answers.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl MeshService for MeshRpc {
    type LinkStream = Answers<LinkResponse>;
    type ReplicateStream = Answers<ReplicateResponse>;
    type StoreBackupStream = Answers<StoreBackupResponse>;

    async fn store_backup(
        &self,
        request: Request<Streaming<StoreBackupRequest>>,
    ) -> Result<Response<Self::StoreBackupStream>, Status> {
        let caller = Actor::of(&request)?.caller;
        let answers = carry::take(self.vault.clone(), &self.dialler.db, &caller, request.into_inner())?;
        Ok(Response::new(answers))
    }

    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let caller = Actor::of(&request)?.caller;
        let key = request.extensions().get::<PeerInfo>().and_then(|info| info.certified.as_ref()?.event_key);
        let register = request.into_inner();
        check_introduction(&caller, &register)?;
        let db = &self.dialler.db;
        if let Some(refusal) = self.dialler.trust.refusal(caller.uuid) {
            let of = caller.clone();
            let proof = db.read(move |tx| Box::pin(proof_against(tx, of))).await;
            let proof = proof.map_err(|error: storage::Error| Failure::from(&error))?;
            return Ok(Response::new(refusing(&caller, refusal.why, proof)));
        }
        if let Some(other) = self.other_run(&caller, key, presence::read(&register.instance)).await {
            let answer = refusing(&caller, RUNS_TWICE.to_owned(), Vec::new());
            return Ok(Response::new(RegisterResponse { other: Some(other), ..answer }));
        }
        let uuid = caller.uuid;
        let before = db.read(move |tx| Box::pin(registry::find(tx, uuid))).await.map_err(|e| Failure::from(&e))?;
        if let Some(announcement) = register.announcement {
            accept::announcements(db, vec![announcement]).await.map_err(refused)?;
        }
        let replaced_by = self.replaced_by(uuid).await.map_err(|error| Failure::from(&error))?;
        if !replaced_by.is_empty() {
            return Ok(Response::new(refusing(&caller, REPLACED.to_owned(), replaced_by)));
        }
        let place = register.latitude.zip(register.longitude).and_then(|(lat, lon)| Place::new(lat, lon));
        let newcomer = Candidate { id: caller.clone(), place };
        let announcements =
            db.read(move |tx| Box::pin(whom_to_know(tx, newcomer))).await.map_err(|error| Failure::from(&error))?;
        let signed = db.read_consistent(|tx| Box::pin(revocations::signed(tx))).await;
        let signed = signed.map_err(|error: storage::Error| Failure::from(&error))?;
        Ok(Response::new(RegisterResponse {
            status: "registered".to_owned(),
            peer_id: caller.uuid.to_string(),
            created: before.is_none(),
            announcements,
            protocol: PROTOCOL.min(register.protocol.max(1)),
            instance: self.dialler.instance.as_bytes().to_vec(),
            revocations: lacking(signed, &register.revocations_known),
            ..RegisterResponse::default()
        }))
    }

    async fn renew_certificate(
        &self,
        request: Request<RenewCertificateRequest>,
    ) -> Result<Response<RenewCertificateResponse>, Status> {
        self.asker(&request)?;
        let held = request.extensions().get::<PeerInfo>().and_then(|info| info.certified.clone());
        let renewed = self.region.renew(&self.dialler.db, held).await?;
        Ok(Response::new(RenewCertificateResponse { certificate: renewed.der }))
    }

    async fn find_drink(&self, request: Request<FindDrinkRequest>) -> Result<Response<FindDrinkResponse>, Status> {
        self.count_find(Actor::of(&request)?.caller.uuid)?;
        let drink = request.get_ref().drink;
        let found = self.dialler.db.read(move |tx| Box::pin(find_drink::serve(tx, drink))).await;
        Ok(Response::new(found.map_err(|error: storage::Error| Failure::from(&error))?))
    }

    async fn compare_state(
        &self,
        request: Request<CompareStateRequest>,
    ) -> Result<Response<CompareStateResponse>, Status> {
        let asker = self.asker(&request)?;
        let audience = request.into_inner().audience;
        let states = self.dialler.replicator.states();
        Ok(Response::new(lend::compare(states, &self.dialler.db, &asker, &audience).await?))
    }

    async fn list_live(&self, request: Request<ListLiveRequest>) -> Result<Response<ListLiveResponse>, Status> {
        let asker = self.asker(&request)?;
        Ok(Response::new(lend::list(&self.dialler.db, &asker, request.into_inner()).await?))
    }

    async fn fetch_live(&self, request: Request<FetchLiveRequest>) -> Result<Response<FetchLiveResponse>, Status> {
        let asker = self.asker(&request)?;
        Ok(Response::new(lend::fetch(&self.dialler.db, &asker, request.into_inner()).await?))
    }

    async fn link(&self, request: Request<Streaming<LinkRequest>>) -> Result<Response<Self::LinkStream>, Status> {
        let peer = Actor::of(&request)?.caller;
        let uuid = peer.uuid;
        let successors = self.dialler.db.read(|tx| Box::pin(replaced::successors(tx))).await;
        if successors.map_err(|error| Failure::from(&error))?.is_replaced(uuid) {
            return Err(Status::failed_precondition("another node has the caller's place; call Register to see which"));
        }
        let instance = request.metadata().get_bin(INSTANCE).and_then(|name| presence::read(&name.to_bytes().ok()?));
        let guard = self.dialler.links.open_with(&peer, false, instance).map_err(|refused| match refused {
            Refused::Linked => Status::already_exists(refused.to_string()),
            Refused::Full => Status::resource_exhausted(refused.to_string()),
        })?;
        let inbound = request.into_inner().map(|beat| beat.map(|beat| beat.heartbeat.unwrap_or_default()));
        let (beats, queue) = mpsc::channel(QUEUE_FRAMES);
        let (links, config, runs) = (self.dialler.links.clone(), self.dialler.heartbeats, self.dialler.runs(&guard));
        tokio::spawn(async move {
            let end = heartbeat::run(&links, &peer, config, (inbound, beats), runs, guard.cut()).await;
            tracing::info!(peer = %peer, why = %end, "the link that the peer dialled is down");
        });
        let answers = ReceiverStream::new(queue).map(|beat| Ok(LinkResponse { heartbeat: Some(beat) }));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn replicate(
        &self,
        request: Request<Streaming<ReplicateRequest>>,
    ) -> Result<Response<Self::ReplicateStream>, Status> {
        let peer = Actor::of(&request)?.caller;
        let links = self.dialler.links.clone();
        let cut = links.accepted(peer.uuid).ok_or_else(|| Status::failed_precondition("open Link first"))?;
        let inbound = request.into_inner().map(|frame| frame.map(|frame| frame.frame.unwrap_or_default()));
        let (frames, queue) = mpsc::channel(QUEUE_FRAMES);
        let replicator = self.dialler.replicator.clone();
        tokio::spawn(async move {
            let end = replicator.run(&peer, inbound, frames, cut.clone()).await;
            tracing::info!(peer = %peer, why = %end, "the replication that the peer opened has ended");
            cut.cancel();
        });
        let answers = ReceiverStream::new(queue).map(|frame| Ok(ReplicateResponse { frame: Some(frame) }));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn find_account(
        &self,
        request: Request<FindAccountRequest>,
    ) -> Result<Response<FindAccountResponse>, Status> {
        let caller = Actor::of(&request)?.caller;
        self.count_find(caller.uuid)?;
        let lookup = match request.into_inner().account {
            Some(Account::NameKey(key)) => Lookup::NameKey(
                key.as_slice().try_into().map_err(|_| Failure::invalid("name_key", "must have 32 bytes"))?,
            ),
            Some(Account::User(number)) => Lookup::Number(number),
            None => return Err(Failure::invalid("account", "must be given").into()),
        };
        let found = self
            .dialler
            .db
            .read(move |tx| Box::pin(find::serve(tx, lookup, caller)))
            .await
            .map_err(|error: storage::Error| Failure::from(&error))?;
        Ok(Response::new(found))
    }
}

fn refused(error: accept::Error) -> Failure {
    match error {
        accept::Error::Fault(why) => Failure::new(Code::Invalid, format!("announcement: {why}")),
        accept::Error::Storage(error) => Failure::from(&error),
    }
}

/// The revocations with their operators, for whoever does not hold exactly them.
fn lacking(signed: revocations::Signed, known: &[u8]) -> Vec<SignedEvent> {
    if signed.digest == known { Vec::new() } else { [signed.operators, signed.words].concat() }
}

/// What a refused caller is told.
fn refusing(caller: &SpiffeId, why: String, proof: Vec<SignedEvent>) -> RegisterResponse {
    RegisterResponse {
        status: "refused".to_owned(),
        peer_id: caller.uuid.to_string(),
        protocol: PROTOCOL,
        refused: Some(why),
        proof,
        ..RegisterResponse::default()
    }
}

/// What proves that a caller is rightly refused.
async fn proof_against(tx: &mut Tx, caller: SpiffeId) -> Result<Vec<SignedEvent>, storage::Error> {
    let revoked = revocations::proof(tx, caller.uuid).await?;
    if !revoked.is_empty() {
        return Ok(revoked);
    }
    let Some(rival) = registry::rival(tx, &caller).await? else { return Ok(Vec::new()) };
    Ok(entries::get(tx, rival.announcement.0, rival.announcement.1).await?.into_iter().collect())
}

/// What the message says must be what the certificate says.
fn check_introduction(caller: &SpiffeId, register: &RegisterRequest) -> Result<(), Failure> {
    use codepop_proto::nodes::NodeType;
    let kind = if caller.kind == Kind::Hub { NodeType::SupplyHub } else { NodeType::Store };
    let differs = |field: &str| {
        let problem = format!("{field} is not that of the caller's certificate ({caller})");
        Err(Failure::new(Code::Forbidden, problem.clone()).field(field, problem))
    };
    if register.node_id != caller.uuid.to_string() {
        return differs("node_id");
    }
    if register.node_type() != kind {
        return differs("node_type");
    }
    if register.region != caller.region {
        return differs("region");
    }
    if register.display_name.is_empty() || register.display_name.chars().count() > 200 {
        return Err(Failure::invalid("display_name", "must have 1 to 200 characters"));
    }
    Ok(())
}

/// Announcements of this node, of all hubs and of whom the newcomer will want to be linked to.
async fn whom_to_know(tx: &mut Tx, newcomer: Candidate) -> Result<Vec<SignedEvent>, storage::Error> {
    let known = registry::current(tx).await?;
    let candidates: Vec<Candidate> =
        known.iter().map(|known| Candidate { id: known.id().clone(), place: known.place }).collect();
    let peers = plan(&newcomer, &candidates, &std::collections::BTreeSet::new());
    let me = tx.author.id.uuid;
    let useful = |known: &&Known| {
        let id = known.id();
        id.uuid == me || (id.uuid != newcomer.id.uuid && (id.kind == Kind::Hub || peers.contains(&id.uuid)))
    };
    let mut announcements = Vec::new();
    for known in known.iter().filter(useful) {
        let (stream, seq) = known.announcement;
        announcements.extend(entries::get(tx, stream, seq).await?);
    }
    Ok(announcements)
}
