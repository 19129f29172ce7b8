//! Looks at a node's own data: the database's file, every event's bytes, hash and signature, the chains of hashes above
//! the floors, and whether rows and events agree about which are live. It changes nothing.

use std::{collections::HashMap, sync::Arc};

use codepop_proto::journal::SignedEvent;
use codepop_shared::identity::{Certified, KeyId};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use super::apply::WITHOUT_CLOCKS;
use crate::{
    accounts,
    journal::{Event, Hash, State, Stream, clocked, entries, streams},
    mesh::registry,
    on,
    storage::{Error, Tx, schema::events},
};

/// Findings that are told; more are counted.
const FINDINGS_MAX: usize = 1_000;

/// What was looked at and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Streams looked at.
    pub streams: u64,
    /// Events looked at.
    pub events: u64,
    /// What is damaged, in words; 1,000 at most.
    pub findings: Vec<String>,
    /// How much is damaged.
    pub damaged: u64,
}

impl Inspection {
    fn found(&mut self, what: String) {
        self.damaged += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(what);
        }
    }
}

/// Looks at everything.
///
/// # Errors
/// The database cannot be read at all.
pub async fn inspect(tx: &mut Tx) -> Result<Inspection, Error> {
    let mut inspection = Inspection::default();
    for line in tx.integrity().await? {
        inspection.found(format!("the database's file: {line}"));
    }
    let mut keys = HashMap::new();
    for known in registry::all(tx).await? {
        keys.extend(known.certified.key_id().map(|id| (id, Arc::clone(&known.certified))));
    }
    let all = streams::all(tx).await?;
    for stream in &all {
        inspection.streams += 1;
        look_at(tx, stream, &keys, &mut inspection).await?;
    }
    look_at_counts(tx, &all, &mut inspection).await?;
    Ok(inspection)
}

/// What a stream's events must follow.
struct Walk<'a> {
    stream: &'a Stream,
    keys: &'a HashMap<KeyId, Arc<Certified>>,
    /// The last event looked at, and its hash.
    last: Option<(u64, Hash)>,
}

async fn look_at(
    tx: &mut Tx,
    stream: &Stream,
    keys: &HashMap<KeyId, Arc<Certified>>,
    inspection: &mut Inspection,
) -> Result<(), Error> {
    let mut walk = Walk { stream, keys, last: None };
    let mut after = 0;
    loop {
        let page = entries::between(tx, stream.id, after, i64::MAX.cast_unsigned()).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (seq, signed) in page {
            inspection.events += 1;
            let is_erased = signed.body.is_empty();
            match walk.step(seq, signed) {
                Ok(event) if is_erased && !accounts::is_deleted(tx, event.header.subject).await? => {
                    inspection.found(format!("{}: the body is missing", at(stream, seq)));
                }
                Ok(_) => {}
                Err(what) => inspection.found(format!("{}: {what}", at(stream, seq))),
            }
        }
    }
    let reached = walk.last.map_or(0, |(seq, _)| seq);
    // Nothing at all is there of a stream of which only single events came.
    if reached < stream.head {
        inspection.found(format!("{}: events are missing after {reached}", at(stream, stream.head)));
    } else if walk.last.map(|(_, hash)| hash) != stream.head_hash {
        inspection.found(format!("{}: the last event is not the one that the stream names", at(stream, stream.head)));
    }
    Ok(())
}

fn at(stream: &Stream, seq: u64) -> String {
    format!("event {seq} of {} for {}", stream.origin, stream.audience)
}

impl Walk<'_> {
    fn step(&mut self, seq: u64, signed: SignedEvent) -> Result<Event, String> {
        let before = self.last;
        let header_hash = crate::journal::sha256(&signed.header);
        self.last = Some((seq, header_hash));
        let event = Event::parse(signed).map_err(|error| error.to_string())?;
        let header = &event.header;
        if header.seq != seq || header.origin != self.stream.origin || header.audience != self.stream.audience {
            return Err("it stands in another event's place".to_owned());
        }
        let certified = self.keys.get(&header.key_id).ok_or("nobody is known by its key")?;
        let key = certified.event_key.as_ref().filter(|_| event.is_of(&certified.id));
        if !key.is_some_and(|key| event.is_signed_by(key)) {
            return Err("its signature does not hold".to_owned());
        }
        let joins = |(last, hash): (u64, Hash)| last + 1 == seq && header.previous == Some(hash);
        let above = seq > self.stream.floor && seq > 1;
        match before {
            _ if seq > self.stream.head => Err("the stream does not reach so far".to_owned()),
            Some((last, _)) if above && last + 1 != seq => Err(format!("events are missing before it, after {last}")),
            Some(before) if above && !joins(before) => Err("it does not follow the event before it".to_owned()),
            None if above && self.stream.floor + 1 < seq => Err("events are missing before it".to_owned()),
            _ => Ok(event),
        }
    }
}

/// Whether as many fields come from each event as it says.
async fn look_at_counts(tx: &mut Tx, all: &[Stream], inspection: &mut Inspection) -> Result<(), Error> {
    let (mut counts, unreadable) = clocked::counts(tx).await?;
    if unreadable > 0 {
        inspection.found(format!("{unreadable} rows do not say readably which events they come from"));
    }
    let stored: Vec<(i64, i64, i32, String, i16)> = on!(tx, conn => events::table
        .filter(events::live.ne(0))
        .select((events::stream, events::seq, events::live, events::kind, events::state))
        .load(conn)
        .await)?;
    let name = |id: i64, seq: i64| {
        let stream = all.iter().find(|stream| stream.id == id);
        stream.map_or_else(|| format!("event {seq} of no stream"), |stream| at(stream, seq.cast_unsigned()))
    };
    for (stream, seq, live, kind, state) in stored {
        let counted = counts.remove(&(stream, seq)).unwrap_or(0);
        if state != State::Applied as i16 {
            inspection.found(format!("{}: it counts as live and is not merged", name(stream, seq)));
        } else if counted != live && !WITHOUT_CLOCKS.contains(&kind.as_str()) {
            inspection.found(format!("{}: {live} fields of rows should come from it, {counted} do", name(stream, seq)));
        }
    }
    for ((stream, seq), counted) in counts {
        // An account that was fetched is merged before its stream brings it.
        let is_ahead = all.iter().any(|known| known.id == stream && seq.cast_unsigned() > known.head);
        if !is_ahead {
            inspection
                .found(format!("{}: {counted} fields of rows come from it, and it is not live", name(stream, seq)));
        }
    }
    Ok(())
}
