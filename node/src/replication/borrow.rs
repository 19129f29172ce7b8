//! What is asked of a peer whose state differs: its state, its live events by position and hash, and those that this node
//! has lost. The other side is `lend`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use codepop_proto::mesh::{
    CompareStateRequest, CompareStateResponse, FetchLiveRequest, ListLiveRequest, LiveEvent,
    mesh_service_client::MeshServiceClient,
};
use codepop_shared::identity::SpiffeId;
use tokio::time::{sleep, timeout};
use tonic::{Response, Status, transport::Channel};
use uuid::Uuid;

use super::{accept, lend::FETCH_MAX, restore};
use crate::{
    app::Dial,
    clock::Hlc,
    journal::{Audience, Event, Hash, live},
    mesh::registry,
    storage::{self, Db},
};

/// Pause between two questions to a peer: a repair must not crowd out its other work, and stays below what it answers in a
/// second.
const BETWEEN: Duration = Duration::from_millis(100);

/// How long a peer may take for one answer: it may have to compute its state first.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Lists of live events that are read of one stream at the most: five million events.
const LISTS_MAX: usize = 1_000;

/// Why a repair was broken off; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("the peer is away")]
    Away,
    #[error("the peer answered {:?}: {}", .0.code(), .0.message())]
    Refused(#[from] Status),
    #[error("the peer sent what was refused: {0}")]
    Fault(String),
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<accept::Error> for Failed {
    fn from(error: accept::Error) -> Self {
        match error {
            accept::Error::Fault(why) => Self::Fault(why),
            accept::Error::Storage(error) => Self::Storage(error),
        }
    }
}

/// A peer that is asked about one audience.
pub(super) struct Lender {
    db: Db,
    dial: Arc<dyn Dial>,
    client: MeshServiceClient<Channel>,
    peer: SpiffeId,
    audience: Audience,
}

impl Lender {
    /// Reaches a peer over the connection that there is.
    pub(super) async fn reach(db: &Db, dial: &Arc<dyn Dial>, peer: Uuid, audience: &Audience) -> Result<Self, Failed> {
        let known = db.read(move |tx| Box::pin(registry::find(tx, peer))).await?;
        let peer = known.map(|known| known.id().clone()).ok_or(Failed::Away)?;
        let channel = dial.dial(peer.uuid).await.ok_or(Failed::Away)?;
        let client = MeshServiceClient::new(channel);
        Ok(Self { db: db.clone(), dial: Arc::clone(dial), client, peer, audience: audience.clone() })
    }

    /// Who is asked.
    pub(super) fn peer(&self) -> &SpiffeId {
        &self.peer
    }

    /// The peer's state.
    pub(super) async fn compare(&mut self) -> Result<CompareStateResponse, Failed> {
        let request = CompareStateRequest { audience: self.audience.to_string() };
        let asked = timeout(ANSWER_MAX, self.client.compare_state(request)).await;
        self.answered(asked)
    }

    fn answered<T>(
        &self,
        answer: Result<Result<Response<T>, Status>, tokio::time::error::Elapsed>,
    ) -> Result<T, Failed> {
        match answer {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => {
                self.dial.lost(self.peer.uuid);
                Err(status.into())
            }
            Err(_) => {
                self.dial.lost(self.peer.uuid);
                Err(Failed::Away)
            }
        }
    }

    /// Fetches the live events of one stream that are there and not here, or not as they are there, and puts them back;
    /// those before `oldest` are left.
    pub(super) async fn take_back(&mut self, origin: Uuid, stream: Option<i64>, oldest: Hlc) -> Result<usize, Failed> {
        let ours = match stream {
            Some(stream) => self.held(stream).await?,
            None => BTreeMap::new(),
        };
        let (mut restored, mut after) = (0, 0);
        for _ in 0..LISTS_MAX {
            let (listed, more) = self.list(origin, after).await?;
            let is_lost = |event: &&LiveEvent| ours.get(&event.seq).is_none_or(|ours| ours.as_slice() != event.hash);
            let lost = listed.iter().filter(is_lost).map(|event| event.seq).collect();
            restored += self.fetch(origin, lost, oldest).await?;
            let Some(last) = listed.last().filter(|last| more && last.seq > after) else { break };
            after = last.seq;
            sleep(BETWEEN).await;
        }
        Ok(restored)
    }

    /// The live events of one stream that are here and not there, by position.
    pub(super) async fn surplus(&mut self, origin: Uuid, stream: i64) -> Result<Vec<u64>, Failed> {
        let (mut theirs, mut after) = (BTreeSet::new(), 0);
        for _ in 0..LISTS_MAX {
            let (listed, more) = self.list(origin, after).await?;
            theirs.extend(listed.iter().map(|event| event.seq));
            match listed.last().filter(|last| more && last.seq > after) {
                Some(last) => after = last.seq,
                None => {
                    let ours = self.held(stream).await?;
                    return Ok(ours.into_keys().filter(|seq| !theirs.contains(seq)).collect());
                }
            }
            sleep(BETWEEN).await;
        }
        // Nothing is given up on half a list.
        Ok(Vec::new())
    }

    async fn list(&mut self, origin: Uuid, after: u64) -> Result<(Vec<LiveEvent>, bool), Failed> {
        let (origin, audience) = (origin.as_bytes().to_vec(), self.audience.to_string());
        let asked = timeout(ANSWER_MAX, self.client.list_live(ListLiveRequest { origin, audience, after })).await;
        let listed = self.answered(asked)?;
        Ok((listed.events, listed.more))
    }

    async fn held(&self, stream: i64) -> Result<BTreeMap<u64, Hash>, storage::Error> {
        let listed = self.db.read(move |tx| Box::pin(live::list(tx, stream, 0, usize::MAX))).await?;
        Ok(listed.into_iter().map(|live| (live.seq, live.hash)).collect())
    }

    async fn fetch(&mut self, origin: Uuid, mut seqs: Vec<u64>, oldest: Hlc) -> Result<usize, Failed> {
        let mut restored = 0;
        while !seqs.is_empty() {
            let wanted: Vec<u64> = seqs.iter().copied().take(FETCH_MAX).collect();
            let request = FetchLiveRequest {
                origin: origin.as_bytes().to_vec(),
                audience: self.audience.to_string(),
                seqs: wanted.clone(),
            };
            let asked = timeout(ANSWER_MAX, self.client.fetch_live(request)).await;
            let mut fetched = self.answered(asked)?;
            // Those that did not fit are asked for again; those that are gone there are not.
            let last = fetched.events.last().and_then(|event| Event::parse(event.clone()).ok());
            let done = last.map(|event| event.header.seq).or(wanted.last().copied()).unwrap_or(u64::MAX);
            let done = done.max(wanted.first().copied().unwrap_or(u64::MAX));
            seqs.retain(|seq| *seq > done);
            let is_old = |header: &Event| header.header.hlc < oldest;
            fetched.events.retain(|event| !Event::parse(event.clone()).is_ok_and(|event| is_old(&event)));
            accept::announcements(&self.db, fetched.announcement.into_iter().collect()).await?;
            restored += restore::restore(&self.db, &self.peer, fetched.events).await?;
            sleep(BETWEEN).await;
        }
        Ok(restored)
    }
}
