//! The gRPC face of orders.

use codepop_proto::{
    options::Permission,
    orders::{self as pb, orders_service_server::OrdersService},
};
use codepop_shared::{Failure, geo};
use tonic::{Request, Response, Status as Grpc, async_trait};

use super::{
    Orders, Status, Viewer, arrival, change,
    golden_window::Approach,
    moves, parse, place,
    preparation::Complexity,
    store::{self, Order},
    view,
};
use crate::{
    app::{
        edge::{self, Problems, timestamp},
        once::Once,
    },
    auth::{Actor, Place},
};

/// Serves `OrdersService`.
pub struct OrdersRpc {
    orders: Orders,
}

impl OrdersRpc {
    /// The service.
    pub fn new(orders: Orders) -> Self {
        Self { orders }
    }

    async fn show(&self, order: Order, viewer: Viewer) -> Result<Option<pb::Order>, Failure> {
        Ok(Some(self.orders.app.read(move |tx| Box::pin(view::one(tx, order, viewer))).await?))
    }

    /// Whose orders the path names must be the caller's, unless the caller manages orders.
    fn named(actor: &Actor, viewer: Viewer, user: Option<i64>) -> Result<(), Failure> {
        match user {
            Some(user) if !viewer.is_staff => actor.user_is(user).map(drop),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl OrdersService for OrdersRpc {
    async fn create_order(
        &self,
        request: Request<pb::CreateOrderRequest>,
    ) -> Result<Response<pb::CreateOrderResponse>, Grpc> {
        let actor = Actor::of(&request)?;
        let once = Once::of(&request, "CreateOrder")?;
        let new = parse::new_order(request.into_inner(), &actor)?;
        let answer = place::place(&self.orders, &actor.public(), new, once).await.map_err(Failure::from)?;
        Ok(Response::new(answer))
    }

    async fn get_order(&self, request: Request<pb::GetOrderRequest>) -> Result<Response<pb::GetOrderResponse>, Grpc> {
        let actor = Actor::of(&request)?;
        let (viewer, request) = (self.orders.viewer(&actor), request.into_inner());
        Self::named(&actor, viewer, request.user_id)?;
        let id = request.order_id;
        let order = self.orders.app.read(move |tx| {
            Box::pin(async move {
                let order = super::find(tx, id, viewer).await?;
                view::one(tx, order, viewer).await
            })
        });
        Ok(Response::new(pb::GetOrderResponse { order: Some(order.await.map_err(Failure::from)?) }))
    }

    async fn list_orders(
        &self,
        request: Request<pb::ListOrdersRequest>,
    ) -> Result<Response<pb::ListOrdersResponse>, Grpc> {
        let actor = Actor::of(&request)?;
        let (viewer, request) = (self.orders.viewer(&actor), request.into_inner());
        Self::named(&actor, viewer, request.user_id)?;
        let (user, page) = (request.user_id, parse::page(&request)?);
        let orders = self.orders.app.read(move |tx| {
            Box::pin(async move {
                super::require_store(tx)?;
                let found = match user {
                    Some(user) => store::of_user(tx, user, page).await?,
                    None if viewer.is_staff => store::all(tx, page).await?,
                    None => store::of_customer(tx, viewer.customer, page).await?,
                };
                view::many(tx, found, viewer).await
            })
        });
        Ok(Response::new(pb::ListOrdersResponse { orders: orders.await.map_err(Failure::from)? }))
    }

    async fn update_order(
        &self,
        request: Request<pb::UpdateOrderRequest>,
    ) -> Result<Response<pb::UpdateOrderResponse>, Grpc> {
        let actor = Actor::of(&request)?;
        let (viewer, request) = (self.orders.viewer(&actor), request.into_inner());
        Self::named(&actor, viewer, request.user_id)?;
        let id = request.order_id;
        let change = parse::change(request)?;
        let changed = change::update(&self.orders, &self.orders.leave(&actor, id), viewer, id, change).await;
        let order = self.show(changed.map_err(Failure::from)?, viewer).await?;
        Ok(Response::new(pb::UpdateOrderResponse { order }))
    }

    async fn cancel_order(
        &self,
        request: Request<pb::CancelOrderRequest>,
    ) -> Result<Response<pb::CancelOrderResponse>, Grpc> {
        let actor = Actor::of(&request)?;
        let (viewer, request) = (self.orders.viewer(&actor), request.into_inner());
        Self::named(&actor, viewer, request.user_id)?;
        let permit = self.orders.leave(&actor, request.order_id);
        let cancelled = change::cancel(&self.orders, &permit, viewer, request.order_id).await;
        cancelled.map_err(Failure::from)?;
        Ok(Response::new(pb::CancelOrderResponse {}))
    }

    async fn set_order_status(
        &self,
        request: Request<pb::SetOrderStatusRequest>,
    ) -> Result<Response<pb::SetOrderStatusResponse>, Grpc> {
        let actor = Actor::of(&request)?;
        let permit = actor.may(Permission::OrdersManage, &Place::Store(self.orders.app.author().id.uuid))?;
        let (viewer, request) = (self.orders.viewer(&actor), request.into_inner());
        let next = Status::parse(&request.order_status).filter(|next| *next != Status::Pending).ok_or_else(|| {
            Failure::invalid("OrderStatus", "must be processing, ready, completed, expired or cancelled")
        })?;
        let permit = permit.about("order", request.order_id).detail(next.word());
        let moved = moves::set(&self.orders, &permit, request.order_id, next).await.map_err(Failure::from)?;
        Ok(Response::new(pb::SetOrderStatusResponse { order: self.show(moved, viewer).await? }))
    }

    async fn estimate_order(
        &self,
        request: Request<pb::EstimateOrderRequest>,
    ) -> Result<Response<pb::EstimateOrderResponse>, Grpc> {
        let customer = Actor::of(&request)?.customer();
        let drinks = request.into_inner().drinks;
        parse::check_count(&drinks)?;
        let estimate = arrival::estimate(&self.orders, customer, drinks).await.map_err(Failure::from)?;
        Ok(Response::new(pb::EstimateOrderResponse {
            preparation_minutes: estimate.minutes,
            queue_minutes: estimate.queue_minutes,
            ready_at: Some(timestamp(estimate.ready_at)),
            total_amount: view::dollars(estimate.cents),
        }))
    }

    async fn calculate_arrival(
        &self,
        request: Request<pb::CalculateArrivalRequest>,
    ) -> Result<Response<pb::CalculateArrivalResponse>, Grpc> {
        let request = request.into_inner();
        let store = edge::uuid("store_id", &request.store_id)?;
        let mut problems = Problems::default();
        let complexity = request.drink_complexity.as_deref().map_or(Ok(Complexity::Medium), Complexity::parse);
        let complexity = problems.check("drink_complexity", complexity);
        let place = (request.current_latitude, request.current_longitude);
        let at = parse::position(problems, place, request.velocity_mph)?;
        let minutes = complexity.unwrap_or(Complexity::Medium).minutes();
        let here = self.orders.app.read(move |tx| Box::pin(arrival::store_place(tx, store))).await;
        let here: geo::Place = here.map_err(Failure::from)?;
        let approach = Approach::new(at.place.miles_to(here), at.mph, minutes);
        Ok(Response::new(parse::arrival(approach, minutes, self.orders.app.clock().wall())))
    }

    async fn track_location(
        &self,
        request: Request<pb::TrackLocationRequest>,
    ) -> Result<Response<pb::TrackLocationResponse>, Grpc> {
        let actor = Actor::of(&request)?;
        let (viewer, request) = (self.orders.viewer(&actor), request.into_inner());
        let place = (request.current_latitude, request.current_longitude);
        let at = parse::position(Problems::default(), place, request.velocity_mph)?;
        let tracked = arrival::track(&self.orders, &actor.public(), viewer, request.order_id, at).await;
        let (order, approach) = tracked.map_err(Failure::from)?;
        Ok(Response::new(parse::tracked(&order, approach)))
    }

    async fn start_preparation(
        &self,
        request: Request<pb::StartPreparationRequest>,
    ) -> Result<Response<pb::StartPreparationResponse>, Grpc> {
        let actor = Actor::of(&request)?;
        let viewer = self.orders.viewer(&actor);
        let started = arrival::start(&self.orders, &actor.public(), viewer, request.get_ref().order_id).await;
        let order = self.show(started.map_err(Failure::from)?, viewer).await?;
        Ok(Response::new(pb::StartPreparationResponse { order }))
    }
}
