//! The gRPC face of administration.

use codepop_proto::accounts::{self as pb, administration_service_server::AdministrationService};
use codepop_shared::Failure;
use tonic::{Request, Response, Status};

use super::{Accounts, Edits, LISTED_MAX, Password, Rank, Seen, UserName};
use crate::{
    accounts::input,
    app::edge::{Problems, is_printable},
    auth::Actor,
};

/// The word that leaves a field, as the app sends it.
const UNCHANGED: &str = "unchanged";

/// Longest reason for a status, in characters: a few sentences.
const REASON_MAX: usize = 500;

#[tonic::async_trait]
impl AdministrationService for Accounts {
    async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> Result<Response<pb::ListUsersResponse>, Status> {
        let by = self.administrator(&Actor::of(&request)?)?;
        let pb::ListUsersRequest { after, limit } = request.into_inner();
        let limit = limit.map_or(LISTED_MAX, i64::from);
        if !(1..=LISTED_MAX).contains(&limit) {
            Err(Failure::invalid("limit", format!("must be from 1 to {LISTED_MAX}")))?;
        }
        let users = self.administered(by, after.unwrap_or(0).max(0), limit).await?;
        Ok(Response::new(pb::ListUsersResponse { users: users.into_iter().map(view).collect() }))
    }

    async fn edit_user(&self, request: Request<pb::EditUserRequest>) -> Result<Response<pb::EditUserResponse>, Status> {
        let by = self.administrator(&Actor::of(&request)?)?;
        let pb::EditUserRequest { user_id, edits } = request.into_inner();
        let by = by.about(user_id);
        let edits = edits.ok_or_else(|| Failure::invalid("edits", "must be given"))?;
        let name = self.edit(by, user_id, wanted(edits)?).await?;
        Ok(Response::new(pb::EditUserResponse { message: format!("User {name} was changed.") }))
    }

    async fn remove_user(
        &self,
        request: Request<pb::RemoveUserRequest>,
    ) -> Result<Response<pb::RemoveUserResponse>, Status> {
        let by = self.administrator(&Actor::of(&request)?)?;
        let user = request.into_inner().user_id;
        let name = self.remove(by.about(user), user).await?;
        Ok(Response::new(pb::RemoveUserResponse { message: format!("User {name} was deleted.") }))
    }

    async fn set_user_status(
        &self,
        request: Request<pb::SetUserStatusRequest>,
    ) -> Result<Response<pb::SetUserStatusResponse>, Status> {
        let by = self.administrator(&Actor::of(&request)?)?;
        let request = request.into_inner();
        let (user, status) = (request.user_id, request.status());
        let mut problems = Problems::default();
        if status == pb::UserStatus::Unspecified {
            problems.add("status", "must be ACTIVE, LOCKED or DISABLED");
        }
        let reason = problems.check("reason", reason(&request.reason.unwrap_or_default()));
        problems.finish()?;
        let seen = self.set_status(by.about(user), user, status, reason.unwrap_or_default()).await?;
        Ok(Response::new(pb::SetUserStatusResponse { user: Some(view(seen)) }))
    }
}

/// Reads why an account is held.
fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    let sound = text.chars().count() <= REASON_MAX && is_printable(text);
    if sound { Ok(text.to_owned()) } else { Err(format!("must have at most {REASON_MAX} printable characters")) }
}

/// What to change, under the same rules as at registration.
fn wanted(edits: pb::UserEdits) -> Result<Edits, Failure> {
    let mut problems = Problems::default();
    let given = |text: &String| !text.is_empty() && text != UNCHANGED;
    let pb::UserEdits { username, first_name, last_name, password, role } = edits;
    let edits = Edits {
        username: Some(username).filter(given).and_then(|name| problems.check("username", UserName::parse(&name))),
        first_name: Some(first_name)
            .filter(given)
            .and_then(|name| problems.check("firstName", input::person_name(&name))),
        last_name: Some(last_name).filter(given).and_then(|name| problems.check("lastName", input::person_name(&name))),
        password: Some(password).filter(given).and_then(|new| problems.check("password", Password::new(new))),
        rank: Some(role).filter(given).and_then(|role| problems.check("role", Rank::parse(&role))),
    };
    problems.finish()?;
    Ok(edits)
}

fn view(seen: Seen) -> pb::AdministeredUser {
    pb::AdministeredUser {
        id: seen.user,
        username: seen.username,
        first_name: seen.first_name,
        last_name: seen.last_name,
        is_staff: seen.is_staff,
        is_superuser: seen.is_superuser,
        status: seen.status.into(),
        status_reason: Some(seen.status_reason).filter(|reason| !reason.is_empty()),
    }
}
