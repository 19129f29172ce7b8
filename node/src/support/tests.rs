//! Support on both databases: only the own order, only once, only what the order has.

use codepop_proto::{
    roles::Role,
    support::{self as pb, support_service_server::SupportService as _},
};
use codepop_shared::{Code, Failure};
use tonic::{Request, Status};

use super::*;
use crate::{
    auth::{Customer, Grant, Place},
    laws, on_both,
    orders::{
        Orders, Robot,
        testing::{place, state_of},
    },
    payments::{self, Payments},
    testing::{self, Node},
};

const GUEST: Customer = Customer { user: None, guest: Some(uuid::Uuid::from_u128(7)) };
const OTHER: Customer = Customer { user: Some(101_000), guest: Some(uuid::Uuid::from_u128(8)) };

fn service(node: &Node) -> SupportRpc {
    let payments = Payments::new(node.app.clone(), Default::default());
    SupportRpc::new(node.app.clone(), Orders::new(node.app.clone(), payments, Robot::default()))
}

/// Says something where the conversation stands.
async fn say(
    service: &SupportRpc,
    customer: Customer,
    stands: &pb::ChatResponse,
    message: &str,
) -> Result<pb::ChatResponse, Status> {
    say_from(service, customer, [127, 0, 0, 1], stands, message).await
}

/// The same from an address.
async fn say_from(
    service: &SupportRpc,
    customer: Customer,
    client: [u8; 4],
    stands: &pb::ChatResponse,
    message: &str,
) -> Result<pb::ChatResponse, Status> {
    let mut request = Request::new(pb::ChatRequest {
        message: message.into(),
        refund_phase: Some(stands.refund_phase.clone()),
        wrong_drink_phase: Some(stands.wrong_drink_phase.clone()),
        order_num: Some(stands.order_num.clone()),
        drink_nums: Some(stands.drink_nums.clone()),
    });
    let mut actor = laws::actor(customer.user, Vec::new());
    actor.guest = customer.guest;
    actor.client = client.into();
    request.extensions_mut().insert(actor);
    Ok(service.chat(request).await?.into_inner())
}

fn at(refund: &str, wrong_drink: &str, order: &str) -> pb::ChatResponse {
    pb::ChatResponse {
        responses: Vec::new(),
        refund_phase: refund.into(),
        wrong_drink_phase: wrong_drink.into(),
        order_num: order.into(),
        drink_nums: "none".into(),
    }
}

/// Says one thing after the other.
async fn talk(service: &SupportRpc, customer: Customer, messages: &[&str]) -> pb::ChatResponse {
    let mut stands = at("none", "none", "none");
    for message in messages {
        stands = say(service, customer, &stands, message).await.unwrap();
    }
    stands
}

fn phases(reply: &pb::ChatResponse) -> (&str, &str) {
    (&reply.refund_phase, &reply.wrong_drink_phase)
}

async fn complaints(node: &Node, service: &SupportRpc, role: Option<Role>) -> Result<Vec<pb::Complaint>, Status> {
    let mut request = Request::new(pb::ListComplaintsRequest { limit: None });
    let place = Place::Store(node.app.author().id.uuid);
    let grants = role.into_iter().map(|role| Grant { role, place: place.clone() }).collect();
    request.extensions_mut().insert(laws::actor(Some(301_000), grants));
    Ok(service.list_complaints(request).await?.into_inner().complaints)
}

async fn refunding(node: &Node, order: i64) -> bool {
    let status = node.app.read(move |tx| Box::pin(async move { payments::status(tx, &[order]).await })).await.unwrap();
    let payment = &status[&order];
    payment.state == payments::State::Releasing || payment.refunding + payment.refunded == payment.cents
}

on_both!(the_owner_gets_the_money_back_once, async |node: Node| {
    let service = service(&node);
    let order = place(&node, GUEST, &[230, 200]).await;
    let number = order.to_string();
    let found = talk(&service, GUEST, &["My drink tastes off", "refund", &number]).await;
    assert_eq!((phases(&found), found.order_num.as_str()), (("2", "none"), number.as_str()));
    assert_eq!((found.responses.len(), found.drink_nums.split(", ").count()), (4, 2));
    assert!(found.responses[1].starts_with("[1] Coke"));
    assert!(!refunding(&node, order).await);
    let given = say(&service, GUEST, &found, "yes").await.unwrap();
    assert_eq!(phases(&given), ("3", "none"));
    assert!(given.responses[0].contains("$4.30") && refunding(&node, order).await);
    // Once: neither the same again, nor from the start, nor as a remake.
    for again in [
        say(&service, GUEST, &found, "yes").await.unwrap(),
        talk(&service, GUEST, &["wrong drink", "refund", &number]).await,
        say(&service, GUEST, &at("none", "2", &number), "all").await.unwrap(),
    ] {
        assert_eq!(phases(&again), ("none", "none"), "{again:?}");
    }
    let over = say(&service, GUEST, &given, "I accept").await.unwrap();
    assert_eq!(phases(&over), ("4", "none"));
    assert_eq!(Failure::from(&complaints(&node, &service, None).await.unwrap_err()).code, Code::Forbidden);
    let kept = complaints(&node, &service, Some(Role::Manager)).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].order_id, kept[0].kind.as_str(), kept[0].message.as_str()),
        (order, "refund", "My drink tastes off")
    );
    assert!(["refunding", "refunded"].contains(&kept[0].outcome.as_str()));
});

on_both!(strangers_learn_and_get_nothing, async |node: Node| {
    let service = service(&node);
    let order = place(&node, GUEST, &[230]).await;
    let number = order.to_string();
    let unknown = talk(&service, OTHER, &["wrong", "refund", &(order + 100_000).to_string()]).await;
    for customer in [OTHER, Customer::default()] {
        assert_eq!(talk(&service, customer, &["wrong", "refund", &number]).await, unknown);
        // The state is the phone's; it opens nothing.
        for (stands, message) in [(at("2", "none", &number), "yes"), (at("none", "2", &number), "all")] {
            let reply = say(&service, customer, &stands, message).await.unwrap();
            assert_eq!(reply.responses, unknown.responses);
        }
    }
    for nonsense in ["undefined", "-1", "99999999999999999999"] {
        let reply = say(&service, GUEST, &at("2", "none", nonsense), "yes").await.unwrap();
        assert_eq!((phases(&reply), reply.order_num.as_str()), (("1", "none"), "none"));
    }
    assert!(!refunding(&node, order).await);
    assert!(complaints(&node, &service, Some(Role::Admin)).await.unwrap().is_empty());
    let long = say(&service, GUEST, &at("none", "none", "none"), &"x".repeat(1_001)).await.unwrap_err();
    assert_eq!(Failure::from(&long).fields[0].0, "message");
});

on_both!(drinks_are_made_again_for_nothing, async |node: Node| {
    let service = service(&node);
    let order = place(&node, GUEST, &[230, 200]).await;
    let number = order.to_string();
    let found = talk(&service, GUEST, &["it was made wrong", "remade", &number]).await;
    assert_eq!(phases(&found), ("none", "2"));
    for wrong in ["3", "0", "1 2 3", "the second"] {
        assert_eq!(phases(&say(&service, GUEST, &found, wrong).await.unwrap()), ("none", "2"), "{wrong}");
    }
    let made = say(&service, GUEST, &found, "number 2 please").await.unwrap();
    assert_eq!(phases(&made), ("none", "3"));
    let new: i64 = made.order_num.parse().unwrap();
    assert_ne!(new, order);
    let remade = state_of(&node, new).await;
    assert_eq!(
        (remade.payment_status.as_deref(), remade.total_cents, remade.remake_of),
        (Some("remade"), 0, Some(order))
    );
    assert_eq!(remade.guest(), GUEST.guest);
    // Neither the old nor the new one again.
    for again in [number.as_str(), made.order_num.as_str()] {
        let reply = say(&service, GUEST, &at("none", "2", again), "all").await.unwrap();
        assert_eq!(phases(&reply), ("none", "none"), "{again}");
    }
    assert_eq!(phases(&say(&service, GUEST, &made, "i accept").await.unwrap()), ("none", "4"));
    let kept = complaints(&node, &service, Some(Role::Admin)).await.unwrap();
    assert!(kept.iter().any(|complaint| complaint.order_id == order && complaint.outcome == "remade"));
});

on_both!(who_complains_too_often_waits_for_people, async |node: Node| {
    let service = service(&node);
    for _ in 0..3 {
        let order = place(&node, GUEST, &[230]).await.to_string();
        let given = say(&service, GUEST, &at("2", "none", &order), "yes").await.unwrap();
        assert_eq!(phases(&given), ("3", "none"));
    }
    let order = place(&node, GUEST, &[230]).await;
    let refused = talk(&service, GUEST, &["wrong", "refund", &order.to_string()]).await;
    assert_eq!(phases(&refused), ("none", "none"));
    let kept = complaints(&node, &service, Some(Role::Manager)).await.unwrap();
    assert_eq!((kept.len(), kept[0].outcome.as_str(), kept[0].order_id), (4, "open", order));
});

fn guest(number: u128) -> Customer {
    Customer { user: None, guest: Some(uuid::Uuid::from_u128(number)) }
}

on_both!(guests_are_counted_by_network_and_together, async |node: Node| {
    let service = service(&node);
    let refund = async |customer: Customer, client: [u8; 4]| {
        let order = place(&node, customer, &[230]).await;
        let reply = say_from(&service, customer, client, &at("2", "none", &order.to_string()), "yes").await.unwrap();
        (reply.refund_phase, refunding(&node, order).await, reply.responses[0].contains("people must decide"))
    };
    let (given, left_open) = (("3".to_owned(), true, false), ("none".to_owned(), false, true));
    let (home, elsewhere) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    // A session costs nothing, a network does.
    for session in 100..103 {
        assert_eq!(refund(guest(session), home).await, given);
    }
    assert_eq!(refund(guest(103), home).await, left_open);
    let kept = complaints(&node, &service, Some(Role::Manager)).await.unwrap();
    assert_eq!((kept.len(), kept[0].outcome.as_str(), kept[0].kind.as_str()), (4, "open", "refund"));
    assert_eq!(refund(guest(103), elsewhere).await, given);
    assert_eq!(refund(OTHER, home).await, given, "users are counted by themselves");
    // All guests of a day: one from home is missing in the count, because it was longer ago.
    let wall = node.app.clock().wall();
    let helped = |number: i64, ago: i64| store::Complaint {
        id: number,
        order_id: number,
        user_id: None,
        guest: Some(crate::storage::types::Id(uuid::Uuid::from_u128(9))),
        kind: "refund".into(),
        message: String::new(),
        outcome: "refunding".into(),
        at: crate::storage::types::Time(wall),
        network: vec![1],
        helped_at: Some(crate::storage::types::Time(wall - chrono::TimeDelta::hours(ago))),
    };
    let rows: Vec<_> = (1..=15).map(|number| helped(number, 23)).chain([helped(16, 25)]).collect();
    let keep = async move |tx: &mut Tx| {
        for row in &rows {
            store::insert(tx, row).await?;
        }
        Ok::<_, crate::storage::Error>(())
    };
    node.db.write(move |tx| Box::pin(async move { keep(tx).await })).await.unwrap();
    assert_eq!(refund(guest(104), [192, 0, 2, 3]).await, given);
    assert_eq!(refund(guest(105), [192, 0, 2, 4]).await, left_open);
});

on_both!(an_order_in_the_queue_is_cancelled_with_its_refund, async |node: Node| {
    let service = service(&node);
    place(&node, GUEST, &[230]).await;
    let waiting = place(&node, GUEST, &[230]).await;
    let again = say(&service, GUEST, &at("none", "2", &waiting.to_string()), "all").await.unwrap();
    assert!(phases(&again) == ("none", "none") && again.responses[0].contains("not been made"), "{again:?}");
    let given = say(&service, GUEST, &at("2", "none", &waiting.to_string()), "yes").await.unwrap();
    assert_eq!(phases(&given), ("3", "none"));
    assert_eq!(state_of(&node, waiting).await.status, crate::orders::Status::Cancelled);
    assert!(refunding(&node, waiting).await);
});

on_both!(nothing_is_made_again_of_which_nothing_is_paid, async |node: Node| {
    let service = service(&node);
    let order = place(&node, GUEST, &[230]).await;
    let give = async move |tx: &mut Tx| payments::give_back(tx, order, None, "by the staff").await;
    node.db.write(move |tx| Box::pin(async move { give(tx).await })).await.unwrap();
    // Brought over from the old system: there is no payment.
    let imported = crate::orders::Order { id: 5, payment_intent: String::new(), ..state_of(&node, order).await };
    let bring = async move |tx: &mut Tx| {
        let drinks = crate::orders::drinks_of(tx, order).await?;
        let drinks = drinks.into_iter().map(|drink| crate::orders::OrderDrink { order_id: 5, ..drink }).collect();
        crate::orders::import::bring(tx, &imported, drinks).await
    };
    node.db.write(move |tx| Box::pin(async move { bring(tx).await })).await.unwrap();
    for unpaid in [order, 5] {
        for (stands, message) in [("none", "all"), ("2", "yes")] {
            let wrong_drink = if stands == "none" { "2" } else { "none" };
            let reply = say(&service, GUEST, &at(stands, wrong_drink, &unpaid.to_string()), message).await.unwrap();
            assert!(phases(&reply) == ("none", "none") && reply.responses[0].contains("no payment"), "{reply:?}");
        }
    }
    let kept = complaints(&node, &service, Some(Role::Manager)).await.unwrap();
    let open = |order| kept.iter().any(|kept| kept.order_id == order && kept.outcome == "open");
    assert!(kept.len() == 2 && open(order) && open(5), "{kept:?}");
});

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_other_stores_are_asked_about_there() {
    let node = Node::sqlite().await;
    let service = service(&node);
    // Nobody has this number: so it is nobody's order.
    let elsewhere = codepop_shared::number::compose(5, 1_234).unwrap();
    let reply = say(&service, GUEST, &at("1", "none", "none"), &elsewhere.to_string()).await.unwrap();
    assert_eq!(phases(&reply), ("1", "none"));
    let other = testing::author(testing::name(1_234, "C"));
    let announced = codepop_proto::mesh::NodeAnnounced {
        certificate: other.certificate.der.clone(),
        display_name: "other".into(),
        api_base_url: "https://127.0.0.1:1".into(),
        latitude: None,
        longitude: None,
        version: "0".into(),
    };
    let stamp = crate::journal::Stamp { hlc: node.app.clock().tick(), origin: other.id.uuid, stream: 1, seq: 1 };
    let apply = async move |tx: &mut Tx| crate::journal::Replicated::apply(&announced, tx, &stamp).await;
    node.db.receive(move |tx| Box::pin(async move { apply(tx).await })).await.unwrap();
    for (stands, message) in [
        (at("1", "none", "none"), elsewhere.to_string()),
        (at("2", "none", &elsewhere.to_string()), "yes".to_owned()),
        (at("none", "2", &elsewhere.to_string()), "all".to_owned()),
    ] {
        let failure = Failure::from(&say(&service, GUEST, &stands, &message).await.unwrap_err());
        assert_eq!(
            (failure.code, failure.metadata["number"].as_str()),
            (Code::AskStore, elsewhere.to_string().as_str())
        );
    }
}
