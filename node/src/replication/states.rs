//! What the state of each audience comes to: a digest over the merged rows and the live events, with what it depends on.
//! Peers compare these all the time, next to their positions: equal positions that led to different states mean that
//! something was lost or damaged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{Mutex, mpsc, watch},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    apply::{self, Part},
    session::{Compared, Digested},
};
use crate::{
    journal::{
        Audience, Hash, Stream,
        live::{self, Sum},
        streams,
    },
    storage::{self, Db, Tx},
};

/// How digests are computed: to be raised with every change of what they cover. Nodes that compute them differently do not
/// compare them.
pub const VERSION: u32 = 4;

/// Changes that follow each other by less are awaited together.
const QUIET: Duration = Duration::from_secs(2);

/// A state is computed again after so many times the usual pause even when no event came: what a disk lost makes none.
const ANYWAY: u32 = 30;

/// A state that was computed so lately is told again instead of a new one: whoever asks, the cost is bounded.
const FRESH: Duration = Duration::from_secs(3);

/// Comparisons that wait to be looked at; more are dropped, they come again.
const COMPARED_MAX: usize = 256;

/// What the state of one audience comes to at this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudienceState {
    /// The audience.
    pub audience: Audience,
    /// What it depends on; states are compared when these are equal.
    pub basis: [u8; 16],
    /// Over rows and live events.
    pub state: Hash,
    /// Over the live events.
    pub live: Hash,
    /// Events of the audience that wait in quarantine.
    pub withheld: u64,
    /// Over the rows of each noun.
    pub nouns: Vec<Part>,
    /// The live events of each stream: origin, number here, sum.
    pub streams: Vec<(Uuid, i64, Sum)>,
}

/// Computes the states of all audiences that this node holds; within one consistent read.
///
/// # Errors
/// The database failed.
pub async fn compute(tx: &mut Tx) -> Result<Vec<AudienceState>, storage::Error> {
    let me = tx.author.id.clone();
    let all = streams::all(tx).await?;
    let sums: BTreeMap<i64, Sum> = live::sums(tx).await?.into_iter().collect();
    let withheld = live::withheld(tx).await?;
    let audiences: BTreeSet<&Audience> =
        all.iter().map(|stream| &stream.audience).filter(|audience| audience.reaches(&me)).collect();
    let mut states = Vec::with_capacity(audiences.len());
    for audience in audiences {
        let nouns = apply::parts(tx, audience).await?;
        let held: Vec<(Uuid, i64, Sum)> = all
            .iter()
            .filter(|stream| stream.audience == *audience)
            .filter_map(|stream| sums.get(&stream.id).map(|sum| (stream.origin, stream.id, *sum)))
            .collect();
        let live = over_live(&held);
        states.push(AudienceState {
            basis: basis(&all, audience, &withheld),
            state: over_all(&nouns, &live),
            live,
            withheld: count_withheld(&all, audience, &withheld),
            nouns,
            streams: held,
            audience: audience.clone(),
        });
    }
    Ok(states)
}

/// What a state depends on: deletions for everyone empty rows of all audiences, so their positions belong to it.
fn basis(all: &[Stream], audience: &Audience, withheld: &[(i64, i64)]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    hasher.update(VERSION.to_be_bytes());
    let counts =
        |stream: &&Stream| stream.head > 0 && (stream.audience == *audience || stream.audience == Audience::Everyone);
    for stream in all.iter().filter(counts) {
        hasher.update(stream.origin.as_bytes());
        hasher.update(stream.audience.to_string().as_bytes());
        hasher.update([0]);
        hasher.update(stream.head.to_be_bytes());
        for (_, seq) in withheld.iter().filter(|(id, _)| *id == stream.id) {
            hasher.update(b"withheld");
            hasher.update(seq.to_be_bytes());
        }
    }
    let whole: Hash = hasher.finalize().into();
    let mut short = [0; 16];
    short.copy_from_slice(&whole[..16]);
    short
}

fn count_withheld(all: &[Stream], audience: &Audience, withheld: &[(i64, i64)]) -> u64 {
    let ids: BTreeSet<i64> = all.iter().filter(|stream| stream.audience == *audience).map(|stream| stream.id).collect();
    withheld.iter().filter(|(id, _)| ids.contains(id)).count() as u64
}

/// In order of origins: the streams' numbers differ from node to node.
fn over_live(streams: &[(Uuid, i64, Sum)]) -> Hash {
    let mut hasher = Sha256::new();
    for (origin, _, sum) in streams {
        hasher.update(origin.as_bytes());
        hasher.update(sum.count.to_be_bytes());
        hasher.update(sum.hash);
    }
    hasher.finalize().into()
}

fn over_all(nouns: &[Part], live: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(apply::sum(nouns).0);
    hasher.update(live);
    hasher.finalize().into()
}

/// What a comparison with a peer showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The peer.
    pub peer: Uuid,
    /// What was compared.
    pub compared: Compared,
}

/// The states of this node as they were computed last. Cheap to clone.
#[derive(Clone)]
pub struct States {
    db: Db,
    every: Duration,
    latest: watch::Sender<Arc<Vec<AudienceState>>>,
    computed_at: Arc<Mutex<Option<Instant>>>,
    seen: mpsc::Sender<Seen>,
}

impl States {
    /// States that are computed at most `every` so often; and what comparisons with peers show.
    pub fn new(db: Db, every: Duration) -> (Self, mpsc::Receiver<Seen>) {
        let (seen, receiver) = mpsc::channel(COMPARED_MAX);
        let latest = watch::Sender::new(Arc::default());
        (Self { db, every, latest, computed_at: Arc::default(), seen }, receiver)
    }

    /// As they were computed last; empty before the first time.
    pub fn latest(&self) -> Arc<Vec<AudienceState>> {
        Arc::clone(&self.latest.borrow())
    }

    /// What sessions tell peers.
    pub fn digested(&self) -> Vec<Digested> {
        let digested = |state: &AudienceState| Digested {
            audience: state.audience.clone(),
            basis: state.basis,
            state: state.state,
        };
        self.latest.borrow().iter().map(digested).collect()
    }

    /// Not older than a few seconds. One computation at a time, whoever asks.
    ///
    /// # Errors
    /// The database failed.
    pub async fn fresh(&self) -> Result<Arc<Vec<AudienceState>>, storage::Error> {
        self.not_older_than(FRESH).await
    }

    /// Computed now: for whoever changed something and wants to know what came of it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn now(&self) -> Result<Arc<Vec<AudienceState>>, storage::Error> {
        self.not_older_than(Duration::ZERO).await
    }

    async fn not_older_than(&self, age: Duration) -> Result<Arc<Vec<AudienceState>>, storage::Error> {
        let asked = Instant::now();
        let mut computed_at = self.computed_at.lock().await;
        // Whoever waited here for another one's computation may use it, if it began after the question.
        if computed_at.is_some_and(|at| at >= asked || asked.duration_since(at) < age) {
            return Ok(self.latest());
        }
        let since = Instant::now();
        let states = Arc::new(self.db.read_consistent(|tx| Box::pin(compute(tx))).await?);
        *computed_at = Some(since);
        self.latest.send_replace(Arc::clone(&states));
        let (took, rows) = (since.elapsed(), states.iter().flat_map(|state| &state.nouns).map(|noun| noun.rows).sum());
        metrics::histogram!("codepop_digest_seconds").record(took);
        let rows: u64 = rows;
        tracing::debug!(rows, took = ?took, "the digests were computed");
        Ok(states)
    }

    /// Hands on what a session found; what does not fit is found again.
    pub fn report(&self, peer: Uuid, compared: Vec<Compared>) {
        for compared in compared {
            let _ = self.seen.try_send(Seen { peer, compared });
        }
    }

    /// Computes the states whenever positions changed and have been quiet for a moment, until stopped.
    pub async fn run(self, stop: CancellationToken) {
        let mut changes = self.db.journal_changes();
        loop {
            changes.borrow_and_update();
            if let Err(error) = self.fresh().await {
                tracing::warn!(error = %error, "the digests could not be computed; trying again");
            }
            let wait = async {
                tokio::time::sleep(self.every).await;
                let _ = timeout(self.every * ANYWAY, changes.changed()).await;
                // A node that is never quiet computes all the same: a peer may be at the same place by chance.
                let _ = timeout(self.every, quiet(&mut changes)).await;
            };
            if stop.run_until_cancelled(wait).await.is_none() {
                return;
            }
        }
    }
}

async fn quiet(changes: &mut watch::Receiver<u64>) {
    while timeout(QUIET, changes.changed()).await.is_ok_and(|changed| changed.is_ok()) {}
}
