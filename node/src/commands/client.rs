//! `status`, `peers`, `discover`: what a running node says, asked with the operator's certificate.

use anyhow::{Context as _, Result};
use chrono::DateTime;
use codepop_proto::nodes::{
    DiscoverPeersRequest, GetStatusRequest, GetStatusResponse, NodeType, Peer, nodes_service_client::NodesServiceClient,
};
use codepop_shared::{
    identity::Kind,
    tls::{Connector, Expect, client_config},
};
use serde_json::{Value, json};
use tonic::transport::Channel;

use super::print;
use crate::{
    config::{ClientConfig, DiscoverConfig},
    identity::OperatorIdentity,
};

/// Connects to the node as the operator.
pub(super) async fn connect(config: &ClientConfig) -> Result<Channel> {
    let connector = if config.insecure {
        Connector::plain()
    } else {
        let operator = OperatorIdentity::load(&config.pki_dir)?;
        Connector::tls(client_config(&operator.credentials, Expect::AnyNode)?)
    };
    Ok(connector.connect(&config.url).await?.0)
}

async fn ask_status(config: &ClientConfig) -> Result<GetStatusResponse> {
    let mut client = NodesServiceClient::new(connect(config).await?);
    let status = client.get_status(GetStatusRequest {}).await.map_err(said)?;
    Ok(status.into_inner())
}

/// What the node answered, without gRPC's wrapping.
pub(super) fn said(status: tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("the node answered: {}", status.message())
}

pub(super) async fn status(config: &ClientConfig) -> Result<()> {
    let status = ask_status(config).await?;
    if config.json {
        return Ok(print(&serde_json::to_string_pretty(&status_json(&status)).context("print as JSON")?)?);
    }
    let node = status.node.clone().unwrap_or_default();
    let events = status.events.clone().unwrap_or_default();
    let reachable = status.peers.iter().filter(|peer| peer.is_reachable == Some(true)).count();
    print(&format!("{} ({}, number {}, region {})", node.display_name, node.node_id, node.node_number, node.region))?;
    print(&format!("  version   {} on {}", node.version, node.database))?;
    print(&format!("  writes    {}", if node.is_active { "taken" } else { "refused: see `grpcurl … GetHealth`" }))?;
    if let Some(end) = node.certificate_expires_at.and_then(|end| DateTime::from_timestamp(end.seconds, 0)) {
        print(&format!("  identity  certified until {}", end.format("%Y-%m-%d")))?;
    }
    print(&format!("  peers     {reachable} reachable of {} known", status.peers.len()))?;
    print(&format!(
        "  events    {} pending, {} under way, {} delivered, {} withheld",
        events.pending, events.processing, events.delivered, events.failed
    ))?;
    for digest in &status.digests {
        print(&format!("  digest    {:<12} {} ({} rows)", digest.audience, &digest.digest, digest.rows))?;
    }
    Ok(())
}

pub(super) async fn peers(config: &ClientConfig) -> Result<()> {
    let status = ask_status(config).await?;
    show_peers(&status.peers, config.json)
}

pub(super) async fn discover(config: &DiscoverConfig) -> Result<()> {
    let mut client = NodesServiceClient::new(connect(&config.client).await?);
    let kind = config.kind.map(|kind| if kind == Kind::Hub { NodeType::SupplyHub } else { NodeType::Store });
    let request = DiscoverPeersRequest {
        r#type: kind.map(Into::into),
        max_distance: config.max_distance,
        include_unreachable: Some(config.all),
    };
    let found = client.discover_peers(request).await.map_err(said)?.into_inner();
    show_peers(&found.peers, config.client.json)
}

fn show_peers(peers: &[Peer], as_json: bool) -> Result<()> {
    if as_json {
        let peers: Vec<Value> = peers.iter().map(peer_json).collect();
        return Ok(print(&serde_json::to_string_pretty(&peers).context("print as JSON")?)?);
    }
    print(&format!(
        "{:<36}  {:<10} {:>6}  {:<11} {:>9} {:>8}  name",
        "id", "type", "number", "reachable", "miles", "ms"
    ))?;
    for peer in peers {
        let reachable = match peer.is_reachable {
            Some(true) => "yes",
            Some(false) => "no",
            None => "no link",
        };
        let number = |number: Option<f64>| number.map_or("-".to_owned(), |number| format!("{number:.2}"));
        print(&format!(
            "{:<36}  {:<10} {:>6}  {reachable:<11} {:>9} {:>8}  {}",
            peer.peer_id,
            type_word(peer.node_type()),
            peer.node_number,
            number(peer.distance_miles),
            number(peer.response_time_ms),
            peer.display_name
        ))?;
    }
    Ok(())
}

fn type_word(kind: NodeType) -> &'static str {
    match kind {
        NodeType::SupplyHub => "SUPPLY_HUB",
        NodeType::Store | NodeType::Unspecified => "STORE",
    }
}

fn peer_json(peer: &Peer) -> Value {
    json!({
        "peer_id": peer.peer_id,
        "node_number": peer.node_number,
        "node_type": type_word(peer.node_type()),
        "display_name": peer.display_name,
        "api_base_url": peer.api_base_url,
        "region": peer.region,
        "is_reachable": peer.is_reachable,
        "is_linked": peer.is_linked,
        "distance_miles": peer.distance_miles,
        "response_time_ms": peer.response_time_ms,
        "lag_events": peer.lag_events,
    })
}

fn status_json(status: &GetStatusResponse) -> Value {
    let node = status.node.clone().unwrap_or_default();
    let events = status.events.clone().unwrap_or_default();
    let digests: serde_json::Map<String, Value> = status
        .digests
        .iter()
        .map(|digest| (digest.audience.clone(), json!({"digest": digest.digest, "rows": digest.rows})))
        .collect();
    json!({
        "node": {
            "node_id": node.node_id,
            "node_number": node.node_number,
            "node_type": type_word(node.node_type()),
            "display_name": node.display_name,
            "api_base_url": node.api_base_url,
            "region": node.region,
            "is_active": node.is_active,
            "version": node.version,
            "database": node.database,
            "certificate_expires_at": node.certificate_expires_at
                .and_then(|end| DateTime::from_timestamp(end.seconds, 0))
                .map(|end| end.to_rfc3339()),
        },
        "peers": status.peers.iter().map(peer_json).collect::<Vec<_>>(),
        "events": {
            "pending": events.pending,
            "processing": events.processing,
            "delivered": events.delivered,
            "failed": events.failed,
        },
        "streams": status.streams.iter()
            .map(|stream| json!({"origin": stream.origin, "audience": stream.audience, "seq": stream.seq}))
            .collect::<Vec<_>>(),
        "digests": digests,
    })
}
