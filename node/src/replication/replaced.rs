//! What follows when a node takes the place of others: their links end here; and when it is this node's place that was
//! taken, it writes no more.

use tokio_util::sync::CancellationToken;

use crate::{
    journal::conflicts,
    mesh::{links::Links, registry, replaced},
    storage::{self, Db},
};

/// Looks at once, and says whether this node's own place was taken.
///
/// # Errors
/// The database failed.
pub async fn look(db: &Db, links: &Links) -> Result<bool, storage::Error> {
    let own = db.author().id.uuid;
    let read = db.read(move |tx| {
        Box::pin(async move {
            let successors = replaced::successors(tx).await?;
            let by = successors.now(own);
            let known = if by == own { None } else { registry::find(tx, by).await? };
            Ok::<_, storage::Error>((successors, by, known))
        })
    });
    let (successors, by, known) = read.await?;
    for peer in links.linked().into_iter().filter(|peer| successors.is_replaced(*peer)) {
        tracing::warn!(peer.id = %peer, "the link is ended: another node has the peer's place");
        links.end(peer);
    }
    if by == own {
        return Ok(false);
    }
    if db.fenced().is_none() {
        let number = known.map_or_else(String::new, |known| format!(" with number {}", known.id().number));
        let why = format!(
            "This node was replaced: node {by}{number} has its place and its store. It takes no writes any more. Stop it; \
             what it sold since is on its disk alone."
        );
        tracing::error!("{why}");
        db.fence(why.clone());
        db.receive(move |tx| Box::pin(async move { conflicts::note(tx, "replaced", why, None).await })).await?;
    }
    Ok(true)
}

/// Looks again whenever the registry changes, until told to stop.
pub async fn watch(db: Db, links: Links, stop: CancellationToken) {
    let (mut changes, mut linked) = (db.registry_changes(), links.changes());
    loop {
        if let Err(error) = look(&db, &links).await {
            tracing::warn!(error = %error, "who took whose place could not be read; looking again at the next change");
        }
        let changed = async {
            tokio::select! {
                changed = changes.changed() => changed.is_ok(),
                changed = linked.changed() => changed.is_ok(),
            }
        };
        if stop.run_until_cancelled(changed).await != Some(true) {
            return;
        }
    }
}
