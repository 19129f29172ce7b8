//! `migrate`: brings the database to this program's schema without serving.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::{print, run::location};
use crate::{
    backup,
    clock::Clock,
    config::MigrateConfig,
    identity::{DataLock, Expected, NodeIdentity},
    storage::Db,
};

pub(super) async fn migrate(config: &MigrateConfig) -> Result<()> {
    let _lock = DataLock::take(&config.data_dir)?;
    backup::refuse_unfinished(&config.data_dir)?;
    let author = NodeIdentity::load(&config.data_dir, &Expected::default())?.author();
    let clock = Arc::new(Clock::new(author.id.uuid));
    let location = location(&config.data_dir, &config.database);
    let (_, migrated) = Db::open(&location, clock, Arc::new(author)).await.context("open the database")?;
    if migrated.is_empty() {
        return Ok(print("The database is up to date.")?);
    }
    for name in &migrated {
        print(&format!("ran migration {name}"))?;
    }
    Ok(print(&format!("The database is up to date after {} migrations.", migrated.len()))?)
}
