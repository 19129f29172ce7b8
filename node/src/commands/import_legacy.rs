//! `import-legacy`: brings a database of the old system to this store while the node is stopped. Its events stream at the
//! next start.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use codepop_proto::mesh::NodeAnnounced;

use super::{print, run::open};
use crate::{
    app::Progress,
    backup,
    config::ImportConfig,
    identity::{DataLock, Expected, NodeIdentity, NodeSettings},
    legacy,
    mesh::registry,
    storage::Db,
};

pub(super) async fn import_legacy(config: ImportConfig) -> Result<()> {
    let _lock = DataLock::take(&config.data_dir).context("the node must be stopped while a database is imported")?;
    backup::refuse_unfinished(&config.data_dir)?;
    let identity = NodeIdentity::load(&config.data_dir, &Expected::default())?;
    let settings =
        NodeSettings::load(&config.data_dir)?.context("the node has no settings: run `codepop-node init`")?;
    let db = open(&config.data_dir, &config.database, Arc::new(identity.author())).await?;
    let is_dry = config.options.dry_run;
    if !is_dry {
        introduce(&db, &settings).await?;
    }
    let report = legacy::import(&db, config.source, config.options, Progress::for_stderr()).await?;
    print(report.to_string().trim_end())?;
    let faults = report.faults();
    if !faults.is_empty() {
        bail!("the import does not add up: {}", faults.join("; "));
    }
    let end = if is_dry {
        "This was a dry run: nothing was written."
    } else {
        "Done. Start the node; running this command again brings only what is new."
    };
    Ok(print(&format!("\n{end}"))?)
}

/// A node's first event says whose its stream is, and its data can come before the first start.
pub(super) async fn introduce(db: &Db, settings: &NodeSettings) -> Result<()> {
    let known = db.read(|tx| Box::pin(registry::all(tx))).await.context("read the registry")?;
    let own = db.author().id.uuid;
    if known.iter().any(|known| known.id().uuid == own) {
        return Ok(());
    }
    let announcement = NodeAnnounced {
        certificate: db.author().certificate.der.clone(),
        display_name: settings.display_name.clone(),
        api_base_url: settings.api_url.clone().unwrap_or_default(),
        latitude: settings.latitude,
        longitude: settings.longitude,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let announced = db.write(move |tx| Box::pin(registry::announce_self(tx, announcement)));
    announced.await.context("announce the node")?;
    Ok(())
}
