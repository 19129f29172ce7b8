//! Orders on both databases, with the simulated payment provider.

mod moves;
mod placing;
mod ways;

use chrono::TimeDelta;
use codepop_proto::{
    catalog as drinks,
    orders::{self as pb, orders_service_server::OrdersService as _},
    roles::Role,
    stores::{self as places, stores_service_server::StoresService as _},
};
use codepop_shared::geo;
use tonic::{Request, Response, Status as Grpc};
use uuid::Uuid;

use super::*;
use crate::{
    auth::{Customer, Grant},
    inventory::{Reason, Wanted},
    journal::{Replicated, Stamp},
    laws, on_both,
    payments::Amount,
    stores::{Described, StoresRpc, describe_self, hours::DAYS},
    testing::Node,
};

/// A store that is open around the clock, with drink 1 (Coke, Vanilla: $2.30) and drink 2 (Coke: $2.00).
struct Shop {
    node: Node,
    orders: Orders,
}

const USER: i64 = 101_000;
const OTHER: i64 = 201_000;

impl Shop {
    async fn open(node: Node) -> Self {
        Self::with(node, Robot::default()).await
    }

    async fn with(node: Node, robot: Robot) -> Self {
        let payments = Payments::new(node.app.clone(), Default::default());
        let orders = Orders::new(node.app.clone(), payments, robot);
        let shop = Self { node, orders };
        let place = geo::Place::new(41.737, -111.8338).unwrap();
        let described =
            Described { name: "own".into(), place, api_base_url: String::new(), time_zone: None, region_name: None };
        describe_self(&shop.node.app, described).await.unwrap();
        shop.set_store(places::UpdateStoreRequest { hours_of_operation: around_the_clock(), ..Default::default() })
            .await;
        shop.publish(1, "Float", &["Coke"], &["Vanilla"], 230).await;
        shop.publish(2, "Plain", &["Coke"], &[], 200).await;
        shop.stock("Coke", inventory::Kind::Soda, 1_000).await;
        shop.stock("Vanilla", inventory::Kind::Syrup, 1_000).await;
        shop
    }

    fn here(&self) -> Uuid {
        self.node.app.author().id.uuid
    }

    fn rpc(&self) -> OrdersRpc {
        OrdersRpc::new(self.orders.clone())
    }

    async fn set_store(&self, change: places::UpdateStoreRequest) {
        let queue = std::sync::Arc::new(OwnQueue);
        let rpc = StoresRpc::new(self.node.app.clone(), std::sync::Arc::new(inventory::OwnStock), queue);
        let request = places::UpdateStoreRequest { store_id: self.here().to_string(), ..change };
        answer(rpc.update_store(self.by_staff(request)).await).unwrap();
    }

    async fn publish(&self, drink: i64, name: &str, sodas: &[&str], syrups: &[&str], price_cents: i64) {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let recipe = drinks::Recipe {
            drink,
            name: name.into(),
            sodas: list(sodas),
            syrups: list(syrups),
            price_cents,
            size: "24oz".into(),
            ice: "regular".into(),
            ..Default::default()
        };
        let message = drinks::DrinkPublished { recipe: Some(recipe) };
        let stamp = Stamp { hlc: self.node.app.clock().tick(), origin: Uuid::now_v7(), stream: 99, seq: 1 };
        let heard = async move |tx: &mut Tx| message.apply(tx, &stamp).await;
        self.node.db.receive(move |tx| Box::pin(async move { heard(tx).await })).await.unwrap();
    }

    async fn stock(&self, name: &str, kind: inventory::Kind, quantity: i32) {
        let wanted = Wanted { name: name.to_owned(), kind, quantity, threshold: Some(0) };
        let put = async move |tx: &mut Tx| inventory::put(tx, wanted, Reason::Correction, None).await;
        self.node.db.write(move |tx| Box::pin(async move { put(tx).await })).await.unwrap();
    }

    /// How much there is of each item, by name.
    async fn stocked(&self, name: &str) -> i32 {
        let items = self.node.app.read(|tx| Box::pin(inventory::report(tx))).await.unwrap();
        items.iter().find(|item| item.name == name).map(|item| item.quantity).unwrap()
    }

    /// Units that the ledger has of an item.
    async fn in_ledger(&self, name: &str) -> i32 {
        let name = name.to_owned();
        let sum = async move |tx: &mut Tx| {
            let items = inventory::report(tx).await?;
            let item = items.iter().find(|item| item.name == name).map_or(0, |item| item.id);
            let moved = inventory::movements(tx, item, 10_000).await?;
            Ok::<i32, inventory::Error>(moved.iter().map(|movement| movement.change).sum())
        };
        self.node.app.read(move |tx| Box::pin(async move { sum(tx).await })).await.unwrap()
    }

    fn by<T>(customer: Customer, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let mut actor = laws::actor(customer.user, Vec::new());
        actor.guest = customer.guest;
        request.extensions_mut().insert(actor);
        request
    }

    fn by_staff<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let grant = Grant { role: Role::Manager, place: Place::Store(self.here()) };
        request.extensions_mut().insert(laws::actor(Some(901_000), vec![grant]));
        request
    }

    /// A payment of the customer's over so many cents.
    async fn paid(&self, customer: Customer, cents: i64) -> String {
        let amount = Amount::new(cents).unwrap();
        self.orders.payments.prepare(customer, amount, None).await.unwrap().payment_intent
    }

    async fn create(
        &self,
        customer: Customer,
        new: pb::CreateOrderRequest,
    ) -> Result<pb::CreateOrderResponse, Failure> {
        answer(self.rpc().create_order(Self::by(customer, new)).await)
    }

    /// Orders drinks and pays what they cost.
    async fn order(&self, customer: Customer, drinks: &[i64]) -> Result<pb::Order, Failure> {
        self.order_with(customer, drinks, |_| {}).await
    }

    async fn order_with(
        &self,
        customer: Customer,
        drinks: &[i64],
        change: impl FnOnce(&mut pb::CreateOrderRequest),
    ) -> Result<pb::Order, Failure> {
        let cents = drinks.iter().map(|drink| if *drink == 1 { 230 } else { 200 }).sum();
        let mut new = wanted(customer, drinks, self.paid(customer, cents).await);
        change(&mut new);
        self.create(customer, new).await.map(|answer| answer.order.unwrap())
    }

    async fn get(&self, customer: Customer, id: i64) -> Result<pb::Order, Failure> {
        let request = pb::GetOrderRequest { order_id: id, user_id: None };
        answer(self.rpc().get_order(Self::by(customer, request)).await).map(|answer| answer.order.unwrap())
    }

    async fn update(&self, customer: Customer, change: pb::UpdateOrderRequest) -> Result<pb::Order, Failure> {
        answer(self.rpc().update_order(Self::by(customer, change)).await).map(|answer| answer.order.unwrap())
    }

    async fn cancel(&self, customer: Customer, id: i64) -> Result<(), Failure> {
        let request = pb::CancelOrderRequest { order_id: id, user_id: None };
        answer(self.rpc().cancel_order(Self::by(customer, request)).await).map(drop)
    }

    async fn set_status(&self, id: i64, word: &str) -> Result<pb::Order, Failure> {
        let request = pb::SetOrderStatusRequest { order_id: id, order_status: word.into() };
        answer(self.rpc().set_order_status(self.by_staff(request)).await).map(|answer| answer.order.unwrap())
    }

    async fn list(&self, customer: Customer) -> Vec<i64> {
        let listed =
            answer(self.rpc().list_orders(Self::by(customer, pb::ListOrdersRequest::default())).await).unwrap();
        listed.orders.iter().map(|order| order.order_id).collect()
    }

    /// Lets the robot do what is due so much later.
    async fn later(&self, later: TimeDelta) {
        let (robot, now) = (self.orders.robot, self.node.app.clock().wall() + later);
        let stepped = self.node.db.write(move |tx| Box::pin(robot::step(tx, robot, now))).await;
        assert!(!stepped.unwrap(), "all in one batch");
    }
}

fn wanted(customer: Customer, drinks: &[i64], payment: String) -> pb::CreateOrderRequest {
    pb::CreateOrderRequest {
        user_id: customer.user,
        drinks: drinks.to_vec(),
        stripe_id: Some(payment),
        ..Default::default()
    }
}

fn around_the_clock() -> std::collections::HashMap<String, places::DayHours> {
    let hours = || places::DayHours { open: "00:00".into(), close: "24:00".into() };
    DAYS.iter().map(|day| ((*day).to_owned(), hours())).collect()
}

fn answer<T>(answer: Result<Response<T>, Grpc>) -> Result<T, Failure> {
    answer.map(Response::into_inner).map_err(|status| Failure::from(&status))
}

fn user(number: i64) -> Customer {
    Customer { user: Some(number), guest: None }
}

fn guest(number: u128) -> Customer {
    Customer { user: None, guest: Some(Uuid::from_u128(number)) }
}

fn change_of(order: i64) -> pb::UpdateOrderRequest {
    pb::UpdateOrderRequest { order_id: order, ..Default::default() }
}

fn in_time(shop: &Shop, time: TimeDelta) -> prost_types::Timestamp {
    crate::app::edge::timestamp(shop.node.app.clock().wall() + time)
}
