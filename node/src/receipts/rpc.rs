//! The gRPC face of receipts.

use codepop_proto::{
    options::Permission,
    receipts::{SendReceiptRequest, SendReceiptResponse, receipts_service_server::ReceiptsService},
};
use codepop_shared::Failure;
use tonic::{Request, Response, Status, async_trait};

use super::{Asked, Receipts};
use crate::{
    auth::{Actor, Place},
    orders::Viewer,
};

/// Serves `ReceiptsService`.
pub struct ReceiptsRpc {
    receipts: Receipts,
}

impl ReceiptsRpc {
    /// The service.
    pub fn new(receipts: Receipts) -> Self {
        Self { receipts }
    }
}

#[async_trait]
impl ReceiptsService for ReceiptsRpc {
    async fn send_receipt(
        &self,
        request: Request<SendReceiptRequest>,
    ) -> Result<Response<SendReceiptResponse>, Status> {
        let actor = Actor::of(&request)?;
        let order = request.into_inner().order_id;
        let here = Place::Store(self.receipts.app.author().id.uuid);
        let staff = actor.may(Permission::OrdersManage, &here);
        let viewer = Viewer { customer: actor.customer(), is_staff: staff.is_ok() };
        let permit = staff.unwrap_or_else(|_| actor.public()).about("order", order);
        let asked = self.receipts.ask(&permit, order, viewer).await.map_err(Failure::from)?;
        let message = match asked {
            Asked::Now => format!("The receipt of order {order} is on its way."),
            Asked::Before => format!("The receipt of order {order} was sent before; it is sent once."),
        };
        Ok(Response::new(SendReceiptResponse { message }))
    }
}
