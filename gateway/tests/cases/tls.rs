//! Mutual TLS to the nodes, with real certificates of throw-away chains.

use chrono::Utc;
use codepop_gateway::upstream::Security;
use codepop_shared::{
    authority::{Authority, CERTIFICATE_VALID, Order},
    identity::{Kind, SpiffeId},
    request::KeyMaterial,
    tls::Credentials,
};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Gateway, Node, eventually};

fn credentials(authority: &Authority, kind: Kind, number: u32) -> Credentials {
    let region = if kind.is_node() { "A" } else { "-" };
    let chain = authority.chain().to_owned();
    let id = SpiffeId { chain, kind, region: region.to_owned(), number, uuid: Uuid::now_v7() };
    let keys = KeyMaterial::generate(kind.signs_events()).unwrap();
    let (csr, event_key) = (keys.csr(id.uuid).unwrap(), keys.event_key());
    let (now, valid) = (Utc::now(), CERTIFICATE_VALID);
    let order = Order { id, event_key, csr: &csr, name: "Name", dns: &[], ips: &[], now, valid };
    Credentials::from_pem(authority.pem(), &authority.issue(order).unwrap(), &keys.tls_pem()).unwrap()
}

async fn gateway(authority: &Authority, seeds: &[&Node]) -> Gateway {
    let security = Security::Tls(credentials(authority, Kind::Gateway, 0).into());
    Gateway::secured(seeds.iter().map(|node| node.url()).collect(), None, security).await
}

#[tokio::test]
async fn a_certificate_says_who_a_node_is() {
    let authority = Authority::create("library", Utc::now()).unwrap();
    let node = Node::secure("main", 1.0, &credentials(&authority, Kind::Store, 1001)).await;
    let gateway = gateway(&authority, &[&node]).await;
    assert_eq!(gateway.get("/library/anyone").await.json(), json!({"name": "main"}));
    // Nobody has described the only node: its number is in its certificate.
    assert_eq!(gateway.get("/library/loans/500001001").await.json(), json!({"name": "main"}));
}

#[tokio::test]
async fn nobody_answers_in_the_name_of_another() {
    let authority = Authority::create("library", Utc::now()).unwrap();
    let honest = Node::secure("honest", 1.0, &credentials(&authority, Kind::Store, 1001)).await;
    let mut pretender = Node::secure("pretender", 2.0, &credentials(&authority, Kind::Store, 1002)).await;
    pretender.id = Uuid::now_v7();
    honest.knows(&[&pretender]);
    let gateway = gateway(&authority, &[&honest]).await;
    let path = format!("/library/branches/{}/loans", pretender.id);
    eventually("told of", || async { gateway.get("/healthz").await.json()["nodes"]["known"] == 2 }).await;
    gateway.post(&path, &json!({})).await.is_error(503, "unavailable");
    assert!(pretender.seen().is_empty());
}

#[tokio::test]
async fn other_chains_and_plain_text_are_refused() {
    let ours = Authority::create("library", Utc::now()).unwrap();
    let theirs = Authority::create("library", Utc::now()).unwrap();
    let node = Node::secure("main", 1.0, &credentials(&theirs, Kind::Store, 1001)).await;
    gateway(&ours, &[&node]).await.get("/library/anyone").await.is_error(503, "unavailable");
    let plain = Node::store("plain", 1001, 1.0).await;
    let url = plain.url();
    let security = Security::Tls(credentials(&ours, Kind::Gateway, 0).into());
    let home = codepop_gateway::upstream::Home::default();
    let config = codepop_gateway::upstream::Config { seeds: vec![url], home, security };
    let config =
        codepop_gateway::server::Config { upstream: config, origins: Default::default(), proxies: Default::default() };
    let refused = codepop_gateway::Gateway::start(codepop_proto::DESCRIPTORS, config).await.unwrap_err();
    assert!(refused.to_string().contains("must begin with https://"), "{refused}");
}
