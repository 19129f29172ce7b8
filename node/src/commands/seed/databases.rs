//! The nodes' databases: made, filled and read, some at a time. No node may run meanwhile.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{Steps, identities::Node};
use crate::{
    commands::{import_legacy::introduce, run::open},
    config::Database,
    identity::{DataLock, Expected, NodeIdentity, NodeSettings},
    seed::{self, Alone, Contents, Data},
    storage::Db,
};

/// Databases that are worked on at a time: one writes while another waits for the disk.
const AT_A_TIME: usize = 4;

/// An open database, which nobody else uses.
pub(super) struct Opened {
    /// Its doors.
    pub(super) db: Db,
    _lock: DataLock,
}

/// Opens a node's database.
///
/// # Errors
/// The node runs, or its files are not what they should be.
pub(super) async fn opened(node: &Node) -> Result<Opened> {
    let lock = DataLock::take(&node.dir).context("the nodes must be stopped")?;
    let identity = NodeIdentity::load(&node.dir, &Expected::default())?;
    let db = open(&node.dir, &Database::Sqlite, Arc::new(identity.author())).await?;
    Ok(Opened { db, _lock: lock })
}

/// Fills every node's database.
///
/// # Errors
/// One can't be opened or filled; the others are in no order then.
pub(super) async fn fill(nodes: &[Node], data: &Data, steps: &mut Steps) -> Result<()> {
    let fill = async |node: &Node| {
        let opened = opened(node).await?;
        introduce(&opened.db, &NodeSettings::require(&node.dir)?).await?;
        let filled = seed::fill(&Alone::app(opened.db), data, &node.site, &node.url).await;
        filled.with_context(|| format!("fill the database of {}", node.site.code))?;
        Ok::<_, anyhow::Error>(node.site.code.clone())
    };
    let mut filled = stream::iter(nodes).map(fill).buffer_unordered(AT_A_TIME);
    while let Some(code) = filled.try_next().await? {
        steps.next("fill", &code);
    }
    Ok(())
}

/// What every node's database has, in the order of the nodes.
///
/// # Errors
/// One can't be opened or read.
pub(super) async fn contents(nodes: &[Node], data: &Data) -> Result<Vec<Contents>> {
    let read = async |node: &Node| {
        let opened = opened(node).await?;
        let contents = Contents::read(&Alone::app(opened.db), data, &node.site).await;
        contents.with_context(|| format!("read the database of {}", node.site.code))
    };
    stream::iter(nodes).map(read).buffered(AT_A_TIME).try_collect().await
}
