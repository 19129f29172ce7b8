//! Hubs as authorities of their region: stores that are renewed without the chain's authority, and what a hub's revocation
//! ends.

use codepop_node::identity::{Expected, NodeIdentity};
use codepop_proto::mesh::{RenewCertificateRequest, mesh_service_client::MeshServiceClient};
use codepop_shared::{
    authority::{RegionFiles, RegionSigner},
    files,
    identity::Certified,
    tls::{Connector, Credentials, Expect, TlsFiles, client_config},
};
use codepop_tests::harness::{Backend, Spec, store};
use tonic::Status;

use super::*;

/// The certificate that a node has in its folder.
fn held(mesh: &Mesh, node: usize) -> Credentials {
    TlsFiles::in_folder(&mesh.nodes[node].dir.join("pki")).load().unwrap()
}

/// What a hub signs with.
fn signer(mesh: &Mesh, hub: usize) -> RegionSigner {
    let files = RegionFiles::in_folder(&mesh.nodes[hub].dir.join("pki"));
    files.load(&mesh.nodes[hub].id, held(mesh, hub).ca()).unwrap()
}

/// Certifies a store anew with a hub's keys, as the hub does.
fn signed_by(mesh: &Mesh, hub: usize, node: usize) -> Certified {
    // So that there is something to be gained.
    certify(mesh, node, SHORT);
    signer(mesh, hub).renew(held(mesh, node).certified(), Utc::now() + Duration::from_secs(1)).unwrap()
}

/// The node's keys under another certificate.
fn with(mesh: &Mesh, node: usize, certificate: &Certified) -> Credentials {
    TlsFiles::in_folder(&mesh.nodes[node].dir.join("pki")).load_with(&certificate.der).unwrap()
}

/// Asks a node for revocations, as whoever has these credentials; the answer does not matter.
async fn call(own: &Credentials, address: SocketAddr) -> Result<(), String> {
    let connector = Connector::tls(client_config(own, Expect::AnyNode).unwrap());
    let (channel, _) = connector.connect(&format!("https://{address}")).await.map_err(|error| error.to_string())?;
    let asked = NodesServiceClient::new(channel).list_revocations(ListRevocationsRequest::default()).await;
    asked.map(|_| ()).map_err(|status| format!("{status:?}"))
}

async fn renew(own: &Credentials, address: SocketAddr) -> Result<Certified, Status> {
    let connector = Connector::tls(client_config(own, Expect::AnyNode).unwrap());
    let (channel, _) = connector.connect(&format!("https://{address}")).await.unwrap();
    let answer = MeshServiceClient::new(channel).renew_certificate(RenewCertificateRequest {}).await?.into_inner();
    Ok(Certified::verify(&answer.certificate, own.ca()).unwrap())
}

async fn is_linked(mesh: &Mesh, node: usize, other: usize) -> Result<(), String> {
    let linked = mesh.peer(node, other).await.is_some_and(|peer| peer.is_linked);
    check(linked, || format!("no link from {node} to {other}"))
}

on_both!(a_store_is_renewed_by_its_hub_and_everything_goes_on, async |backend: Backend| {
    let mut mesh = Builder::with(3).on(backend).make().await;
    let ends = Utc::now() + SHORT;
    certify(&mesh, 1, SHORT);
    for node in 0..=2 {
        mesh.start(node).await;
    }
    let gateway = mesh.gateway(&[1]).await;
    mesh.settled().await;
    // Nobody needs the chain's authority for what follows.
    let (pki, safe) = (mesh.pki().to_owned(), mesh.root().join("safe"));
    fs::rename(&pki, &safe).unwrap();
    eventually(SHORT, "the store has a certificate of its hub, in its file and in the registry", async || {
        let file = held(&mesh, 1);
        let issuer = file.certified().issuer.as_ref().map(|issuer| issuer.hub.clone());
        check(issuer.as_ref() == Some(&mesh.nodes[0].id), || format!("{issuer:?}"))?;
        let until = mesh.status(1).await.node.unwrap().certificate_expires_at.unwrap().seconds;
        check(until > ends.timestamp(), || format!("shown: until {until}"))
    })
    .await;
    assert!(Utc::now() < ends, "before the first one ended");
    assert!(mesh.nodes[0].program().log().contains("a store's certificate was renewed"));
    // Written all along, past the end of the first certificate, and of the first that the hub made.
    let mut count = 0;
    while Utc::now() < ends + SHORT / 2 {
        count += 1;
        mesh.sign_up(1, &format!("customer{count}")).await;
    }
    assert!(count > 3, "{count} written");
    eventually(BACK_WITHIN, "the links are there", async || is_linked(&mesh, 1, 0).await).await;
    mesh.settled().await;
    gateway.get("/backend/p2p/health/", None).await.expect(200);
    // Those who know nothing yet, and those who begin anew, judge it by what was announced.
    mesh.start(3).await;
    for node in [1, 2] {
        mesh.kill9(node);
        mesh.start(node).await;
    }
    mesh.settled().await;
    eventually(BACK_WITHIN, "the stores are linked again", async || {
        is_linked(&mesh, 1, 0).await?;
        is_linked(&mesh, 3, 1).await
    })
    .await;
    for node in [0, 2, 3] {
        mesh.log_in(node, "customer1").await.unwrap();
    }
    fs::rename(&safe, &pki).unwrap();
    let gateway = mesh.gateway(&[1, 2]).await;
    let answer = gateway.get("/backend/p2p/health/", None).await.expect(200);
    assert_eq!(answer["node_id"], mesh.nodes[1].id.uuid.to_string());
    let log = mesh.nodes[1].program().log();
    assert!(!log.contains("the certificate was not renewed"), "{log}");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_renews_stores_of_its_own_region_alone_and_only_when_it_is_time() {
    let hub = |name: &str, region, seeds| Spec {
        name: name.to_owned(),
        kind: "SUPPLY_HUB",
        region,
        place: (41.74, -111.83),
        seeds,
    };
    let other = Spec { region: "D", ..store(3, vec![0]) };
    let specs = vec![hub("hub", "C", vec![]), hub("other-hub", "D", vec![0]), store(2, vec![0]), other];
    let mut mesh = Builder::of(specs).make().await;
    for node in 0..=1 {
        mesh.start(node).await;
    }
    let refused = async |node: usize, at: usize| {
        let status = renew(&held(&mesh, node), mesh.nodes[at].address()).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
        status.message().to_owned()
    };
    assert!(refused(2, 0).await.contains("no later than the present one"), "it is good for two years");
    certify(&mesh, 3, SHORT);
    let by_own = eventually(SETTLE_TIMEOUT, "its own hub renews it, once a second is gained", async || {
        renew(&held(&mesh, 3), mesh.nodes[1].address()).await.map_err(|status| format!("{status:?}"))
    })
    .await;
    assert_eq!((&by_own.id, &by_own.issuer.unwrap().hub), (&mesh.nodes[3].id, &mesh.nodes[1].id));
    assert!(refused(3, 0).await.contains("own region"), "the hub of another region");
    // Hubs are certified by the chain's authority alone.
    let status = renew(&held(&mesh, 1), mesh.nodes[0].address()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    // A hub that has lost what it signs with says so, and renews nothing.
    mesh.stop(1).await;
    fs::remove_file(mesh.nodes[1].dir.join("pki/region.pem")).unwrap();
    mesh.start(1).await;
    eventually(SETTLE_TIMEOUT, "the hub says what it lacks", async || {
        let warning = mesh.health(1).await.certificate_warning.unwrap_or_default();
        check(warning.contains("region.pem"), || warning)
    })
    .await;
    let status = renew(&held(&mesh, 3), mesh.nodes[1].address()).await.unwrap_err();
    assert!(status.code() == Code::FailedPrecondition && status.message().contains("no authority"), "{status:?}");
    assert!(mesh.health(0).await.certificate_warning.is_none());
    // `init` and `pki issue` mend it.
    let folder = mesh.nodes[1].dir.to_str().unwrap().to_owned();
    let said = programs::run("codepop-node", mesh.root(), &["init", "--data-dir", &folder]);
    assert!(said.contains("region.pem"), "{said}");
    let said = pki(&mesh, &["issue", &format!("{folder}/request.json")]);
    assert!(said.contains("may renew"), "{said}");
    renew(&held(&mesh, 3), mesh.nodes[1].address()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_renews_by_hand_is_not_disturbed() {
    let mut mesh = Builder::with(1).make().await;
    certify(&mesh, 1, SHORT);
    for node in 0..=1 {
        mesh.start(node).await;
    }
    mesh.settled().await;
    let request = mesh.nodes[1].dir.join("request.json");
    pki(&mesh, &["issue", request.to_str().unwrap(), "--days", "30"]);
    let by_hand = held(&mesh, 1).certified().der.clone();
    eventually(SHORT, "the store finds it when it would have asked its hub", async || {
        let log = mesh.nodes[1].program().log();
        check(log.contains("is left alone"), || log)
    })
    .await;
    mesh.nodes[1].program().signal("HUP");
    eventually(SETTLE_TIMEOUT, "it is taken over", async || {
        let until = mesh.status(1).await.node.unwrap().certificate_expires_at.unwrap().seconds;
        check(until > Utc::now().timestamp() + 3_600, || format!("until {until}"))
    })
    .await;
    assert_eq!(held(&mesh, 1).certified().der, by_hand);
    assert!(!mesh.nodes[0].program().log().contains("a store's certificate was renewed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_hub_certifies_nobody_any_more_and_whom_it_did_goes_on() {
    let mut mesh = Builder::with(3).make().await;
    // Long enough for the whole of this, as its hub makes them.
    let renewed = {
        certify(&mesh, 1, Duration::from_secs(3_600));
        signer(&mesh, 0).renew(held(&mesh, 1).certified(), Utc::now() + Duration::from_secs(5)).unwrap()
    };
    files::replace(&mesh.nodes[1].dir.join("pki/node.pem"), renewed.pem().unwrap().as_bytes()).unwrap();
    for node in 0..=3 {
        mesh.start(node).await;
    }
    let gateway = mesh.gateway(&[1, 2]).await;
    mesh.settled().await;
    // Whoever has the hub's keys makes a certificate; it is good until the hub is revoked.
    let minted = with(&mesh, 3, &signed_by(&mesh, 0, 3));
    for node in 0..=2 {
        call(&minted, mesh.nodes[node].address()).await.unwrap();
    }
    let said = revoke(&mesh, "1", 2);
    assert!(said.contains("took it") && said.contains("stay good"), "{said}");
    let again = with(&mesh, 3, &signer(&mesh, 0).renew(minted.certified(), Utc::now() + SHORT / 2).unwrap());
    eventually(REVOKED_WITHIN, "everybody refuses what the hub signed", async || {
        for node in [1, 2, 3] {
            for own in [&minted, &again] {
                let answer = call(own, mesh.nodes[node].address()).await.err().unwrap_or_default();
                check(answer.contains("CertificateRevoked"), || format!("node {node}: {answer}"))?;
            }
        }
        Ok(())
    })
    .await;
    mesh.kill9(0);
    // What was announced before goes on, also after restarts on both sides.
    mesh.sign_up(1, "ada").await;
    for node in [1, 2] {
        eventually(SETTLE_TIMEOUT, "the renewed store is linked", async || is_linked(&mesh, 1, 2).await).await;
        mesh.settled().await;
        mesh.kill9(node);
        mesh.start(node).await;
    }
    mesh.sign_up(1, "bob").await;
    eventually(SETTLE_TIMEOUT, "the renewed store is linked", async || is_linked(&mesh, 2, 1).await).await;
    mesh.settled().await;
    mesh.log_in(2, "bob").await.unwrap();
    assert_eq!(writes_refused(mesh.operator(), mesh.nodes[1].address()).await, None);
    eventually(SETTLE_TIMEOUT, "the gateway goes on with it", async || {
        let answer = gateway.get("/backend/p2p/health/", None).await;
        let node = answer.json["node_id"].as_str().unwrap_or_default().to_owned();
        check(answer.status == 200 && node == mesh.nodes[1].id.uuid.to_string(), || format!("{}", answer.json))
    })
    .await;
    // A gateway that begins now does so too, and `pki issue` frees the store from it all.
    mesh.gateway(&[2, 1]).await.get("/backend/p2p/health/", None).await.expect(200);
    let request = mesh.nodes[1].dir.join("request.json");
    pki(&mesh, &["issue", request.to_str().unwrap()]);
    mesh.nodes[1].program().signal("HUP");
    eventually(SETTLE_TIMEOUT, "the store announced the new certificate", async || {
        let until = mesh.status(1).await.node.unwrap().certificate_expires_at.unwrap().seconds;
        check(until > Utc::now().timestamp() + 7_200, || format!("until {until}"))?;
        mesh.differences().await
    })
    .await;
    let own = NodeIdentity::load(&mesh.nodes[1].dir, &Expected::default()).unwrap();
    assert!(own.certificate.issuer.is_none());
}
