//! Who gets a connection to a real node at all.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use codepop_shared::tls::{Connector, Expect, TlsFiles, client_config};
use codepop_tests::harness::{Mesh, Operator, programs};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::ring, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// Long enough for any machine; only a fault takes it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The start of an HTTP/2 connection: what a node answers at once, if it answers at all.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// Whose certificate to show.
enum Show<'a> {
    Nothing,
    Operator(&'a std::path::Path),
}

/// Tries to speak HTTP/2 over TLS; whether the node answered.
async fn is_answered(mesh: &Mesh, show: Show<'_>, versions: &[&'static SupportedProtocolVersion]) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(mesh.pki().join("ca.pem")).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match show {
        Show::Nothing => builder.with_no_client_auth(),
        Show::Operator(pki) => {
            let certificate = CertificateDer::from_pem_file(pki.join("operator.pem")).unwrap();
            let key = PrivateKeyDer::from_pem_file(pki.join("operator.key")).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    speak(mesh.nodes[0].address(), config).await.is_ok()
}

async fn speak(address: SocketAddr, config: ClientConfig) -> std::io::Result<()> {
    let socket = TcpStream::connect(address).await?;
    let name = "localhost".try_into().unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
    stream.write_all(PREFACE).await?;
    // With TLS 1.3 a refusal comes after the client's part of the handshake.
    tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("an answer or an end").map(|_| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_certified_callers_with_tls_1_3_are_answered() {
    let mesh = Mesh::with(0).await;
    let operator = || Show::Operator(mesh.pki());
    assert!(is_answered(&mesh, operator(), &[&version::TLS13]).await, "the operator with TLS 1.3");
    assert!(!is_answered(&mesh, operator(), &[&version::TLS12]).await, "the operator with TLS 1.2");
    assert!(!is_answered(&mesh, Show::Nothing, &[&version::TLS13]).await, "nobody in particular");

    // Another authority that calls its chain by the same name.
    let foreign = mesh.root().join("foreign");
    let args = ["pki", "init", "--chain", "test", "--dir", foreign.to_str().unwrap()];
    programs::run("codepop-node", mesh.root(), &args);
    assert!(!is_answered(&mesh, Show::Operator(&foreign), &[&version::TLS13]).await, "an operator of another chain");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_the_chain_refuses_a_node_of_another() {
    let (mesh, other) = (Mesh::with(0).await, Mesh::with(0).await);
    let refused = mesh.operator().dial(other.nodes[0].address()).await.unwrap_err();
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    // Nor is a gateway or operator certificate good enough to be taken for a node.
    let own = TlsFiles::of_operator(mesh.pki()).load().unwrap();
    let expect = Expect::Node(other.nodes[0].id.uuid);
    let connector = Connector::tls(client_config(&own, expect).unwrap());
    let refused = connector.connect(&format!("https://{}", mesh.nodes[0].address())).await.unwrap_err();
    assert!(refused.to_string().contains("not the node expected"), "{refused}");
    assert!(Operator::of(mesh.pki()).dial(mesh.nodes[0].address()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_text_is_not_answered() {
    let mesh = Mesh::with(0).await;
    let mut socket = TcpStream::connect(mesh.nodes[0].address()).await.unwrap();
    socket.write_all(PREFACE).await.unwrap();
    let mut heard = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut heard)).await.expect("an end");
    // A TLS alert (type 21) may say why; HTTP/2 is not spoken.
    assert!(ended.is_err() || heard.is_empty() || heard[0] == 21, "{heard:?}");
}
