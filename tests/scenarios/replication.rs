//! What nodes take from each other, what they refuse, and what they pass on without understanding it.

use std::collections::BTreeSet;

use codepop_node::journal::Audience;
use codepop_proto::{
    accounts::UserRegistered,
    catalog::{CreateDrinkRequest, catalog_service_client::CatalogServiceClient},
    journal::{EventHeader, SignedEvent, StreamPosition},
    mesh::replication_frame::Frame,
    nodes::Conflict,
    roles::{Role, RoleAssigned},
    stores::StoreDescribed,
};
use codepop_shared::number;
use codepop_tests::harness::{Builder, Mesh, SETTLE_TIMEOUT, Saying, Session, Stranger, check, eventually};
use prost::Message as _;

/// A kind of event that no version of the contract has.
const UNKNOWN_KIND: &str = "codepop.futures.v9.SomethingNew";

fn header(event: &SignedEvent) -> EventHeader {
    EventHeader::decode(event.header.as_ref()).unwrap()
}

/// How far a node knows the stream of an origin for an audience.
async fn head(mesh: &Mesh, node: usize, origin: &str, audience: &str) -> u64 {
    let streams = mesh.status(node).await.streams;
    let found = streams.iter().find(|stream| stream.origin == origin && stream.audience == audience);
    found.map_or(0, |stream| stream.seq)
}

async fn reaches(mesh: &Mesh, node: usize, stranger: &Stranger, seq: u64) {
    let origin = stranger.id.uuid.to_string();
    eventually(SETTLE_TIMEOUT, &format!("event {seq} of the stranger is at node {node}"), async || {
        let head = head(mesh, node, &origin, "everyone").await;
        check(head == seq, || format!("its stream ends at {head}"))
    })
    .await;
}

async fn conflict(mesh: &Mesh, node: usize, kind: &str, part: &str) -> Conflict {
    eventually(SETTLE_TIMEOUT, &format!("a conflict \"{kind}\" at node {node}"), async || {
        let all = mesh.conflicts(node).await;
        let found = all.iter().find(|conflict| conflict.kind == kind && conflict.detail.contains(part));
        found.cloned().ok_or_else(|| format!("{all:?}"))
    })
    .await
}

/// Turns one bit of the last byte.
fn changed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_with_a_changed_byte_is_refused_and_fetched_from_another() {
    let mesh = Mesh::with(2).await;
    let (origin, stranger) = (mesh.nodes[1].id.uuid.to_string(), Stranger::store(&mesh, "stranger", "C"));
    // Store 2 hears from nobody but the stranger.
    mesh.cut(2, 0);
    mesh.cut(2, 1);
    let known = head(&mesh, 2, &origin, "everyone").await;
    mesh.sign_up(1, "ada").await;

    let mut with_origin = stranger.session(&mesh, 1, vec![]).await;
    with_origin.send(vec![stranger.announcement.clone()]).await;
    let good = with_origin
        .receives(|event| {
            let header = header(event);
            header.origin == mesh.nodes[1].id.uuid.as_bytes().as_slice()
                && header.audience == "everyone"
                && header.seq == known + 1
        })
        .await;
    let bad = [
        SignedEvent { body: changed(&good.body).into(), ..good.clone() },
        SignedEvent { signature: changed(&good.signature).into(), ..good.clone() },
        SignedEvent { header: changed(&good.header).into(), ..good.clone() },
    ];
    for event in bad {
        let mut session = stranger.session(&mesh, 2, vec![]).await;
        session.send(vec![event]).await;
        session.ended(0).await;
        assert_eq!(head(&mesh, 2, &origin, "everyone").await, known, "it was taken");
    }
    let noted = conflict(&mesh, 2, "bad_event", &stranger.id.uuid.to_string()).await;
    assert!(noted.detail.contains("refused"), "{noted:?}");

    mesh.join(2, 0);
    mesh.join(2, 1);
    mesh.settled().await;
    mesh.log_in(2, "ada").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_makes_a_super_admin_is_not_obeyed_anywhere_and_its_other_events_flow() {
    let mesh = Mesh::with(2).await;
    let user = mesh.sign_up(1, "mallory").await.user_id;
    let mut stranger = Stranger::store(&mesh, "stranger", "C");
    let role = RoleAssigned {
        assignment: vec![7; 16],
        user,
        role: Role::SuperAdmin.into(),
        scope: "chain".to_owned(),
        assigned_by: 0,
        hub: Vec::new(),
    };
    let customer = number::compose(1, stranger.id.number).unwrap();
    let registered =
        UserRegistered { user: customer, username: "honest".to_owned(), created_at_us: 1, ..UserRegistered::default() };
    let events = vec![
        stranger.announcement.clone(),
        stranger.say(&Saying::of(&role, user)),
        stranger.say(&Saying::of(&registered, customer)),
    ];

    let origin = stranger.id.uuid.to_string();
    let mut session = stranger.session(&mesh, 2, vec![]).await;
    session.send(events).await;
    session.acknowledged(3).await;
    for node in 0..=2 {
        reaches(&mesh, node, &stranger, 3).await;
        let void = conflict(&mesh, node, "void", "RoleAssigned").await;
        assert_eq!(void.event.unwrap().state, "void");
        let logged_in = mesh.log_in(node, "mallory").await.unwrap();
        assert!(!logged_in.is_admin && logged_in.user_role == "ACCOUNT_USER", "{}", logged_in.user_role);
        let recent = mesh.status(node).await.events.unwrap().recent;
        let other = recent.iter().find(|event| event.origin == origin && event.seq == 3).unwrap();
        assert_eq!(other.state, "applied", "what it may say is heard: {other:?}");
    }
    mesh.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_for_others_are_refused() {
    let mesh = Mesh::with(2).await;
    let mut stranger = Stranger::store(&mesh, "stranger", "D");
    let origin = stranger.id.uuid.to_string();
    for audience in ["region:D", "hubs", "hub:C"] {
        let mut saying = Saying::of(&StoreDescribed::default(), 0);
        saying.audience = audience.parse::<Audience>().unwrap();
        let event = stranger.say(&saying);
        let mut session = stranger.session(&mesh, 1, vec![]).await;
        session.send(vec![stranger.announcement.clone(), event]).await;
        session.ended(0).await;
        let mut session = stranger.session(&mesh, 1, vec![]).await;
        let event = stranger.say(&saying);
        session.send(vec![event]).await;
        session.ended(0).await;
        assert_eq!(head(&mesh, 1, &origin, audience).await, 0, "{audience}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_region_are_not_sent_to_another() {
    let mesh = Mesh::with(2).await;
    let drink = CreateDrinkRequest {
        name: "Regional".to_owned(),
        soda_used: vec!["Sprite".to_owned()],
        price: Some(3.5),
        user_created: Some(true),
        ..CreateDrinkRequest::default()
    };
    CatalogServiceClient::new(mesh.channel(1).await).create_drink(drink).await.unwrap();
    // Streams go out in order of origin and audience: what comes of store 2 has the region's events of store 1 before it.
    let (writer, last) = (mesh.nodes[1].id.uuid, mesh.nodes[2].id.uuid);
    assert!(writer < last, "stores are made in order");
    for (region, gets_it) in [("C", true), ("D", false)] {
        let reader = Stranger::store(&mesh, &format!("reader{region}"), region);
        let mut session = reader.session(&mesh, 1, vec![]).await;
        let mut audiences = BTreeSet::new();
        session
            .receives(|event| {
                let header = header(event);
                audiences.insert(header.audience.clone());
                header.origin == last.as_bytes().as_slice()
            })
            .await;
        assert!(audiences.contains("everyone"), "{audiences:?}");
        assert_eq!(audiences.contains("region:C"), gets_it, "region {region} got {audiences:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_does_not_know_is_kept_and_passed_on_unharmed() {
    let mesh = Builder::with(2).start().await;
    let mut stranger = Stranger::store(&mesh, "stranger", "C");
    let saying = Saying {
        audience: Audience::Everyone,
        kind: UNKNOWN_KIND.to_owned(),
        message: b"words of a newer contract".to_vec(),
        subject: 0,
        unknown_field: true,
        schema_version: 1,
    };
    let (unknown, described) = (stranger.say(&saying), stranger.say(&Saying::of(&StoreDescribed::default(), 0)));
    let mut session = stranger.session(&mesh, 1, vec![]).await;
    session.send(vec![stranger.announcement.clone(), unknown.clone(), described]).await;
    session.acknowledged(3).await;

    for node in 0..=2 {
        reaches(&mesh, node, &stranger, 3).await;
        let kept = conflict(&mesh, node, "quarantined", "does not know the kind").await.event.unwrap();
        assert_eq!((kept.kind.as_str(), kept.seq, kept.state.as_str()), (UNKNOWN_KIND, 2, "quarantined"));
    }
    // Somebody else gets from node 2, which had it from others, the very bytes that were signed.
    let reader = Stranger::store(&mesh, "reader", "C");
    let mut session = reader.session(&mesh, 2, vec![]).await;
    let passed_on = session.receives(|event| header(event).kind == UNKNOWN_KIND).await;
    assert_eq!(passed_on, unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_breaks_the_protocol_is_cut_off() {
    let mesh = Mesh::with(1).await;
    let mut stranger = Stranger::store(&mesh, "stranger", "C");
    let second = stranger.say(&Saying::of(&StoreDescribed::default(), 0));
    let third = stranger.say(&Saying::of(&StoreDescribed::default(), 0));

    // A gap is no fault: the node says what it has, and the sender starts over.
    let mut session = stranger.session(&mesh, 1, vec![]).await;
    session.send(vec![stranger.announcement.clone()]).await;
    session.acknowledged(1).await;
    session.send(vec![third.clone()]).await;
    wanted(&mut session).await;
    session.send(vec![second, third]).await;
    session.acknowledged(3).await;

    // An empty batch is one.
    session.send(vec![]).await;
    session.ended(4).await;
    let own =
        StreamPosition { origin: stranger.id.uuid.as_bytes().to_vec().into(), audience: "everyone".to_owned(), seq: 3 };
    let mut again = stranger.session(&mesh, 1, vec![own]).await;
    assert!(matches!(again.next().await, Ok(Some(Frame::Hello(_)))), "the next session begins as every one");
}

async fn wanted(session: &mut Session) {
    loop {
        match session.next().await {
            Ok(Some(Frame::Want(_))) => return,
            Ok(Some(_)) => {}
            ended => panic!("the session ended: {ended:?}"),
        }
    }
}
