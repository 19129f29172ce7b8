//! What this node tells a peer whose state differs: its own state, its live events by position and hash, and those that
//! the peer asks for. Only of audiences that both hold. And what proves the events that it sends.

use std::collections::BTreeSet;

use codepop_proto::{
    accounts::UserDeleted,
    journal::SignedEvent,
    mesh::{
        AudienceState as Said, CompareStateResponse, FetchLiveRequest, FetchLiveResponse, ListLiveRequest,
        ListLiveResponse, LiveEvent, LiveStream,
    },
    nodes::NounDigest,
};
use codepop_shared::{Code, Failure, identity::SpiffeId};
use prost::Name as _;
use uuid::Uuid;

use super::{
    apply::Part,
    session::BATCH_BYTES_MAX,
    states::{AudienceState, States},
};
use crate::{
    journal::{Audience, Event, entries, live, snapshots, streams},
    mesh::registry,
    storage::{self, Db, Tx},
};

/// Live events in one list.
const LIST_MAX: usize = 5_000;

/// Events that can be asked for at once.
pub(super) const FETCH_MAX: usize = 500;

/// Reads an audience that `asker` and this node share.
fn shared(db: &Db, asker: &SpiffeId, word: &str) -> Result<Audience, Failure> {
    let audience: Audience = word.parse().map_err(|problem: &str| Failure::invalid("audience", problem))?;
    if audience.is_relayed() && audience.reaches(asker) && audience.reaches(&db.author().id) {
        Ok(audience)
    } else {
        Err(Failure::new(Code::Forbidden, "The audience is not one that the caller and this node share."))
    }
}

fn origin(bytes: &[u8]) -> Result<Uuid, Failure> {
    Uuid::from_slice(bytes).map_err(|_| Failure::invalid("origin", "must be a UUID, 16 bytes"))
}

/// A noun's digest as it is told.
pub fn noun(part: &Part) -> NounDigest {
    NounDigest { noun: part.noun.to_owned(), digest: hex::encode(part.digest), rows: part.rows }
}

pub(super) async fn compare(
    states: &States,
    db: &Db,
    asker: &SpiffeId,
    audience: &str,
) -> Result<CompareStateResponse, Failure> {
    let audience = shared(db, asker, audience)?;
    let all = states.fresh().await.map_err(|error| Failure::from(&error))?;
    let state = all.iter().find(|state| state.audience == audience);
    let verifying = db.read(move |tx| Box::pin(async move { snapshots::is_waiting(tx, &audience).await })).await;
    let verifying = verifying.map_err(|error: storage::Error| Failure::from(&error))?;
    Ok(state.map(|state| told(state, verifying)).unwrap_or_default())
}

fn told(state: &AudienceState, verifying: bool) -> CompareStateResponse {
    let stream = |(origin, _, sum): &(Uuid, i64, live::Sum)| LiveStream {
        origin: origin.as_bytes().to_vec(),
        count: sum.count,
        hash: sum.hash.to_vec(),
    };
    CompareStateResponse {
        state: Some(Said {
            audience: state.audience.to_string(),
            basis: state.basis.to_vec(),
            state: state.state.to_vec(),
        }),
        nouns: state.nouns.iter().map(noun).collect(),
        streams: state.streams.iter().map(stream).collect(),
        verifying,
    }
}

pub(super) async fn list(db: &Db, asker: &SpiffeId, request: ListLiveRequest) -> Result<ListLiveResponse, Failure> {
    let (audience, origin, after) = (shared(db, asker, &request.audience)?, origin(&request.origin)?, request.after);
    let listed = db.read(move |tx| {
        Box::pin(async move {
            let Some(stream) = streams::find(tx, origin, &audience).await? else { return Ok(Vec::new()) };
            live::list(tx, stream.id, after, LIST_MAX).await
        })
    });
    let listed = listed.await.map_err(|error: storage::Error| Failure::from(&error))?;
    let more = listed.len() == LIST_MAX;
    let event = |live: &live::Live| LiveEvent { seq: live.seq, hash: live.hash.to_vec() };
    Ok(ListLiveResponse { events: listed.iter().map(event).collect(), more })
}

pub(super) async fn fetch(db: &Db, asker: &SpiffeId, request: FetchLiveRequest) -> Result<FetchLiveResponse, Failure> {
    let (audience, origin) = (shared(db, asker, &request.audience)?, origin(&request.origin)?);
    if request.seqs.len() > FETCH_MAX {
        return Err(Failure::invalid("seqs", format!("must be {FETCH_MAX} at most")));
    }
    let mut seqs: Vec<i64> = request.seqs.iter().filter_map(|seq| i64::try_from(*seq).ok()).collect();
    seqs.sort_unstable();
    let fetched = db.read(move |tx| Box::pin(async move { chosen(tx, origin, &audience, &seqs).await })).await;
    fetched.map_err(|error: storage::Error| Failure::from(&error))
}

async fn chosen(
    tx: &mut Tx,
    origin: Uuid,
    audience: &Audience,
    seqs: &[i64],
) -> Result<FetchLiveResponse, storage::Error> {
    let Some(stream) = streams::find(tx, origin, audience).await? else { return Ok(FetchLiveResponse::default()) };
    let (mut events, mut bytes) = (Vec::new(), 0);
    for seq in seqs {
        let is_live = live::standing(tx, stream.id, *seq).await?.is_some_and(|(_, live)| live > 0);
        let Some(event) = (if is_live { entries::get(tx, stream.id, *seq).await? } else { None }) else { continue };
        bytes += event.header.len() + event.signature.len() + event.body.len();
        if bytes > BATCH_BYTES_MAX {
            break;
        }
        events.push(event);
    }
    Ok(FetchLiveResponse { events, announcement: announcement_of(tx, origin).await? })
}

/// The proofs that go with events: for each erased body the deletion of its user, and who signed it.
pub async fn proofs_for(tx: &mut Tx, events: &[SignedEvent]) -> Result<Vec<SignedEvent>, storage::Error> {
    let erased =
        events.iter().filter(|event| event.body.is_empty()).filter_map(|event| Event::parse(event.clone()).ok());
    let subjects: BTreeSet<i64> = erased.map(|event| event.header.subject).filter(|subject| *subject != 0).collect();
    let (mut proofs, mut origins) = (Vec::new(), BTreeSet::new());
    for subject in subjects {
        for signed in entries::live_of_kind(tx, subject, &UserDeleted::full_name()).await? {
            let Ok(event) = Event::parse(signed) else { continue };
            origins.insert(event.header.origin);
            proofs.push(event.into_signed());
        }
    }
    for origin in origins {
        proofs.extend(announcement_of(tx, origin).await?);
    }
    Ok(proofs)
}

/// How an origin announced itself last.
pub async fn announcement_of(tx: &mut Tx, origin: Uuid) -> Result<Option<SignedEvent>, storage::Error> {
    let Some(known) = registry::find(tx, origin).await? else { return Ok(None) };
    entries::get(tx, known.announcement.0, known.announcement.1).await
}
