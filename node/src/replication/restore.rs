//! Puts back what this node lost: single live events that a peer still has, and rows that do not say what their live
//! events say. Damage does not spread: only signed events travel, each through the ordinary checks, and merging decides.

use std::{collections::BTreeSet, sync::Arc};

use codepop_proto::journal::SignedEvent;
use codepop_shared::identity::{Certified, SpiffeId};

use super::{
    accept::{self, Error},
    apply::{apply_guarded, is_never_held},
};
use crate::{
    clock::Hlc,
    journal::{Event, State, Stream, clocked, entries, live, streams},
    mesh::registry,
    storage::{self, Db, Tx},
};

/// Events that are merged again in one transaction, so that other writers get their turn.
const STEP: usize = 200;

/// Takes in live events that a peer brought because this node lost them. Returns how many were put back.
///
/// # Errors
/// [`Error::Fault`]: the peer sent what it must not; nothing was taken. Or the database failed.
pub async fn restore(db: &Db, from: &SpiffeId, signed: Vec<SignedEvent>) -> Result<usize, Error> {
    let mut verified = Vec::with_capacity(signed.len());
    for event in signed {
        verified.push(accept::verified(db, from, event).await?);
    }
    db.receive(move |tx| {
        Box::pin(async move {
            let mut restored = 0;
            for (event, certified) in &verified {
                restored += usize::from(put_back(tx, event, certified).await?);
            }
            Ok::<_, Error>(restored)
        })
    })
    .await
}

/// Puts one event back; false when it is not lost, or has no place here.
async fn put_back(tx: &mut Tx, event: &Event, origin: &Certified) -> Result<bool, storage::Error> {
    let header = &event.header;
    let Some(stream) = streams::find(tx, header.origin, &header.audience).await? else { return Ok(false) };
    // What lies ahead comes by its stream; what a revoked origin said later has no effect here.
    if header.seq > stream.head || accept::is_late_here(tx, event).await? {
        return Ok(false);
    }
    let stamp = accept::stamp(stream.id, event);
    let stored = entries::get(tx, stream.id, stamp.seq).await?;
    let standing = live::standing(tx, stream.id, stamp.seq).await?;
    let is_whole = stored.as_ref().is_some_and(|ours| is_whole(ours, origin));
    if is_whole && stored.as_ref().is_some_and(|ours| ours.header != event.header_bytes) {
        accept::note_fork(tx, &stream).await?;
        return Ok(false);
    }
    if !follows(tx, &stream, event).await? {
        return Ok(false);
    }
    match (stored, standing) {
        // What waits or is void here is no loss.
        (Some(_), Some((state, _))) if is_whole && state != State::Applied => return Ok(false),
        (Some(_), _) if !is_whole => live::discard(tx, stream.id, stamp.seq).await?,
        _ => {}
    }
    let outcome = apply_guarded(tx, &origin.id, event, &stamp).await?;
    let held = standing.map_or(0, |(_, live)| live);
    if is_whole {
        entries::settle(tx, stream.id, stamp.seq, &outcome).await?;
        tx.signals.journal = true;
        return Ok(outcome.live > held);
    }
    // Superseded meanwhile, and below the floor only live events are kept.
    if outcome.live == 0 && header.seq < stream.floor {
        return Ok(false);
    }
    entries::insert(tx, stream.id, event, &outcome).await?;
    tx.signals.journal = true;
    Ok(true)
}

/// Whether an event fits to those around it that are here: by hash where they are next to it, by time where not.
async fn follows(tx: &mut Tx, stream: &Stream, event: &Event) -> Result<bool, storage::Error> {
    let seq = event.header.seq.cast_signed();
    if event.header.seq == stream.head && stream.head_hash != Some(event.hash()) {
        return Ok(false);
    }
    if let Some(next) = entries::get(tx, stream.id, seq + 1).await?
        && let Ok(next) = Event::parse(next)
        && next.header.previous != Some(event.hash())
    {
        return Ok(false);
    }
    if let Some(previous) = entries::get(tx, stream.id, seq - 1).await?
        && let Ok(previous) = Event::parse(previous)
        && event.header.previous != Some(previous.hash())
    {
        return Ok(false);
    }
    let (before, after) = live::neighbours(tx, stream.id, seq).await?;
    let hlc = event.header.hlc.to_sql();
    let is_between = before.is_none_or(|before| before < hlc) && after.is_none_or(|after| hlc < after);
    Ok(is_between || is_never_held(&event.header.kind))
}

/// Whether stored bytes are what their origin signed.
fn is_whole(stored: &SignedEvent, origin: &Certified) -> bool {
    let Ok(event) = Event::parse(stored.clone()) else { return false };
    origin.event_key.as_ref().is_some_and(|key| event.is_signed_by(key))
}

/// Merges the live events of some streams again: rows that were lost or do not say what their events say become as they
/// were. Returns how many events were merged and how many are damaged. `is_live_alike`: a peer has the same live events, so
/// where a row takes none of an event's fields it is the row that is wrong, and the event stays live.
///
/// # Errors
/// The database failed; what was merged before stays so.
pub async fn merge_again(
    db: &Db,
    streams: BTreeSet<i64>,
    is_live_alike: bool,
) -> Result<(usize, usize), storage::Error> {
    let (mut merged, mut damaged, mut after) = (0, 0, (i64::MIN, i64::MIN));
    loop {
        let page = db.read(move |tx| Box::pin(live::after(tx, after, STEP))).await?;
        let Some(last) = page.last() else { return Ok((merged, damaged)) };
        after = (last.stream, last.seq);
        let ours: Vec<live::Stored> = page.into_iter().filter(|stored| streams.contains(&stored.stream)).collect();
        let whole = verify(db, ours).await?;
        damaged += whole.iter().filter(|(.., event)| event.is_none()).count();
        let whole: Vec<Whole> = whole
            .into_iter()
            .filter_map(|(stream, event)| Some((stream, event?)))
            .map(|(s, (e, c))| (s, e, c))
            .collect();
        merged += whole.len();
        if !whole.is_empty() {
            db.receive(move |tx| Box::pin(step(tx, whole, is_live_alike))).await?;
        }
    }
}

/// Makes rows anew that say they come from events that are not live, and drops those that no event speaks of. Only to be
/// called when a peer has the same live events: then it is the rows that are wrong. Returns how many were dropped, or
/// `None` when there are no such rows.
///
/// # Errors
/// The database failed. What is half done is finished by the next call.
pub async fn remake_strays(db: &Db, streams: BTreeSet<i64>) -> Result<Option<usize>, storage::Error> {
    let strays = db.receive(|tx| {
        Box::pin(async move {
            let (live, all) = (live::all(tx).await?, streams::all(tx).await?);
            clocked::forget_strays(tx, &live, &all).await
        })
    });
    if strays.await? == 0 {
        return Ok(None);
    }
    merge_again(db, streams, true).await?;
    let dropped = db.receive(|tx| {
        Box::pin(async move {
            tx.signals.journal = true;
            clocked::drop_strays(tx).await
        })
    });
    dropped.await.map(Some)
}

/// Gives up live events of a stream that were made before `horizon`: rows come from them no more. Returns how many there
/// were; the rows are made anew by [`remake_strays`].
///
/// # Errors
/// The database failed; what was given up before stays so.
pub async fn give_up(db: &Db, stream: i64, seqs: Vec<u64>, horizon: Hlc) -> Result<usize, storage::Error> {
    let mut given_up = 0;
    for seqs in seqs.chunks(STEP) {
        let seqs: Vec<i64> = seqs.iter().map(|seq| seq.cast_signed()).collect();
        given_up += db.receive(move |tx| Box::pin(live::end(tx, stream, seqs, horizon))).await?;
    }
    Ok(given_up)
}

/// An event whose signature holds, with its stream's number here and who signed it.
type Whole = (i64, Event, Arc<Certified>);

async fn step(tx: &mut Tx, events: Vec<Whole>, is_live_alike: bool) -> Result<(), storage::Error> {
    for (stream, event, certified) in &events {
        let stamp = accept::stamp(*stream, event);
        let outcome = apply_guarded(tx, &certified.id, event, &stamp).await?;
        if outcome.state == State::Applied && (outcome.live > 0 || outcome.erase || !is_live_alike) {
            entries::settle(tx, *stream, stamp.seq, &outcome).await?;
        }
    }
    tx.signals.journal = true;
    Ok(())
}

/// Looks at the bytes of stored events: those that are not what their origins signed have none left.
async fn verify(
    db: &Db,
    stored: Vec<live::Stored>,
) -> Result<Vec<(i64, Option<(Event, Arc<Certified>)>)>, storage::Error> {
    let known = db.read(|tx| Box::pin(registry::all(tx))).await?;
    let look = move || {
        let check = |signed: SignedEvent| {
            let event = Event::parse(signed).ok()?;
            let of = |known: &&registry::Known| known.certified.key_id() == Some(event.header.key_id);
            let certified = known.iter().find(of).map(|known| Arc::clone(&known.certified))?;
            certified.event_key.as_ref().is_some_and(|key| event.is_signed_by(key)).then_some((event, certified))
        };
        stored.into_iter().map(|stored| (stored.stream, check(stored.event))).collect()
    };
    tokio::task::spawn_blocking(look).await.map_err(|_| storage::Error::Unavailable("the node is stopping".into()))
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
