//! The gRPC face of roles.

use std::sync::Arc;

use codepop_proto::{
    options::Permission,
    roles::{self as pb, Role, UserRole, roles_service_server::RolesService},
};
use codepop_shared::{Code, Failure};
use futures::future::BoxFuture;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::{Error, Target, give, named, scopes, store, take, view, word};
use crate::{
    app::{App, Lookup, edge},
    auth::{Actor, Place},
    storage::{self, Tx},
};

/// Roles in one answer: some for each of two hundred stores.
const LISTED_MAX: i64 = 1_000;

/// Who is there. Roles stand below the accounts, so it is handed in from above.
pub trait People: Send + Sync {
    /// Whether there is such an account.
    fn is_there<'a>(&'a self, tx: &'a mut Tx, user: i64) -> BoxFuture<'a, Result<bool, storage::Error>>;
}

/// Serves `RolesService`.
pub struct RolesRpc {
    app: App,
    people: Arc<dyn People>,
}

impl RolesRpc {
    /// The service.
    pub fn new(app: App, people: Arc<dyn People>) -> Self {
        Self { app, people }
    }

    /// Makes sure that there is such a user, here or at peers.
    async fn require_user(&self, user: i64) -> Result<(), Failure> {
        if self.is_there(user).await?
            || (self.app.finder.find(Lookup::Number(user)).await && self.is_there(user).await?)
        {
            return Ok(());
        }
        Err(Failure::new(Code::NotFound, format!("No user has the number {user}.")))
    }

    async fn is_there(&self, user: i64) -> Result<bool, Failure> {
        let people = Arc::clone(&self.people);
        let read = self.app.read(move |tx| Box::pin(async move { people.is_there(tx, user).await })).await;
        read.map_err(|error| Error::from(error).into())
    }

    async fn list(&self, place: Option<Place>, after: Uuid, limit: i64) -> Result<Vec<UserRole>, Failure> {
        let read = self.app.read(move |tx| {
            Box::pin(async move {
                let scopes = match &place {
                    Some(place) => Some(scopes(tx, place).await?),
                    None => None,
                };
                let rows = store::page(tx, scopes, after, limit).await?;
                view::views(tx, &rows).await
            })
        });
        read.await.map_err(|error| Error::from(error).into())
    }

    async fn roles_of(&self, user: i64) -> Result<Vec<UserRole>, Failure> {
        let read = self.app.read(move |tx| {
            Box::pin(async move {
                let rows = store::in_force(tx, user).await?;
                view::views(tx, &rows).await
            })
        });
        read.await.map_err(|error| Error::from(error).into())
    }
}

#[async_trait]
impl RolesService for RolesRpc {
    async fn assign_role(
        &self,
        request: Request<pb::AssignRoleRequest>,
    ) -> Result<Response<pb::AssignRoleResponse>, Status> {
        let actor = Actor::of(&request)?;
        let request = request.into_inner();
        let (user, role) = (request.user_id, request.role_type());
        let target = Target::read(role, request.store_id, request.region_code, request.supply_hub_id)?;
        let permit = actor.may(Permission::RolesAssign, &target.asked_at()?)?.about("user", user).detail(word(role));
        target.checked()?;
        self.require_user(user).await?;
        let by = actor.user()?.number;
        let permit = permit.about("user", user);
        let written = self.app.write(&permit, move |tx| {
            Box::pin(async move {
                let named = named(tx, &target).await?;
                let given = give(tx, user, &named, by).await?;
                Ok(pb::AssignRoleResponse { role: given.shown, existed: given.existed })
            })
        });
        Ok(Response::new(written.await.map_err(|error: Error| Failure::from(error))?))
    }

    async fn revoke_role(
        &self,
        request: Request<pb::RevokeRoleRequest>,
    ) -> Result<Response<pb::RevokeRoleResponse>, Status> {
        let actor = Actor::of(&request)?;
        let request = request.into_inner();
        if let Some(store) = request.store_id.filter(|store| !store.is_empty()) {
            actor.may(Permission::RolesAssign, &Place::Store(edge::uuid("store_id", &store)?))?;
        }
        let assignment = edge::uuid("role_id", &request.role_id)?;
        let known = self.app.read(move |tx| Box::pin(take::known(tx, assignment))).await;
        let known = known.map_err(|error| Failure::from(Error::from(error)))?;
        let mut allowed: Vec<_> = Vec::new();
        let mut refused = Failure::new(Code::NotFound, format!("No role has the id {assignment}."));
        for (_, grant) in known {
            match actor.may(Permission::RolesAssign, &grant.place) {
                Ok(permit) => allowed.push((permit.about("role", assignment), grant.place)),
                Err(failure) => refused = failure,
            }
        }
        let Some((permit, _)) = allowed.first().cloned() else { return Err(refused.into()) };
        let permit = permit.about("role", assignment);
        let (by, places) = (actor.user()?.number, allowed.into_iter().map(|(_, place)| place).collect::<Vec<_>>());
        let written =
            self.app.write(&permit, move |tx| Box::pin(async move { take::take(tx, assignment, &places, by).await }));
        written.await.map_err(|error: Error| Failure::from(error))?;
        Ok(Response::new(pb::RevokeRoleResponse { status: "revoked".to_owned() }))
    }

    async fn list_user_roles(
        &self,
        request: Request<pb::ListUserRolesRequest>,
    ) -> Result<Response<pb::ListUserRolesResponse>, Status> {
        let actor = Actor::of(&request)?;
        let (own, user) = (actor.user()?.number, request.into_inner().user_id);
        if own == user {
            return Ok(Response::new(pb::ListUserRolesResponse { roles: self.roles_of(user).await? }));
        }
        actor.may_anywhere(Permission::RolesAssign)?;
        let of_chain = match actor.may(Permission::RolesAssign, &Place::Chain) {
            Err(failure) if failure.code == Code::HubNeeded => return Err(failure.into()),
            leave => leave.is_ok(),
        };
        self.require_user(user).await?;
        let mut roles = self.roles_of(user).await?;
        roles.retain(|role| of_chain || is_at_own(&actor, role));
        Ok(Response::new(pb::ListUserRolesResponse { roles }))
    }

    async fn list_roles(
        &self,
        request: Request<pb::ListRolesRequest>,
    ) -> Result<Response<pb::ListRolesResponse>, Status> {
        let actor = Actor::of(&request)?;
        let pb::ListRolesRequest { store_id, region_code, after, limit } = request.into_inner();
        let place = place_of(store_id, region_code)?;
        actor.may(Permission::RolesAssign, place.as_ref().unwrap_or(&Place::Chain))?;
        let after = after.filter(|after| !after.is_empty()).map(|after| edge::uuid("after", &after)).transpose()?;
        let limit = limit.map_or(LISTED_MAX, i64::from);
        if !(1..=LISTED_MAX).contains(&limit) {
            Err(Failure::invalid("limit", format!("must be from 1 to {LISTED_MAX}")))?;
        }
        let roles = self.list(place, after.unwrap_or_default(), limit).await?;
        Ok(Response::new(pb::ListRolesResponse { roles }))
    }
}

/// Whether the caller could take a role away as an administrator of its store.
fn is_at_own(actor: &Actor, role: &UserRole) -> bool {
    let store = role.store.as_deref().and_then(|store| Uuid::try_parse(store).ok());
    store.is_some_and(|store| actor.may(Permission::RolesAssign, &Place::Store(store)).is_ok())
}

/// The one place that a list is about; none for all.
///
/// # Errors
/// Two are named, or one that is none.
pub fn place_of(store: Option<String>, region: Option<String>) -> Result<Option<Place>, Failure> {
    let target = Target::read(Role::Unspecified, store, region.clone(), None)?;
    match (target.asked_at()?, region.filter(|code| !code.is_empty())) {
        (Place::Store(_), Some(_)) => Err(Failure::invalid("region_code", "must be left out when a store is named")),
        (Place::Chain, _) => Ok(None),
        (place, _) => Ok(Some(place)),
    }
}
