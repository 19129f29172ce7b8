//! Reports on both databases, and from a store to its hub.

use chrono::TimeDelta;
use codepop_proto::{mesh::NodeAnnounced, reports::reports_service_server::ReportsService as _, roles::Role};
use codepop_shared::{Code, Failure, identity::SpiffeId};
use tonic::Request;

use super::*;
use crate::{
    accounts::{Accounts, NewAccount, Password, UserName},
    auth::{Actor, Customer, Permit, Place},
    inventory::{Kind as Type, Reason, Wanted},
    journal::{State, entries, streams},
    laws, maintenance,
    mesh::registry,
    on_both,
    orders::{self, Robot},
    replication::accept,
    roles::{self, NewAssignment},
    testing::{Node, name},
};

const ADA: i64 = 101_000;

/// Brings all that a hub may get of what a store said, as the store's own link does.
pub(crate) async fn carry(from: &Node, to: &Node) {
    let mut all = read(from, |tx| Box::pin(streams::all(tx))).await;
    let (me, hub) = (from.app.author().id.clone(), to.app.author().id.clone());
    all.retain(|stream| stream.origin == me.uuid && stream.audience.may_travel(me.uuid, me.uuid, &hub));
    all.sort_by(|a, b| a.audience.cmp(&b.audience));
    for stream in all {
        let events = read(from, move |tx| Box::pin(entries::after(tx, stream.id, 0))).await;
        let first = events.first().cloned().into_iter().collect();
        if stream.audience == Audience::Everyone {
            accept::announcements(&to.db, first).await.unwrap();
        }
        accept::batch(&to.db, &me, events).await.unwrap();
    }
    let withheld = read(to, |tx| Box::pin(entries::withheld(tx, 10))).await;
    assert!(withheld.is_empty(), "{withheld:?}");
}

async fn read<R, F>(node: &Node, operation: F) -> R
where
    F: for<'a> FnOnce(&'a mut Tx) -> futures::future::BoxFuture<'a, Result<R, storage::Error>>,
{
    node.app.read(operation).await.unwrap()
}

/// A store that has announced and described itself, with its machine.
pub(crate) async fn store(id: SpiffeId) -> Node {
    let node = Node::sqlite_as(id).await;
    let announcement = NodeAnnounced {
        certificate: node.app.author().certificate.der.clone(),
        api_base_url: "https://127.0.0.1:1".into(),
        ..NodeAnnounced::default()
    };
    node.db.write(move |tx| Box::pin(registry::announce_self(tx, announcement))).await.unwrap();
    describe(&node, "Main Street").await;
    node.db.write(|tx| Box::pin(maintenance::install(tx))).await.unwrap();
    node
}

/// Has a node describe itself.
pub(crate) async fn describe(node: &Node, name: &str) {
    let described = stores::Described {
        name: name.into(),
        place: codepop_shared::geo::Place::new(41.737, -111.8338).unwrap(),
        api_base_url: "https://127.0.0.1:1".into(),
        time_zone: None,
        region_name: None,
    };
    stores::describe_self(&node.app, described).await.unwrap();
}

/// Sets an item of the stock; the threshold is 10.
pub(crate) async fn shelve(node: &Node, name: &str, kind: Type, quantity: i32) {
    let wanted = Wanted { name: name.into(), kind, quantity, threshold: Some(10) };
    let put =
        node.db.write(move |tx| Box::pin(async move { inventory::put(tx, wanted, Reason::Correction, None).await }));
    put.await.unwrap();
}

/// Reports what is new.
pub(crate) async fn tell(node: &Node) -> bool {
    let now = node.app.clock().wall();
    node.db.write(move |tx| Box::pin(report(tx, now, 2))).await.unwrap()
}

async fn said(node: &Node, kind: &str) -> usize {
    let all = read(node, |tx| Box::pin(entries::newest(tx, 1_000))).await;
    assert!(all.iter().all(|event| event.state == State::Applied), "{all:?}");
    all.iter().filter(|event| event.kind.ends_with(kind)).count()
}

on_both!(only_what_changed_is_said, async |node: Node| {
    assert!(!tell(&node).await, "not before the store has described itself");
    describe(&node, "Main Street").await;
    assert!(tell(&node).await, "that there is nothing yet is news");
    assert!(!tell(&node).await);
    for (item, kind) in [("Coke", Type::Soda), ("Mango", Type::Syrup), ("Straws", Type::Physical)] {
        shelve(&node, item, kind, 20).await;
    }
    assert!(tell(&node).await && !tell(&node).await);
    assert_eq!((said(&node, "StockReported").await, said(&node, "StoreFiguresReported").await), (1, 1));
    shelve(&node, "Coke", Type::Soda, 7).await;
    assert!(tell(&node).await);
    let own = node.app.author().id.uuid;
    let items = read(&node, move |tx| Box::pin(items_of(tx, own, 10))).await;
    let seen: Vec<_> = items.iter().map(|item| (item.name.as_str(), item.quantity, item.is_low())).collect();
    assert_eq!(seen, [("Straws", 20, false), ("Coke", 7, true), ("Mango", 20, false)]);
    let live = read(&node, move |tx| Box::pin(live_events(tx))).await;
    assert_eq!(live, [2, 1], "of the first report two items are in force, of the second the one that changed");
});

/// How many items each report of the stock still holds, oldest first.
async fn live_events(tx: &mut Tx) -> Result<Vec<i32>, storage::Error> {
    use crate::{on, storage::schema::events};
    use diesel::{QueryDsl as _, TextExpressionMethods as _};
    use diesel_async::RunQueryDsl as _;
    Ok(on!(tx, conn => events::table
        .filter(events::kind.like("%.StockReported"))
        .order(events::seq)
        .select(events::live)
        .load(conn)
        .await)?)
}

on_both!(an_item_that_is_gone_is_reported_as_gone, async |node: Node| {
    describe(&node, "Main Street").await;
    shelve(&node, "Coke", Type::Soda, 20).await;
    tell(&node).await;
    let now = node.app.clock().wall();
    let composed = read(&node, move |tx| Box::pin(compose(tx, now, 0))).await.unwrap();
    let without = Composed { items: Vec::new(), ..composed };
    let again = without.clone();
    assert!(node.db.write(move |tx| Box::pin(say(tx, without))).await.unwrap());
    assert!(!node.db.write(move |tx| Box::pin(say(tx, again))).await.unwrap());
    let (standings, items) = read(&node, |tx| Box::pin(standings(tx))).await;
    assert!(items.is_empty());
    assert_eq!(standings[&node.app.author().id.uuid].stock, StockSums::default());
});

on_both!(a_day_has_its_orders_its_money_and_what_they_used, async |node: Node| {
    let customer = Customer { user: Some(ADA), guest: None };
    orders::testing::place(&node, customer, &[230, 200]).await;
    orders::testing::place(&node, customer, &[200]).await;
    let guest = Customer { user: None, guest: Some(Uuid::now_v7()) };
    let cancelled = orders::testing::place(&node, guest, &[200]).await;
    let now = node.app.clock().wall();
    let composed = read(&node, move |tx| Box::pin(compose(tx, now, 1))).await.unwrap();
    let today = composed.days[1];
    assert_eq!(composed.days[0], pb::Day { day: today.day - 1, used: Some(pb::Used::default()), ..pb::Day::default() });
    assert_eq!((today.orders, today.drinks, today.sales_cents, today.refunds_cents), (3, 4, 830, 0));
    let used = today.used.unwrap();
    assert_eq!((used.sodas, used.syrups, used.add_ins), (4, 1, 0));
    let totals = composed.totals;
    assert_eq!((totals.orders, totals.customers, totals.sales_cents, totals.pending_orders), (3, 1, 830, 3));

    node.db.write(move |tx| Box::pin(cancel(tx, cancelled))).await.unwrap();
    let after = read(&node, move |tx| Box::pin(compose(tx, now, 0))).await.unwrap();
    assert_eq!((after.days[0].orders, after.days[0].drinks, after.totals.pending_orders), (2, 3, 2));
    let used = after.days[0].used.unwrap();
    assert_eq!((used.sodas, used.syrups), (3, 1), "what was given back was not used");
    assert!(tell(&node).await && !tell(&node).await);
    let own = node.app.author().id.uuid;
    let row = read(&node, move |tx| Box::pin(store::day(tx, own, today.day))).await.unwrap();
    assert_eq!((row.orders, row.sodas), (2, 3));
    let days = read(&node, |tx| Box::pin(recent_days(tx))).await;
    assert_eq!(days.len(), 1, "a day on which nothing happened is not spoken of");
    assert_eq!(date(today.day).to_string().len(), 10);
});

#[tokio::test]
async fn a_store_brings_its_figures_to_its_hub_and_to_no_other() {
    let (hub, far) = (Node::sqlite_as(name(3, "C")).await, Node::sqlite_as(name(4, "D")).await);
    let other = Node::sqlite_as(name(1_001, "C")).await;
    let node = store(name(1_000, "C")).await;
    shelve(&node, "Coke", Type::Soda, 3).await;
    tell(&node).await;
    for to in [&hub, &far, &other] {
        carry(&node, to).await;
    }
    let own = node.app.author().id.uuid;
    let (standings, items) = read(&hub, |tx| Box::pin(super::standings(tx))).await;
    assert!(standings[&own].totals.is_some());
    assert_eq!((items.len(), standings[&own].stock.low), (1, 1));
    assert!(read(&far, |tx| Box::pin(super::standings(tx))).await.0.is_empty());
    let (nearby, items) = read(&other, |tx| Box::pin(super::standings(tx))).await;
    assert!(nearby[&own].totals.is_none() && items.len() == 1, "the region knows the stock alone");
    assert!(!tell(&hub).await, "a hub has no shop");
    for audience in [Audience::Region("C".into()), Audience::Hub("C".into())] {
        let digest = |node: &Node, audience: Audience| {
            let db = node.db.clone();
            async move {
                let digested = db.read(move |tx| {
                    Box::pin(laws::digested(async move |hasher| super::digest(tx, &audience, hasher).await))
                });
                digested.await.unwrap()
            }
        };
        assert_eq!(digest(&node, audience.clone()).await, digest(&hub, audience).await);
    }
}

fn asking<M>(node: &Node, message: M) -> Request<M> {
    let actor = Actor {
        caller: name(4, "D"),
        here: node.app.author().id.clone().into(),
        hub_heard: false,
        ..laws::actor(None, Vec::new())
    };
    let mut request = Request::new(message);
    request.extensions_mut().insert(actor);
    request
}

async fn staff(hub: &Node, username: &str, role: Role, place: Place) -> i64 {
    let new = NewAccount {
        username: UserName::parse(username).unwrap(),
        password: Password::new("correct horse battery".into()).unwrap(),
        first_name: String::new(),
        last_name: String::new(),
        email: String::new(),
        preferred_store: None,
    };
    let user = Accounts::new(hub.app.clone()).create_staff(&Permit::plain(None), new).await.unwrap();
    let new = NewAssignment { user, role, place, hub: None, by: 0 };
    hub.db.write(move |tx| Box::pin(async move { roles::assign(tx, &new).await })).await.unwrap();
    user
}

#[tokio::test]
async fn a_hub_answers_for_whom_it_knows_and_shows_what_they_may_see() {
    let hub = Node::sqlite_as(name(3, "C")).await;
    describe(&hub, "Hub").await;
    let nodes = [store(name(1_000, "C")).await, store(name(1_001, "C")).await];
    for node in &nodes {
        tell(node).await;
        carry(node, &hub).await;
    }
    let own = nodes[1].app.author().id.uuid;
    let admin = staff(&hub, "ada", Role::Admin, Place::Store(own)).await;
    let supplier = staff(&hub, "bob", Role::LogisticsManager, Place::Region("C".into())).await;
    let rpc = ReportsRpc::new(hub.app.clone());
    let ask = |code: &str, user| {
        let request = pb::GetRegionReportRequest { region_code: code.into(), on_behalf_of: user };
        rpc.get_region_report(asking(&hub, request))
    };
    let seen = ask("C", admin).await.unwrap().into_inner().stores;
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((seen[0].store_id.clone(), seen[0].machine_status.as_str()), (own.to_string(), "normal"));
    assert!(seen[0].as_of.is_some() && !seen[0].is_heard);
    assert_eq!(ask("C", supplier).await.unwrap().into_inner().stores, []);
    let code = |status: &tonic::Status| Failure::from(status).code;
    assert_eq!(code(&ask("D", admin).await.unwrap_err()), Code::NotFound);
    for nobody in [0, ADA, -1] {
        assert_eq!(code(&ask("C", nobody).await.unwrap_err()), Code::Forbidden);
    }
}

#[tokio::test]
async fn a_store_answers_for_itself_alone() {
    let node = store(name(1_000, "C")).await;
    shelve(&node, "Coke", Type::Soda, 0).await;
    let own = node.app.author().id.uuid;
    let ada = Accounts::new(node.app.clone());
    let new = NewAccount {
        username: UserName::parse("ada").unwrap(),
        password: Password::new("correct horse battery".into()).unwrap(),
        first_name: String::new(),
        last_name: String::new(),
        email: String::new(),
        preferred_store: None,
    };
    let user = ada.register(&Permit::plain(None), new).await.unwrap().user;
    let rpc = ReportsRpc::new(node.app.clone());
    let ask = |store: String| {
        let request = pb::GetStoreReportRequest { store_id: store, on_behalf_of: user };
        rpc.get_store_report(asking(&node, request))
    };
    let code = |status: &tonic::Status| Failure::from(status).code;
    assert_eq!(code(&ask(own.to_string()).await.unwrap_err()), Code::Forbidden);
    let new = NewAssignment { user, role: Role::Admin, place: Place::Store(own), hub: None, by: 0 };
    node.db.write(move |tx| Box::pin(async move { roles::assign(tx, &new).await })).await.unwrap();
    let seen = ask(own.to_string()).await.unwrap().into_inner().store.unwrap();
    assert_eq!((seen.items, seen.missing_items, seen.low_items, seen.is_heard), (1, 1, 1, true));
    assert_eq!(code(&ask(Uuid::nil().to_string()).await.unwrap_err()), Code::Forbidden);
    assert_eq!(code(&ask("x".into()).await.unwrap_err()), Code::Invalid);
}

#[test]
fn the_worker_looks_back_no_farther_than_one_event_can_say() {
    assert!(usize::try_from(BACKFILL_DAYS).unwrap() < DAYS_PER_EVENT);
    assert_eq!(date(0).to_string(), "1970-01-01");
    assert_eq!(date(20_000) - TimeDelta::days(20_000), date(0));
}

async fn cancel(tx: &mut Tx, order: i64) -> Result<(), orders::Error> {
    let staff = orders::Viewer { customer: Customer::default(), is_staff: true };
    let mut order = orders::find(tx, order, staff).await?;
    orders::cancel(tx, Robot::default(), &mut order, staff).await
}
