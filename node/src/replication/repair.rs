//! What is done when the state of an audience differs from a peer's after the same events: the node that notices asks the
//! peer which events are live there, fetches those that it lost, and merges its own again. Both sides do so, each for
//! itself, and each believes signatures alone.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use codepop_proto::mesh::{
    CompareStateRequest, CompareStateResponse, FetchLiveRequest, ListLiveRequest,
    mesh_service_client::MeshServiceClient,
};
use codepop_shared::identity::SpiffeId;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status, transport::Channel};
use uuid::Uuid;

use super::{
    accept,
    lend::FETCH_MAX,
    restore,
    states::{AudienceState, Seen, States},
};
use crate::{
    app::Dial,
    journal::{Audience, Event, Hash, conflicts, live, snapshots},
    mesh::registry,
    storage::{self, Db},
};

/// Times that a difference must be seen before it is looked into: rows that are being written differ for a moment.
const SEEN_MIN: u32 = 2;

/// Pause between two questions to a peer: a repair must not crowd out its other work, and stays below what it answers in a
/// second.
const BETWEEN: Duration = Duration::from_millis(100);

/// How long a peer may take for one answer: it may have to compute its state first.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Lists of live events that are read of one stream at the most: five million events.
const LISTS_MAX: usize = 1_000;

/// Pause after a vain repair; it doubles with each.
const VAIN_PAUSE: Duration = Duration::from_secs(30);

/// Longest pause after vain repairs.
const VAIN_PAUSE_MAX: Duration = Duration::from_secs(60 * 60);

/// Vain repairs after which people are told: before, it is the peer that is about to repair itself.
const VAIN_TOLD: u32 = 3;

/// Pause between two looks at whether an audience waits for a second node's word.
const VERIFY_EVERY: Duration = Duration::from_secs(5);

/// Peers and audiences whose differences are remembered at the most.
const SUSPECTS_MAX: usize = 1_000;

/// Why a repair was broken off; it is tried again.
#[derive(Debug, thiserror::Error)]
enum Failed {
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

/// What a repair came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// The states are equal by now, or depend on different events: nothing is known to be wrong.
    Passing,
    /// Something was put back.
    Mended(Report),
    /// Nothing of ours was found wrong: the peer has lost something, or it is beyond repair.
    Vain(Report),
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Report {
    /// Nouns whose rows differed.
    nouns: Vec<String>,
    /// Events that were put back.
    restored: usize,
    /// Events that were merged again.
    merged: usize,
    /// Own events whose bytes are damaged and that nobody brought.
    damaged: usize,
    /// Whether the states were equal afterwards.
    equal: bool,
}

/// What is remembered of a difference.
#[derive(Default)]
struct Suspect {
    seen: u32,
    vain: u32,
    not_before: Option<Instant>,
}

/// Looks into differences, one at a time.
pub struct Repairer {
    db: Db,
    states: States,
    dial: Arc<dyn Dial>,
    suspects: HashMap<(Uuid, Audience), Suspect>,
    looked: HashMap<Audience, Instant>,
}

type Client = MeshServiceClient<Channel>;

impl Repairer {
    /// Repairs a database by what peers have.
    pub fn new(db: Db, states: States, dial: Arc<dyn Dial>) -> Self {
        Self { db, states, dial, suspects: HashMap::new(), looked: HashMap::new() }
    }

    /// Looks at what sessions found, until stopped.
    pub async fn run(mut self, mut seen: mpsc::Receiver<Seen>, stop: CancellationToken) {
        while let Some(Some(found)) = stop.run_until_cancelled(seen.recv()).await {
            let (peer, audience) = (found.peer, found.compared.audience);
            if found.compared.equal {
                self.suspects.remove(&(peer, audience.clone()));
                self.agreed(peer, &audience).await;
            } else if self.is_due(peer, &audience) {
                let repair = self.look_into(peer, &audience);
                if stop.run_until_cancelled(repair).await.is_none() {
                    return;
                }
                // What was found meanwhile is older than what was done.
                while seen.try_recv().is_ok() {}
            }
        }
    }

    fn is_due(&mut self, peer: Uuid, audience: &Audience) -> bool {
        if self.suspects.len() >= SUSPECTS_MAX {
            self.suspects.clear();
        }
        let suspect = self.suspects.entry((peer, audience.clone())).or_default();
        suspect.seen += 1;
        suspect.seen >= SEEN_MIN && suspect.not_before.is_none_or(|at| Instant::now() >= at)
    }

    async fn look_into(&mut self, peer: Uuid, audience: &Audience) {
        let outcome = self.repair(peer, audience).await;
        let suspect = self.suspects.entry((peer, audience.clone())).or_default();
        suspect.seen = 0;
        match outcome {
            Ok(Outcome::Passing) => {}
            Ok(Outcome::Mended(report)) => {
                self.suspects.remove(&(peer, audience.clone()));
                metrics::counter!("codepop_repaired_total").increment(1);
                self.note(mended(peer, audience, &report)).await;
            }
            Ok(Outcome::Vain(report)) => {
                suspect.vain += 1;
                suspect.not_before = Some(Instant::now() + pause(suspect.vain));
                if suspect.vain == VAIN_TOLD {
                    metrics::counter!("codepop_repair_failed_total").increment(1);
                    self.note(vain(peer, audience, &report)).await;
                }
            }
            Err(error) => {
                suspect.vain += 1;
                suspect.not_before = Some(Instant::now() + pause(suspect.vain));
                metrics::counter!("codepop_repair_failed_total").increment(1);
                tracing::warn!(peer.id = %peer, audience = %audience, error = %error, "a repair was broken off; trying again");
            }
        }
    }

    async fn note(&self, detail: String) {
        let noted =
            self.db.receive(move |tx| Box::pin(async move { conflicts::note(tx, "rows_differ", detail, None).await }));
        if let Err(error) = noted.await {
            tracing::warn!(error = %error, "a repair could not be noted");
        }
    }

    /// Found equal to a peer: a snapshot that others brought is to be believed now.
    async fn agreed(&mut self, peer: Uuid, audience: &Audience) {
        let now = Instant::now();
        if self.looked.get(audience).is_some_and(|at| now.duration_since(*at) < VERIFY_EVERY) {
            return;
        }
        self.looked.insert(audience.clone(), now);
        let reaches = audience.clone();
        let verified = self.db.read(move |tx| {
            Box::pin(async move {
                let name = reaches.to_string();
                let waiting = snapshots::waiting(tx).await?;
                let bringers: BTreeSet<Uuid> =
                    waiting.into_iter().filter(|(audience, _)| *audience == name).map(|(_, bringer)| bringer).collect();
                if bringers.is_empty() {
                    return Ok::<_, storage::Error>(false);
                }
                let me = tx.author.id.uuid;
                let all = registry::all(tx).await?;
                let others = all.iter().map(registry::Known::id).filter(|id| id.uuid != me && reaches.reaches(id));
                let is_second = bringers.iter().any(|bringer| *bringer != peer);
                // Where there is no third node, nobody else can be asked.
                Ok(is_second || others.count() <= 1)
            })
        });
        let name = audience.to_string();
        let done = match verified.await {
            Ok(true) => self.db.receive(move |tx| Box::pin(async move { snapshots::verified(tx, &name).await })).await,
            Ok(false) => return,
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => {
                tracing::info!(peer.id = %peer, audience = %audience, "a snapshot was found equal to a second node")
            }
            Err(error) => tracing::warn!(error = %error, "it could not be noted that a snapshot is verified"),
        }
    }

    /// Asks the peer, and puts back what this node lost.
    async fn repair(&self, peer: Uuid, audience: &Audience) -> Result<Outcome, Failed> {
        let (mut client, id) = self.client(peer).await?;
        let request = CompareStateRequest { audience: audience.to_string() };
        let theirs = self.answered(peer, client.compare_state(request)).await?;
        let all = self.states.fresh().await?;
        let Some(ours) = all.iter().find(|state| state.audience == *audience) else { return Ok(Outcome::Passing) };
        let said = theirs.state.clone().unwrap_or_default();
        if said.basis != ours.basis || said.state == ours.state {
            return Ok(Outcome::Passing);
        }
        metrics::counter!("codepop_digest_differences_total").increment(1);
        let nouns = differing(ours, &theirs);
        tracing::warn!(peer = %id, audience = %audience, nouns = ?nouns, "the state differs from a peer's after the same events");
        let mut report = Report { nouns, ..Report::default() };
        for (origin, stream) in streams_apart(ours, &theirs) {
            report.restored += self.restore(&mut client, &id, audience, origin, stream).await?;
        }
        if self.is_equal(audience, &said.state).await? {
            report.equal = true;
            return Ok(Outcome::Mended(report));
        }
        let ids = ours.streams.iter().map(|(_, stream, _)| *stream).collect();
        (report.merged, report.damaged) = restore::merge_again(&self.db, ids).await?;
        let after = self.states.now().await?;
        let after = after.iter().find(|state| state.audience == *audience);
        report.equal = after.is_some_and(|after| said.state == after.state);
        let has_changed = after.is_some_and(|after| after.basis == ours.basis && after.state != ours.state);
        Ok(if report.equal || has_changed || report.restored > 0 {
            Outcome::Mended(report)
        } else {
            Outcome::Vain(report)
        })
    }

    async fn is_equal(&self, audience: &Audience, state: &[u8]) -> Result<bool, Failed> {
        let all = self.states.now().await?;
        Ok(all.iter().any(|ours| ours.audience == *audience && ours.state == state))
    }

    async fn client(&self, peer: Uuid) -> Result<(Client, SpiffeId), Failed> {
        let known = self.db.read(move |tx| Box::pin(registry::find(tx, peer))).await?;
        let id = known.map(|known| known.id().clone()).ok_or(Failed::Away)?;
        let channel = self.dial.dial(peer).await.ok_or(Failed::Away)?;
        Ok((MeshServiceClient::new(channel), id))
    }

    async fn answered<T>(
        &self,
        peer: Uuid,
        question: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failed> {
        match timeout(ANSWER_MAX, question).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => {
                self.dial.lost(peer);
                Err(status.into())
            }
            Err(_) => {
                self.dial.lost(peer);
                Err(Failed::Away)
            }
        }
    }

    /// Fetches the live events of one stream that are there and not here, or not as they are there.
    async fn restore(
        &self,
        client: &mut Client,
        peer: &SpiffeId,
        audience: &Audience,
        origin: Uuid,
        stream: Option<i64>,
    ) -> Result<usize, Failed> {
        let ours = match stream {
            Some(stream) => self.listed(stream).await?,
            None => BTreeMap::new(),
        };
        let (mut restored, mut after) = (0, 0);
        for _ in 0..LISTS_MAX {
            let request = ListLiveRequest { origin: origin.as_bytes().to_vec(), audience: audience.to_string(), after };
            let listed = self.answered(peer.uuid, client.list_live(request)).await?;
            let is_lost = |seq: &u64, hash: &[u8]| ours.get(seq).is_none_or(|ours| ours.as_slice() != hash);
            let lost = listed.events.iter().filter(|event| is_lost(&event.seq, &event.hash)).map(|event| event.seq);
            restored += self.fetch(client, peer, audience, origin, lost.collect()).await?;
            let Some(last) = listed.events.last().filter(|last| listed.more && last.seq > after) else { break };
            after = last.seq;
            sleep(BETWEEN).await;
        }
        Ok(restored)
    }

    async fn listed(&self, stream: i64) -> Result<BTreeMap<u64, Hash>, storage::Error> {
        let listed = self.db.read(move |tx| Box::pin(live::list(tx, stream, 0, usize::MAX))).await?;
        Ok(listed.into_iter().map(|live| (live.seq, live.hash)).collect())
    }

    async fn fetch(
        &self,
        client: &mut Client,
        peer: &SpiffeId,
        audience: &Audience,
        origin: Uuid,
        mut seqs: Vec<u64>,
    ) -> Result<usize, Failed> {
        let mut restored = 0;
        while !seqs.is_empty() {
            let asked: Vec<u64> = seqs.iter().copied().take(FETCH_MAX).collect();
            let request = FetchLiveRequest {
                origin: origin.as_bytes().to_vec(),
                audience: audience.to_string(),
                seqs: asked.clone(),
            };
            let fetched = self.answered(peer.uuid, client.fetch_live(request)).await?;
            // Those that did not fit are asked for again; those that are gone there are not.
            let last = fetched.events.last().and_then(|event| Event::parse(event.clone()).ok());
            let done = last.map(|event| event.header.seq).or(asked.last().copied()).unwrap_or(u64::MAX);
            let done = done.max(asked.first().copied().unwrap_or(u64::MAX));
            seqs.retain(|seq| *seq > done);
            accept::announcements(&self.db, fetched.announcement.into_iter().collect()).await?;
            restored += restore::restore(&self.db, peer, fetched.events).await?;
            sleep(BETWEEN).await;
        }
        Ok(restored)
    }
}

/// Streams of which live events are there that are not here alike: the origin, and the stream's number here.
fn streams_apart(ours: &AudienceState, theirs: &CompareStateResponse) -> Vec<(Uuid, Option<i64>)> {
    let mut apart = Vec::new();
    for stream in &theirs.streams {
        let Ok(origin) = Uuid::from_slice(&stream.origin) else { continue };
        let held = ours.streams.iter().find(|(known, ..)| *known == origin);
        if held.is_none_or(|(_, _, sum)| sum.hash.as_slice() != stream.hash || sum.count != stream.count) {
            apart.push((origin, held.map(|(_, stream, _)| *stream)));
        }
    }
    apart
}

/// Nouns whose rows differ.
fn differing(ours: &AudienceState, theirs: &CompareStateResponse) -> Vec<String> {
    let differs = |part: &&super::apply::Part| {
        let digest = hex::encode(part.digest);
        theirs.nouns.iter().find(|noun| noun.noun == part.noun).is_none_or(|noun| noun.digest != digest)
    };
    ours.nouns.iter().filter(differs).map(|part| part.noun.to_owned()).collect()
}

fn pause(vain: u32) -> Duration {
    VAIN_PAUSE.saturating_mul(1_u32.checked_shl(vain.saturating_sub(1)).unwrap_or(u32::MAX)).min(VAIN_PAUSE_MAX)
}

fn what(report: &Report) -> String {
    if report.nouns.is_empty() { "stored events".to_owned() } else { format!("rows of {}", report.nouns.join(", ")) }
}

fn mended(peer: Uuid, audience: &Audience, report: &Report) -> String {
    let remains = if report.equal {
        "The two are equal now; nothing remains to be done."
    } else {
        "They were not compared again yet: `codepop-node verify --against` tells whether they are equal now."
    };
    format!(
        "{} for {audience} differed from those of node {peer} after the same events: something was lost or damaged here. \
         {} events were fetched from it, {} merged again. {remains}",
        what(report),
        report.restored,
        report.merged
    )
}

fn vain(peer: Uuid, audience: &Audience, report: &Report) -> String {
    format!(
        "{} for {audience} differ from those of node {peer} after the same events, and nothing of it was found wrong here \
         ({} events were merged again, {} are damaged). It is tried again. If that node does not repair itself, run \
         `codepop-node verify` in the data directories of both.",
        what(report),
        report.merged,
        report.damaged
    )
}
