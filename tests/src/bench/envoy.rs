//! Envoy's gRPC-JSON transcoder in front of the same node, as the thing to compare with.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::net::TcpStream;

use crate::harness::eventually;

/// Time for Envoy to listen.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Fields that are answered bare, which Envoy can't do: it gets the annotation without `response_body`.
const BARE_FIELDS: &[&str] = &["drinks", "drink", "stores", "store"];

/// A running Envoy, killed when dropped.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

/// The contract's descriptors, with `response_body` (field 12 of the rule) turned into a field that nobody knows
/// (15): the same length, so that nothing else changes.
fn descriptors() -> Vec<u8> {
    let mut bytes = codepop_proto::DESCRIPTORS.to_vec();
    for field in BARE_FIELDS {
        let (mut old, mut new) = (vec![0x62, u8::try_from(field.len()).unwrap()], vec![0x7a]);
        old.extend(field.as_bytes());
        new.extend(&old[1..]);
        let mut at = 0;
        while let Some(found) = bytes[at..].windows(old.len()).position(|window| window == old) {
            bytes[at + found..at + found + old.len()].copy_from_slice(&new);
            at += found + old.len();
        }
    }
    bytes
}

fn config(folder: &Path, port: u16, pki: &Path, node: SocketAddr) -> String {
    let descriptors = folder.join("contract.binpb");
    fs::write(&descriptors, self::descriptors()).unwrap();
    include_str!("envoy.yaml")
        .replace("@PORT@", &port.to_string())
        .replace("@DESCRIPTORS@", descriptors.to_str().unwrap())
        .replace("@NODE_PORT@", &node.port().to_string())
        .replace("@PKI@", pki.to_str().unwrap())
}

impl Envoy {
    /// Starts it on two threads. `pki`: the folder of the gateway's certificate, which it uses too.
    pub async fn start(program: &Path, folder: &Path, pki: &Path, node: SocketAddr) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = folder.join("envoy.yaml");
        fs::write(&path, config(folder, port, pki, node)).unwrap();
        let log = fs::File::create(folder.join("envoy.log")).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(&path).args(["--concurrency", "2", "--disable-hot-restart", "-l", "warning"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut envoy = Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        eventually(START_TIMEOUT, "Envoy listens", async || {
            let log = || fs::read_to_string(folder.join("envoy.log")).unwrap_or_default();
            assert!(envoy.child.try_wait().unwrap().is_none(), "Envoy has ended: {}", log());
            TcpStream::connect(envoy.address).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
        envoy
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
