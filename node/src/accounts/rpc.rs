//! The gRPC face of accounts.

use codepop_proto::{
    accounts::{
        self as pb, ChangePasswordRequest, ChangePasswordResponse, DeleteAccountRequest, DeleteAccountResponse,
        GetProfileRequest, GetProfileResponse, LogInRequest, LogInResponse, LogOutRequest, LogOutResponse,
        RegisterRequest, RegisterResponse, UpdateProfileRequest, UpdateProfileResponse,
        accounts_service_server::AccountsService,
    },
    roles::Role,
};
use codepop_shared::Code;
use prost_types::Timestamp;
use tonic::{Request, Response, Status};

use super::{
    Accounts, LoggedIn, NewAccount, Password, Registered, input,
    profile::{Changes, Profile},
};
use crate::{
    auth::{Actor, Place, reply},
    roles,
};

#[tonic::async_trait]
impl AccountsService for Accounts {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let permit = Actor::of(&request)?.public();
        let new = NewAccount::try_from(request.into_inner())?;
        let registered = Accounts::register(self, &permit, new).await?;
        Ok(Response::new(registered.into()))
    }

    async fn log_in(&self, request: Request<LogInRequest>) -> Result<Response<LogInResponse>, Status> {
        let actor = Actor::of(&request)?;
        let LogInRequest { username, password } = request.into_inner();
        input::given(&[("username", username.trim()), ("password", &password)])?;
        let password = Password::to_check(password);
        let logged_in = Accounts::log_in(self, actor.client, actor.customer(), &username, password).await?;
        let (token, store) = (logged_in.token.clone(), logged_in.preferred_store);
        let answer = reply::begin_session(Response::new(logged_in.into()), &token);
        Ok(if store.is_some() { reply::prefer_store(answer, store) } else { answer })
    }

    /// Logs out. The session of a user whom hubs keep is ended at a hub; where none is linked, the phone forgets it at least,
    /// and the token ends when it expires, or when the user ends all sessions with a new password.
    async fn log_out(&self, request: Request<LogOutRequest>) -> Result<Response<LogOutResponse>, Status> {
        let actor = Actor::of(&request)?;
        if let Some(user) = &actor.user {
            match Accounts::log_out(self, &actor.public(), user).await {
                Err(failure) if failure.code == Code::AskHub && !actor.hub_linked => {}
                ended => ended?,
            }
        }
        Ok(reply::end_session(Response::new(LogOutResponse { detail: "Logged out.".into() })))
    }

    async fn get_profile(&self, request: Request<GetProfileRequest>) -> Result<Response<GetProfileResponse>, Status> {
        let actor = Actor::of(&request)?;
        let profile = self.profile(actor.user()?).await?;
        Ok(Response::new(GetProfileResponse { profile: Some(profile.into()) }))
    }

    async fn update_profile(
        &self,
        request: Request<UpdateProfileRequest>,
    ) -> Result<Response<UpdateProfileResponse>, Status> {
        let actor = Actor::of(&request)?;
        let user = actor.user()?;
        let changes = Changes::try_from(request.into_inner())?;
        let (profile, moved) = self.change_profile(&actor.public(), user, changes).await?;
        let store = profile.preferred_store;
        let answer = Response::new(UpdateProfileResponse { profile: Some(profile.into()) });
        Ok(if moved { reply::prefer_store(answer, store) } else { answer })
    }

    async fn change_password(
        &self,
        request: Request<ChangePasswordRequest>,
    ) -> Result<Response<ChangePasswordResponse>, Status> {
        let actor = Actor::of(&request)?;
        let user = actor.user()?;
        let ChangePasswordRequest { current_password, new_password } = request.into_inner();
        input::given(&[("current_password", &current_password)])?;
        let new = input::new_password("new_password", new_password)?;
        let current = Password::to_check(current_password);
        let session = (user, actor.guest);
        let token = Accounts::change_password(self, &actor.public(), actor.client, session, current, new).await?;
        Ok(reply::begin_session(Response::new(ChangePasswordResponse { token: token.clone() }), &token))
    }

    async fn delete_account(
        &self,
        request: Request<DeleteAccountRequest>,
    ) -> Result<Response<DeleteAccountResponse>, Status> {
        let actor = Actor::of(&request)?;
        let user = actor.user()?;
        let DeleteAccountRequest { password } = request.into_inner();
        input::given(&[("password", &password)])?;
        self.delete(&actor.public(), actor.client, user, Password::to_check(password)).await?;
        Ok(reply::end_session(Response::new(DeleteAccountResponse {})))
    }
}

// === encode ===

impl From<Registered> for RegisterResponse {
    fn from(registered: Registered) -> Self {
        let Registered { user, username, first_name, last_name, token } = registered;
        Self { username, first_name, last_name, token, user_id: user }
    }
}

impl From<LoggedIn> for LogInResponse {
    fn from(logged_in: LoggedIn) -> Self {
        Self {
            token: logged_in.token,
            user_id: logged_in.user,
            username: logged_in.username,
            first_name: logged_in.first_name,
            user_role: roles::word(logged_in.standing.role).to_owned(),
            is_admin: logged_in.standing.is_admin,
            is_manager: logged_in.standing.is_manager,
            notice: logged_in.notice,
            dashboard: dashboard(logged_in.standing.role).into(),
            dashboard_store: match &logged_in.standing.place {
                Place::Store(store) => Some(store.to_string()),
                _ => None,
            },
            dashboard_region: match logged_in.standing.place {
                Place::Region(code) => Some(code),
                _ => None,
            },
            roles: logged_in.standing.words,
        }
    }
}

/// Where the app goes with a role.
fn dashboard(role: Role) -> pb::Dashboard {
    match role {
        Role::Unspecified | Role::AccountUser | Role::GeneralUser => pb::Dashboard::Home,
        Role::Manager | Role::Admin => pb::Dashboard::Manager,
        Role::RepairStaff => pb::Dashboard::Repair,
        Role::LogisticsManager => pb::Dashboard::Logistics,
        Role::SuperAdmin => pb::Dashboard::Admin,
    }
}

impl From<Profile> for pb::Profile {
    fn from(profile: Profile) -> Self {
        let created_at = profile.created_at;
        Self {
            id: profile.user,
            username: profile.username,
            first_name: profile.first_name,
            last_name: profile.last_name,
            email: profile.email,
            preferred_store: profile.preferred_store.map(|store| store.to_string()),
            date_joined: Some(Timestamp {
                seconds: created_at.timestamp(),
                nanos: created_at.timestamp_subsec_nanos().cast_signed(),
            }),
            roles: profile.roles,
            is_replicated: profile.is_replicated,
            source_node_number: profile.source,
        }
    }
}
