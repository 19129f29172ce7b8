//! `conflicts`: what a node could not decide by itself, asked with the operator's certificate.

use anyhow::{Context as _, Result};
use chrono::DateTime;
use codepop_proto::nodes::{
    Conflict, DismissConflictRequest, ListConflictsRequest, RetryConflictRequest,
    nodes_service_client::NodesServiceClient,
};
use serde_json::{Value, json};

use super::{
    client::{connect, said},
    print,
};
use crate::{
    config::{ConflictsAction, ConflictsConfig},
    journal::State,
};

pub(super) async fn conflicts(config: &ConflictsConfig) -> Result<()> {
    let mut client = NodesServiceClient::new(connect(&config.client).await?);
    match &config.action {
        ConflictsAction::List { all } => {
            let request = ListConflictsRequest { include_dismissed: Some(*all), store_id: None };
            let listed = client.list_conflicts(request).await.map_err(said)?.into_inner().conflicts;
            show(&listed, config.client.json)
        }
        ConflictsAction::Retry(id) => {
            let request = RetryConflictRequest { id: id.clone(), store_id: None };
            let tried = client.retry_conflict(request).await.map_err(said)?.into_inner();
            let why = tried.reason.clone().unwrap_or_default();
            if config.client.json {
                print(&json!({"state": tried.state, "reason": tried.reason}).to_string())?;
            } else {
                print(format!("The event is {} now. {why}", tried.state).trim_end())?;
            }
            anyhow::ensure!(tried.state == State::Applied.word(), "it was not merged");
            Ok(())
        }
        ConflictsAction::Dismiss(id) => {
            let request = DismissConflictRequest { id: id.clone(), store_id: None };
            client.dismiss_conflict(request).await.map_err(said)?;
            Ok(print("The entry is dismissed; `conflicts --all` shows it.")?)
        }
    }
}

fn show(listed: &[Conflict], as_json: bool) -> Result<()> {
    if as_json {
        let all: Vec<Value> = listed.iter().map(conflict_json).collect();
        return Ok(print(&serde_json::to_string_pretty(&all).context("print as JSON")?)?);
    }
    if listed.is_empty() {
        return Ok(print("There is nothing to look at.")?);
    }
    for conflict in listed {
        print(&format!("{}  {}  {}", conflict.id, time(conflict.noticed_at.as_ref()), conflict.kind))?;
        print(&format!("  {}", conflict.detail))?;
        if let Some(event) = &conflict.event {
            print(&format!("  event   {} of {} for {}: {}", event.seq, event.origin, event.audience, event.kind))?;
        }
        print(&format!("  decided {}", conflict.decided))?;
        print(&format!("  advice  {}", conflict.advice))?;
        match &conflict.dismissed_by {
            Some(by) => print(&format!("  dismissed by {by}, {}", time(conflict.dismissed_at.as_ref())))?,
            None => print(&format!("  can     {}", conflict.actions.join(", ")))?,
        }
    }
    Ok(())
}

fn time(at: Option<&prost_types::Timestamp>) -> String {
    let at = at.and_then(|at| DateTime::from_timestamp(at.seconds, 0));
    at.map(|at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}

fn conflict_json(conflict: &Conflict) -> Value {
    let event = conflict.event.as_ref().map(|event| {
        json!({"origin": event.origin, "audience": event.audience, "seq": event.seq, "kind": event.kind, "state": event.state})
    });
    json!({
        "id": conflict.id,
        "kind": conflict.kind,
        "detail": conflict.detail,
        "decided": conflict.decided,
        "advice": conflict.advice,
        "actions": conflict.actions,
        "noticed_at": time(conflict.noticed_at.as_ref()),
        "event": event,
        "dismissed_by": conflict.dismissed_by,
        "dismissed_at": conflict.dismissed_at.as_ref().map(|at| time(Some(at))),
    })
}
