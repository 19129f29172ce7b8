//! `backup`, `backup keygen` and `restore`.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use chrono::Utc;
use codepop_proto::nodes::{FetchBackupRequest, nodes_service_client::NodesServiceClient};
use codepop_shared::files::write_private;
use tokio::io::AsyncWriteExt as _;

use super::{client, print, run::location};
use crate::{
    backup::{self, Header, Order, Restore, Trailer, age::Identity},
    config::{BackupConfig, ClientConfig, RestoreConfig},
    identity::{DataLock, Expected, NodeIdentity},
};

pub(super) async fn backup(config: BackupConfig) -> Result<()> {
    match config {
        BackupConfig::Keygen { out } => keygen(&out),
        BackupConfig::Fetch { client, of, out } => fetch(&client, of, &out).await,
        BackupConfig::Verify { file, identity } => {
            let identity = identity.as_deref().map(read_identity).transpose()?;
            let (header, trailer) = backup::verify(file.clone(), identity).await?;
            print(&format!("{} is whole.", file.display()))?;
            show(&header, &trailer)
        }
        BackupConfig::Take { data_dir, database, to, recipient, force } => {
            let id = NodeIdentity::load(&data_dir, &Expected::default())?.id;
            let location = location(&data_dir, &database);
            let made = backup::create(Order { id, location, to, recipient, force, now: Utc::now() }).await?;
            let sealed = if recipient.is_some() { ", encrypted" } else { "" };
            print(&format!("Written to {}.", made.path.display()))?;
            print(&format!("  size      {} bytes{sealed}, in {:.1} s", made.bytes, made.took.as_secs_f64()))?;
            show(&made.header, &made.trailer)
        }
    }
}

/// Fetches the newest backup that a store has brought to a hub.
async fn fetch(client: &ClientConfig, of: u32, out: &Path) -> Result<()> {
    anyhow::ensure!(!out.exists(), "{} is there already: name another file", out.display());
    let mut hub = NodesServiceClient::new(client::connect(client).await?);
    let asked = hub.fetch_backup(FetchBackupRequest { node_number: of }).await;
    let mut pieces = asked.map_err(client::said)?.into_inner();
    let unfinished = out.with_extension("unfinished");
    let mut options = tokio::fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished).await;
    let mut file = opened.with_context(|| unfinished.display().to_string())?;
    let mut bytes = 0;
    while let Some(piece) = pieces.message().await.map_err(client::said)? {
        bytes += piece.piece.len();
        file.write_all(&piece.piece).await.with_context(|| unfinished.display().to_string())?;
    }
    file.sync_all().await.with_context(|| unfinished.display().to_string())?;
    anyhow::ensure!(
        !out.exists(),
        "{} is there already; what was fetched is in {}",
        out.display(),
        unfinished.display()
    );
    std::fs::rename(&unfinished, out).with_context(|| out.display().to_string())?;
    print(&format!("The newest backup of node {of} was written to {}: {bytes} bytes, encrypted.", out.display()))?;
    Ok(print("Look at it with `codepop-node backup --verify FILE --identity KEY_FILE`.")?)
}

fn show(header: &Header, trailer: &Trailer) -> Result<()> {
    let tables = trailer.tables.len();
    print(&format!("  node      {} ({}) of chain {}", header.node_number, header.node_id, header.chain))?;
    print(&format!("  taken     {}", header.taken_at.format("%Y-%m-%dT%H:%M:%SZ")))?;
    print(&format!("  database  {}, {} rows in {tables} tables", header.database, trailer.rows()))?;
    Ok(print(&format!("  digest    {}", trailer.payload_sha256))?)
}

fn keygen(out: &Path) -> Result<()> {
    let identity = Identity::generate()?;
    let recipient = identity.recipient();
    let text = format!("# public key: {recipient}\n{}\n", identity.secret());
    write_private(out, text.as_bytes()).with_context(|| out.display().to_string())?;
    print(&format!("The secret key was written to {}.", out.display()))?;
    print(&format!("  recipient {recipient}"))?;
    Ok(print("Keep the file off the nodes, and a copy in a safe: without it no backup made for it can be opened.")?)
}

fn read_identity(path: &Path) -> Result<Identity> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Identity::read(&text).with_context(|| path.display().to_string())
}

pub(super) async fn restore(config: RestoreConfig) -> Result<()> {
    let _lock = DataLock::take(&config.data_dir)?;
    let node = NodeIdentity::load(&config.data_dir, &Expected::default())?;
    let identity = config.identity.as_deref().map(read_identity).transpose()?.map(Arc::new);
    let order = Restore {
        file: config.file,
        identity,
        location: location(&config.data_dir, &config.database),
        data_dir: config.data_dir,
        certificate: Arc::clone(&node.certificate),
        now: Utc::now(),
    };
    let data_dir = order.data_dir.clone();
    let restored = backup::restore(order).await?;
    let (old, new) = (restored.header.node_number, node.id.number);
    print(&format!("Node {new} has what node {old} had."))?;
    show(&restored.header, &restored.trailer)?;
    print("What was written there later is lost, except what other nodes hold of it: that comes back by itself.")?;
    Ok(print(&format!("Next: codepop-node run --data-dir {}", data_dir.display()))?)
}
