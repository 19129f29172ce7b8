//! `pki revoke`: marks a holder in the authority's register, signs its revocation with the operator's key, hands it to a
//! node, and waits a moment to see how far it gets. Safe to repeat.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use chrono::Utc;
use codepop_proto::{
    mesh::{CertificateRevoked, RevocationReason},
    nodes::{GetStatusRequest, ListRevocationsRequest, nodes_service_client::NodesServiceClient},
    operator::operator_service_client::OperatorServiceClient,
    options::CallerKind,
};
use codepop_shared::identity::Kind;
use tokio::time::Instant;
use tonic::transport::Channel;
use uuid::Uuid;

use super::{client, print, writer::Writer};
use crate::{
    authority::{self, Marked, Whom},
    config::PkiRevokeConfig,
    identity::OperatorIdentity,
};

/// How long it is watched how far the revocation gets: what is promised for nodes that can be reached.
const WATCHED: Duration = Duration::from_secs(5);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn revoke(config: &PkiRevokeConfig) -> Result<()> {
    let operator = OperatorIdentity::load(&config.client.pki_dir)?;
    let own = operator.credentials.certified().id.uuid;
    ensure!(
        config.whom != Whom::Uuid(own),
        "that is the operator who would say so: make another one (pki operator --out DIR), and let that one say it"
    );
    let marked = authority::mark(&config.dir, config.whom, word(config.reason), Utc::now())?;
    print(&match &marked.known {
        Some((_, _, name)) => format!("The register has \"{name}\" ({}) as revoked.", marked.uuid),
        None => format!("The register does not know {}; another copy of it may.", marked.uuid),
    })?;
    let told = tell(config, &operator, &marked).await;
    if let Some((_, Kind::Hub, _)) = marked.known {
        print(
            "Stores whose certificates this hub renewed before stay good, and nothing that it signs from now on. Look at them: \
             whoever had the hub's keys could certify for its region until now. Another hub of the region renews them by \
             itself; if there is none, do it with pki issue.",
        )?;
    }
    told.context("no node was told yet: run the command again, with another node if need be")
}

async fn tell(config: &PkiRevokeConfig, operator: &OperatorIdentity, marked: &Marked) -> Result<()> {
    let channel = client::connect(&config.client).await?;
    let mut node = NodesServiceClient::new(channel.clone());
    if is_known(&mut node, marked.uuid).await? {
        print(&format!("{} has it already.", config.client.url))?;
    } else {
        let mut writer = Writer::open(operator.author(), OperatorServiceClient::new(channel)).await?;
        writer.say(&event(marked, config.reason), 0);
        writer.submit().await?;
        ensure!(
            is_known(&mut node, marked.uuid).await?,
            "the node took it, but it does not count: was this operator revoked?"
        );
        print(&format!("{} took it; it spreads from there.", config.client.url))?;
    }
    watch(&mut node, marked.uuid).await
}

async fn is_known(node: &mut NodesServiceClient<Channel>, holder: Uuid) -> Result<bool> {
    let known = node.list_revocations(ListRevocationsRequest::default()).await.map_err(client::said)?.into_inner();
    Ok(known.revoked.contains(&holder.to_string()))
}

/// Waits until the node's linked peers have all that it has.
async fn watch(node: &mut NodesServiceClient<Channel>, holder: Uuid) -> Result<()> {
    let until = Instant::now() + WATCHED;
    let holder = holder.to_string();
    loop {
        let status = node.get_status(GetStatusRequest {}).await.map_err(client::said)?.into_inner();
        let others: Vec<_> = status.peers.iter().filter(|peer| peer.peer_id != holder).collect();
        let linked = others.iter().filter(|peer| peer.is_linked).count();
        let done = others.iter().filter(|peer| peer.lag_events == Some(0)).count();
        if done == linked || Instant::now() >= until {
            return Ok(print(&format!(
                "{done} of its {linked} linked peers have it; it knows {} nodes. Those out of reach refuse the \
                 certificate as soon as they hear of it.",
                others.len()
            ))?);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn event(marked: &Marked, reason: RevocationReason) -> CertificateRevoked {
    let (number, kind) = marked.known.as_ref().map_or((0, CallerKind::Unspecified), |(number, kind, _)| {
        let kind = match kind {
            Kind::Store => CallerKind::Store,
            Kind::Hub => CallerKind::Hub,
            Kind::Gateway => CallerKind::Gateway,
            Kind::Operator => CallerKind::Operator,
        };
        (*number, kind)
    });
    let uuid = marked.uuid.as_bytes().to_vec();
    CertificateRevoked { uuid, number, kind: kind.into(), reason: reason.into() }
}

fn word(reason: RevocationReason) -> &'static str {
    reason.as_str_name().trim_start_matches("REVOCATION_REASON_")
}
