//! The gRPC face of the stock.

use codepop_proto::{
    inventory::{self as pb, inventory_service_server::InventoryService},
    options::Permission,
};
use codepop_shared::{Code, Failure};
use tonic::{Request, Response, Status, async_trait};

use super::{Availability, Correction, Error, Item, Kind, Movement, Wanted, manage::QUANTITY_MAX};
use crate::{
    app::{
        App,
        edge::{self, Problems, is_printable, timestamp},
    },
    auth::{Actor, Permit, Place},
    catalog,
};

/// Drinks in one question: more than fit a cart, few enough for a quick answer.
const DRINKS_MAX: usize = 100;

/// Longest name of an item, in characters.
const NAME_MAX: usize = 100;

/// Longest note on a correction, in characters.
const NOTE_MAX: usize = 200;

/// Movements in one answer when nothing is said.
const MOVEMENTS_DEFAULT: i32 = 100;

/// Movements in one answer at most: weeks of one item, and far below the largest message.
const MOVEMENTS_MAX: i32 = 1_000;

/// Serves `InventoryService`.
pub struct InventoryRpc {
    app: App,
}

impl InventoryRpc {
    /// The service.
    pub fn new(app: App) -> Self {
        Self { app }
    }

    /// This node's store.
    fn here(&self) -> Place {
        Place::Store(self.app.author().id.uuid)
    }

    /// Whether the caller sees how much there is.
    fn sees_quantities(&self, actor: &Actor) -> bool {
        actor.may(Permission::InventoryWrite, &self.here()).is_ok()
    }

    /// Leave to change the stock. The app shows the sentence of a refusal, but lets people log in again on a 401 only
    /// where it sends a token, which it does not here: so it is always a 403.
    fn may_change(&self, actor: &Actor) -> Result<Permit, Failure> {
        actor.may(Permission::InventoryWrite, &self.here()).map_err(|failure| match failure.code {
            Code::NotAuthenticated => Failure::new(Code::Forbidden, "Only the store's managers may change the stock."),
            _ => failure,
        })
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
        request: Request<pb::ListItemsRequest>,
    ) -> Result<Response<pb::ListItemsResponse>, Status> {
        let sees = self.sees_quantities(&Actor::of(&request)?);
        let items = self.app.read(|tx| Box::pin(super::list(tx))).await.map_err(Failure::from)?;
        let items = items.into_iter().map(|item| view(shown(item, sees))).collect();
        Ok(Response::new(pb::ListItemsResponse { items }))
    }

    async fn get_report(
        &self,
        request: Request<pb::GetReportRequest>,
    ) -> Result<Response<pb::GetReportResponse>, Status> {
        let sees = self.sees_quantities(&Actor::of(&request)?);
        let items = self.app.read(|tx| Box::pin(super::report(tx))).await.map_err(Failure::from)?;
        Ok(Response::new(report(items.into_iter().map(|item| shown(item, sees)).collect())))
    }

    async fn get_item(&self, request: Request<pb::GetItemRequest>) -> Result<Response<pb::GetItemResponse>, Status> {
        let sees = self.sees_quantities(&Actor::of(&request)?);
        let id = request.get_ref().inventory_id;
        let item = self.app.read(move |tx| Box::pin(super::item(tx, id))).await.map_err(Failure::from)?;
        Ok(Response::new(pb::GetItemResponse { item: Some(view(shown(item, sees))) }))
    }

    async fn update_item(
        &self,
        request: Request<pb::UpdateItemRequest>,
    ) -> Result<Response<pb::UpdateItemResponse>, Status> {
        let actor = Actor::of(&request)?;
        let sees = self.sees_quantities(&actor);
        let request = request.into_inner();
        let id = request.inventory_id;
        let item = match correction(request)? {
            Some(correction) => {
                let permit = self.may_change(&actor)?.about("item", id);
                super::correct(&self.app, &permit, id, correction).await
            }
            // What the app says it used up: the order has taken it already.
            None => self.app.read(move |tx| Box::pin(super::item(tx, id))).await,
        };
        Ok(Response::new(updated(shown(item.map_err(Failure::from)?, sees), sees)))
    }

    async fn list_movements(
        &self,
        request: Request<pb::ListMovementsRequest>,
    ) -> Result<Response<pb::ListMovementsResponse>, Status> {
        Actor::of(&request)?.may(Permission::InventoryWrite, &self.here())?;
        let request = request.into_inner();
        let limit = request.limit.unwrap_or(MOVEMENTS_DEFAULT);
        if !(1..=MOVEMENTS_MAX).contains(&limit) {
            Err(Failure::invalid("limit", format!("must be from 1 to {MOVEMENTS_MAX}")))?;
        }
        let (id, limit) = (request.inventory_id, i64::from(limit));
        let moved = self.app.read(move |tx| Box::pin(super::movements(tx, id, limit))).await.map_err(Failure::from)?;
        Ok(Response::new(pb::ListMovementsResponse { movements: moved.into_iter().map(movement).collect() }))
    }

    async fn set_item(&self, request: Request<pb::SetItemRequest>) -> Result<Response<pb::SetItemResponse>, Status> {
        let actor = Actor::of(&request)?;
        let request = request.into_inner();
        let store = edge::uuid("store_id", &request.store_id)?;
        let permit = actor.may(Permission::InventoryWrite, &Place::Store(store))?;
        let wanted = wanted(request)?;
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

/// An item as those see it who may see how much there is.
pub fn view(item: Item) -> pb::Item {
    pb::Item {
        inventory_id: item.id,
        item_name: item.name,
        item_type: item.item_type.into(),
        quantity: item.quantity,
        threshold_level: item.threshold,
        last_updated: Some(timestamp(item.updated_at.0)),
    }
}

/// An item as the caller sees it: to those who may not change the stock it is there or not.
fn shown(item: Item, sees: bool) -> Item {
    if sees { item } else { Item { quantity: item.quantity.min(1), threshold: 0, ..item } }
}

fn report(items: Vec<Item>) -> pb::GetReportResponse {
    let count = |fits: fn(&Item) -> bool| items.iter().filter(|item| fits(item)).count().try_into().unwrap_or(i32::MAX);
    pb::GetReportResponse {
        total_items: count(|_| true),
        out_of_stock: count(|item| item.quantity == 0),
        below_threshold: count(|item| item.quantity <= item.threshold),
        inventory_items: items
            .into_iter()
            .map(|item| pb::ReportedItem {
                inventory_id: item.id,
                item_name: item.name,
                quantity: item.quantity,
                threshold_level: item.threshold,
            })
            .collect(),
    }
}

fn updated(item: Item, sees: bool) -> pb::UpdateItemResponse {
    let low = sees && item.quantity <= item.threshold;
    let warning = low.then(|| format!("{} is running low: {} left.", item.name, item.quantity));
    let item = view(item);
    pb::UpdateItemResponse {
        inventory_id: item.inventory_id,
        item_name: item.item_name,
        item_type: item.item_type,
        quantity: item.quantity,
        threshold_level: item.threshold_level,
        last_updated: item.last_updated,
        warning,
    }
}

fn movement(movement: Movement) -> pb::Movement {
    pb::Movement {
        id: movement.id,
        change: movement.change,
        quantity: movement.quantity,
        reason: movement.reason,
        order_id: movement.order_id,
        user_id: movement.user_id,
        note: movement.note,
        at: Some(timestamp(movement.at.0)),
    }
}

/// What is to change; `None` when nothing but what the app believes to have used up is said.
fn correction(request: pb::UpdateItemRequest) -> Result<Option<Correction>, Failure> {
    let mut problems = Problems::default();
    within(&mut problems, "Quantity", request.quantity.unwrap_or(0));
    within(&mut problems, "ThresholdLevel", request.threshold_level.unwrap_or(0));
    let note = request.note.unwrap_or_default().trim().to_owned();
    if note.chars().count() > NOTE_MAX || !is_printable(&note) {
        problems.add("note", format!("must have at most {NOTE_MAX} printable characters"));
    }
    problems.finish()?;
    let fill_up = request.reset == Some(true);
    let said = fill_up || request.quantity.is_some() || request.threshold_level.is_some();
    Ok(said.then_some(Correction { fill_up, quantity: request.quantity, threshold: request.threshold_level, note }))
}

fn within(problems: &mut Problems, field: &str, units: i32) {
    if !(0..=QUANTITY_MAX).contains(&units) {
        problems.add(field, format!("must be from 0 to {QUANTITY_MAX}"));
    }
}

fn wanted(request: pb::SetItemRequest) -> Result<Wanted, Failure> {
    let mut problems = Problems::default();
    let name = request.item_name.split_whitespace().collect::<Vec<_>>().join(" ");
    if !(1..=NAME_MAX).contains(&name.chars().count()) || !is_printable(&name) {
        problems.add("ItemName", format!("must have 1 to {NAME_MAX} printable characters"));
    }
    let kind = problems.check("ItemType", Kind::try_from(request.item_type));
    within(&mut problems, "Quantity", request.quantity);
    within(&mut problems, "ThresholdLevel", request.threshold_level.unwrap_or(0));
    problems.finish()?;
    let kind = kind.ok_or_else(|| Failure::invalid("ItemType", "must be given"))?;
    Ok(Wanted { name, kind, quantity: request.quantity, threshold: request.threshold_level })
}
