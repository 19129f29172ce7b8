//! The conflict list as people see it: what a node noted, and what waits in quarantine; tried again and dismissed.

use codepop_proto::{
    nodes::{
        Conflict, DismissConflictRequest, ListConflictsRequest, ListConflictsResponse, RetryConflictRequest,
        RetryConflictResponse,
    },
    options::Permission,
};
use codepop_shared::{Code, Failure, identity::Kind};
use uuid::Uuid;

use super::nodes::{summary, timestamp};
use crate::{
    app::{App, edge, edge::storage_failure},
    auth::{Actor, Permit, Place},
    journal::{
        conflicts,
        entries::{self, State, Summary},
        streams,
    },
    replication::accept,
    storage::{self, Tx},
};

/// Entries that a conflict list shows.
const LISTED_MAX: i64 = 500;

/// Which entry is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// One that was noted.
    Noted(Uuid),
    /// An event in quarantine, by stream and seq here.
    Event(i64, i64),
}

impl Which {
    fn parse(text: &str) -> Result<Self, Failure> {
        let event = text.strip_prefix('e').and_then(|rest| rest.split_once('-'));
        if let Some((stream, seq)) = event
            && let (Ok(stream), Ok(seq)) = (stream.parse(), seq.parse())
        {
            return Ok(Self::Event(stream, seq));
        }
        edge::uuid("id", text).map(Self::Noted)
    }
}

fn not_found() -> Failure {
    Failure::new(Code::NotFound, "There is no such entry at this node.")
}

/// Leave to look after the conflicts of the store named, or of what this node stands for; and of this node alone.
fn leave(app: &App, actor: &Actor, store: Option<&str>) -> Result<Permit, Failure> {
    let here = &app.author().id;
    let place = match store.filter(|store| !store.is_empty()) {
        Some(store) => Place::Store(edge::uuid("store_id", store)?),
        None if here.kind == Kind::Hub => Place::Chain,
        None => Place::Store(here.uuid),
    };
    let permit = actor.may(Permission::ConflictsDecide, &place)?;
    if matches!(place, Place::Store(store) if store != here.uuid) {
        return Err(Failure::new(Code::AskStore, "The conflicts of a store are at its own node; ask that."));
    }
    // The operator's hand is written down like everybody's.
    Ok(if permit.trail.is_none() { actor.certified() } else { permit })
}

/// Who decided, as entries keep it.
fn who(actor: &Actor) -> String {
    actor.user.as_ref().map_or_else(|| "operator".to_owned(), |user| format!("user:{}", user.number))
}

pub(super) async fn list(
    app: &App,
    actor: &Actor,
    request: ListConflictsRequest,
) -> Result<ListConflictsResponse, Failure> {
    leave(app, actor, request.store_id.as_deref())?;
    let all = request.include_dismissed();
    let listed = app.read(move |tx| Box::pin(listed(tx, all))).await;
    Ok(ListConflictsResponse { conflicts: listed.map_err(|error| storage_failure(&error))? })
}

async fn listed(tx: &mut Tx, with_dismissed: bool) -> Result<Vec<Conflict>, storage::Error> {
    let all = streams::all(tx).await?;
    let noted = conflicts::newest(tx, LISTED_MAX).await?;
    let withheld = entries::withheld(tx, LISTED_MAX).await?;
    let find = |stream: Option<i64>, seq: Option<i64>| {
        withheld.iter().find(|event| Some(event.stream) == stream && Some(event.seq.cast_signed()) == seq)
    };
    let is_dismissed = |event: &Summary| {
        let of =
            |entry: &&conflicts::Conflict| entry.stream == Some(event.stream) && entry.kind == conflicts::QUARANTINED;
        noted.iter().filter(of).any(|entry| entry.seq == Some(event.seq.cast_signed()) && entry.dismissed_by.is_some())
    };
    let waiting = withheld.iter().filter(|event| event.state == State::Quarantined && !is_dismissed(event));
    let mut shown: Vec<Conflict> = Vec::new();
    for entry in noted.iter().filter(|entry| with_dismissed || entry.dismissed_by.is_none()) {
        let event = find(entry.stream, entry.seq);
        // What was dismissed in quarantine and merged since is no conflict any more.
        if entry.kind == conflicts::QUARANTINED && event.is_none_or(|event| event.state != State::Quarantined) {
            continue;
        }
        shown.push(view(entry, event.map(|event| summary(event, &all))));
    }
    shown.extend(waiting.map(|event| waits(event, summary(event, &all))));
    Ok(shown)
}

fn view(entry: &conflicts::Conflict, event: Option<codepop_proto::nodes::EventSummary>) -> Conflict {
    let (decided, advice) = conflicts::meaning(&entry.kind);
    let mut actions = Vec::new();
    if entry.kind == conflicts::QUARANTINED {
        actions.push("retry".to_owned());
    }
    if entry.dismissed_by.is_none() {
        actions.push("dismiss".to_owned());
    }
    Conflict {
        kind: entry.kind.clone(),
        detail: entry.detail.clone(),
        noticed_at: Some(timestamp(entry.noticed_at())),
        event,
        id: match (entry.kind.as_str(), entry.stream, entry.seq) {
            (conflicts::QUARANTINED, Some(stream), Some(seq)) => format!("e{stream}-{seq}"),
            _ => entry.id().to_string(),
        },
        decided: decided.to_owned(),
        actions,
        advice: advice.to_owned(),
        dismissed_by: entry.dismissed_by.clone(),
        dismissed_at: entry.dismissed_at().map(timestamp),
    }
}

fn waits(event: &Summary, said: codepop_proto::nodes::EventSummary) -> Conflict {
    let (decided, advice) = conflicts::meaning(conflicts::QUARANTINED);
    Conflict {
        kind: conflicts::QUARANTINED.to_owned(),
        detail: event.reason.clone().unwrap_or_default(),
        noticed_at: Some(timestamp(event.hlc.wall())),
        event: Some(said),
        id: format!("e{}-{}", event.stream, event.seq),
        decided: decided.to_owned(),
        actions: vec!["retry".to_owned(), "dismiss".to_owned()],
        advice: advice.to_owned(),
        dismissed_by: None,
        dismissed_at: None,
    }
}

/// Tries an event in quarantine again, now.
pub(super) async fn retry(
    app: &App,
    actor: &Actor,
    request: RetryConflictRequest,
) -> Result<RetryConflictResponse, Failure> {
    let permit = leave(app, actor, request.store_id.as_deref())?;
    let Which::Event(stream, seq) = Which::parse(&request.id)? else {
        let detail = "Only events in quarantine can be tried again; what is void stays void at every node alike.";
        return Err(Failure::new(Code::Conflict, detail));
    };
    let id = request.id;
    let tried = app.write(&permit, move |tx| {
        Box::pin(async move {
            tx.about.is("conflict", id);
            accept::retry_one(tx, stream, seq).await
        })
    });
    let outcome = tried.await.map_err(|error: storage::Error| storage_failure(&error))?.ok_or_else(not_found)?;
    Ok(RetryConflictResponse { state: outcome.state.word().to_owned(), reason: outcome.reason })
}

/// Marks an entry as looked at.
pub(super) async fn dismiss(app: &App, actor: &Actor, request: DismissConflictRequest) -> Result<(), Failure> {
    let permit = leave(app, actor, request.store_id.as_deref())?;
    let (which, by, id) = (Which::parse(&request.id)?, who(actor), request.id);
    let dismissed = app.write(&permit, move |tx| {
        Box::pin(async move {
            tx.about.is("conflict", id);
            match which {
                Which::Noted(id) => match conflicts::find(tx, id).await? {
                    Some(_) => conflicts::dismiss(tx, id, &by).await?,
                    None => return Ok(false),
                },
                Which::Event(stream, seq) => match entries::reason(tx, stream, seq).await? {
                    Some(reason) => conflicts::dismiss_event(tx, (stream, seq), reason, &by).await?,
                    None => return Ok(false),
                },
            }
            Ok::<_, storage::Error>(true)
        })
    });
    if dismissed.await.map_err(|error| storage_failure(&error))? { Ok(()) } else { Err(not_found()) }
}
