//! The gRPC face of invitations.

use chrono::{DateTime, Utc};
use codepop_proto::{
    options::Permission,
    roles::Role,
    staff::{self as pb, InvitationState, staff_service_server::StaffService},
};
use codepop_shared::{Code, Failure, identity::Kind};
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status, async_trait};

use super::{Error, NewInvitation, Row, State, acceptable, code, no_such, store, unknown};
use crate::{
    accounts::{self, Accounts, NameKey, NewAccount},
    app::{
        App,
        edge::{Problems, timestamp},
    },
    auth::{Actor, Place, reply},
    roles::{self, Target, place_of},
};

/// Serves `StaffService`.
pub struct StaffRpc {
    app: App,
    accounts: Accounts,
}

impl StaffRpc {
    /// The service; `accounts` must be the node's one, whose count of failures is shared.
    pub fn new(app: App, accounts: Accounts) -> Self {
        Self { app, accounts }
    }

    #[cfg(test)]
    pub(super) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Refuses a wrong code, as slowly as a wrong password.
    async fn check(&self, actor: &Actor, id: i64, code: &str) -> Result<Row, Failure> {
        let typed = code.to_owned();
        let look = async {
            let read = self.app.read(move |tx| Box::pin(async move { acceptable(tx, id, &typed).await })).await;
            read.map_err(|error| Error::from(error).into())
        };
        let passed = self.accounts.attempt(key(id), actor.client, look).await;
        passed.map_err(|failure| if failure.code == Code::LoginFailed { no_such() } else { failure })
    }
}

/// Under which the failures of an invitation are counted: no user name has such a key.
fn key(id: i64) -> NameKey {
    let mut hasher = Sha256::new();
    hasher.update(b"codepop invitation\0");
    hasher.update(id.to_be_bytes());
    hasher.finalize().into()
}

#[async_trait]
impl StaffService for StaffRpc {
    async fn invite_staff(
        &self,
        request: Request<pb::InviteStaffRequest>,
    ) -> Result<Response<pb::InviteStaffResponse>, Status> {
        let actor = Actor::of(&request)?;
        let request = request.into_inner();
        let role = request.role_type();
        let target = Target::read(role, request.store_id, request.region_code, request.supply_hub_id)?;
        let permit = actor.may(Permission::RolesAssign, &target.asked_at()?)?.detail(roles::word(role));
        let mut problems = Problems::default();
        let email = problems.check("email", accounts::email_address(&request.email.unwrap_or_default()));
        problems.finish()?;
        let code = code::new();
        let new = NewInvitation {
            target,
            email: email.unwrap_or_default(),
            code_hash: code::hash(&code),
            by: actor.user()?.number,
        };
        let written = self.app.write(&permit, move |tx| Box::pin(async move { super::invite(tx, new).await }));
        let row = written.await.map_err(|error: Error| Failure::from(error))?;
        let invitation = Some(view(row, self.app.clock().wall()));
        Ok(Response::new(pb::InviteStaffResponse { invitation, code }))
    }

    async fn list_invitations(
        &self,
        request: Request<pb::ListInvitationsRequest>,
    ) -> Result<Response<pb::ListInvitationsResponse>, Status> {
        let actor = Actor::of(&request)?;
        let pb::ListInvitationsRequest { store_id, region_code } = request.into_inner();
        let place = place_of(store_id, region_code)?;
        actor.may(Permission::RolesAssign, place.as_ref().unwrap_or(&Place::Chain))?;
        let read = self
            .app
            .read(move |tx| Box::pin(async move { store::list(tx, place.map(|place| place.word()).as_deref()).await }));
        let rows = read.await.map_err(|error| Failure::from(Error::from(error)))?;
        let now = self.app.clock().wall();
        let invitations = rows.into_iter().map(|row| view(row, now)).collect();
        Ok(Response::new(pb::ListInvitationsResponse { invitations }))
    }

    async fn withdraw_invitation(
        &self,
        request: Request<pb::WithdrawInvitationRequest>,
    ) -> Result<Response<pb::WithdrawInvitationResponse>, Status> {
        let actor = Actor::of(&request)?;
        let id = request.into_inner().invitation_id;
        let here = &self.app.author().id;
        if here.kind == Kind::Store {
            // What waits at a store is for that store: nobody else learns what there is.
            actor.may(Permission::RolesAssign, &Place::Store(here.uuid))?;
        }
        let found = self.app.read(move |tx| Box::pin(store::get(tx, id))).await;
        let found = found.map_err(|error| Failure::from(Error::from(error)))?;
        let named = found.and_then(|row| row.named()).ok_or_else(|| unknown(id))?;
        let place = if named.place == Place::Own { Place::Chain } else { named.place };
        let permit = actor.may(Permission::RolesAssign, &place)?.about("invitation", id);
        let written = self.app.write(&permit, move |tx| Box::pin(super::withdraw(tx, id)));
        written.await.map_err(|error: Error| Failure::from(error))?;
        Ok(Response::new(pb::WithdrawInvitationResponse { status: "withdrawn".to_owned() }))
    }

    async fn accept_invitation(
        &self,
        request: Request<pb::AcceptInvitationRequest>,
    ) -> Result<Response<pb::AcceptInvitationResponse>, Status> {
        let actor = Actor::of(&request)?;
        let request = request.into_inner();
        let (id, code) = (request.invitation_id, request.code.clone());
        let mut new = NewAccount::try_from(request)?;
        let invitation = self.check(&actor, id, &code).await?;
        new.email = invitation.email;
        let (username, first_name, last_name) =
            (new.username.as_str().to_owned(), new.first_name.clone(), new.last_name.clone());
        let account = self.accounts.prepare_here(new).await?;
        // No right of the caller's, but a role is given: that is written down, with the account that has it.
        let permit = actor.certified();
        let written =
            self.app.write(&permit, move |tx| Box::pin(async move { super::accept(tx, id, &code, account).await }));
        let (user_id, role) = written.await.map_err(|error: Error| Failure::from(error))?;
        let token = self.accounts.first_token(user_id)?;
        let made =
            pb::AcceptInvitationResponse { user_id, username, first_name, last_name, token: token.clone(), role };
        Ok(reply::begin_session(Response::new(made), &token))
    }
}

fn view(row: Row, now: DateTime<Utc>) -> pb::Invitation {
    let named = row.named();
    let (role, place) = named.map_or((Role::Unspecified, Place::Own), |named| (named.role, named.place));
    pb::Invitation {
        id: row.id,
        role_type: role.into(),
        role_display: roles::display(role).to_owned(),
        store: match &place {
            Place::Store(store) => Some(store.to_string()),
            _ => None,
        },
        region: match place {
            Place::Region(code) => Some(code),
            _ => None,
        },
        supply_hub: row.hub.map(|hub| hub.0.to_string()),
        email: Some(row.email).filter(|email| !email.is_empty()),
        state: state(row.state, row.expires_at.0, now).into(),
        invited_by: row.invited_by,
        invited_at: Some(timestamp(row.invited_at.0)),
        expires_at: Some(timestamp(row.expires_at.0)),
        user: row.user_id,
    }
}

fn state(stored: i16, expires_at: DateTime<Utc>, now: DateTime<Utc>) -> InvitationState {
    match stored {
        state if state == State::Accepted as i16 => InvitationState::Accepted,
        state if state == State::Withdrawn as i16 => InvitationState::Withdrawn,
        _ if now >= expires_at => InvitationState::Expired,
        _ => InvitationState::Open,
    }
}
