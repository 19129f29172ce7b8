//! The program's commands against a running node.

use codepop_tests::harness::{Mesh, programs};
use serde_json::Value;

fn url(mesh: &Mesh, node: usize) -> String {
    format!("https://{}", mesh.nodes[node].address())
}

fn asked(mesh: &Mesh, command: &str, more: &[&str]) -> String {
    let url = url(mesh, 1);
    let args = [&[command, "--node", &url, "--pki", mesh.pki().to_str().unwrap()], more].concat();
    programs::run("codepop-node", mesh.root(), &args)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_peers_and_discover_say_what_the_node_knows() {
    let mesh = Mesh::with(2).await;
    let status: Value = serde_json::from_str(&asked(&mesh, "status", &["--json"])).unwrap();
    assert_eq!(status["node"]["node_id"], mesh.nodes[1].id.uuid.to_string());
    assert_eq!(status["node"]["is_active"], true);
    let digests = mesh.digests(1).await;
    assert_eq!(status["digests"]["everyone"]["digest"], digests["everyone"].0);
    assert_eq!(status["digests"].as_object().unwrap().len(), digests.len());
    assert!(asked(&mesh, "status", &[]).contains(&mesh.nodes[1].id.uuid.to_string()));

    let peers: Value = serde_json::from_str(&asked(&mesh, "peers", &["--json"])).unwrap();
    let names: Vec<&str> =
        peers.as_array().unwrap().iter().map(|peer| peer["display_name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let hubs = asked(&mesh, "discover", &["--json", "--type", "SUPPLY_HUB"]);
    let hubs: Value = serde_json::from_str(&hubs).unwrap();
    assert_eq!(hubs.as_array().unwrap().len(), 1, "{hubs}");
    assert_eq!(hubs[0]["display_name"], "hub");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_folder_is_refused() {
    let mesh = Mesh::with(0).await;
    let args = ["run", "--data-dir", mesh.nodes[0].dir.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let refused = programs::try_run("codepop-node", mesh.root(), &args, &[]);
    let line = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && line.contains("in use by another process"), "{line}");
    assert_eq!(line.trim_end().lines().count(), 1, "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_cannot_reach_a_node_or_is_not_known_is_told_in_one_line() {
    let mesh = Mesh::with(0).await;
    let foreign = mesh.root().join("foreign");
    let foreign = foreign.to_str().unwrap();
    programs::run("codepop-node", mesh.root(), &["pki", "init", "--chain", "test", "--dir", foreign]);
    let pki = mesh.pki().to_str().unwrap();
    for (node, pki, part) in
        [(url(&mesh, 0), foreign, "UnknownIssuer"), ("https://127.0.0.1:1".to_owned(), pki, "connect to")]
    {
        let refused = programs::try_run("codepop-node", mesh.root(), &["status", "--node", &node, "--pki", pki], &[]);
        let line = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && line.contains(part), "{line}");
        assert_eq!(line.trim_end().lines().count(), 1, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_a_node_stops_and_its_folder_serves_again() {
    let mut mesh = Mesh::with(1).await;
    mesh.sign_up(1, "ada").await;
    mesh.stop(1).await;
    mesh.start(1).await;
    mesh.log_in(1, "ada").await.unwrap();
    mesh.settled().await;
}
