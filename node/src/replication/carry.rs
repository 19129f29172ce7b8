//! Backups that a store brings to the hub of its region, and that the operator fetches from there. A transfer that broke off
//! begins anew: the next one is newer anyway.

use std::{path::Path, sync::Arc, time::Duration};

use codepop_proto::{
    mesh::{StoreBackupRequest, StoreBackupResponse, mesh_service_client::MeshServiceClient},
    nodes::{FetchBackupRequest, FetchBackupResponse},
};
use codepop_shared::{
    Code, Failure,
    identity::{Kind, SpiffeId},
};
use futures::{Stream, StreamExt as _, future::BoxFuture};
use tokio::{io::AsyncReadExt as _, sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use uuid::Uuid;

use crate::{
    app::Dial,
    backup::{
        self, Made,
        schedule::Carrier,
        vault::{PIECE_BYTES, Vault},
    },
    mesh::registry,
    storage::Db,
};

/// Pieces that wait for the connection.
const WAITING_MAX: usize = 4;

/// How long a hub waits for the next piece: a store that falls silent must not keep the place of another.
const PIECE_WAIT: Duration = Duration::from_secs(30);

/// How long a store takes at the most to bring one: 8 GiB over 2 Mbit/s take ten hours.
const BRING_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// Brings backups to the own hub.
pub struct ToHub {
    /// The database, which knows the hubs.
    pub db: Db,
    /// Connections to them.
    pub dial: Arc<dyn Dial>,
}

impl Carrier for ToHub {
    fn carry<'a>(&'a self, made: &'a Made) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let hub = self.hub().await?;
            let channel = self.dial.dial(hub).await.ok_or("the hub does not answer")?;
            let brought = timeout(BRING_MAX, bring(channel, &made.path, made.bytes)).await;
            let brought = brought.unwrap_or_else(|_| Err(format!("it took more than {} h", BRING_MAX.as_secs() / 3_600)));
            if brought.is_err() {
                self.dial.lost(hub);
            }
            brought
        })
    }
}

impl ToHub {
    async fn hub(&self) -> Result<Uuid, String> {
        let region = self.db.author().id.region.clone();
        let known = self.db.read(|tx| Box::pin(registry::current(tx))).await.map_err(|error| error.to_string())?;
        let mut hubs: Vec<&SpiffeId> = known.iter().map(registry::Known::id).collect();
        hubs.retain(|id| id.kind == Kind::Hub && id.region == region);
        hubs.sort_by_key(|id| id.number);
        hubs.first().map(|id| id.uuid).ok_or_else(|| "no hub of the region is known".to_owned())
    }
}

async fn bring(channel: tonic::transport::Channel, path: &Path, size: u64) -> Result<(), String> {
    let pieces = ReceiverStream::new(read(path).await.map_err(|error| error.to_string())?);
    // A file that can't be read to its end is a broken transfer, not a shorter backup: its size is said first.
    let first = StoreBackupRequest { size, piece: Vec::new() };
    let rest = pieces.filter_map(|piece| std::future::ready(piece.ok()));
    let request = futures::stream::iter([first]).chain(rest.map(|piece| StoreBackupRequest { size: 0, piece }));
    let said = |status: Status| status.message().to_owned();
    let mut answers = MeshServiceClient::new(channel).store_backup(request).await.map_err(said)?.into_inner();
    let kept = answers.message().await.map_err(said)?.ok_or("the hub did not confirm it")?;
    if kept.size == size { Ok(()) } else { Err(format!("the hub has {} of {size} bytes", kept.size)) }
}

/// A file in pieces, read as they are taken.
async fn read(path: &Path) -> std::io::Result<mpsc::Receiver<std::io::Result<Vec<u8>>>> {
    let mut file = tokio::fs::File::open(path).await?;
    let (pieces, waiting) = mpsc::channel(WAITING_MAX);
    tokio::spawn(async move {
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let read = (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece).await;
            let is_over = !matches!(read, Ok(count) if count > 0);
            if matches!(read, Ok(0)) || pieces.send(read.map(|_| piece)).await.is_err() || is_over {
                return;
            }
        }
    });
    Ok(waiting)
}

/// Answers of the hub.
pub type Answers<T> = std::pin::Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A store of the hub's region brings a backup. The answer comes when all of it is on disk.
pub(super) fn take(
    vault: Vault,
    db: &Db,
    caller: &SpiffeId,
    mut inbound: Streaming<StoreBackupRequest>,
) -> Result<Answers<StoreBackupResponse>, Failure> {
    let me = &db.author().id;
    if me.kind != Kind::Hub || me.region != caller.region {
        return Err(Failure::new(Code::AskHub, "Backups are kept by the hub of the store's own region."));
    }
    let (store, now) = (caller.number, db.clock().wall());
    let (answer, answers) = mpsc::channel(1);
    tokio::spawn(async move {
        let Ok(Ok(first)) = timeout(PIECE_WAIT, inbound.message()).await else { return };
        let size = first.map_or(0, |first| first.size);
        let kept = vault.take(store, size, now, Box::pin(whole(pieces(inbound), size))).await;
        if let Err(error) = &kept {
            tracing::warn!(error = %error, store.number = store, "a store's backup was not kept");
        }
        let said = kept.map(|kept| StoreBackupResponse { size: kept.size, sha256: kept.sha256.to_vec() });
        drop(answer.send(said.map_err(|error| refused(&error))).await);
    });
    Ok(Box::pin(ReceiverStream::new(answers)))
}

/// The pieces as they come; an error when the next one does not come in time.
fn pieces(inbound: Streaming<StoreBackupRequest>) -> impl Stream<Item = Result<Vec<u8>, String>> {
    futures::stream::unfold(inbound, |mut inbound| async move {
        let piece = match timeout(PIECE_WAIT, inbound.message()).await {
            Ok(Ok(None)) => return None,
            Ok(Ok(Some(piece))) => Ok(piece.piece),
            Ok(Err(status)) => Err(status.message().to_owned()),
            Err(_) => Err(format!("nothing came for {} s", PIECE_WAIT.as_secs())),
        };
        Some((piece, inbound))
    })
}

/// The pieces, and an error at the end when they are not as many bytes as were announced.
fn whole(
    pieces: impl Stream<Item = Result<Vec<u8>, String>>,
    size: u64,
) -> impl Stream<Item = Result<Vec<u8>, String>> {
    let ended = futures::stream::once(std::future::ready(None));
    pieces.map(Some).chain(ended).scan(0_u64, move |seen, piece| {
        std::future::ready(match piece {
            Some(Ok(piece)) => {
                *seen += piece.len() as u64;
                Some(Ok(piece))
            }
            Some(Err(why)) => Some(Err(why)),
            None if *seen == size => None,
            None => Some(Err(format!("{seen} of {size} bytes came"))),
        })
    })
}

/// Gives the operator the newest backup of a store.
pub async fn give(vault: &Vault, request: FetchBackupRequest) -> Result<Answers<FetchBackupResponse>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Code::Unavailable, error.to_string());
    let number = request.node_number;
    let path = vault.newest(number).await.map_err(|error| failed(&error))?;
    let none = || Failure::new(Code::NotFound, format!("This hub has no backup of node {number}."));
    let pieces = read(&path.ok_or_else(none)?).await.map_err(|error| failed(&error))?;
    let answers = ReceiverStream::new(pieces).map(|piece| match piece {
        Ok(piece) => Ok(FetchBackupResponse { piece }),
        Err(error) => Err(Status::data_loss(error.to_string())),
    });
    Ok(Box::pin(answers))
}

fn refused(error: &backup::Error) -> Status {
    match error {
        backup::Error::Refused(why) => Status::failed_precondition(why.clone()),
        _ => Status::unavailable("the hub's disk failed; its log has the details"),
    }
}
