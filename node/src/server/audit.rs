//! The gRPC face of the audit trail.

use codepop_proto::{
    audit::{self as pb, audit_service_server::AuditService},
    contract,
    options::Permission,
};
use codepop_shared::{Code, Failure, identity::Kind};
use tonic::{Request, Response, Status, async_trait};

use crate::{
    app::{
        App,
        edge::{self, Problems, storage_failure, timestamp},
    },
    audit::{self, Filter},
    auth::{Actor, Place},
};

/// Entries in an answer when nothing is said.
const LISTED_DEFAULT: i32 = 100;

/// Entries in an answer at the most: far below the largest message.
const LISTED_MAX: i32 = 500;

/// Serves `AuditService`.
pub(super) struct AuditRpc {
    app: App,
}

impl AuditRpc {
    /// The service of a node.
    pub(super) fn new(app: App) -> Self {
        Self { app }
    }

    /// The place that a request is about: the store named, else what this node stands for.
    fn place(&self, request: &pb::ListAuditEntriesRequest) -> Result<Place, Failure> {
        let here = &self.app.author().id;
        match request.store_id.as_deref().filter(|store| !store.is_empty()) {
            Some(store) => Ok(Place::Store(edge::uuid("store_id", store)?)),
            None if here.kind == Kind::Hub => Ok(Place::Chain),
            None => Ok(Place::Store(here.uuid)),
        }
    }
}

#[async_trait]
impl AuditService for AuditRpc {
    async fn list_audit_entries(
        &self,
        request: Request<pb::ListAuditEntriesRequest>,
    ) -> Result<Response<pb::ListAuditEntriesResponse>, Status> {
        let actor = Actor::of(&request)?;
        let request = request.into_inner();
        let place = self.place(&request)?;
        let permit = actor.may(Permission::AuditRead, &place)?;
        let here = &self.app.author().id;
        let filter = Filter {
            // A store's own entries are all its administrators' to see, also what was done there for the chain.
            place: match &place {
                Place::Store(_) if here.kind == Kind::Hub => Some(place.word()),
                Place::Store(store) if *store != here.uuid => Err(elsewhere())?,
                _ => None,
            },
            ..filter(&request)?
        };
        self.app.note_reading(&permit).await.map_err(|error| storage_failure(&error))?;
        let found = self.app.read(move |tx| Box::pin(async move { audit::list(tx, &filter).await })).await;
        let node = here.uuid.to_string();
        let entries = found.map_err(|error| storage_failure(&error))?.into_iter();
        Ok(Response::new(pb::ListAuditEntriesResponse { entries: entries.map(|row| view(row, &node)).collect() }))
    }
}

fn elsewhere() -> Failure {
    Failure::new(Code::AskStore, "The entries of a store are at its own node and at hubs; ask one of those.")
}

fn filter(request: &pb::ListAuditEntriesRequest) -> Result<Filter, Failure> {
    let mut problems = Problems::default();
    let limit = request.limit.unwrap_or(LISTED_DEFAULT);
    if !(1..=LISTED_MAX).contains(&limit) {
        problems.add("limit", format!("must be from 1 to {LISTED_MAX}"));
    }
    let action = request.action.as_deref().filter(|action| !action.is_empty());
    let actions = action.and_then(|action| problems.check("action", named(action))).unwrap_or_default();
    problems.finish()?;
    Ok(Filter { place: None, user: request.user_id, actions, before: request.before, limit: i64::from(limit) })
}

/// Full names of the RPCs of a name: one, unless two services have an RPC of the same name.
fn named(action: &str) -> Result<Vec<String>, &'static str> {
    let names = contract::rpcs().iter().map(contract::Rpc::name);
    let is_meant = |name: &&str| *name == action || name.rsplit_once('/').is_some_and(|(_, short)| short == action);
    let found: Vec<String> = names.filter(is_meant).map(str::to_owned).collect();
    if found.is_empty() { Err("is the name of no RPC") } else { Ok(found) }
}

fn view(row: audit::Row, node: &str) -> pb::AuditEntry {
    pb::AuditEntry {
        id: row.id,
        at: Some(timestamp(row.at.0)),
        user_id: row.user_id,
        caller_kind: row.caller_kind,
        caller: row.caller.0.to_string(),
        client: row.client,
        action: row.action,
        permission: row.permission,
        place: row.place,
        target: row.target,
        detail: row.detail,
        outcome: row.outcome,
        repeated: row.repeated,
        node: node.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_named_short_or_in_full() {
        let full = "codepop.accounts.v1.AdministrationService/EditUser";
        assert_eq!(named("EditUser").unwrap(), [full]);
        assert_eq!(named(full).unwrap(), [full]);
        assert!(named("edituser%").is_err());
    }
}
