//! Programs that are not ours: the real `grpcurl` and a Python client, with the operator's certificate and without.
//! `scripts/test.sh` provides them and names them in `CODEPOP_GRPCURL` and `CODEPOP_PYTHON`.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use chrono::Utc;
use codepop_shared::{authority::RegionFiles, tls::TlsFiles};
use codepop_tests::harness::{Builder, Mesh, programs};
use serde_json::Value;

/// Calls GetHealth by reflection alone: no generated code, no file of the contract.
const CLIENT: &str = r#"
import sys, grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToJson
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

address, ca, certificate, key = sys.argv[1:5]
read = lambda path: open(path, "rb").read() if path else None
channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(read(ca), read(key), read(certificate)))
pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
method = pool.FindServiceByName("codepop.nodes.v1.NodesService").FindMethodByName("GetHealth")
request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
call = channel.unary_unary("/codepop.nodes.v1.NodesService/GetHealth", request.SerializeToString, response.FromString)
print(MessageToJson(call(request(), timeout=20)))
"#;

fn tool(variable: &str) -> PathBuf {
    env::var_os(variable).map(PathBuf::from).unwrap_or_else(|| {
        panic!("{variable} names a program that this test needs; ./scripts/test.sh installs and names it")
    })
}

fn grpcurl(mesh: &Mesh, certified: bool, before: &[&str], after: &[&str]) -> Output {
    grpcurl_at(mesh, 0, certified, before, after)
}

fn grpcurl_at(mesh: &Mesh, node: usize, certified: bool, before: &[&str], after: &[&str]) -> Output {
    let mut command = Command::new(tool("CODEPOP_GRPCURL"));
    command.args(["-max-time", "20", "-cacert"]).arg(mesh.pki().join("ca.pem"));
    if certified {
        command.arg("-cert").arg(mesh.pki().join("operator.pem"));
        command.arg("-key").arg(mesh.pki().join("operator.key"));
    }
    command.args(before).arg(mesh.nodes[node].address().to_string()).args(after).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpcurl_lists_describes_and_calls_with_the_operators_certificate_alone() {
    let mesh = Mesh::with(0).await;
    let services = said(&grpcurl(&mesh, true, &[], &["list"]));
    for service in ["codepop.accounts.v1.AccountsService", "codepop.mesh.v1.MeshService", "grpc.health.v1.Health"] {
        assert!(services.lines().any(|line| line == service), "{services}");
    }
    let described = said(&grpcurl(&mesh, true, &[], &["describe", "codepop.nodes.v1.NodesService.GetHealth"]));
    assert!(described.contains("/backend/p2p/health"), "with the REST path: {described}");
    let health = said(&grpcurl(&mesh, true, &["-d", "{}"], &["codepop.nodes.v1.NodesService/GetHealth"]));
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["status"], "healthy");
    let standard = said(&grpcurl(&mesh, true, &[], &["grpc.health.v1.Health/Check"]));
    assert!(standard.contains("SERVING") && !standard.contains("NOT_SERVING"), "{standard}");

    let refused = grpcurl(&mesh, false, &[], &["list"]);
    assert!(!refused.status.success(), "nobody in particular: {}", String::from_utf8_lossy(&refused.stdout));
    // What is for nodes is not for operators.
    let mesh_call = grpcurl(&mesh, true, &["-d", "{}"], &["codepop.mesh.v1.MeshService/FindAccount"]);
    let why = String::from_utf8_lossy(&mesh_call.stderr).into_owned();
    assert!(!mesh_call.status.success() && why.contains("PermissionDenied"), "{why}");
}

fn python(mesh: &Mesh, node: usize, certificate: &str, key: &str) -> Output {
    let script = mesh.root().join("client.py");
    fs::write(&script, CLIENT).unwrap();
    let address = mesh.nodes[node].address().to_string();
    let file = |name: &str| if name.is_empty() { PathBuf::new() } else { mesh.pki().join(name) };
    let mut command = Command::new(tool("CODEPOP_PYTHON"));
    command.arg(&script).arg(&address).arg(mesh.pki().join("ca.pem")).arg(file(certificate)).arg(file(key));
    command.output().unwrap()
}

/// They build the chain of two certificates themselves, by their own rules.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_clients_take_a_store_that_its_hub_renewed() {
    let mut mesh = Builder::with(1).make().await;
    let [hub, store] = [0, 1].map(|node| mesh.nodes[node].dir.clone());
    let (request, pki) = (store.join("request.json"), mesh.pki().to_str().unwrap().to_owned());
    let issue = ["pki", "issue", request.to_str().unwrap(), "--dir", &pki, "--days", "1"];
    programs::run("codepop-node", mesh.root(), &issue);
    let held = TlsFiles::in_folder(&store.join("pki")).load().unwrap();
    let signer = RegionFiles::in_folder(&hub.join("pki")).load(&mesh.nodes[0].id, held.ca()).unwrap();
    let renewed = signer.renew(held.certified(), Utc::now() + Duration::from_secs(60)).unwrap();
    fs::write(store.join("pki/node.pem"), renewed.pem().unwrap()).unwrap();
    for node in 0..=1 {
        mesh.start(node).await;
    }
    mesh.settled().await;
    let health = said(&grpcurl_at(&mesh, 1, true, &["-d", "{}"], &["codepop.nodes.v1.NodesService/GetHealth"]));
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["nodeId"], mesh.nodes[1].id.uuid.to_string());
    let health: Value = serde_json::from_str(&said(&python(&mesh, 1, "operator.pem", "operator.key"))).unwrap();
    assert_eq!(health["nodeId"], mesh.nodes[1].id.uuid.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_client_calls_with_the_operators_certificate_alone() {
    let mesh = Mesh::with(0).await;
    let call = |certificate: &str, key: &str| python(&mesh, 0, certificate, key);
    let health: Value = serde_json::from_str(&said(&call("operator.pem", "operator.key"))).unwrap();
    assert_eq!(
        (health["status"].as_str(), health["nodeId"].as_str()),
        (Some("healthy"), Some(&*mesh.nodes[0].id.uuid.to_string()))
    );
    let refused = call("", "");
    assert!(!refused.status.success(), "{}", String::from_utf8_lossy(&refused.stdout));
}
