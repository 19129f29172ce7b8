//! Events in quarantine, tried again: at start, because this may be a newer program; when the clock is there; when
//! somebody asks for it.

use super::{
    accept::{Error, is_late_here, is_void_now, stamp},
    apply::apply_guarded,
};
use crate::{
    journal::{Event, Outcome, Stamp, State, entries},
    mesh::registry,
    storage::{self, Db, Tx},
};

/// Tries quarantined events again: all of them at start (this may be a newer program), later those that waited for the
/// clock. Returns how many are not quarantined any more.
///
/// # Errors
/// The database failed.
pub async fn retry_quarantined(db: &Db, reason: Option<&'static str>) -> Result<usize, Error> {
    let (mut applied, mut after) = (0, None);
    loop {
        let waiting = db.read(|tx| Box::pin(entries::quarantined(tx, reason, after))).await?;
        let Some(last) = waiting.last() else { return Ok(applied) };
        after = Some(last.stamp);
        let done = retry(db, waiting).await?;
        applied += done;
        // Those that wait for the clock are in order of time: when none of these is due, none after them is.
        if reason.is_some() && done == 0 {
            return Ok(applied);
        }
    }
}

async fn retry(db: &Db, waiting: Vec<entries::Withheld>) -> Result<usize, Error> {
    db.receive(move |tx| {
        Box::pin(async move {
            let mut applied = 0;
            for held in waiting {
                let Ok(event) = Event::parse(held.event) else { continue };
                let outcome = again(tx, &event, &held.stamp).await?;
                applied += usize::from(outcome.is_some_and(|outcome| outcome.state != State::Quarantined));
            }
            Ok::<_, Error>(applied)
        })
    })
    .await
}

/// Tries one event in quarantine again. `None` when it does not wait there.
///
/// # Errors
/// The database failed.
pub async fn retry_one(tx: &mut Tx, stream: i64, seq: i64) -> Result<Option<Outcome>, storage::Error> {
    if entries::reason(tx, stream, seq).await?.is_none() {
        return Ok(None);
    }
    let Some(signed) = entries::get(tx, stream, seq).await? else { return Ok(None) };
    let Ok(event) = Event::parse(signed) else { return Ok(None) };
    again(tx, &event, &stamp(stream, &event)).await
}

/// What becomes of it now. `None` when nobody knows who made it.
async fn again(tx: &mut Tx, event: &Event, stamp: &Stamp) -> Result<Option<Outcome>, storage::Error> {
    let Some(origin) = registry::find_by_key(tx, event.header.key_id).await? else { return Ok(None) };
    let outcome = if is_late_here(tx, event).await? {
        is_void_now()
    } else {
        apply_guarded(tx, origin.id(), event, stamp).await?
    };
    if outcome.state != State::Quarantined {
        entries::settle(tx, stamp.stream, stamp.seq, &outcome).await?;
        // What comes of it belongs to the state that peers compare.
        tx.signals.journal = true;
    }
    Ok(Some(outcome))
}
