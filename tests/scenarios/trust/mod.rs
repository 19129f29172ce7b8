//! Identity over time: certificates that are revoked and renewed, numbers that were given twice, data directories that
//! were copied.

mod regional;

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use chrono::Utc;
use codepop_proto::{
    accounts::{GetProfileRequest, accounts_service_client::AccountsServiceClient},
    nodes::{GetHealthRequest, ListRevocationsRequest, nodes_service_client::NodesServiceClient},
};
use codepop_shared::{
    authority::{Authority, Order},
    identity::SpiffeId,
    request::CertificateRequest,
};
use codepop_tests::harness::{
    Builder, Mesh, Operator, SETTLE_TIMEOUT, check, eventually,
    programs::{self, Program},
};
use tonic::{Code, Request};

/// What is promised for nodes that can be reached.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);

/// A link that is cut for a renewed certificate is back within this time.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// How long the short-lived certificates of a test are good: long enough for debug builds to start and settle.
const SHORT: Duration = Duration::from_secs(40);

fn pki(mesh: &Mesh, args: &[&str]) -> String {
    let dir = mesh.pki().to_str().unwrap().to_owned();
    programs::run("codepop-node", mesh.root(), &[&["pki"], args, &["--dir", &dir]].concat())
}

fn url(mesh: &Mesh, node: usize) -> String {
    format!("https://{}", mesh.nodes[node].address())
}

fn revoke(mesh: &Mesh, whom: &str, at: usize) -> String {
    pki(mesh, &["revoke", whom, "--reason", "stolen", "--node", &url(mesh, at)])
}

/// Why a node takes no writes.
async fn writes_refused(operator: &Operator, address: SocketAddr) -> Option<String> {
    let mut node = NodesServiceClient::new(operator.dial(address).await.unwrap());
    node.get_health(GetHealthRequest {}).await.unwrap().into_inner().writes_refused
}

async fn knows_revoked(mesh: &Mesh, node: usize, holder: &str) -> Result<(), String> {
    let mut nodes = NodesServiceClient::new(mesh.channel(node).await);
    let known = nodes.list_revocations(ListRevocationsRequest::default()).await.unwrap().into_inner().revoked;
    check(known.iter().any(|known| known == holder), || format!("node {node} knows {known:?}"))
}

fn is_token_good(mesh: &Mesh, node: usize, token: &str) -> impl Future<Output = bool> {
    let mut request = Request::new(GetProfileRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    async move {
        let mut accounts = AccountsServiceClient::new(mesh.channel(node).await);
        accounts.get_profile(request).await.is_ok()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_store_is_out_within_five_seconds() {
    let mut mesh = Mesh::with(3).await;
    let gateway = mesh.gateway(&[1, 2]).await;
    mesh.sign_up(1, "ada").await;
    mesh.settled().await;
    let (of_stolen, of_other) =
        (mesh.log_in(1, "ada").await.unwrap().token, mesh.log_in(2, "ada").await.unwrap().token);
    assert!(is_token_good(&mesh, 2, &of_stolen).await);
    let holder = mesh.nodes[1].id.uuid.to_string();
    let said = revoke(&mesh, "1000", 0);
    assert!(said.contains("took it"), "{said}");

    eventually(REVOKED_WITHIN, "everybody refuses it and leaves it out", async || {
        for node in [0, 2, 3] {
            knows_revoked(&mesh, node, &holder).await?;
            check(mesh.peer(node, 1).await.is_none(), || format!("node {node} still tells of it"))?;
        }
        let linked = mesh.status(1).await.peers.iter().filter(|peer| peer.is_linked).count();
        check(linked == 0, || format!("it has {linked} links"))
    })
    .await;
    // It is shown the proof, and says itself why it takes no writes.
    eventually(SETTLE_TIMEOUT, "the revoked store says why it takes no writes", async || {
        let why = writes_refused(mesh.operator(), mesh.nodes[1].address()).await.unwrap_or_default();
        check(why.contains("revoked") && why.contains("stolen"), || why)
    })
    .await;
    assert_eq!(mesh.try_sign_up(1, "late").await.unwrap_err().code(), Code::FailedPrecondition);
    // Whom it logged in is not logged in any more; whom others did is.
    assert!(!is_token_good(&mesh, 2, &of_stolen).await && is_token_good(&mesh, 3, &of_other).await);
    mesh.log_in(2, "ada").await.unwrap();
    // Gateways go elsewhere.
    eventually(REVOKED_WITHIN, "the gateway uses another node", async || {
        let health = gateway.get("/backend/p2p/health/", None).await;
        let node = health.json["node_id"].as_str().unwrap_or_default();
        check(health.status == 200 && node != holder, || format!("{}", health.json))
    })
    .await;

    // Saying it again changes nothing, and there is no way back.
    assert!(revoke(&mesh, &holder, 2).contains("has it already"));
    let request = mesh.nodes[1].dir.join("request.json");
    let args = ["pki", "issue", request.to_str().unwrap(), "--dir", mesh.pki().to_str().unwrap()];
    let refused = programs::try_run("codepop-node", mesh.root(), &args, &[]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("was revoked"));
    // Also after a restart of both sides, and the others hold the same.
    mesh.kill9(0);
    mesh.kill9(1);
    mesh.start(0).await;
    mesh.start(1).await;
    eventually(SETTLE_TIMEOUT, "the revoked store knows it after a restart", async || {
        let why = writes_refused(mesh.operator(), mesh.nodes[1].address()).await;
        check(why.is_some(), || "it takes writes".to_owned())
    })
    .await;
    mesh.kill9(1);
    mesh.sign_up(2, "bob").await;
    mesh.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_away_is_refused_when_it_comes_back_and_told_why() {
    let mut mesh = Mesh::with(2).await;
    mesh.kill9(1);
    revoke(&mesh, "1000", 2);
    mesh.start(1).await;
    eventually(SETTLE_TIMEOUT, "it is shown the proof", async || {
        let why = writes_refused(mesh.operator(), mesh.nodes[1].address()).await.unwrap_or_default();
        check(why.contains("revoked"), || why)
    })
    .await;
    assert!(mesh.peer(0, 1).await.is_none());
    assert!(mesh.nodes[1].program().log().contains("refuses this node"), "it says so in its log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_gateway_gets_no_answers_and_others_do() {
    let mesh = Mesh::with(1).await;
    let (bad, good) = (mesh.gateway(&[1]).await, mesh.gateway(&[1, 0]).await);
    let path = "/backend/p2p/health/";
    bad.get(path, None).await.expect(200);
    let request = CertificateRequest::read(&mesh.root().join("gateway-1/request.json")).unwrap();
    revoke(&mesh, &request.uuid.to_string(), 0);
    eventually(REVOKED_WITHIN, "the revoked gateway gets no answer", async || {
        let answer = bad.get(path, None).await;
        check(answer.status == 503, || format!("{}", answer.status))
    })
    .await;
    good.get(path, None).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_is_renewed_and_can_be_revoked_by_another() {
    let mesh = Mesh::with(1).await;
    let first = mesh.operator().credentials().certified().clone();
    // Renewed: the same one, good for longer.
    assert!(pki(&mesh, &["operator"]).contains("certified anew"));
    let renewed = Operator::of(mesh.pki());
    let certified = renewed.credentials().certified();
    assert!(
        certified.id == first.id && certified.event_key == first.event_key && certified.not_after >= first.not_after
    );
    renewed.dial(mesh.nodes[0].address()).await.unwrap();
    // Another one.
    let folder = mesh.root().join("second");
    pki(&mesh, &["operator", "--out", folder.to_str().unwrap()]);
    let second = Operator::of(&folder);
    let (node, whom) = (url(&mesh, 1), first.id.uuid.to_string());
    let args = ["revoke", &whom, "--reason", "compromised", "--node", &node, "--operator", folder.to_str().unwrap()];
    assert!(pki(&mesh, &args).contains("took it"));
    eventually(REVOKED_WITHIN, "the first operator is refused everywhere, with a word that says why", async || {
        for node in 0..=1 {
            let refused = match renewed.dial(mesh.nodes[node].address()).await {
                Err(error) => error.to_string(),
                Ok(channel) => match NodesServiceClient::new(channel).get_health(GetHealthRequest {}).await {
                    Ok(_) => return Err(format!("node {node} answers")),
                    Err(status) => format!("{status:?}"),
                },
            };
            check(refused.contains("CertificateRevoked"), || refused)?;
        }
        Ok(())
    })
    .await;
    let mut nodes = NodesServiceClient::new(second.dial(mesh.nodes[0].address()).await.unwrap());
    nodes.get_health(GetHealthRequest {}).await.unwrap();
    // Neither may the last one cut the branch that it sits on.
    let own = second.credentials().certified().id.uuid.to_string();
    let args = ["pki", "revoke", &own, "--reason", "closed", "--node", &node, "--operator", folder.to_str().unwrap()];
    let args = [&args[..], &["--dir", mesh.pki().to_str().unwrap()]].concat();
    assert!(!programs::try_run("codepop-node", mesh.root(), &args, &[]).status.success());
}

/// Certifies a node anew, as `pki issue` does, for any length of time.
fn certify(mesh: &Mesh, node: usize, valid: Duration) {
    let read = |name: &str| fs::read_to_string(mesh.pki().join(name)).unwrap();
    let authority = Authority::from_pem(&read("ca.pem"), &read("ca.key")).unwrap();
    let request = CertificateRequest::read(&mesh.nodes[node].dir.join("request.json")).unwrap();
    let (csr, event_key) = request.verify().unwrap();
    let order = Order {
        id: mesh.nodes[node].id.clone(),
        event_key,
        csr: &csr,
        name: &request.name,
        dns: &["localhost".to_owned()],
        ips: &[],
        now: Utc::now(),
        valid,
    };
    let pem = authority.issue(order).unwrap();
    codepop_shared::files::replace(&mesh.nodes[node].dir.join("pki/node.pem"), pem.as_bytes()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_renewed_while_everything_goes_on() {
    let mut mesh = Builder::with(1).make().await;
    let ends = Utc::now() + SHORT;
    for node in 0..=1 {
        certify(&mesh, node, SHORT);
        mesh.start(node).await;
    }
    mesh.settled().await;
    for node in 0..=1 {
        let issued = mesh.nodes[node].dir.join("request.json");
        pki(&mesh, &["issue", issued.to_str().unwrap(), "--days", "30"]);
        mesh.nodes[node].program().signal("HUP");
    }
    eventually(SETTLE_TIMEOUT, "both took the new certificates over and told each other", async || {
        for node in 0..=1 {
            let until = mesh.status(node).await.node.unwrap().certificate_expires_at.unwrap().seconds;
            check(until > ends.timestamp() + 3_600, || format!("node {node} shows one until {until}"))?;
        }
        mesh.differences().await
    })
    .await;
    // Written all along, past the end of the old certificates; the links are cut with them, and back at once.
    let mut count = 0;
    while Utc::now() < ends + Duration::from_secs(3) {
        count += 1;
        mesh.sign_up(1, &format!("customer{count}")).await;
    }
    assert!(count > 3, "{count} written");
    eventually(BACK_WITHIN, "the link is back", async || {
        let linked = mesh.peer(0, 1).await.is_some_and(|peer| peer.is_linked);
        check(linked, || "no link".to_owned())
    })
    .await;
    mesh.settled().await;
    mesh.log_in(0, "customer1").await.unwrap();
    // What they said under the old certificates counts for newcomers too: its end is no end of what was said.
    mesh.kill9(1);
    mesh.start(1).await;
    mesh.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_s_certificate_is_not_taken_for_a_renewed_one() {
    let mesh = Mesh::with(2).await;
    let own = fs::read(mesh.nodes[1].dir.join("pki/node.pem")).unwrap();
    fs::copy(mesh.nodes[2].dir.join("pki/node.pem"), mesh.nodes[1].dir.join("pki/node.pem")).unwrap();
    mesh.nodes[1].program().signal("HUP");
    eventually(SETTLE_TIMEOUT, "it is refused in the log", async || {
        check(mesh.nodes[1].program().log().contains("the new certificate is not taken"), || "no word".to_owned())
    })
    .await;
    fs::write(mesh.nodes[1].dir.join("pki/node.pem"), own).unwrap();
    mesh.sign_up(1, "still-there").await;
    mesh.settled().await;
}

/// Copies a folder, but not the lock in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else if path.file_name().unwrap() != "lock" {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_data_directory_is_noticed_and_a_restart_is_not_taken_for_one() {
    let mut mesh = Mesh::with(2).await;
    mesh.sign_up(1, "before").await;
    mesh.settled().await;
    // A power cut and a restart are no copy.
    mesh.kill9(1);
    mesh.start(1).await;
    mesh.sign_up(1, "after-a-restart").await;
    mesh.settled().await;
    let twice = |conflicts: Vec<codepop_proto::nodes::Conflict>| conflicts.iter().any(|one| one.kind == "clone");
    assert!(!twice(mesh.conflicts(0).await) && !twice(mesh.conflicts(2).await));

    let dir = mesh.root().join("copy");
    copy(&mesh.nodes[1].dir, &dir);
    let mut command = programs::command("codepop-node");
    command.args(["run", "--data-dir", dir.to_str().unwrap(), "--listen", "127.0.0.1:0", "--log-format", "json"]);
    command.args(["--api-url", "https://127.0.0.1:1"]);
    let mut second = Program::start(command, &dir.with_extension("log"));
    let line = second.said(SETTLE_TIMEOUT, "the node serves").await;
    let address: SocketAddr = line["listen"].as_str().unwrap().parse().unwrap();
    eventually(SETTLE_TIMEOUT, "the copy takes no writes and says why", async || {
        let why = writes_refused(mesh.operator(), address).await.unwrap_or_default();
        check(why.contains("was the data directory copied?"), || why)
    })
    .await;
    eventually(SETTLE_TIMEOUT, "it is listed where both were seen", async || {
        let noted = twice(mesh.conflicts(0).await) || twice(mesh.conflicts(2).await);
        check(noted, || "nothing noted".to_owned())
    })
    .await;
    // The first one goes on.
    assert_eq!(writes_refused(mesh.operator(), mesh.nodes[1].address()).await, None);
    mesh.sign_up(1, "meanwhile").await;
    mesh.settled().await;
    second.kill9();
}

/// Has the authority forget what it certified of stores, as a copy of its folder from before would have.
fn forget_stores(mesh: &Mesh) {
    let path = mesh.pki().join("register.json");
    let mut register: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    register["entries"].as_array_mut().unwrap().retain(|entry| entry["kind"] != "store");
    fs::write(path, register.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_with_one_number_one_is_refused() {
    let mut mesh = Builder::with(2).make().await;
    forget_stores(&mesh);
    let mut ids: Vec<SpiffeId> = Vec::new();
    for node in [2, 1] {
        let dir = &mesh.nodes[node].dir;
        pki(&mesh, &["issue", dir.join("request.json").to_str().unwrap(), "--number", "1000"]);
        let expected = codepop_node::identity::Expected::default();
        ids.push(codepop_node::identity::NodeIdentity::load(dir, &expected).unwrap().id);
        forget_stores(&mesh);
    }
    assert_eq!((ids[0].number, ids[1].number), (1000, 1000));
    // Store 1 was made first, whoever shows up first.
    for node in [0, 2, 1] {
        mesh.start(node).await;
    }
    eventually(SETTLE_TIMEOUT, "the second one takes no writes and says why", async || {
        let why = writes_refused(mesh.operator(), mesh.nodes[2].address()).await.unwrap_or_default();
        check(why.contains("Number 1000 is that of"), || why)
    })
    .await;
    assert_eq!(writes_refused(mesh.operator(), mesh.nodes[1].address()).await, None);
    assert!(mesh.conflicts(0).await.iter().any(|conflict| conflict.kind == "duplicate_number"));
    mesh.sign_up(1, "first").await;
    assert!(mesh.try_sign_up(2, "second").await.is_err());
    // Revoking it puts an end to the matter.
    revoke(&mesh, &ids[0].uuid.to_string(), 0);
    mesh.kill9(2);
    mesh.settled().await;
}
