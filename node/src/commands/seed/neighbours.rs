//! What nodes know of each other before they first meet: hubs know their stores and the hub of the first stores, stores know
//! their hub, and everybody the operator and the catalogue. The rest comes when they run.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use uuid::Uuid;

use super::{
    Steps,
    databases::{Opened, opened},
    identities::Node,
};
use crate::{
    journal::{Stream, entries, streams},
    replication::accept,
    seed::HOME,
    storage::{self, Db},
};

/// Brings what was said at each node to those near it.
///
/// # Errors
/// A database can't be opened, or a node does not take what another one signed.
pub(super) async fn introduce(nodes: &[Node], steps: &mut Steps) -> Result<()> {
    let stores: HashSet<Uuid> = nodes.iter().filter(|node| !node.site.is_hub()).map(|node| node.uuid).collect();
    let mut hubs: Vec<&Node> = nodes.iter().filter(|node| node.site.is_hub()).collect();
    hubs.sort_by_key(|hub| hub.site.region != HOME);
    let mut home: Option<Opened> = None;
    for hub in hubs {
        steps.next("introduce", &hub.site.code);
        let here = opened(hub).await?;
        if let Some(home) = &home {
            carry(&home.db, &here.db, |stream| !stores.contains(&stream.origin)).await?;
        }
        for store in nodes.iter().filter(|node| !node.site.is_hub() && node.site.region == hub.site.region) {
            steps.next("introduce", &store.site.code);
            let there = opened(store).await?;
            carry(&there.db, &here.db, |stream| stream.origin == store.uuid).await?;
            carry(&here.db, &there.db, |stream| !stores.contains(&stream.origin)).await?;
        }
        if hub.site.region == HOME {
            home = Some(here);
        }
    }
    Ok(())
}

/// Brings those of the streams that may travel from one database to another.
async fn carry(from: &Db, to: &Db, is_wanted: impl Fn(&Stream) -> bool) -> Result<()> {
    let (bearer, taker) = (from.author().id.clone(), to.author().id.clone());
    let mut all = from.read(|tx| Box::pin(streams::all(tx))).await.map_err(|error: storage::Error| error)?;
    all.retain(|stream| {
        stream.origin != taker.uuid
            && stream.audience.may_travel(stream.origin, bearer.uuid, &taker)
            && is_wanted(stream)
    });
    for stream in all {
        let mut known = 0;
        while known < stream.head {
            let (id, after) = (stream.id, known);
            let read = from.read(move |tx| Box::pin(entries::after(tx, id, after)));
            let events = read.await.map_err(|error: storage::Error| error)?;
            let count = u64::try_from(events.len()).unwrap_or(0).max(1);
            let taken = accept::batch(to, &bearer, events).await;
            taken.with_context(|| format!("tell {taker} what {bearer} has"))?;
            known += count;
        }
    }
    Ok(())
}
