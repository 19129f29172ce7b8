//! TLS between real sockets: who gets in, who does not, and that the one never waits for the other.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use codepop_shared::{
    authority::{Authority, CERTIFICATE_VALID, Order, RegionSigner},
    identity::{Kind, SpiffeId},
    request::{KeyMaterial, RegionKey},
    tls::{
        Connector, Credentials, Error, Expect, Incoming, Limits, PeerStream, Refusal, Refused, Security, Trust,
        client_config, listen, listen_with, server_config,
    },
};
use rustls::{ClientConfig, RootCertStore, crypto::ring, version::TLS12};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;
use tokio_stream::StreamExt as _;
use tonic::transport::server::Connected as _;
use uuid::Uuid;

/// Long enough for any machine; only a fault takes it.
const PATIENCE: Duration = Duration::from_secs(20);

fn authority() -> Authority {
    Authority::create("demo", Utc::now()).unwrap()
}

fn id(kind: Kind, number: u32) -> SpiffeId {
    let region = if kind.is_node() { "C" } else { "-" };
    SpiffeId { chain: "demo".to_owned(), kind, region: region.to_owned(), number, uuid: Uuid::now_v7() }
}

fn credentials_at(authority: &Authority, id: SpiffeId, now: DateTime<Utc>, valid: Duration) -> Credentials {
    let keys = KeyMaterial::generate(id.kind.signs_events()).unwrap();
    let csr = keys.csr(id.uuid).unwrap();
    let event_key = keys.event_key();
    let order = Order { id, event_key, csr: &csr, name: "Name", dns: &[], ips: &[], now, valid };
    Credentials::from_pem(authority.pem(), &authority.issue(order).unwrap(), &keys.tls_pem()).unwrap()
}

fn credentials(authority: &Authority, kind: Kind, number: u32) -> Credentials {
    credentials_at(authority, id(kind, number), Utc::now(), CERTIFICATE_VALID)
}

struct Server {
    incoming: Incoming,
    url: String,
    uuid: Uuid,
}

async fn server_with(trust: impl Into<Trust>, limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let trust = trust.into();
    let security = Security::Tls(server_config(&trust).unwrap());
    let incoming = listen_with(listener, security, limits).unwrap();
    let url = format!("https://{}", incoming.address());
    Server { incoming, url, uuid: trust.credentials().certified().id.uuid }
}

impl Server {
    async fn start(authority: &Authority) -> Self {
        server_with(&credentials(authority, Kind::Store, 1000), Limits::default()).await
    }

    async fn accept(&mut self) -> PeerStream {
        tokio::time::timeout(PATIENCE, self.incoming.next()).await.unwrap().unwrap().unwrap()
    }

    /// Fails if somebody got in before the one who is let in now.
    async fn assert_nobody_else_came(&mut self, authority: &Authority) {
        let last = credentials(authority, Kind::Gateway, 0);
        let _client = dial(&last, &self.url, Expect::AnyNode).await;
        assert_eq!(self.accept().await.info().certified.as_ref().unwrap().id, last.certified().id);
    }
}

type Dialled = Result<PeerStream, std::io::Error>;

async fn dial(credentials: &Credentials, url: &str, expect: Expect) -> Dialled {
    let connector = Connector::tls(client_config(credentials, expect).unwrap());
    dial_with(connector, url).await
}

async fn dial_with(mut connector: Connector, url: &str) -> Dialled {
    tower::Service::call(&mut connector, url.parse().unwrap()).await.map(hyper_util::rt::TokioIo::into_inner)
}

/// What the client notices of a refusal: with TLS 1.3 that may be after its own part of the handshake.
async fn is_refused(dialled: Dialled) -> bool {
    match dialled {
        Err(_) => true,
        Ok(mut stream) => tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap().is_err(),
    }
}

#[tokio::test]
async fn both_ends_learn_who_the_other_is() {
    let authority = authority();
    let mut server = Server::start(&authority).await;
    for kind in [Kind::Hub, Kind::Gateway, Kind::Operator] {
        let own = credentials(&authority, kind, u32::from(kind == Kind::Hub));
        let connector = Connector::tls(client_config(&own, Expect::Node(server.uuid)).unwrap());
        assert!(connector.peer().get().is_none());
        let mut client = dial_with(connector.clone(), &server.url).await.unwrap();
        let mut accepted = server.accept().await;
        assert_eq!(accepted.connect_info().certified.unwrap().id, own.certified().id);
        assert_eq!(connector.peer().get().unwrap().certified.unwrap().id.uuid, server.uuid);
        client.write_all(b"hello").await.unwrap();
        client.flush().await.unwrap();
        let mut heard = [0; 5];
        accepted.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
    }
}

fn region(authority: &Authority) -> RegionSigner {
    let (hub, key) = (id(Kind::Hub, 1), RegionKey::generate().unwrap());
    let (csr, now) = (key.csr(hub.uuid).unwrap(), Utc::now());
    let pem = authority.issue_region(&hub, &csr, now, now + 2 * CERTIFICATE_VALID).unwrap();
    RegionSigner::from_pem(&pem, &key.pem(), authority.certificate()).unwrap()
}

/// A store whose certificate its hub has renewed, and the key to it.
fn renewed(authority: &Authority, hub: &RegionSigner, number: u32) -> (Credentials, String) {
    let (id, keys) = (id(Kind::Store, number), KeyMaterial::generate(true).unwrap());
    let (csr, now, valid) = (keys.csr(id.uuid).unwrap(), Utc::now(), CERTIFICATE_VALID);
    let event_key = keys.event_key();
    let order =
        Order { id, event_key, csr: &csr, name: "Name", dns: &[], ips: &[], now: now - valid / 2, valid: valid / 2 };
    let ends = Credentials::from_pem(authority.pem(), &authority.issue(order).unwrap(), &keys.tls_pem()).unwrap();
    let pem = hub.renew(ends.certified(), now).unwrap().pem().unwrap();
    (Credentials::from_pem(authority.pem(), &pem, &keys.tls_pem()).unwrap(), keys.tls_pem())
}

#[tokio::test]
async fn a_store_whose_hub_renewed_it_is_met_like_any_other() {
    let authority = authority();
    let hub = region(&authority);
    let (store, other) = (renewed(&authority, &hub, 1000).0, renewed(&authority, &hub, 1001).0);
    let mut server = server_with(&store, Limits::default()).await;
    for own in [credentials(&authority, Kind::Gateway, 0), credentials(&authority, Kind::Hub, 2), other] {
        let connector = Connector::tls(client_config(&own, Expect::Node(server.uuid)).unwrap());
        let _client = dial_with(connector.clone(), &server.url).await.unwrap();
        let accepted = server.accept().await;
        assert_eq!(accepted.info().certified.as_ref().unwrap().der, own.certified().der);
        let answered = connector.peer().get().unwrap().certified.unwrap();
        assert_eq!(answered.der, store.certified().der, "both certificates");
        assert_eq!(answered.issuer.as_ref().unwrap().hub, *hub.hub());
    }
}

#[tokio::test]
async fn what_stands_between_must_be_shown_and_must_have_signed() {
    let authority = authority();
    let hub = region(&authority);
    let mut server = Server::start(&authority).await;
    let (store, key) = renewed(&authority, &hub, 1001);
    let list = store.certified().certificates();
    let another = region(&authority);
    let foreign = renewed(&authority, &another, 1002).0.certified().certificates();
    for (what, shown) in [
        ("the store's alone", vec![list[0].clone()]),
        ("three", vec![list[0].clone(), list[1].clone(), list[1].clone()]),
        ("with another hub's", vec![list[0].clone(), foreign[1].clone()]),
        ("the hub's authority alone", vec![list[1].clone()]),
        ("the wrong way round", vec![list[1].clone(), list[0].clone()]),
    ] {
        let key = rustls::pki_types::pem::PemObject::from_pem_slice(key.as_bytes()).unwrap();
        let key = ring::default_provider().key_provider.load_private_key(key).unwrap();
        let shown = rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::new(shown, key));
        let config = client_config(&store, Expect::AnyNode).unwrap().showing(Arc::new(shown));
        assert!(is_refused(dial_with(Connector::tls(config), &server.url).await).await, "{what}");
    }
    server.assert_nobody_else_came(&authority).await;
}

#[tokio::test]
async fn what_a_revoked_hub_signed_is_cut_and_kept_out_but_for_what_is_spared() {
    let authority = authority();
    let hub = region(&authority);
    let trust = Trust::new(credentials(&authority, Kind::Store, 1000));
    let mut server = server_with(&trust, Limits::default()).await;
    let (spared, fresh) = (renewed(&authority, &hub, 1001).0, renewed(&authority, &hub, 1002).0);
    let _client = dial(&fresh, &server.url, Expect::AnyNode).await.unwrap();
    let mut open = server.accept().await;
    let refused = |spared: &Credentials| Refused {
        issuers: HashMap::from([(hub.hub().uuid, Refusal { why: "its hub was revoked".to_owned(), is_told: false })]),
        spared: [spared.certified().fingerprint()].into(),
        ..Refused::default()
    };
    assert_eq!(trust.refuse(refused(&spared)), 1);
    assert!(open.read_u8().await.is_err());
    let error = match dial(&fresh, &server.url, Expect::AnyNode).await {
        Err(error) => error,
        Ok(mut stream) => tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap_err(),
    };
    assert!(error.to_string().contains("CertificateRevoked"), "{error}");
    let _client = dial(&spared, &server.url, Expect::AnyNode).await.unwrap();
    assert_eq!(server.accept().await.info().certified.as_ref().unwrap().id, spared.certified().id);
    // Nor is it dialled.
    let dialler = Trust::new(credentials(&authority, Kind::Gateway, 0));
    dialler.refuse(refused(&spared));
    for (own, is_met) in [(&spared, true), (&fresh, false)] {
        let server = server_with(own, Limits::default()).await;
        let connector = Connector::tls(client_config(&dialler, Expect::AnyNode).unwrap());
        assert_eq!(dial_with(connector, &server.url).await.is_ok(), is_met);
    }
}

#[tokio::test]
async fn who_is_refused_is_cut_and_kept_out_and_a_node_is_told_why() {
    let authority = authority();
    let trust = Trust::new(credentials(&authority, Kind::Store, 1000));
    let mut server = server_with(&trust, Limits::default()).await;
    let (gateway, hub) = (credentials(&authority, Kind::Gateway, 0), credentials(&authority, Kind::Hub, 1));
    let _client = dial(&gateway, &server.url, Expect::AnyNode).await.unwrap();
    let mut accepted = server.accept().await;
    let refusal = |is_told| Refusal { why: "it was stolen".to_owned(), is_told };
    let of = |own: &Credentials, is_told| (own.certified().id.uuid, refusal(is_told));
    assert_eq!(trust.refuse(HashMap::from([of(&gateway, false), of(&hub, true)])), 1, "the one that is open");
    assert!(accepted.read_u8().await.is_err());
    let refused = match dial(&gateway, &server.url, Expect::AnyNode).await {
        Err(error) => error,
        Ok(mut stream) => tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap_err(),
    };
    assert!(refused.to_string().contains("CertificateRevoked"), "{refused}");
    // The node comes in for a moment.
    let _client = dial(&hub, &server.url, Expect::AnyNode).await.unwrap();
    let mut told = server.accept().await;
    assert_eq!(told.info().certified.as_ref().unwrap().id, hub.certified().id);
    assert!(tokio::time::timeout(PATIENCE, told.read_u8()).await.unwrap().is_err());
    // Nor is one that is refused dialled.
    let own = Trust::new(hub);
    own.refuse(HashMap::from([(server.uuid, refusal(true))]));
    let connector = Connector::tls(client_config(&own, Expect::AnyNode).unwrap());
    let error = dial_with(connector, &server.url).await.unwrap_err();
    assert!(error.to_string().contains("it was stolen"), "{error}");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_then_on() {
    let authority = authority();
    let (id, keys) = (id(Kind::Store, 1000), KeyMaterial::generate(true).unwrap());
    let certified = |valid| {
        let (csr, event_key) = (keys.csr(id.uuid).unwrap(), keys.event_key());
        let now = Utc::now();
        let order = Order { id: id.clone(), event_key, csr: &csr, name: "Name", dns: &[], ips: &[], now, valid };
        Credentials::from_pem(authority.pem(), &authority.issue(order).unwrap(), &keys.tls_pem()).unwrap()
    };
    let trust = Trust::new(certified(CERTIFICATE_VALID / 2));
    let mut server = server_with(&trust, Limits::default()).await;
    let caller = credentials(&authority, Kind::Gateway, 0);
    let connector = Connector::tls(client_config(&caller, Expect::Node(id.uuid)).unwrap());
    let mut shown = Vec::new();
    for _ in 0..2 {
        let mut client = dial_with(connector.clone(), &server.url).await.unwrap();
        let mut accepted = server.accept().await;
        shown.push(connector.peer().get().unwrap().certified.unwrap().not_after);
        trust.renew(certified(CERTIFICATE_VALID)).unwrap();
        // What is open goes on.
        client.write_all(b"x").await.unwrap();
        client.flush().await.unwrap();
        assert_eq!(accepted.read_u8().await.unwrap(), b'x');
    }
    assert!(shown[0] < shown[1], "{shown:?}");
}

#[tokio::test]
async fn tonic_speaks_through_it_and_a_cut_ends_it() {
    let authority = authority();
    let Server { incoming, url, uuid } = Server::start(&authority).await;
    let (reporter, service) = tonic_health::server::health_reporter();
    drop(reporter);
    tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
    let connector = Connector::tls(client_config(credentials(&authority, Kind::Gateway, 0), Expect::AnyNode).unwrap());
    let (channel, peer) = connector.connect(&url).await.unwrap();
    assert_eq!(peer.certified.unwrap().id.uuid, uuid);
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    health.check(tonic_health::pb::HealthCheckRequest::default()).await.unwrap();
    let watch = health.watch(tonic_health::pb::HealthCheckRequest::default()).await.unwrap();
    let mut watch = watch.into_inner();
    assert!(watch.message().await.unwrap().is_some());
    peer.cut.cancel();
    assert!(tokio::time::timeout(PATIENCE, watch.message()).await.unwrap().is_err());
}

#[tokio::test]
async fn the_server_can_cut_a_connection() {
    let authority = authority();
    let mut server = Server::start(&authority).await;
    let mut client =
        dial(&credentials(&authority, Kind::Hub, 1), &server.url, Expect::Node(server.uuid)).await.unwrap();
    let mut accepted = server.accept().await;
    let cut = accepted.info().cut.clone();
    let reader = tokio::spawn(async move { accepted.read_u8().await });
    cut.cancel();
    assert!(tokio::time::timeout(PATIENCE, reader).await.unwrap().unwrap().is_err());
    assert!(tokio::time::timeout(PATIENCE, client.read_u8()).await.unwrap().is_err());
}

#[tokio::test]
async fn a_connection_ends_with_the_certificate() {
    let authority = authority();
    let mut server = Server::start(&authority).await;
    let soon = credentials_at(&authority, id(Kind::Hub, 1), Utc::now(), Duration::from_secs(2));
    let mut client = dial(&soon, &server.url, Expect::AnyNode).await.unwrap();
    let mut accepted = server.accept().await;
    assert!(tokio::time::timeout(PATIENCE, accepted.read_u8()).await.unwrap().is_err());
    drop(accepted);
    assert!(client.read_u8().await.is_err());
    assert!(is_refused(dial(&soon, &server.url, Expect::AnyNode).await).await, "expired");
}

#[tokio::test]
async fn an_old_tls_version_is_refused() {
    let authority = authority();
    let mut server = Server::start(&authority).await;
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(server.incoming.address()).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let error = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    server.assert_nobody_else_came(&authority).await;
}

#[tokio::test]
async fn callers_without_or_with_a_foreign_certificate_are_refused() {
    let (authority, foreign) = (authority(), authority());
    let mut server = Server::start(&authority).await;

    // No certificate at all, but otherwise alike.
    let own = credentials(&authority, Kind::Hub, 1);
    let bare = client_config(&own, Expect::AnyNode).unwrap().showing(Arc::new(NoCertificate));
    assert!(is_refused(dial_with(Connector::tls(bare), &server.url).await).await);

    // A certificate of another authority that calls itself by the same name; this client trusts the server's.
    let stranger = credentials(&foreign, Kind::Hub, 1);
    let theirs = client_config(&stranger, Expect::AnyNode).unwrap().certificates();
    let mixed = client_config(&own, Expect::AnyNode).unwrap().showing(theirs);
    assert!(is_refused(dial_with(Connector::tls(mixed), &server.url).await).await);

    // And the stranger itself does not trust the server.
    let error = dial(&stranger, &server.url, Expect::AnyNode).await.unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");

    // Run out, and not yet good.
    for away in [-3, 3] {
        let now = Utc::now() + chrono::Duration::days(away);
        let other_day = credentials_at(&authority, id(Kind::Hub, 2), now, Duration::from_secs(60));
        assert!(is_refused(dial(&other_day, &server.url, Expect::AnyNode).await).await, "{away} days");
    }
    server.assert_nobody_else_came(&authority).await;
}

#[derive(Debug)]
struct NoCertificate;

impl rustls::client::ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn whoever_answers_must_be_the_node_expected() {
    let authority = authority();
    let own = credentials(&authority, Kind::Hub, 1);
    let server = Server::start(&authority).await;
    let error = dial(&own, &server.url, Expect::Node(Uuid::now_v7())).await.unwrap_err();
    assert!(error.to_string().contains("not the node expected"), "{error}");
    let connector = Connector::tls(client_config(&own, Expect::Node(Uuid::now_v7())).unwrap());
    let error = connector.connect(&server.url).await.unwrap_err();
    assert!(error.to_string().contains("not the node expected"), "{error}");

    // A gateway's certificate is no server's.
    let gateway = server_with(&credentials(&authority, Kind::Gateway, 0), Limits::default()).await;
    assert!(dial(&own, &gateway.url, Expect::AnyNode).await.is_err());
}

#[tokio::test]
async fn who_says_nothing_holds_nobody_up() {
    let authority = authority();
    let limits = Limits { handshakes_per_address: 3, handshake_time: Duration::from_millis(300), ..Limits::default() };
    let mut server = server_with(&credentials(&authority, Kind::Store, 1000), limits).await;
    let address = server.incoming.address();
    let stuck = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    let own = credentials(&authority, Kind::Hub, 1);
    let _client = dial(&own, &server.url, Expect::AnyNode).await.unwrap();
    server.accept().await;
    for mut socket in stuck {
        let end = tokio::time::timeout(PATIENCE, socket.read(&mut [0; 64])).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)), "closed when its time is over");
    }
    // Rubbish ends only its own connection.
    let mut rubbish = TcpStream::connect(address).await.unwrap();
    rubbish.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    server.assert_nobody_else_came(&authority).await;
}

#[tokio::test]
async fn there_is_a_cap_on_open_connections() {
    let authority = authority();
    let limits = Limits { connections_per_address: 1, ..Limits::default() };
    let mut server = server_with(&credentials(&authority, Kind::Store, 1000), limits).await;
    let own = credentials(&authority, Kind::Hub, 1);
    let _first = dial(&own, &server.url, Expect::AnyNode).await.unwrap();
    let accepted = server.accept().await;
    assert!(dial(&own, &server.url, Expect::AnyNode).await.is_err());
    drop(accepted);
    dial(&own, &server.url, Expect::AnyNode).await.unwrap();
    server.accept().await;
}

#[tokio::test]
async fn plain_text_is_for_loopback_only() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut incoming = listen(listener, Security::Plain).unwrap();
    let (connector, url) = (Connector::plain(), format!("http://{}", incoming.address()));
    let _client = dial_with(connector.clone(), &url).await.unwrap();
    assert!(incoming.next().await.unwrap().unwrap().info().certified.is_none());
    assert!(matches!(connector.connect("http://192.0.2.1:7101").await, Err(Error::Address { .. })));
    let everywhere = TcpListener::bind("0.0.0.0:0").await.unwrap();
    assert!(listen(everywhere, Security::Plain).is_err());
}

#[test]
fn the_settings_are_what_is_promised() {
    let own = credentials(&authority(), Kind::Store, 1000);
    let server = server_config(&own).unwrap();
    assert_eq!(
        (server.config().alpn_protocols.as_slice(), server.config().send_tls13_tickets),
        ([b"h2".to_vec()].as_slice(), 0)
    );
    assert!(!server.config().session_storage.can_cache());
    let client = client_config(&own, Expect::AnyNode).unwrap();
    assert_eq!(client.config().alpn_protocols, [b"h2".to_vec()]);
    assert!(!client.config().enable_sni);
    let limits = Limits::default();
    assert_eq!((limits.connections, limits.handshake_time), (1_024, Duration::from_secs(5)));
}
