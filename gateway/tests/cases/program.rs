//! The program itself: what it refuses, what it needs, how it ends.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use chrono::Utc;
use codepop_shared::{
    Code, Failure,
    authority::{Authority, CERTIFICATE_VALID, Order},
    identity::{Kind, SpiffeId},
    request::CertificateRequest,
};

use crate::support::{Node, Reply, eventually};

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_codepop-gateway"));
    // Nothing of ours but where lines are counted, when they are.
    let counters = std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file));
    command.env_clear().envs(counters).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finished(args: &[&str]) -> Output {
    program(args).output().unwrap()
}

/// Signs what `init` asks for and puts the certificate where `pki issue` puts it.
fn sign(dir: &Path, authority: &Authority) {
    let request = CertificateRequest::read(&dir.join("request.json")).unwrap();
    let (csr, event_key) = request.verify().unwrap();
    let chain = authority.chain().to_owned();
    let id = SpiffeId { chain, kind: Kind::Gateway, region: "-".to_owned(), number: 0, uuid: request.uuid };
    let (now, valid) = (Utc::now(), CERTIFICATE_VALID);
    let order = Order { id, event_key, csr: &csr, name: "gateway", dns: &[], ips: &[], now, valid };
    fs::write(dir.join("pki/node.pem"), authority.issue(order).unwrap()).unwrap();
    fs::write(dir.join("pki/ca.pem"), authority.pem()).unwrap();
}

/// Starts the program and waits until it serves; returns its address. Nobody reads its log from then on, which must
/// not matter.
fn serving(mut command: Command) -> (Child, String) {
    let mut child = command.spawn().unwrap();
    for line in BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok) {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if let Some(address) = line["http.listen"].as_str() {
            return (child, format!("http://{address}"));
        }
    }
    panic!("it ended: {:?}", child.wait());
}

#[test]
fn wrong_values_are_refused_in_one_line() {
    let refused = finished(&["run", "--nodes", "https://127.0.0.1:7101", "--listen", "8000"]);
    let line = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(line.trim_end().lines().count(), 1, "{line}");
    assert!(line.contains("GATEWAY_LISTEN is \"8000\": must be an address and port"), "{line}");
    let refused = program(&["run"]).env("GATEWAY_NODES", "https://127.0.0.1:7101").output().unwrap();
    let line = String::from_utf8(refused.stderr).unwrap();
    assert!(line.contains("GATEWAY_DATA_DIR") && line.contains("codepop-gateway init"), "{line}");
}

#[tokio::test]
async fn what_init_makes_is_what_run_takes() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    for _ in 0..2 {
        assert!(finished(&["init", "--data-dir", dir]).status.success());
    }
    sign(folder.path(), &Authority::create("library", Utc::now()).unwrap());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nodes = format!("https://{nobody}");
    let args = ["run", "--data-dir", dir, "--nodes", &nodes, "--listen", "127.0.0.1:0", "--log-format", "json"];
    let command = program(&args);
    let (mut child, url) = tokio::task::spawn_blocking(move || serving(command)).await.unwrap();
    let health = reqwest::get(format!("{url}/healthz")).await.unwrap();
    assert_eq!(health.status(), 200, "it serves although no node is there");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_signal_ends_it_in_good_order() {
    let node = Node::store("main", 1001, 0.0).await;
    let nodes = node.url();
    let mut command = program(&["run", "--insecure", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    command.env("GATEWAY_NODES", nodes);
    let (mut child, url) = tokio::task::spawn_blocking(move || serving(command)).await.unwrap();
    let page = reqwest::get(format!("{url}/openapi.json")).await.unwrap().text().await.unwrap();
    assert!(page.contains("\"openapi\":\"3.1.0\""), "the product's contract can be served");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn tokens_are_in_no_log() {
    let node = Node::store("main", 1001, 0.0).await;
    node.on("ListDrinks", Reply::Message(vec![]).with("x-codepop-session", "hush-answer"));
    let refused = Reply::Fail(Failure::new(Code::Conflict, "No.")).with("x-codepop-session", "hush-refusal");
    node.on("DiscoverStores", refused);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut command = program(&["run", "--insecure", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    command.env("GATEWAY_NODES", node.url()).env("RUST_LOG", "trace").stderr(fs::File::create(&path).unwrap());
    let mut child = command.spawn().unwrap();
    let log = || fs::read_to_string(&path).unwrap();
    let address = || {
        let lines = log();
        let mut said = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        said.find_map(|line| line["http.listen"].as_str().map(str::to_owned))
    };
    eventually("serving", || async { address().is_some() }).await;
    let url = format!("http://{}", address().unwrap());
    let client = reqwest::Client::new();
    for path in ["/backend/drinks/", "/backend/stores/discover/"] {
        let request = client.get(format!("{url}{path}"));
        let with_cookie = request.try_clone().unwrap().header("cookie", "codepop_session=hush-cookie");
        let answer = with_cookie.send().await.unwrap();
        assert!(answer.headers()["set-cookie"].to_str().unwrap().contains("hush-"), "{answer:?}");
        request.header("authorization", "Token hush-header").send().await.unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let log = log();
    assert!(log.contains("/backend/drinks"), "requests are logged");
    let shown: Vec<&str> = log.lines().filter(|line| line.contains("hush")).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}
