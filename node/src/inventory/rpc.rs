//! The gRPC face of the stock.

use codepop_proto::{
    inventory::{self as pb, inventory_service_server::InventoryService},
    options::Permission,
};
use codepop_shared::Failure;
use tonic::{Request, Response, Status, async_trait};
use uuid::Uuid;

use super::{Availability, Error, Item, Kind, Wanted};
use crate::{
    app::{
        App,
        edge::{self, Problems, is_printable, timestamp},
    },
    auth::{Actor, Place},
    catalog,
};

/// Drinks in one question: more than fit a cart, few enough for a quick answer.
const DRINKS_MAX: usize = 100;

/// Longest name of an item, in characters.
const NAME_MAX: usize = 100;

/// The largest quantity: far above any store room, far below what the number could hold.
const QUANTITY_MAX: i32 = 1_000_000;

/// Serves `InventoryService`.
pub struct InventoryRpc {
    app: App,
}

impl InventoryRpc {
    /// The service.
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

#[async_trait]
impl InventoryService for InventoryRpc {
    async fn check_inventory(
        &self,
        request: Request<pb::CheckInventoryRequest>,
    ) -> Result<Response<pb::CheckInventoryResponse>, Status> {
        let customer = Actor::of(&request)?.customer();
        let request = request.into_inner();
        let store = edge::uuid("store_id", &request.store_id)?;
        if !(1..=DRINKS_MAX).contains(&request.drinks.len()) {
            Err(Failure::invalid("drinks", format!("must name 1 to {DRINKS_MAX} drinks")))?;
        }
        let ids = request.drinks;
        let drinks = catalog::drinks_from_anywhere(&self.app, ids.clone(), &customer).await.map_err(Error::from);
        let drinks = drinks.map_err(Failure::from)?;
        let checked =
            self.app.read(move |tx| Box::pin(async move { super::check(tx, store, ids, &drinks).await })).await;
        let results = checked.map_err(Failure::from)?.into_iter().map(availability).collect();
        Ok(Response::new(pb::CheckInventoryResponse { results }))
    }

    async fn list_items(
        &self,
        _request: Request<pb::ListItemsRequest>,
    ) -> Result<Response<pb::ListItemsResponse>, Status> {
        let items = self.app.read(|tx| Box::pin(super::list(tx))).await.map_err(Failure::from)?;
        Ok(Response::new(pb::ListItemsResponse { items: items.into_iter().map(view).collect() }))
    }

    async fn get_report(
        &self,
        _request: Request<pb::GetReportRequest>,
    ) -> Result<Response<pb::GetReportResponse>, Status> {
        Err(Status::unimplemented("this version does not serve it"))
    }

    async fn get_item(&self, _request: Request<pb::GetItemRequest>) -> Result<Response<pb::GetItemResponse>, Status> {
        Err(Status::unimplemented("this version does not serve it"))
    }

    async fn update_item(
        &self,
        _request: Request<pb::UpdateItemRequest>,
    ) -> Result<Response<pb::UpdateItemResponse>, Status> {
        Err(Status::unimplemented("this version does not serve it"))
    }

    async fn list_movements(
        &self,
        _request: Request<pb::ListMovementsRequest>,
    ) -> Result<Response<pb::ListMovementsResponse>, Status> {
        Err(Status::unimplemented("this version does not serve it"))
    }

    async fn set_item(&self, request: Request<pb::SetItemRequest>) -> Result<Response<pb::SetItemResponse>, Status> {
        let actor = Actor::of(&request)?;
        let (store, wanted) = wanted(request.into_inner())?;
        let permit = actor.may(Permission::InventoryWrite, &Place::Store(store))?;
        let item = super::set(&self.app, &permit, store, wanted).await.map_err(Failure::from)?;
        Ok(Response::new(pb::SetItemResponse { item: Some(view(item)) }))
    }
}

fn availability(answer: Availability) -> pb::DrinkAvailability {
    pb::DrinkAvailability {
        drink_id: answer.drink,
        drink_name: answer.name,
        available: answer.available,
        missing_ingredients: answer.missing,
    }
}

fn view(item: Item) -> pb::Item {
    pb::Item {
        inventory_id: item.id,
        item_name: item.name,
        item_type: item.item_type.into(),
        quantity: item.quantity,
        threshold_level: item.threshold,
        last_updated: Some(timestamp(item.updated_at.0)),
    }
}

fn wanted(request: pb::SetItemRequest) -> Result<(Uuid, Wanted), Failure> {
    let store = edge::uuid("store_id", &request.store_id)?;
    let mut problems = Problems::default();
    let name = request.item_name.split_whitespace().collect::<Vec<_>>().join(" ");
    if !(1..=NAME_MAX).contains(&name.chars().count()) || !is_printable(&name) {
        problems.add("ItemName", format!("must have 1 to {NAME_MAX} printable characters"));
    }
    let kind = problems.check("ItemType", Kind::try_from(request.item_type));
    let mut within = |field: &str, units: i32| {
        if !(0..=QUANTITY_MAX).contains(&units) {
            problems.add(field, format!("must be from 0 to {QUANTITY_MAX}"));
        }
    };
    within("Quantity", request.quantity);
    within("ThresholdLevel", request.threshold_level.unwrap_or(0));
    problems.finish()?;
    let kind = kind.ok_or_else(|| Failure::invalid("ItemType", "must be given"))?;
    Ok((store, Wanted { name, kind, quantity: request.quantity, threshold: request.threshold_level }))
}
