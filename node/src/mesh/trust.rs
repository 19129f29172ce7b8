//! Keeps connections in step with the registry: whose certificate is revoked, whom a hub certified that is revoked, or whose
//! number is another's, is cut off and gets no new connection. When it is this node itself, it takes no writes any more.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use codepop_shared::tls::{Refusal, Refused, Trust};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    registry,
    revocations::{self, Revoked},
};
use crate::storage::{self, Db, Tx};

/// Pause before the rows are read again after the database failed. Short: the promise is 5 s.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Refuses from now on whom the registry says.
///
/// # Errors
/// The rows can't be read.
pub async fn refresh(db: &Db, trust: &Trust) -> Result<(), storage::Error> {
    let mut refused = db.read_consistent(|tx| Box::pin(refused(tx))).await?;
    if let Some(own) = refused.holders.remove(&db.author().id.uuid)
        && db.fenced().is_none()
    {
        tracing::error!("{}", own.why);
        db.fence(format!("{} This node takes no writes any more.", own.why));
    }
    let own = trust.credentials();
    if let Some(hub) = own.certified().issuer.as_ref().map(|issuer| issuer.hub.uuid)
        && let Some(refusal) = refused.issuers.get(&hub).filter(|_| !trust.is_refused_issuer(hub))
    {
        tracing::warn!("this node's own certificate stays good only where it was known before: {}", refusal.why);
    }
    for (holder, refusal) in refused.holders.iter().filter(|(holder, _)| trust.refusal(**holder).is_none()) {
        tracing::warn!(peer.id = %holder, why = refusal.why, "refused from now on");
    }
    let cut = trust.refuse(refused);
    if cut > 0 {
        tracing::info!(connections = cut, "connections were cut");
    }
    Ok(())
}

/// Does so at every change of the registry, until stopped.
pub async fn keep(db: Db, trust: Trust, stop: CancellationToken) {
    let mut changes = db.registry_changes();
    loop {
        changes.borrow_and_update();
        if let Err(error) = refresh(&db, &trust).await {
            tracing::error!(error = %error, "whom to refuse could not be read; trying again");
            tokio::time::sleep(READ_AGAIN).await;
            changes.mark_changed();
        }
        if stop.run_until_cancelled(changes.changed()).await.is_none_or(|changed| changed.is_err()) {
            return;
        }
    }
}

/// Who is refused, this node itself included, and why.
async fn refused(tx: &mut Tx) -> Result<Refused, storage::Error> {
    let revoked = revocations::all(tx).await?;
    let in_force: Vec<&Revoked> = revoked.iter().filter(|row| row.is_in_force()).collect();
    let mut holders: HashMap<Uuid, Refusal> = in_force.iter().map(|row| (row.holder(), for_revocation(row))).collect();
    let numbers = registry::numbers(tx).await?;
    let trusted = numbers.into_iter().filter(|(holder, _)| !holders.contains_key(holder)).collect();
    holders.extend(duplicates(trusted));
    // Whoever is no hub has signed nothing.
    let issuers = in_force.iter().map(|row| (row.holder(), for_issuer(row))).collect();
    let spared = registry::spared(tx).await?.into_iter().collect();
    Ok(Refused { holders, issuers, spared })
}

/// Why what a revoked hub signed is refused, but for what was announced before.
fn for_issuer(row: &Revoked) -> Refusal {
    let (hub, day) = (row.holder(), row.at().wall().format("%Y-%m-%d %H:%M UTC"));
    let why = format!(
        "The hub {hub} signed this certificate and was revoked by an operator at {day}; reason: {}. The store is to be \
         certified by another hub of its region, or with pki issue.",
        row.reason()
    );
    // Over no connection, however short, may such a certificate be made known.
    Refusal { why, is_told: false }
}

fn for_revocation(row: &Revoked) -> Refusal {
    let (holder, day) = (row.holder(), row.at().wall().format("%Y-%m-%d %H:%M UTC"));
    let why = format!("The certificate of {holder} was revoked by an operator at {day}; reason: {}.", row.reason());
    // Gateways and operators do not know the mesh's RPCs; TLS tells them in one word.
    Refusal { why, is_told: row.is_node() }
}

/// Of nodes with one number the one with the lowest UUID stays: UUIDs begin with the time at which they were made.
fn duplicates(numbers: Vec<(Uuid, u32)>) -> HashMap<Uuid, Refusal> {
    let mut by_number: BTreeMap<u32, Vec<Uuid>> = BTreeMap::new();
    for (holder, number) in numbers {
        by_number.entry(number).or_default().push(holder);
    }
    let mut refused = HashMap::new();
    for (number, mut holders) in by_number {
        holders.sort_unstable();
        for other in holders.iter().skip(1) {
            let why = format!(
                "Number {number} is that of {}: the authority gave it twice, or its folder was copied. {other} needs \
                 another one; revoke one of the two (pki revoke).",
                holders[0]
            );
            refused.insert(*other, Refusal { why, is_told: true });
        }
    }
    refused
}

#[cfg(test)]
mod tests {
    use codepop_proto::mesh::{CertificateRevoked, NodeAnnounced};
    use codepop_shared::identity::Certified;

    use super::*;
    use crate::{
        clock::Hlc,
        journal::{Replicated as _, Stamp},
        on_both,
        testing::{self, Node},
    };

    fn announced(certificate: &Certified) -> NodeAnnounced {
        NodeAnnounced {
            certificate: certificate.der.clone(),
            display_name: "store".to_owned(),
            version: "1".to_owned(),
            ..NodeAnnounced::default()
        }
    }

    /// Merges an announcement, as if it had been signed at a time.
    async fn announce(node: &Node, certificate: &Certified, hlc: u64) {
        let stamp = Stamp { hlc: Hlc(hlc), origin: certificate.id.uuid, stream: hlc.cast_signed(), seq: 1 };
        let announced = announced(certificate);
        let merged = node.db.write(move |tx| Box::pin(async move { announced.apply(tx, &stamp).await.map(|_| ()) }));
        merged.await.unwrap();
    }

    async fn revoke(node: &Node, holder: Uuid, hlc: u64) {
        let stamp = Stamp { hlc: Hlc(hlc), origin: Uuid::from_u128(9), stream: hlc.cast_signed(), seq: 1 };
        let revoked = CertificateRevoked { uuid: holder.as_bytes().to_vec(), ..CertificateRevoked::default() };
        let merged = node.db.write(move |tx| Box::pin(async move { revoked.apply(tx, &stamp).await.map(|_| ()) }));
        merged.await.unwrap();
    }

    on_both!(what_a_hub_signed_counts_if_it_was_announced_before_the_hub_was_revoked, async |node: Node| {
        let (hub, other) = (testing::region(&testing::name(1, "C")), testing::region(&testing::name(2, "C")));
        let of = |number, hub| testing::renewed(&testing::author(testing::name(number, "C")), hub);
        let [before, after, by_other] = [of(1_001, &hub), of(1_002, &hub), of(1_003, &other)];
        let direct = testing::author(testing::name(1_004, "C")).certificate;
        announce(&node, &before, 10).await;
        announce(&node, &by_other, 30).await;
        announce(&node, &direct, 31).await;
        revoke(&node, hub.hub().uuid, 20).await;
        announce(&node, &after, 32).await;
        let look = async || {
            let read = node.db.read(|tx| {
                Box::pin(async move { Ok::<_, storage::Error>((refused(tx).await?, registry::current(tx).await?)) })
            });
            let (refused, current) = read.await.unwrap();
            let all = [&before, &after, &by_other, &*direct];
            let is_known = |one: &Certified| current.iter().any(|known| known.id() == &one.id);
            (all.map(|one| refused.refusal_of(one).is_some()), all.map(is_known))
        };
        assert_eq!(look().await, ([false, true, false, false], [true, false, true, true]));
        // Another one for the same store is not spared with it, nor is its holder refused for it.
        let minted = of(1_001, &hub);
        let refused = node.db.read(|tx| Box::pin(refused(tx))).await.map_err(|error: storage::Error| error).unwrap();
        assert!(refused.refusal_of(&minted).is_some() && !refused.holders.contains_key(&before.id.uuid));
        // The word that comes later and was said earlier counts from when it was said.
        revoke(&node, hub.hub().uuid, 5).await;
        assert_eq!(look().await, ([true, true, false, false], [false, false, true, true]));
        // Certified anew, all is well again.
        let renewed = Certified { issuer: None, ..(*testing::author(before.id.clone()).certificate).clone() };
        announce(&node, &renewed, 40).await;
        assert_eq!(look().await.1, [true, false, true, true]);
    });

    on_both!(what_a_revoked_hub_signed_is_not_announced_again, async |node: Node| {
        let hub = testing::region(&testing::name(1, "C"));
        let own = testing::renewed(node.db.author(), &hub);
        let say = async |version: &str| {
            let announced = NodeAnnounced { version: version.to_owned(), ..announced(&own) };
            node.db.write(move |tx| Box::pin(registry::announce_self(tx, announced))).await.unwrap()
        };
        assert!(say("1").await && !say("1").await && say("2").await);
        let long_after = node.app.clock().tick().0;
        revoke(&node, hub.hub().uuid, long_after).await;
        assert!(!say("3").await);
        let spared = node.db.read(|tx| Box::pin(registry::spared(tx))).await.map_err(|error: storage::Error| error);
        assert_eq!(spared.unwrap(), [own.fingerprint()].into());
    });

    #[test]
    fn the_node_that_was_made_first_keeps_its_number() {
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let refused = duplicates(vec![(b, 1_000), (c, 1_001), (a, 1_000)]);
        assert_eq!(refused.keys().collect::<Vec<_>>(), [&b]);
        assert!(refused[&b].why.contains(&a.to_string()));
    }
}
