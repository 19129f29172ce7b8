//! The built program from outside: making an identity and a chain, and refusing what is wrong in one line.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use codepop_node::{
    authority::Register,
    config::{self, Action, Database},
    identity::{DataLock, Error, Expected, NodeIdentity, NodeSettings, OperatorIdentity},
    payments::Settings,
};
use codepop_shared::{
    identity::{Certified, Kind},
    request::{CertificateRequest, init_gateway},
    tls::TlsFiles,
};
use tempfile::TempDir;
use uuid::Uuid;

struct Chain {
    dir: TempDir,
}

impl Chain {
    /// A folder with a chain's authority in `pki`.
    fn new() -> Self {
        let chain = Self { dir: tempfile::tempdir().unwrap() };
        ok(&chain.node(&["pki", "init", "--chain", "demo"]));
        chain
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn node(&self, args: &[&str]) -> Output {
        node_in(self.dir.path(), args, &[])
    }

    /// Makes a node's identity in the folder `name`.
    fn init(&self, name: &str, kind: &str) {
        ok(&self.node(&["init", "--data-dir", name, "--type", kind, "--name", name, "--region", "C"]));
    }

    fn issue(&self, name: &str, more: &[&str]) -> Output {
        let request = format!("{name}/request.json");
        self.node(&[&["pki", "issue", &request], more].concat())
    }

    fn load(&self, name: &str) -> NodeIdentity {
        NodeIdentity::load(&self.path(name), &Expected::default()).unwrap()
    }
}

/// Runs the program without any variable of ours in the environment but those given.
fn node_in(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_codepop-node"));
    // Nothing of ours but where lines are counted, when they are.
    let counters = std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file));
    command.current_dir(dir).args(args).env_clear().envs(counters).envs(env.iter().copied());
    command.output().unwrap()
}

fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line in which the program refused.
fn refused(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!output.status.success(), "must be refused");
    assert_eq!(text.trim_end().lines().count(), 1, "one line: {text}");
    text.trim_end().to_owned()
}

#[test]
fn from_nothing_to_a_certified_chain() {
    let chain = Chain::new();
    for (name, kind) in [("hub", "SUPPLY_HUB"), ("store-1", "STORE"), ("store-2", "store")] {
        chain.init(name, kind);
        ok(&chain.issue(name, &["--host", "store.example.org", "--host", "10.0.0.7"]));
    }
    let numbers: Vec<_> = ["hub", "store-1", "store-2"].map(|name| chain.load(name).id.number).into();
    assert_eq!(numbers, [1, 1000, 1001]);

    let identity = chain.load("store-1");
    let settings = NodeSettings::require(&chain.path("store-1")).unwrap();
    assert_eq!((identity.id.kind, identity.id.region.as_str(), identity.id.uuid), (Kind::Store, "C", settings.uuid));
    assert_eq!(identity.certificate.event_key, Some(identity.signing_key.verifying_key()));
    let again = Certified::verify(&identity.certificate.der, identity.credentials.ca()).unwrap();
    assert_eq!(again, *identity.certificate);

    let operator = OperatorIdentity::load(&chain.path("pki")).unwrap();
    assert_eq!(operator.credentials.certified().id.kind, Kind::Operator);

    init_gateway(&chain.path("gateway"), "Front door").unwrap();
    ok(&chain.issue("gateway", &[]));
    let gateway = TlsFiles::in_folder(&chain.path("gateway/pki")).load().unwrap();
    assert_eq!((gateway.certified().id.kind, gateway.certified().event_key), (Kind::Gateway, None));

    let register = Register::load(&chain.path("pki")).unwrap();
    assert_eq!(register.entries.len(), 5);
}

#[test]
fn repeating_changes_nothing() {
    let chain = Chain::new();
    let ca = fs::read(chain.path("pki/ca.pem")).unwrap();
    let again = refused(&chain.node(&["pki", "init", "--chain", "demo"]));
    assert!(again.contains("is already there: nothing was changed"), "{again}");
    assert_eq!(fs::read(chain.path("pki/ca.pem")).unwrap(), ca);

    chain.init("hub", "SUPPLY_HUB");
    let (settings, request) = (NodeSettings::require(&chain.path("hub")).unwrap(), chain.path("hub/request.json"));
    let before = fs::read(&request).unwrap();
    let shown = ok(&chain.node(&["init", "--data-dir", "hub"]));
    assert!(shown.contains("already") && shown.contains(&settings.uuid.to_string()), "{shown}");
    assert_eq!(fs::read(&request).unwrap(), before);
    let other = refused(&chain.node(&["init", "--data-dir", "hub", "--type", "STORE"]));
    assert!(other.contains("NODE_TYPE is \"STORE\": must be SUPPLY_HUB"), "{other}");

    ok(&chain.issue("hub", &["--host", "hub.example.org"]));
    let first = chain.load("hub");
    let shown = ok(&chain.issue("hub", &[]));
    assert!(shown.contains("keeps number 1"), "{shown}");
    assert_eq!(chain.load("hub").id, first.id);
    let register = Register::load(&chain.path("pki")).unwrap();
    assert_eq!(register.entries.last().unwrap().hosts, ["hub.example.org"], "hosts of the last time are kept");
}

#[test]
fn numbers_are_given_as_asked_or_not_at_all() {
    let chain = Chain::new();
    chain.init("a", "STORE");
    chain.init("b", "STORE");
    for (more, why) in [
        (["--number", "17"], "--number is \"17\": must be 1000 to 99999 for a store"),
        (["--number", "x"], "--number is \"x\": must be a node number"),
        (["--replaces", "1000"], "--replaces is \"1000\": must be the number of a store in the register"),
        (["--host", "http://x"], "--host is \"http://x\": must be a host name or an IP address"),
    ] {
        let line = refused(&chain.issue("a", &more));
        assert!(line.contains(why), "{line}");
    }
    assert_eq!(Register::load(&chain.path("pki")).unwrap().entries.len(), 1, "nothing was entered");
    ok(&chain.issue("a", &["--number", "1017"]));
    assert!(refused(&chain.issue("b", &["--number", "1017"])).contains("must be free"));
    assert!(refused(&chain.issue("a", &["--number", "1018"])).contains("must be 1017"));
    ok(&chain.issue("b", &["--replaces", "1017"]));
    assert_eq!(chain.load("b").id.number, 1018);
    assert_eq!(Register::load(&chain.path("pki")).unwrap().entries[2].replaces, Some(1017));
}

#[test]
fn a_changed_request_and_a_foreign_authority_are_refused() {
    let chain = Chain::new();
    chain.init("hub", "SUPPLY_HUB");
    let path = chain.path("hub/request.json");
    let text = fs::read_to_string(&path).unwrap();
    let uuid = CertificateRequest::read(&path).unwrap().uuid;
    fs::write(&path, text.replacen(&uuid.to_string(), &Uuid::now_v7().to_string(), 1)).unwrap();
    assert!(refused(&chain.issue("hub", &[])).contains("for another uuid or event key"));
    fs::write(&path, &text).unwrap();
    ok(&chain.issue("hub", &[]));

    ok(&chain.node(&["pki", "init", "--dir", "other", "--chain", "demo"]));
    let line = refused(&chain.issue("hub", &["--dir", "other"]));
    assert!(line.contains("is the certificate of another authority"), "{line}");
    let line = refused(&chain.issue("hub", &["--dir", "nowhere"]));
    assert!(line.contains("there is no authority: run `codepop-node pki init"), "{line}");
    assert!(refused(&chain.node(&["pki", "init", "--dir", "x", "--chain", "De mo"])).contains("must be 1 to 63"));

    // Another node's event key under this certificate.
    chain.init("hub-2", "SUPPLY_HUB");
    fs::copy(chain.path("hub-2/pki/event.key"), chain.path("hub/pki/event.key")).unwrap();
    let error = NodeIdentity::load(&chain.path("hub"), &Expected::default()).unwrap_err().to_string();
    assert!(error.contains("not the event key that the certificate names"), "{error}");
}

#[test]
fn what_is_missing_is_said_with_the_command_that_makes_it() {
    let chain = Chain::new();
    let load = || NodeIdentity::load(&chain.path("n"), &Expected::default()).unwrap_err().to_string();
    assert!(load().contains("node.key is missing: run `codepop-node init"), "{}", load());
    chain.init("n", "STORE");
    assert!(load().contains("node.pem is missing: run `codepop-node pki issue"), "{}", load());
    let line = refused(&chain.node(&["init", "--data-dir", "m"]));
    assert!(line.contains("--type (or NODE_TYPE) is not set: must be STORE or SUPPLY_HUB"), "{line}");
    let line = refused(&chain.node(&["run", "--data-dir", "m"]));
    assert!(line.contains("node.json is missing: run `codepop-node init"), "{line}");
}

#[test]
fn settings_that_differ_from_the_certificate_are_refused() {
    let chain = Chain::new();
    chain.init("hub", "SUPPLY_HUB");
    ok(&chain.issue("hub", &[]));
    let uuid = chain.load("hub").id.uuid;
    let load = |expected: Expected| NodeIdentity::load(&chain.path("hub"), &expected);
    let right = Expected { node_id: Some(uuid), kind: Some(Kind::Hub), region: Some("C".to_owned()) };
    load(right.clone()).unwrap();
    for (expected, setting) in [
        (Expected { node_id: Some(Uuid::now_v7()), ..right.clone() }, "NODE_ID"),
        (Expected { kind: Some(Kind::Store), ..right.clone() }, "NODE_TYPE"),
        (Expected { region: Some("D".to_owned()), ..right }, "SUPPLY_HUB_REGION"),
    ] {
        match load(expected) {
            Err(Error::Differs { name, .. }) => assert_eq!(name, setting),
            other => panic!("{other:?}"),
        }
    }
    let other = Uuid::now_v7().to_string();
    let line = refused(&node_in(chain.dir.path(), &["init", "--data-dir", "hub"], &[("NODE_ID", &other)]));
    assert!(line.contains("NODE_ID") && line.contains(&uuid.to_string()), "{line}");
}

#[test]
fn a_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _lock = DataLock::take(&dir.path().join("data")).unwrap();
    let args = ["init", "--type", "STORE", "--name", "S", "--region", "C"];
    let line = refused(&node_in(dir.path(), &args, &[]));
    assert!(line.contains("data is in use by another process"), "{line}");
}

#[cfg(unix)]
#[test]
fn secrets_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let chain = Chain::new();
    chain.init("hub", "SUPPLY_HUB");
    for (file, mode) in [
        ("pki/ca.key", 0o600),
        ("pki/operator.key", 0o600),
        ("pki/operator-event.key", 0o600),
        ("hub/pki/node.key", 0o600),
        ("hub/pki/event.key", 0o600),
    ] {
        assert_eq!(chain.path(file).metadata().unwrap().permissions().mode() & 0o777, mode, "{file}");
    }
    let request = fs::read_to_string(chain.path("hub/request.json")).unwrap();
    assert!(!request.contains("PRIVATE"));
}

#[test]
fn wrong_values_are_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    for (variable, value, why) in [
        ("NODE_ID", "store-logan-001", "must be a UUID like"),
        ("NODE_TYPE", "WAREHOUSE", "must be STORE or SUPPLY_HUB"),
        ("NODE_DISPLAY_NAME", " ", "must be 1 to 200 printable characters"),
        ("NODE_API_URL", "http://192.168.1.100:8001", "must be https://host:port"),
        ("NODE_LATITUDE", "abc", "must be a number from -90 to 90"),
        ("NODE_LATITUDE", "90.5", "must be a number from -90 to 90"),
        ("NODE_LONGITUDE", "-181", "must be a number from -180 to 180"),
        ("SUPPLY_HUB_URL", "https://a:1,b", "each must be https://host:port"),
        ("SUPPLY_HUB_REGION", "far away", "must be 1 to 10 letters or digits"),
        ("NODE_LISTEN", "7101", "must be ip:port"),
        ("METRICS_LISTEN", "localhost:1", "must be ip:port"),
        ("LOG_FORMAT", "xml", "must be text or json"),
        ("HEARTBEAT_INTERVAL_MS", "0", "must be a whole number of milliseconds from 50 to 60000"),
        ("PEER_DOWN_AFTER_MS", "120001", "must be a whole number of milliseconds from 100 to 120000"),
        ("NODE_HUB_SILENCE_MAX", "0", "must be a whole number from 1 to 3600"),
        ("NODE_HUB_SILENCE_MAX", "3601", "must be a whole number from 1 to 3600"),
        ("PEER_DOWN_AFTER_MS", "2500", "must be at least twice the heartbeat interval"),
        ("PAYMENT_PROVIDER", "cash", "must be simulated or stripe"),
        ("STRIPE_API_BASE", "http://api.stripe.com", "must be https://host[:port]"),
    ] {
        let line = refused(&node_in(dir.path(), &["run"], &[(variable, value)]));
        let expected = format!("codepop-node: {variable} is \"{value}\": {why}");
        assert!(line.starts_with(&expected), "{line}\n{expected}");
    }
    let line = refused(&node_in(dir.path(), &["run", "--lat", "abc"], &[("NODE_LATITUDE", "1")]));
    assert!(line.starts_with("codepop-node: --lat is \"abc\": must be a number"), "{line}");
    let line = refused(&node_in(dir.path(), &["init", "--lat", "-41.7"], &[]));
    assert!(line.contains("--lon (or NODE_LONGITUDE) is not set"), "{line}");
    for args in [&["run", "--nonsense"][..], &["fly"], &[], &["pki", "init"], &["run", "--lat"]] {
        refused(&node_in(dir.path(), args, &[]));
    }
}

#[test]
fn a_database_password_is_never_printed() {
    let dir = tempfile::tempdir().unwrap();
    for url in ["mysql://u:hunter2@h/d", "postgres://u:hunter2@h:port/d", "u:hunter2@h"] {
        let output = node_in(dir.path(), &["run"], &[("DATABASE_URL", url)]);
        let line = refused(&output);
        assert!(line.contains("DATABASE_URL is \"") && !line.contains("hunter2"), "{line}");
    }
    let help = ok(&node_in(dir.path(), &["run", "--help"], &[("DATABASE_URL", "postgres://u:hunter2@h/d")]));
    assert!(help.contains("DATABASE_URL") && !help.contains("hunter2"));
}

#[test]
fn stripe_needs_its_keys_and_they_are_never_printed() {
    let dir = tempfile::tempdir().unwrap();
    let secret = ("STRIPE_SECRET_KEY", "sk_test_hunter2");
    let stripe = ("PAYMENT_PROVIDER", "stripe");
    for (env, part) in [
        (&[stripe][..], "STRIPE_SECRET_KEY is not set: PAYMENT_PROVIDER=stripe needs it"),
        (&[stripe, secret], "STRIPE_PUBLISHABLE_KEY is not set"),
        (&[stripe, secret, ("STRIPE_PUBLISHABLE_KEY", "sk_test_hunter2")], "must begin with pk_"),
        (&[("STRIPE_SECRET_KEY", "hunter2")], "STRIPE_SECRET_KEY is not a key of Stripe's: must begin with sk_ or rk_"),
        (&[("STRIPE_WEBHOOK_SECRET", "hunter2")], "must begin with whsec_"),
    ] {
        let line = refused(&node_in(dir.path(), &["run"], env));
        assert!(line.contains(part) && !line.contains("hunter2"), "{line}");
    }
    let help = ok(&node_in(dir.path(), &["run", "--help"], &[secret, ("STRIPE_WEBHOOK_SECRET", "whsec_hunter2")]));
    assert!(help.contains("STRIPE_SECRET_KEY") && !help.contains("hunter2"));
    let keys = ["--stripe-secret-key", "sk_test_hunter2", "--stripe-publishable-key", "pk_test_x"];
    let chain = Chain::new();
    chain.init("s", "STORE");
    let dir = chain.path("s").to_string_lossy().into_owned();
    let args = ["codepop-node", "run", "--data-dir", &dir, "--payment-provider", "stripe"];
    match config::read([&args[..], &keys].concat()) {
        Ok(Action::Run(config)) => {
            assert!(matches!(config.payments, Settings::Stripe(_)) && !format!("{config:?}").contains("hunter2"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn run_takes_what_init_stored_unless_told_otherwise() {
    let chain = Chain::new();
    let place = ["--lat", "41.7", "--lon", "-111.8", "--hub", "https://hub.example.org:7100"];
    let identity = ["init", "--data-dir", "s", "--type", "STORE", "--name", "Logan", "--region", "C"];
    ok(&chain.node(&[&identity[..], &place].concat()));
    let dir = chain.path("s").to_string_lossy().into_owned();
    let run = |args: &[&str]| match config::read([&["codepop-node", "run", "--data-dir", &dir], args].concat()) {
        Ok(Action::Run(config)) => config,
        other => panic!("{other:?}"),
    };
    let stored = run(&[]);
    assert_eq!((stored.display_name.as_str(), stored.api_url.as_str()), ("Logan", "https://127.0.0.1:7101"));
    assert_eq!(stored.hub_urls, ["https://hub.example.org:7100"]);
    assert_eq!(stored.place.map(|place| place.latitude), Some(41.7));
    assert_eq!((stored.database, stored.peer_down_after.as_millis()), (Database::Sqlite, 6_000));
    assert_eq!(stored.expected.node_id, Some(NodeSettings::require(&chain.path("s")).unwrap().uuid));

    let told = run(&["--name", "Other", "--listen", "10.0.0.1:7", "--database-url", "postgresql://u:hunter2@h/d"]);
    assert_eq!((told.display_name.as_str(), told.api_url.as_str()), ("Other", "https://10.0.0.1:7"));
    assert!(matches!(told.database, Database::Postgres(_)) && !format!("{told:?}").contains("hunter2"));
}

#[test]
fn plain_text_stays_on_loopback() {
    let chain = Chain::new();
    chain.init("hub", "SUPPLY_HUB");
    let run = |args: &[&str]| refused(&chain.node(&[&["run", "--data-dir", "hub", "--insecure"], args].concat()));
    for everywhere in ["0.0.0.0:7100", "10.0.0.1:7100", "[::]:7100"] {
        let line = run(&["--listen", everywhere]);
        assert!(line.ends_with(&format!("--listen is \"{everywhere}\": must be loopback with --insecure")), "{line}");
    }
    assert!(run(&["--api-url", "https://127.0.0.1:7100"]).contains("must begin with http:// with --insecure"));
}

#[test]
fn empty_variables_are_as_good_as_none() {
    let dir = tempfile::tempdir().unwrap();
    let env = [("NODE_ID", ""), ("NODE_LISTEN", ""), ("NODE_DATA_DIR", ""), ("DATABASE_URL", ""), ("LOG_FORMAT", "")];
    let args = ["init", "--type", "STORE", "--name", "S", "--region", "C", "--lat", "41.7", "--lon", "-111.8"];
    ok(&node_in(dir.path(), &args, &env));
    let settings = NodeSettings::require(&dir.path().join("data")).unwrap();
    assert_eq!((settings.latitude, settings.longitude), (Some(41.7), Some(-111.8)));
}
