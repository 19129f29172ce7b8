//! The gRPC face of the views of regions.

use codepop_proto::{
    dashboards::{self as pb, regions_service_server::RegionsService},
    options::Permission,
    stores as stores_pb,
};
use codepop_shared::{Code, Failure};
use tonic::{Request, Response, Status, async_trait};

use super::{region, repair, supply};
use crate::{
    app::{
        App,
        edge::{self, storage_failure},
    },
    auth::{Actor, Place},
    reports, storage, stores,
};

/// Longest code of a region: a longer one is nobody's.
const CODE_MAX: usize = 10;

/// Items of one store in one answer, as the contract says.
const ITEMS_MAX: i64 = 2_000;

/// Serves `RegionsService`.
pub struct RegionsRpc {
    app: App,
}

impl RegionsRpc {
    /// The service.
    pub fn new(app: App) -> Self {
        Self { app }
    }

    /// The regions where the caller has a permission.
    async fn regions(&self, actor: &Actor, permission: Permission) -> Result<Vec<stores_pb::Region>, Failure> {
        actor.may_anywhere(permission)?;
        let all = self.app.read(|tx| Box::pin(stores::all_regions(tx))).await;
        let all = all.map_err(|error: storage::Error| storage_failure(&error))?;
        let may_see = |code: &str| actor.may(permission, &Place::Region(code.to_owned())).is_ok();
        Ok(all.iter().filter(|region| may_see(&region.code)).map(stores_pb::Region::from).collect())
    }
}

/// Leave to see a region; refused alike whether there is such a region or not.
fn permit(actor: &Actor, permission: Permission, code: &str) -> Result<(), Failure> {
    actor.may(permission, &Place::Region(code.to_owned()))?;
    if !(1..=CODE_MAX).contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Failure::invalid("region_code", format!("must be 1 to {CODE_MAX} letters or digits")));
    }
    Ok(())
}

#[async_trait]
impl RegionsService for RegionsRpc {
    async fn list_logistics_regions(
        &self,
        request: Request<pb::ListLogisticsRegionsRequest>,
    ) -> Result<Response<pb::ListLogisticsRegionsResponse>, Status> {
        let regions = self.regions(&Actor::of(&request)?, Permission::LogisticsRead).await?;
        Ok(Response::new(pb::ListLogisticsRegionsResponse { regions }))
    }

    async fn get_logistics_dashboard(
        &self,
        request: Request<pb::GetLogisticsDashboardRequest>,
    ) -> Result<Response<pb::GetLogisticsDashboardResponse>, Status> {
        let code = &request.get_ref().region_code;
        permit(&Actor::of(&request)?, Permission::LogisticsRead, code)?;
        let known = region::read(&self.app, code).await?;
        Ok(Response::new(supply::dashboard(&self.app, &known)))
    }

    async fn get_logistics_store(
        &self,
        request: Request<pb::GetLogisticsStoreRequest>,
    ) -> Result<Response<pb::GetLogisticsStoreResponse>, Status> {
        let pb::GetLogisticsStoreRequest { region_code, store_id } = request.get_ref();
        permit(&Actor::of(&request)?, Permission::LogisticsRead, region_code)?;
        let id = edge::uuid("store_id", store_id)?;
        let known = region::read(&self.app, region_code).await?;
        let unknown = || Failure::new(Code::NotFound, format!("Region {region_code} has no store {id}."));
        let store = known.store(id).ok_or_else(unknown)?;
        let items = self.app.read(move |tx| Box::pin(reports::items_of(tx, id, ITEMS_MAX))).await;
        let items = items.map_err(|error: storage::Error| storage_failure(&error))?;
        Ok(Response::new(supply::store(&self.app, &known, store, &items)))
    }

    async fn list_repair_regions(
        &self,
        request: Request<pb::ListRepairRegionsRequest>,
    ) -> Result<Response<pb::ListRepairRegionsResponse>, Status> {
        let regions = self.regions(&Actor::of(&request)?, Permission::RepairRead).await?;
        Ok(Response::new(pb::ListRepairRegionsResponse { regions }))
    }

    async fn get_repair_dashboard(
        &self,
        request: Request<pb::GetRepairDashboardRequest>,
    ) -> Result<Response<pb::GetRepairDashboardResponse>, Status> {
        let code = &request.get_ref().region_code;
        permit(&Actor::of(&request)?, Permission::RepairRead, code)?;
        let known = region::read(&self.app, code).await?;
        Ok(Response::new(repair::dashboard(&self.app, &known)))
    }
}
