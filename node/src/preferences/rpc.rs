//! The gRPC face of preferences.

use codepop_proto::preferences::{self as pb, preferences_service_server::PreferencesService};
use codepop_shared::Failure;
use tonic::{Request, Response, Status, async_trait};

use super::{Error, Preference, vocabulary};
use crate::{app::App, auth::Actor};

/// Serves `PreferencesService`.
pub struct PreferencesRpc {
    app: App,
}

impl PreferencesRpc {
    /// The service.
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

/// The user who is asking, who must be the one named, if one is.
fn own<T>(request: &Request<T>, named: Option<i64>) -> Result<(Actor, i64), Failure> {
    let actor = Actor::of(request)?;
    let user = actor.user()?.number;
    actor.user_is(named.unwrap_or(user))?;
    Ok((actor, user))
}

fn ingredient(text: &str) -> Result<String, Failure> {
    vocabulary::parse(text).map_err(|problem| Failure::invalid("Preference", problem))
}

fn view(preference: Preference) -> pb::Preference {
    pb::Preference { preference_id: preference.id, user_id: preference.user, preference: preference.name }
}

#[async_trait]
impl PreferencesService for PreferencesRpc {
    async fn list_preferences(
        &self,
        request: Request<pb::ListPreferencesRequest>,
    ) -> Result<Response<pb::ListPreferencesResponse>, Status> {
        let (_, user) = own(&request, request.get_ref().user_id)?;
        let found = self.app.read(move |tx| Box::pin(super::list(tx, user))).await;
        let preferences = found.map_err(|error| Failure::from(Error::from(error)))?.into_iter().map(view).collect();
        Ok(Response::new(pb::ListPreferencesResponse { preferences }))
    }

    async fn create_preference(
        &self,
        request: Request<pb::CreatePreferenceRequest>,
    ) -> Result<Response<pb::CreatePreferenceResponse>, Status> {
        let (actor, user) = own(&request, request.get_ref().user_id)?;
        let name = ingredient(&request.into_inner().preference)?;
        let permit = actor.public();
        let added = self.app.write(&permit, move |tx| Box::pin(super::add(tx, user, name)));
        let preference = Some(view(added.await.map_err(Failure::from)?));
        Ok(Response::new(pb::CreatePreferenceResponse { preference }))
    }

    async fn get_preference(
        &self,
        request: Request<pb::GetPreferenceRequest>,
    ) -> Result<Response<pb::GetPreferenceResponse>, Status> {
        let (_, user) = own(&request, None)?;
        let id = request.into_inner().preference_id;
        let found = self.app.read(move |tx| Box::pin(super::find(tx, user, id))).await;
        let preference = Some(view(found.map_err(Failure::from)?));
        Ok(Response::new(pb::GetPreferenceResponse { preference }))
    }

    async fn update_preference(
        &self,
        request: Request<pb::UpdatePreferenceRequest>,
    ) -> Result<Response<pb::UpdatePreferenceResponse>, Status> {
        let (actor, user) = own(&request, request.get_ref().user_id)?;
        let request = request.into_inner();
        let (id, name) = (request.preference_id, ingredient(&request.preference)?);
        let permit = actor.public();
        let replaced = self.app.write(&permit, move |tx| Box::pin(super::replace(tx, user, id, name)));
        let preference = Some(view(replaced.await.map_err(Failure::from)?));
        Ok(Response::new(pb::UpdatePreferenceResponse { preference }))
    }

    async fn delete_preference(
        &self,
        request: Request<pb::DeletePreferenceRequest>,
    ) -> Result<Response<pb::DeletePreferenceResponse>, Status> {
        let (actor, user) = own(&request, None)?;
        let id = request.into_inner().preference_id;
        let permit = actor.public();
        let removed = self.app.write(&permit, move |tx| Box::pin(super::remove(tx, user, id)));
        removed.await.map_err(Failure::from)?;
        Ok(Response::new(pb::DeletePreferenceResponse {}))
    }
}
