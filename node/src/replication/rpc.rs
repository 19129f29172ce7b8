//! The mesh's gRPC face. The caller's identity is what its certificate says, never what its message says.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use codepop_proto::{
    journal::SignedEvent,
    mesh::{
        CompareStateRequest, CompareStateResponse, FetchLiveRequest, FetchLiveResponse, FindAccountRequest,
        FindAccountResponse, FindDrinkRequest, FindDrinkResponse, LinkRequest, LinkResponse, ListLiveRequest,
        ListLiveResponse, RegisterRequest, RegisterResponse, ReplicateRequest, ReplicateResponse,
        find_account_request::Account, mesh_service_server::MeshService,
    },
};
use codepop_shared::{
    Code, Failure,
    geo::Place,
    identity::{Kind, SpiffeId},
};
use futures::{Stream, StreamExt as _};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::{
    accept, find, find_drink, lend,
    peer::{Dialler, PROTOCOL},
    stream::QUEUE_FRAMES,
};
use crate::{
    app::Lookup,
    auth::Actor,
    journal::entries,
    mesh::{
        heartbeat,
        links::Refused,
        plan::{Candidate, plan},
        registry::{self, Known},
        replaced,
    },
    storage::{self, Tx},
};

/// Accounts and drinks that one node may ask for in a second; a node that knows it is behind needs a few, and a cart from
/// another region a few more.
const FINDS_PER_SECOND: u32 = 20;

/// The service.
pub struct MeshRpc {
    dialler: Dialler,
    finds: Arc<Mutex<HashMap<Uuid, (Instant, u32)>>>,
}

impl MeshRpc {
    /// The service of a node.
    pub fn new(dialler: Dialler) -> Self {
        Self { dialler, finds: Arc::default() }
    }

    /// What proves that another node has a node's place, for the node itself: announcement and word of that other one.
    async fn replaced_by(&self, node: Uuid) -> Result<Vec<SignedEvent>, storage::Error> {
        let db = &self.dialler.db;
        let found = db.read(move |tx| {
            Box::pin(async move {
                let Some((by, stamp)) = replaced::taken_by(tx, node).await? else { return Ok(Vec::new()) };
                let said = entries::get(tx, stamp.stream, stamp.seq).await?;
                let announced = accept::announcement_of(tx, by).await?;
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

    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let caller = Actor::of(&request)?.caller;
        let register = request.into_inner();
        check_introduction(&caller, &register)?;
        let db = &self.dialler.db;
        let uuid = caller.uuid;
        let before = db.read(move |tx| Box::pin(registry::find(tx, uuid))).await.map_err(|e| Failure::from(&e))?;
        if let Some(announcement) = register.announcement {
            accept::announcements(db, vec![announcement]).await.map_err(refused)?;
        }
        let replaced_by = self.replaced_by(uuid).await.map_err(|error| Failure::from(&error))?;
        if !replaced_by.is_empty() {
            return Ok(Response::new(RegisterResponse {
                status: "replaced".to_owned(),
                peer_id: uuid.to_string(),
                protocol: PROTOCOL.min(register.protocol.max(1)),
                replaced_by,
                ..RegisterResponse::default()
            }));
        }
        let place = register.latitude.zip(register.longitude).and_then(|(lat, lon)| Place::new(lat, lon));
        let newcomer = Candidate { id: caller.clone(), place };
        let announcements =
            db.read(move |tx| Box::pin(whom_to_know(tx, newcomer))).await.map_err(|error| Failure::from(&error))?;
        Ok(Response::new(RegisterResponse {
            status: "registered".to_owned(),
            peer_id: caller.uuid.to_string(),
            created: before.is_none(),
            announcements,
            protocol: PROTOCOL.min(register.protocol.max(1)),
            replaced_by,
        }))
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
        let guard = self.dialler.links.open(&peer, false).map_err(|refused| match refused {
            Refused::Linked => Status::already_exists(refused.to_string()),
            Refused::Full => Status::resource_exhausted(refused.to_string()),
        })?;
        let inbound = request.into_inner().map(|beat| beat.map(|beat| beat.heartbeat.unwrap_or_default()));
        let (beats, queue) = mpsc::channel(QUEUE_FRAMES);
        let (links, config) = (self.dialler.links.clone(), self.dialler.heartbeats);
        tokio::spawn(async move {
            let end = heartbeat::run(&links, &peer, config, inbound, beats, guard.cut()).await;
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
