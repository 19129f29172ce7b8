//! What is done when the state of an audience differs from a peer's after the same events: the node that notices asks the
//! peer which events are live there, fetches those that it lost, and merges its own again. Both sides do so, each for
//! itself, and each believes signatures alone.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use codepop_proto::mesh::{CompareStateResponse, LiveStream};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    accept,
    borrow::{Failed, Lender},
    horizon, restore,
    states::{AudienceState, Seen, States},
};
use crate::{
    app::Dial,
    clock::Hlc,
    journal::{Audience, conflicts, live, snapshots},
    mesh::registry,
    storage::{self, Db},
};

/// Times that a difference must be seen before it is looked into: rows that are being written differ for a moment.
const SEEN_MIN: u32 = 2;

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
    /// Events from beyond the horizon that others have forgotten.
    given_up: usize,
    /// Events that were merged again.
    merged: usize,
    /// Rows that no event speaks of and that were dropped.
    dropped: usize,
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
                let mut others = all.iter().map(registry::Known::id).filter(|id| id.uuid != me && reaches.reaches(id));
                // Where there is no third node, nobody else can be asked.
                Ok(!bringers.contains(&peer) || others.all(|id| bringers.contains(&id.uuid)))
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
        let mut lender = Lender::reach(&self.db, &self.dial, peer, audience).await?;
        let theirs = lender.compare().await?;
        let all = self.states.fresh().await?;
        let Some(ours) = all.iter().find(|state| state.audience == *audience) else { return Ok(Outcome::Passing) };
        let said = theirs.state.clone().unwrap_or_default();
        if said.basis != ours.basis || said.state == ours.state {
            return Ok(Outcome::Passing);
        }
        metrics::counter!("codepop_digest_differences_total").increment(1);
        let nouns = differing(ours, &theirs);
        tracing::warn!(peer = %lender.peer(), audience = %audience, nouns = ?nouns, "the state differs from a peer's after the same events");
        let mut report = Report { nouns, ..Report::default() };
        let horizon = self.db.read(|tx| Box::pin(horizon::current(tx))).await?;
        // What is beyond the horizon may have been removed, and forgotten, before the peer came back.
        let oldest = if theirs.verifying { horizon } else { Hlc::default() };
        for (origin, stream) in streams_apart(ours, &theirs) {
            report.restored += lender.take_back(origin, stream, oldest).await?;
        }
        if self.is_equal(audience, &said.state).await? {
            report.equal = true;
            return Ok(Outcome::Mended(report));
        }
        report.given_up = self.give_up(&mut lender, ours, &theirs, horizon).await?;
        // Where live events differ and nothing of them was lost here, only those are looked at: the rest is the peer's.
        let apart = apart_either_way(ours, &theirs);
        let is_live_alike = apart.is_empty() || report.given_up > 0;
        let of: BTreeSet<i64> = if is_live_alike || report.restored > 0 { all_streams(&all) } else { apart };
        (report.merged, report.damaged) = restore::merge_again(&self.db, of, is_live_alike).await?;
        if is_live_alike && !self.is_equal(audience, &said.state).await? {
            // Rows of all audiences are looked at, so the live events of all are merged again.
            report.dropped = restore::remake_strays(&self.db, all_streams(&all)).await?.unwrap_or(0);
        }
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

    /// Gives up live events from beyond the horizon that the peer has no more, where this node was away for so long that
    /// it may have missed their removal: nobody remembers that any more.
    async fn give_up(
        &self,
        lender: &mut Lender,
        ours: &AudienceState,
        theirs: &CompareStateResponse,
        horizon: Hlc,
    ) -> Result<usize, Failed> {
        let audience = ours.audience.clone();
        let was_away =
            self.db.read(move |tx| Box::pin(async move { snapshots::is_waiting(tx, &audience).await })).await?;
        if !was_away || horizon == Hlc::default() {
            return Ok(0);
        }
        let mut given_up = 0;
        for (origin, stream) in more_here(ours, theirs) {
            // Whoever is believed that nothing else is missing from a snapshot is believed here.
            if accept::may_bring_live_only(lender.peer(), origin) {
                let surplus = lender.surplus(origin, stream).await?;
                given_up += restore::give_up(&self.db, stream, surplus, horizon).await?;
            }
        }
        Ok(given_up)
    }

    async fn is_equal(&self, audience: &Audience, state: &[u8]) -> Result<bool, Failed> {
        let all = self.states.now().await?;
        Ok(all.iter().any(|ours| ours.audience == *audience && ours.state == state))
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

/// Streams here whose live events are not the same there: the origin, and the stream's number here.
fn more_here(ours: &AudienceState, theirs: &CompareStateResponse) -> Vec<(Uuid, i64)> {
    let is_there = |origin: &Uuid, sum: &live::Sum| {
        let same = |stream: &LiveStream| stream.origin == origin.as_bytes() && stream.hash == sum.hash;
        theirs.streams.iter().any(same)
    };
    let apart = ours.streams.iter().filter(|(origin, _, sum)| !is_there(origin, sum));
    apart.map(|(origin, stream, _)| (*origin, *stream)).collect()
}

/// Streams here whose live events differ from those there, on whichever side more are.
fn apart_either_way(ours: &AudienceState, theirs: &CompareStateResponse) -> BTreeSet<i64> {
    let here = more_here(ours, theirs).into_iter().map(|(_, stream)| stream);
    here.chain(streams_apart(ours, theirs).into_iter().filter_map(|(_, stream)| stream)).collect()
}

fn all_streams(all: &[AudienceState]) -> BTreeSet<i64> {
    all.iter().flat_map(|state| &state.streams).map(|(_, stream, _)| *stream).collect()
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
         {} events were fetched from it, {} given up that were removed while this node was away, {} merged again, and {} \
         rows dropped that no event speaks of. {remains}",
        what(report),
        report.restored,
        report.given_up,
        report.merged,
        report.dropped
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
