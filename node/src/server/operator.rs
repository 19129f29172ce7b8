//! What the operator of the chain does at this node. The caller is certified as an operator; its events are accepted like
//! those of any peer.

use codepop_proto::operator::{
    ChainRole, CreateStaffAccountRequest, CreateStaffAccountResponse, GetStreamRequest, GetStreamResponse,
    ListChainRolesRequest, ListChainRolesResponse, SubmitEventsRequest, SubmitEventsResponse,
    operator_service_server::OperatorService,
};
use codepop_shared::{Code, Failure};
use tonic::{Request, Response, Status};

use crate::{
    accounts::{Accounts, NewAccount},
    app::App,
    auth::{Actor, Place},
    journal::{Audience, entries, streams},
    replication::accept,
    roles, storage,
};

/// Events of one submission at the most.
const EVENTS_MAX: usize = 100;

/// Roles in one answer: far more super admins than a chain has.
const ROLES_MAX: usize = 1_000;

/// The service.
pub(super) struct OperatorRpc {
    app: App,
    accounts: Accounts,
}

impl OperatorRpc {
    /// The service of a node.
    pub(super) fn new(app: App, accounts: Accounts) -> Self {
        Self { app, accounts }
    }
}

#[tonic::async_trait]
impl OperatorService for OperatorRpc {
    async fn get_stream(&self, request: Request<GetStreamRequest>) -> Result<Response<GetStreamResponse>, Status> {
        let operator = Actor::of(&request)?.caller.uuid;
        let audience: Audience =
            request.into_inner().audience.parse().map_err(|problem: &str| Failure::invalid("audience", problem))?;
        let stream = self
            .app
            .read(move |tx| {
                Box::pin(async move {
                    let Some(stream) = streams::find(tx, operator, &audience).await? else { return Ok(None) };
                    let latest = entries::latest_hlc(tx, std::slice::from_ref(&stream)).await?;
                    Ok(Some((stream, latest)))
                })
            })
            .await
            .map_err(|error: storage::Error| Failure::from(&error))?;
        let now = self.app.db.clock().tick().0;
        let at_start = GetStreamResponse { now, ..GetStreamResponse::default() };
        Ok(Response::new(stream.map_or(at_start, |(stream, latest)| GetStreamResponse {
            seq: stream.head,
            head: stream.head_hash.map(Vec::from).unwrap_or_default(),
            hlc: latest.map_or(0, |latest| latest.0),
            now,
        })))
    }

    async fn submit_events(
        &self,
        request: Request<SubmitEventsRequest>,
    ) -> Result<Response<SubmitEventsResponse>, Status> {
        let actor = Actor::of(&request)?;
        let events = request.into_inner().events;
        if events.is_empty() || events.len() > EVENTS_MAX {
            return Err(Failure::invalid("events", "must be 1 to 100 events").into());
        }
        let taken = accept::batch_by(&self.app.db, &actor.caller, events, &actor.certified()).await.map_err(
            |error| match error {
                accept::Error::Fault(why) => Failure::invalid("events", why),
                accept::Error::Storage(error) => Failure::from(&error),
            },
        )?;
        if taken.gap {
            let detail = "The events do not follow what this node has of the operator's stream; ask GetStream again.";
            return Err(Failure::new(Code::Conflict, detail).into());
        }
        Ok(Response::new(SubmitEventsResponse { accepted: u32::try_from(taken.new).unwrap_or(u32::MAX) }))
    }

    async fn list_chain_roles(
        &self,
        _request: Request<ListChainRolesRequest>,
    ) -> Result<Response<ListChainRolesResponse>, Status> {
        let read = self.app.read(|tx| Box::pin(roles::in_force_at(tx, &Place::Chain))).await;
        let held = read.map_err(|error: storage::Error| Failure::from(&error))?;
        let role = |held: roles::Held| ChainRole {
            assignment: held.assignment.as_bytes().to_vec(),
            user: held.user,
            role: held.role.into(),
        };
        let roles = held.into_iter().take(ROLES_MAX).map(role).collect();
        Ok(Response::new(ListChainRolesResponse { roles }))
    }

    async fn create_staff_account(
        &self,
        request: Request<CreateStaffAccountRequest>,
    ) -> Result<Response<CreateStaffAccountResponse>, Status> {
        let permit = Actor::of(&request)?.certified();
        let new = NewAccount::try_from(request.into_inner())?;
        let username = new.username.as_str().to_owned();
        let user_id = self.accounts.create_staff(&permit, new).await?;
        Ok(Response::new(CreateStaffAccountResponse { user_id, username }))
    }
}
