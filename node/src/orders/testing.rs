//! Orders for the tests of what follows an order.

use codepop_proto::{
    catalog as drinks,
    orders::{self as pb, orders_service_server::OrdersService as _},
    roles::Role,
    stores::{self as places, stores_service_server::StoresService as _},
};
use codepop_shared::geo;
use tonic::Request;
use uuid::Uuid;

use super::*;
use crate::{
    auth::{Customer, Grant},
    inventory::{Reason, Wanted},
    journal::{Replicated, Stamp},
    laws,
    payments::Amount,
    stores::{Described, StoresRpc, describe_self, hours::DAYS},
    testing::Node,
};

/// Orders and pays drinks: for each price, $2.30 (Coke, Vanilla) or $2.00 (Coke), one. Makes the store first.
pub(crate) async fn place(node: &Node, customer: Customer, cents: &[i64]) -> i64 {
    open(node).await;
    let payments = Payments::new(node.app.clone(), Default::default());
    let total = Amount::new(cents.iter().sum()).unwrap();
    let payment = payments.prepare(customer, total, None).await.unwrap().payment_intent;
    let orders = Orders::new(node.app.clone(), payments, Robot::default());
    let mut request = Request::new(pb::CreateOrderRequest {
        user_id: customer.user,
        drinks: cents.iter().map(|cents| if *cents == 230 { 1 } else { 2 }).collect(),
        stripe_id: Some(payment),
        ..Default::default()
    });
    let mut actor = laws::actor(customer.user, Vec::new());
    actor.guest = customer.guest;
    request.extensions_mut().insert(actor);
    OrdersRpc::new(orders).create_order(request).await.unwrap().into_inner().order.unwrap().order_id
}

/// An order as it is.
pub(crate) async fn state_of(node: &Node, order: i64) -> Order {
    let anybody = Viewer { customer: Customer::default(), is_staff: true };
    node.app.read(move |tx| Box::pin(find(tx, order, anybody))).await.unwrap()
}

/// A store that is open around the clock and has what the drinks need.
async fn open(node: &Node) {
    let place = geo::Place::new(41.737, -111.8338).unwrap();
    let described =
        Described { name: "own".into(), place, api_base_url: String::new(), time_zone: None, region_name: None };
    describe_self(&node.app, described).await.unwrap();
    let here = node.app.author().id.uuid;
    let hours = || places::DayHours { open: "00:00".into(), close: "24:00".into() };
    let mut request = Request::new(places::UpdateStoreRequest {
        store_id: here.to_string(),
        hours_of_operation: DAYS.iter().map(|day| ((*day).to_owned(), hours())).collect(),
        ..Default::default()
    });
    let grant = Grant { role: Role::Manager, place: Place::Store(here) };
    request.extensions_mut().insert(laws::actor(Some(901_000), vec![grant]));
    let rpc = StoresRpc::new(node.app.clone(), Arc::new(inventory::OwnStock), Arc::new(OwnQueue));
    rpc.update_store(request).await.unwrap();
    publish(node, 1, &["Vanilla"], 230).await;
    publish(node, 2, &[], 200).await;
    for (name, kind) in [("Coke", inventory::Kind::Soda), ("Vanilla", inventory::Kind::Syrup)] {
        let wanted = Wanted { name: name.to_owned(), kind, quantity: 1_000, threshold: Some(0) };
        let put = async move |tx: &mut Tx| inventory::put(tx, wanted, Reason::Correction, None).await;
        node.db.write(move |tx| Box::pin(async move { put(tx).await })).await.unwrap();
    }
}

async fn publish(node: &Node, drink: i64, syrups: &[&str], price_cents: i64) {
    let recipe = drinks::Recipe {
        drink,
        name: "Float".into(),
        sodas: vec!["Coke".into()],
        syrups: syrups.iter().map(|name| (*name).to_owned()).collect(),
        price_cents,
        size: "24oz".into(),
        ice: "regular".into(),
        ..Default::default()
    };
    let message = drinks::DrinkPublished { recipe: Some(recipe) };
    let stamp = Stamp { hlc: node.app.clock().tick(), origin: Uuid::now_v7(), stream: 99, seq: 1 };
    let heard = async move |tx: &mut Tx| message.apply(tx, &stamp).await;
    node.db.receive(move |tx| Box::pin(async move { heard(tx).await })).await.unwrap();
}
