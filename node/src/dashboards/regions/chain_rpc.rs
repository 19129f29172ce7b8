//! The gRPC face of the view of those who administer.

use std::sync::Arc;

use codepop_proto::{
    dashboards::{self as pb, chain_service_server::ChainService},
    options::Permission,
};
use tonic::{Request, Response, Status, async_trait};

use super::ask::Asker;
use crate::{
    app::{App, Dial, edge},
    auth::{Actor, Place},
};

/// Serves `ChainService`.
pub struct ChainRpc {
    asker: Asker,
}

impl ChainRpc {
    /// The service, with connections for its questions.
    pub fn new(app: App, dial: Arc<dyn Dial>) -> Self {
        Self { asker: Asker { app, dial } }
    }
}

#[async_trait]
impl ChainService for ChainRpc {
    async fn get_admin_dashboard(
        &self,
        request: Request<pb::GetAdminDashboardRequest>,
    ) -> Result<Response<pb::GetAdminDashboardResponse>, Status> {
        let actor = Actor::of(&request)?;
        let wanted = &request.get_ref().store_id;
        let view = if wanted.is_empty() {
            // What is shown are the stores that the caller administers, whichever they are.
            actor.may_anywhere(Permission::AdminDashboard)?;
            self.asker.all(&actor).await?
        } else {
            let id = edge::uuid("store_id", wanted)?;
            actor.may(Permission::AdminDashboard, &Place::Store(id))?;
            self.asker.one(&actor, id).await?
        };
        Ok(Response::new(view))
    }
}
