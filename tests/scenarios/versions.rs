//! Nodes of neighbouring versions together: what one does not understand it keeps and passes on, byte for byte, and applies
//! once it is newer. `scripts/versions.sh` runs the second test with a real older build.

use std::{collections::BTreeSet, path::Path};

use codepop_node::journal::Audience;
use codepop_proto::{accounts::UserRegistered, journal::EventHeader, stores::StoreDescribed};
use codepop_shared::number;
use codepop_tests::harness::{
    Builder, Mesh, SETTLE_TIMEOUT, Saying, Spec, Stranger, check, eventually, sqlite_sql, store,
};
use prost::Message as _;

/// Field number that no message of the contract has.
const UNKNOWN_FIELD: u32 = 1_000;

/// A version that no node knows.
const NEXT_VERSION: u32 = 2;

/// The events of an origin as a stopped or running store keeps them.
fn kept(mesh: &Mesh, node: usize, origin: &str) -> BTreeSet<String> {
    let query = format!(
        "SELECT s.audience || ' ' || e.seq || ' ' || hex(e.header) || ' ' || hex(e.signature) || ' ' || hex(e.body) \
         AS word FROM events e JOIN streams s ON e.stream = s.id \
         WHERE hex(s.origin) = upper(replace('{origin}', '-', '')) AND s.audience IN ('everyone', 'region:C')"
    );
    sqlite_sql(&mesh.nodes[node].dir.join("node.db"), &query).into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_newer_version_says_is_kept_verbatim_and_the_stream_goes_on() {
    let mut mesh = Mesh::with(2).await;
    let mut newer = Stranger::store(&mesh, "newer", "C");
    let customer = number::compose(1, newer.id.number).unwrap();
    let registered =
        UserRegistered { user: customer, username: "early".to_owned(), created_at_us: 1, ..Default::default() };
    let mut with_fields = Saying::of(&registered, customer);
    prost::encoding::string::encode(UNKNOWN_FIELD, &"loyalty: gold".to_owned(), &mut with_fields.message);
    with_fields.unknown_field = true;
    let mut next_version = Saying::of(&StoreDescribed::default(), 0);
    next_version.schema_version = NEXT_VERSION;
    let new_kind = Saying {
        audience: Audience::Everyone,
        kind: "codepop.loyalty.v1.PointsGiven".to_owned(),
        message: b"a message of another contract".to_vec(),
        subject: customer,
        unknown_field: true,
        schema_version: NEXT_VERSION,
    };
    let said = [newer.announcement.clone(), newer.say(&new_kind), newer.say(&next_version), newer.say(&with_fields)];
    let mut session = newer.session(&mesh, 1, vec![]).await;
    session.send(said.to_vec()).await;
    session.acknowledged(said.len() as u64).await;

    for node in 0..=2 {
        eventually(SETTLE_TIMEOUT, "what can be understood is applied, the rest waits", async || {
            let held = mesh.conflicts(node).await;
            let waits = held.iter().filter(|conflict| conflict.kind == "quarantined").count();
            check(waits == 2 && held.len() == 2, || format!("node {node}: {held:?}"))?;
            let recent = mesh.status(node).await.events.unwrap().recent;
            let last = recent.iter().find(|event| event.origin == newer.id.uuid.to_string() && event.seq == 4);
            check(last.is_some_and(|event| event.state == "applied"), || format!("{last:?}"))
        })
        .await;
    }
    mesh.settled().await;
    // Whoever asks node 2, which has it from others, gets the very bytes that were signed; also after a start.
    mesh.kill9(2);
    mesh.start(2).await;
    let mut passed_on = Vec::new();
    let reader = Stranger::store(&mesh, "reader", "C");
    let mut session = reader.session(&mesh, 2, vec![]).await;
    while passed_on.len() < said.len() {
        let next = session
            .receives(|event| {
                let header = EventHeader::decode(event.header.as_ref()).unwrap();
                header.origin == newer.id.uuid.as_bytes().as_slice() && header.seq == passed_on.len() as u64 + 1
            })
            .await;
        passed_on.push(next);
        let rest = session.rest(|event| {
            EventHeader::decode(event.header.as_ref()).unwrap().origin == newer.id.uuid.as_bytes().as_slice()
        });
        passed_on.extend(rest);
    }
    assert_eq!(passed_on, said);
}

/// The old store is the only way between the hub and the new store. It sells, and carries what it does not know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_build_passes_on_what_it_does_not_know_and_applies_it_when_it_is_newer() {
    let Some(old) = std::env::var_os("CODEPOP_OLD_BIN_DIR") else {
        println!("no older build is named: scripts/versions.sh makes one and runs this with it");
        return;
    };
    // The new store knows nobody but the old one, and cannot reach the hub.
    let hub = Spec { name: "hub".into(), kind: "SUPPLY_HUB", region: "C", place: (41.74, -111.83), seeds: vec![] };
    let line = Builder::of(vec![hub, store(1, vec![0]), store(2, vec![1])]);
    let mut mesh = line.setting("NODE_REPORT_SECS", "1").make().await;
    mesh.nodes[1].run_from(Some(Path::new(&old)));
    mesh.cut(0, 2);
    for node in 0..=2 {
        mesh.start(node).await;
    }
    // The new store says what the old one has never heard of: how its machine and its stock stand.
    let newcomer = mesh.nodes[2].id.uuid.to_string();
    mesh.sign_up(2, "at-the-new-store").await;
    let gateway = mesh.gateway(&[1]).await;
    mesh.sign_up(1, "at-the-old-store").await;
    let drink = codepop_tests::harness::Phone::new(gateway.address()).design("Sprite", &["Vanilla"], &[]).await;
    assert!(drink.is_number(), "the old store sells: {drink}");
    eventually(SETTLE_TIMEOUT, "the old store keeps events that it does not know", async || {
        let query = "SELECT DISTINCT kind AS word FROM events WHERE state <> 0";
        let unknown = sqlite_sql(&mesh.nodes[1].dir.join("node.db"), query);
        check(unknown.iter().any(|kind| kind.contains("maintenance")), || format!("{unknown:?}"))
    })
    .await;
    eventually(SETTLE_TIMEOUT, "everything arrives at the hub by way of the old store", async || {
        let (hub, old, new) = (kept(&mesh, 0, &newcomer), kept(&mesh, 1, &newcomer), kept(&mesh, 2, &newcomer));
        check(!new.is_empty() && hub == new && old == new, || format!("{} {} {}", hub.len(), old.len(), new.len()))?;
        let (hub, new) = (mesh.digests(0).await, mesh.digests(2).await);
        check(hub["region:C"] == new["region:C"], || format!("{hub:?} {new:?}"))
    })
    .await;
    assert!(mesh.peer(2, 0).await.is_none_or(|peer| !peer.is_linked), "the old store is the only way");
    mesh.log_in(0, "at-the-new-store").await.unwrap();
    mesh.log_in(2, "at-the-old-store").await.unwrap();

    // The old store gets the new program, on its own data.
    mesh.stop(1).await;
    mesh.nodes[1].run_from(None);
    mesh.start(1).await;
    mesh.settled().await;
    let left: Vec<String> = mesh.conflicts(1).await.into_iter().map(|conflict| conflict.detail).collect();
    assert!(left.is_empty(), "what it understands now is applied: {left:?}");
}
