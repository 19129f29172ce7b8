//! What the node says of itself and of the nodes it knows.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use codepop_proto::{
    nodes::{
        AudienceDigest, DiscoverPeersRequest, DiscoverPeersResponse, DismissConflictRequest, DismissConflictResponse,
        EventCounts, EventSummary, FetchBackupRequest, FetchBackupResponse, GetDigestRequest, GetDigestResponse,
        GetHealthRequest, GetHealthResponse, GetStatusRequest, GetStatusResponse, ListConflictsRequest,
        ListConflictsResponse, ListRevocationsRequest, ListRevocationsResponse, Node, NodeType, Peer, PeerCounts,
        ReplacedNode, RetryConflictRequest, RetryConflictResponse, StreamStatus, nodes_service_server::NodesService,
    },
    options::Permission,
};
use codepop_shared::{
    Failure, geo,
    identity::{Kind, Replaced},
    tls::{self, Trust},
};
use prost_types::Timestamp;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::conflicts;
use crate::{
    app::App,
    auth::{Actor, Place},
    backup::{schedule::Standing, vault::Vault},
    journal::{
        Stream,
        entries::{self, Summary},
        sha256, snapshots, streams,
    },
    mesh::{
        links::{Links, Sighting},
        region::Region,
        registry::{self, Known},
        replaced::{self, Successors},
        revocations,
    },
    replication::{
        apply, carry, lend,
        states::{self, AudienceState},
    },
    storage::{self, Tx},
    stores,
};

/// Events that a status shows.
const RECENT: i64 = 50;

/// How long a health check waits for the database.
const HEALTH_TIMEOUT: std::time::Duration = std::time::Duration::from_millis(500);

/// The service.
pub(super) struct NodesRpc {
    app: App,
    links: Links,
    trust: Trust,
    own: Own,
}

/// What there is to tell of the node itself.
pub(super) struct Own {
    /// When it was set up.
    pub(super) created_at: DateTime<Utc>,
    /// Its name for people.
    pub(super) display_name: String,
    /// How its backups stand.
    pub(super) backups: Standing,
    /// Where a hub keeps backups of stores.
    pub(super) vault: Vault,
    /// What a hub signs certificates of its region's stores with.
    pub(super) region: Region,
}

impl NodesRpc {
    /// The service of a node.
    pub(super) fn new(app: App, links: Links, trust: Trust, own: Own) -> Self {
        Self { app, links, trust, own }
    }

    /// What is to be said about the own certificate, and a hub's authority of its region.
    fn certificate_warning(&self) -> Option<String> {
        let own = tls::warning(self.trust.credentials().certified(), Utc::now());
        let all: Vec<String> = own.into_iter().chain(self.own.region.problem()).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }

    async fn known(&self) -> Result<Vec<Known>, storage::Error> {
        let (mut known, successors) = self.app.read(|tx| Box::pin(with_successors(tx))).await?;
        let me = self.app.author().id.uuid;
        known.retain(|known| {
            registry::is_node(known) && (known.id().uuid == me || !successors.is_replaced(known.id().uuid))
        });
        Ok(known)
    }

    async fn successors(&self) -> Result<Successors, storage::Error> {
        self.app.read(|tx| Box::pin(replaced::successors(tx))).await
    }

    async fn legacy_holder(&self) -> Result<Option<Uuid>, storage::Error> {
        self.app.read(|tx| Box::pin(stores::legacy_holder(tx))).await
    }

    /// Audiences that came as snapshots and were not yet found equal to a second node.
    async fn verifying(&self) -> Vec<String> {
        let read = self.app.read(|tx| Box::pin(snapshots::waiting(tx)));
        let waiting = tokio::time::timeout(HEALTH_TIMEOUT, read).await.ok().and_then(Result::ok).unwrap_or_default();
        let mut audiences: Vec<String> = waiting.into_iter().map(|(audience, _)| audience).collect();
        audiences.dedup();
        audiences
    }

    fn node_type(&self) -> NodeType {
        node_type(self.app.author().id.kind)
    }
}

#[tonic::async_trait]
impl NodesService for NodesRpc {
    type FetchBackupStream = carry::Answers<FetchBackupResponse>;

    async fn fetch_backup(
        &self,
        request: Request<FetchBackupRequest>,
    ) -> Result<Response<Self::FetchBackupStream>, Status> {
        Ok(Response::new(carry::give(&self.own.vault, request.into_inner()).await?))
    }

    async fn get_health(&self, _: Request<GetHealthRequest>) -> Result<Response<GetHealthResponse>, Status> {
        let me = &self.app.author().id;
        let known = tokio::time::timeout(HEALTH_TIMEOUT, self.known()).await.ok().and_then(Result::ok);
        let connected = known.is_some();
        let known = known.unwrap_or_default();
        let sightings = self.links.sightings();
        let reachable = sightings.values().filter(|sighting| sighting.is_linked).count();
        let writes_refused = self.app.db.fenced().or_else(|| self.app.db.fault());
        let healthy = connected && writes_refused.is_none();
        Ok(Response::new(GetHealthResponse {
            status: if healthy { "healthy" } else { "degraded" }.to_owned(),
            node_id: me.uuid.to_string(),
            node_type: self.node_type().into(),
            display_name: self.own.display_name.clone(),
            timestamp: Some(timestamp(Utc::now())),
            database: if connected { "connected" } else { "disconnected" }.to_owned(),
            peers: Some(PeerCounts {
                reachable: count(reachable),
                total: count(known.iter().filter(|known| known.id().uuid != me.uuid).count()),
            }),
            writes_refused,
            certificate_warning: self.certificate_warning(),
            backup_failed: self.own.backups.problem(),
            verifying: if connected { self.verifying().await } else { Vec::new() },
        }))
    }

    async fn get_status(&self, request: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        let me = self.app.author().id.clone();
        let here = if me.kind == Kind::Hub { Place::Region(me.region.clone()) } else { Place::Store(me.uuid) };
        Actor::of(&request)?.may(Permission::StatusRead, &here)?;
        let known = self.known().await.map_err(unavailable)?;
        let sightings = self.links.sightings();
        let (all, recent, held, counts) = self
            .app
            .db
            .read_consistent(|tx| {
                Box::pin(async move {
                    let all = streams::all(tx).await?;
                    let recent = entries::newest(tx, RECENT).await?;
                    let held = states::compute(tx).await?;
                    Ok::<_, storage::Error>((all, recent, held, entries::counts(tx).await?))
                })
            })
            .await
            .map_err(unavailable)?;
        let own = known.iter().find(|known| known.id().uuid == me.uuid);
        let linked: Vec<&Sighting> = sightings.values().filter(|sighting| sighting.is_linked).collect();
        let events = EventCounts {
            pending: linked.iter().map(|sighting| sighting.lag.0).sum(),
            processing: linked.iter().map(|sighting| sighting.lag.1).sum(),
            delivered: linked.iter().map(|sighting| sighting.delivered).sum(),
            failed: (counts.1 + counts.2).cast_unsigned(),
            recent: recent.iter().map(|event| summary(event, &all)).collect(),
            stored: counts.0.cast_unsigned(),
        };
        let node = self.own_status(own, &sightings);
        let streams = all.iter().map(|stream| StreamStatus {
            origin: stream.origin.to_string(),
            audience: stream.audience.to_string(),
            seq: stream.head,
        });
        let others = known.iter().filter(|known| known.id().uuid != me.uuid);
        let place = own.and_then(|own| own.place);
        let holder = self.legacy_holder().await.map_err(unavailable)?;
        let successors = self.successors().await.map_err(unavailable)?;
        Ok(Response::new(GetStatusResponse {
            node: Some(node),
            peers: others.map(|known| peer(known, place, &sightings, holder, &successors)).collect(),
            events: Some(events),
            streams: streams.collect(),
            digests: held.iter().map(digest).collect(),
        }))
    }

    async fn discover_peers(
        &self,
        request: Request<DiscoverPeersRequest>,
    ) -> Result<Response<DiscoverPeersResponse>, Status> {
        let filter = request.into_inner();
        if filter.max_distance.is_some_and(|miles| !miles.is_finite() || miles < 0.0) {
            return Err(Failure::invalid("max_distance", "must be a number of miles, 0 or more").into());
        }
        if filter.r#type.is_some_and(|kind| NodeType::try_from(kind).is_err()) {
            return Err(Failure::invalid("type", "must be STORE or SUPPLY_HUB").into());
        }
        let known = self.known().await.map_err(unavailable)?;
        let me = self.app.author().id.uuid;
        let place = known.iter().find(|known| known.id().uuid == me).and_then(|own| own.place);
        let holder = self.legacy_holder().await.map_err(unavailable)?;
        let successors = self.successors().await.map_err(unavailable)?;
        let sightings = self.links.sightings();
        let wanted = |peer: &Peer| {
            filter.r#type.is_none_or(|kind| kind == 0 || kind == peer.node_type)
                && filter.max_distance.is_none_or(|max| peer.distance_miles.is_some_and(|miles| miles <= max))
                && (filter.include_unreachable() || peer.is_reachable == Some(true))
        };
        let others = known.iter().filter(|known| known.id().uuid != me);
        let mut peers: Vec<Peer> =
            others.map(|known| peer(known, place, &sightings, holder, &successors)).filter(wanted).collect();
        peers.sort_by(|a, b| {
            let miles = |peer: &Peer| peer.distance_miles.unwrap_or(f64::INFINITY);
            miles(a).total_cmp(&miles(b)).then_with(|| a.display_name.cmp(&b.display_name))
        });
        Ok(Response::new(DiscoverPeersResponse { peers }))
    }

    async fn get_digest(&self, _: Request<GetDigestRequest>) -> Result<Response<GetDigestResponse>, Status> {
        let states = self.app.db.read_consistent(|tx| Box::pin(states::compute(tx))).await.map_err(unavailable)?;
        Ok(Response::new(GetDigestResponse { digests: states.iter().map(digest).collect() }))
    }

    async fn list_revocations(
        &self,
        request: Request<ListRevocationsRequest>,
    ) -> Result<Response<ListRevocationsResponse>, Status> {
        let known = request.into_inner().known;
        let read = self.app.db.read_consistent(|tx| {
            Box::pin(
                async move { Ok::<_, storage::Error>((revocations::signed(tx).await?, registry::spared(tx).await?)) },
            )
        });
        let (signed, spared) = read.await.map_err(unavailable)?;
        let revoked = signed.in_force.iter().map(Uuid::to_string).collect();
        let spared: Vec<Vec<u8>> = spared.iter().map(|fingerprint| fingerprint.to_vec()).collect();
        // The same as ever where nothing is spared.
        let digest = match &spared[..] {
            [] => signed.digest.to_vec(),
            spared => sha256(&[&signed.digest[..], &spared.concat()].concat()).to_vec(),
        };
        if digest == known {
            return Ok(Response::new(ListRevocationsResponse { digest, revoked, ..Default::default() }));
        }
        let (revocations, announcements) = (signed.words, signed.operators);
        Ok(Response::new(ListRevocationsResponse { digest, revocations, announcements, revoked, spared }))
    }

    async fn list_conflicts(
        &self,
        request: Request<ListConflictsRequest>,
    ) -> Result<Response<ListConflictsResponse>, Status> {
        let actor = Actor::of(&request)?;
        Ok(Response::new(conflicts::list(&self.app, &actor, request.into_inner()).await?))
    }

    async fn retry_conflict(
        &self,
        request: Request<RetryConflictRequest>,
    ) -> Result<Response<RetryConflictResponse>, Status> {
        let actor = Actor::of(&request)?;
        Ok(Response::new(conflicts::retry(&self.app, &actor, request.into_inner()).await?))
    }

    async fn dismiss_conflict(
        &self,
        request: Request<DismissConflictRequest>,
    ) -> Result<Response<DismissConflictResponse>, Status> {
        let actor = Actor::of(&request)?;
        conflicts::dismiss(&self.app, &actor, request.into_inner()).await?;
        Ok(Response::new(DismissConflictResponse {}))
    }
}

impl NodesRpc {
    fn own_status(&self, own: Option<&Known>, sightings: &HashMap<Uuid, Sighting>) -> Node {
        let me = &self.app.author().id;
        let place = own.and_then(|own| own.place);
        Node {
            node_id: me.uuid.to_string(),
            node_number: me.number,
            node_type: self.node_type().into(),
            display_name: own.map(|own| own.display_name.clone()).unwrap_or_default(),
            api_base_url: own.map(|own| own.api_base_url.clone()).unwrap_or_default(),
            region: me.region.clone(),
            latitude: place.map(|place| place.latitude),
            longitude: place.map(|place| place.longitude),
            is_active: self.app.db.fenced().is_none(),
            created_at: Some(timestamp(self.own.created_at)),
            last_heartbeat: sightings.values().map(|sighting| sighting.last_seen).max().map(timestamp),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            database: self.app.db.kind().to_owned(),
            certificate_expires_at: Some(timestamp(self.trust.credentials().certified().not_after)),
        }
    }
}

async fn with_successors(tx: &mut Tx) -> Result<(Vec<Known>, Successors), storage::Error> {
    Ok((registry::trusted(tx).await?, replaced::successors(tx).await?))
}

fn replaced_nodes(successors: &Successors, node: Uuid) -> Vec<ReplacedNode> {
    let shown = |had: Replaced| ReplacedNode { node_id: had.uuid.to_string(), node_number: had.number };
    successors.replaced_by(node).into_iter().map(shown).collect()
}

fn digest(state: &AudienceState) -> AudienceDigest {
    let (digest, rows) = apply::sum(&state.nouns);
    AudienceDigest {
        audience: state.audience.to_string(),
        digest: hex::encode(digest),
        rows,
        basis: hex::encode(state.basis),
        live: hex::encode(state.live),
        withheld: state.withheld,
        nouns: state.nouns.iter().map(lend::noun).collect(),
    }
}

pub(super) fn summary(event: &Summary, all: &[Stream]) -> EventSummary {
    let stream = all.iter().find(|stream| stream.id == event.stream);
    EventSummary {
        origin: stream.map(|stream| stream.origin.to_string()).unwrap_or_default(),
        audience: stream.map(|stream| stream.audience.to_string()).unwrap_or_default(),
        seq: event.seq,
        kind: event.kind.clone(),
        state: event.state.word().to_owned(),
        reason: event.reason.clone(),
        created_at: Some(timestamp(event.hlc.wall())),
    }
}

fn peer(
    known: &Known,
    from: Option<geo::Place>,
    sightings: &HashMap<Uuid, Sighting>,
    legacy_holder: Option<Uuid>,
    successors: &Successors,
) -> Peer {
    let id = known.id();
    let seen = sightings.get(&id.uuid);
    Peer {
        peer_id: id.uuid.to_string(),
        node_type: node_type(id.kind).into(),
        display_name: known.display_name.clone(),
        api_base_url: known.api_base_url.clone(),
        is_reachable: seen.map(|seen| seen.is_linked),
        last_seen: seen.map(|seen| timestamp(seen.last_seen)),
        response_time_ms: seen.and_then(|seen| seen.round_trip).map(|time| time.as_secs_f64() * 1_000.0),
        latitude: known.place.map(|place| place.latitude),
        longitude: known.place.map(|place| place.longitude),
        distance_miles: from.zip(known.place).map(|(here, there)| here.miles_to(there)),
        region: id.region.clone(),
        is_supply_hub: id.kind == Kind::Hub,
        node_number: id.number,
        is_linked: seen.is_some_and(|seen| seen.is_linked),
        lag_events: seen.filter(|seen| seen.is_linked).map(|seen| seen.lag.0),
        holds_legacy_numbers: legacy_holder == Some(id.uuid),
        replaces: replaced_nodes(successors, id.uuid),
    }
}

fn node_type(kind: Kind) -> NodeType {
    if kind == Kind::Hub { NodeType::SupplyHub } else { NodeType::Store }
}

pub(super) fn timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp { seconds: time.timestamp(), nanos: time.timestamp_subsec_nanos().cast_signed() }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn unavailable(error: storage::Error) -> Status {
    tracing::error!(error = %error, "a question about the node could not be answered");
    Failure::from(&error).into()
}
