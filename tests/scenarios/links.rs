//! Who may be whom, how many links there are, and a database that has seen better days.

use std::{fs, path::Path, time::Duration};

use codepop_node::mesh::plan::STORE_LINKS_MAX;
use codepop_proto::nodes::{GetHealthRequest, nodes_service_client::NodesServiceClient};
use codepop_tests::harness::{Builder, Mesh, SETTLE_TIMEOUT, Stranger, check, eventually};
use tonic::Code;

/// Stores of the larger mesh.
const MANY: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_store_holds_more_links_than_its_bound() {
    let mesh = Builder::with(MANY).start().await;
    mesh.sign_up(1, "seen-by-all").await;
    mesh.settled().await;
    for node in 1..=MANY {
        let linked = mesh.status(node).await.peers.iter().filter(|peer| peer.is_linked).count();
        assert!((1..=STORE_LINKS_MAX).contains(&linked), "node {node} holds {linked} links");
        // Ten nodes are few enough that the bound of the plan itself can be seen: not everybody knows everybody.
        let own_hub = mesh.peer(node, 0).await.unwrap();
        assert!(own_hub.is_linked, "node {node} is not linked to its hub");
    }
    let links: usize = {
        let mut sum = 0;
        for node in 1..=MANY {
            sum += mesh.status(node).await.peers.iter().filter(|peer| peer.is_linked).count();
        }
        sum
    };
    assert!(links < MANY * MANY, "{links}: every store is linked to every other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registering_with_the_name_of_another_is_refused() {
    let mesh = Mesh::with(2).await;
    let stranger = Stranger::store(&mesh, "stranger", "C");
    let mut client = stranger.client(&mesh, 0).await;

    let mut as_another = stranger.introduction();
    as_another.node_id = mesh.nodes[1].id.uuid.to_string();
    let refused = client.register(as_another).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    assert!(refused.message().contains("node_id"), "{refused}");

    let mut as_a_hub = stranger.introduction();
    as_a_hub.set_node_type(codepop_proto::nodes::NodeType::SupplyHub);
    assert_eq!(client.register(as_a_hub).await.unwrap_err().code(), Code::PermissionDenied);

    let mut elsewhere = stranger.introduction();
    elsewhere.region = "D".to_owned();
    assert_eq!(client.register(elsewhere).await.unwrap_err().code(), Code::PermissionDenied);
    assert!(mesh.status(0).await.peers.iter().all(|peer| peer.peer_id != stranger.id.uuid.to_string()));

    let as_itself = client.register(stranger.introduction()).await.unwrap().into_inner();
    assert_eq!((as_itself.peer_id, as_itself.created), (stranger.id.uuid.to_string(), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_copied_back_refuses_writes_and_says_why() {
    let mut mesh = Mesh::with(2).await;
    mesh.sign_up(1, "before-the-copy").await;
    mesh.settled().await;
    mesh.stop(1).await;
    let (data, copy) = (mesh.nodes[1].dir.clone(), mesh.root().join("copy"));
    fs::create_dir(&copy).unwrap();
    copy_database(&data, &copy);
    mesh.start(1).await;
    mesh.sign_up(1, "after-the-copy").await;
    mesh.settled().await;

    mesh.stop(1).await;
    copy_database(&copy, &data);
    mesh.start(1).await;
    let why = eventually(SETTLE_TIMEOUT, "the node notices that it is older than its peers know", async || {
        let health = NodesServiceClient::new(mesh.channel(1).await).get_health(GetHealthRequest {}).await.unwrap();
        let health = health.into_inner();
        check(health.status == "degraded", || format!("{health:?}"))?;
        health.writes_refused.ok_or_else(|| "no reason is given".to_owned())
    })
    .await;
    assert!(why.contains("older") || why.contains("restored"), "{why}");
    let refused = mesh.try_sign_up(1, "too-late").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(!mesh.status(1).await.node.unwrap().is_active);
    // Reading goes on, and so do the others.
    mesh.log_in(1, "before-the-copy").await.unwrap();
    mesh.sign_up(2, "elsewhere").await;
    // It stays so after another start.
    mesh.stop(1).await;
    mesh.start(1).await;
    eventually(Duration::from_secs(30), "the refusal outlives a restart", async || {
        let active = mesh.status(1).await.node.unwrap().is_active;
        check(!active, || "writes are taken again".to_owned())
    })
    .await;
}

/// Copies the database file of a stopped node, and leaves no write-ahead file of another time behind.
fn copy_database(from: &Path, to: &Path) {
    for name in ["node.db-wal", "node.db-shm"] {
        let stale = to.join(name);
        if stale.exists() {
            fs::remove_file(stale).unwrap();
        }
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
    fs::copy(from.join("node.db"), to.join("node.db")).unwrap();
}
