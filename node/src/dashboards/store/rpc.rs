//! The gRPC face of a store's dashboard.

use std::pin::Pin;

use codepop_proto::{
    dashboards::{self as pb, store_dashboards_service_server::StoreDashboardsService},
    google::api::HttpBody,
    options::Permission,
};
use codepop_shared::Failure;
use futures::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, async_trait, metadata::MetadataValue};
use uuid::Uuid;

use super::{
    analytics::{Question, analyse},
    dashboard::dashboard,
    export::{self, Dates},
    own,
};
use crate::{
    app::{
        App,
        edge::{self, Problems, storage_failure},
    },
    auth::{Actor, Permit, Place},
    orders::Viewer,
};

/// Days of an analysis when nothing is said.
const PERIOD_DEFAULT: i32 = 30;

/// Days of an analysis at most.
const PERIOD_MAX: i32 = 365;

/// Days that a forecast looks ahead at most.
const AHEAD_MAX: i32 = 90;

/// Metadata with the name of the file.
const DISPOSITION: &str = "content-disposition";

/// Serves `StoreDashboardsService`.
pub struct StoreDashboardsRpc {
    app: App,
}

impl StoreDashboardsRpc {
    /// The service.
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

/// The store that is meant, of which the caller may see this.
fn permitted<T>(request: &Request<T>, permission: Permission, store: &str) -> Result<(Actor, Uuid, Permit), Failure> {
    let actor = Actor::of(request)?;
    let store = edge::uuid("store_id", store)?;
    let permit = actor.may(permission, &Place::Store(store))?;
    Ok((actor, store, permit))
}

#[async_trait]
impl StoreDashboardsService for StoreDashboardsRpc {
    async fn get_store_dashboard(
        &self,
        request: Request<pb::GetStoreDashboardRequest>,
    ) -> Result<Response<pb::GetStoreDashboardResponse>, Status> {
        let (actor, id, _) = permitted(&request, Permission::StoreDashboard, &request.get_ref().store_id)?;
        let with_accounts = actor.may(Permission::UsersManage, &Place::Store(id)).is_ok();
        let viewer = Viewer { customer: actor.customer(), is_staff: true };
        let read = self.app.db.read_consistent(move |tx| {
            Box::pin(async move {
                let found = own(tx, id).await?;
                dashboard(tx, found, viewer, with_accounts).await
            })
        });
        Ok(Response::new(read.await.map_err(Failure::from)?))
    }

    async fn get_store_analytics(
        &self,
        request: Request<pb::GetStoreAnalyticsRequest>,
    ) -> Result<Response<pb::GetStoreAnalyticsResponse>, Status> {
        let (_, id, _) = permitted(&request, Permission::StoreDashboard, &request.get_ref().store_id)?;
        let question = question(request.get_ref())?;
        let read = self.app.db.read_consistent(move |tx| {
            Box::pin(async move {
                let found = own(tx, id).await?;
                analyse(tx, &found, question).await
            })
        });
        Ok(Response::new(read.await.map_err(Failure::from)?))
    }

    type ExportRevenueStream = Pin<Box<dyn Stream<Item = Result<HttpBody, Status>> + Send>>;

    async fn export_revenue(
        &self,
        request: Request<pb::ExportRevenueRequest>,
    ) -> Result<Response<Self::ExportRevenueStream>, Status> {
        let (_, id, permit) = permitted(&request, Permission::PaymentsManage, &request.get_ref().store_id)?;
        let dates = Dates::parse(request.get_ref())?;
        let found = self.app.read(move |tx| Box::pin(own(tx, id))).await.map_err(Failure::from)?;
        let span = dates.span(found.store.time_zone.0, self.app.clock().wall())?;
        // Whoever carries a store's books away is on record before they get anything.
        let noted = self.app.note_reading(&permit.detail(span.words())).await;
        noted.map_err(|error| storage_failure(&error))?;
        let disposition = MetadataValue::try_from(span.disposition(&found.store));
        let file = export::file(self.app.clone(), span).map(|piece| piece.map_err(Status::from));
        let mut response = Response::new(Box::pin(file) as Self::ExportRevenueStream);
        if let Ok(disposition) = disposition {
            response.metadata_mut().insert(DISPOSITION, disposition);
        }
        Ok(response)
    }
}

/// What an analysis is asked for.
fn question(request: &pb::GetStoreAnalyticsRequest) -> Result<Question, Failure> {
    let mut problems = Problems::default();
    let mut within = |field: &str, number: i32, least: i32, most: i32| {
        let fits = u32::try_from(number).ok().filter(|_| (least..=most).contains(&number));
        problems.check(field, fits.ok_or(format!("must be from {least} to {most}")))
    };
    let period = within("period", request.period.unwrap_or(PERIOD_DEFAULT), 1, PERIOD_MAX);
    let ahead = within("forecast", request.forecast.unwrap_or(0), 0, AHEAD_MAX);
    problems.finish()?;
    Ok(Question { period: period.unwrap_or_default(), ahead: ahead.filter(|days| *days > 0) })
}
