//! A store's disk is gone: what was backed up goes on under another number, and nothing is ever numbered twice.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, SystemTime},
};

use codepop_proto::{
    mesh::{StoreBackupRequest, mesh_service_client::MeshServiceClient},
    nodes::{GetHealthRequest, nodes_service_client::NodesServiceClient},
};
use codepop_tests::harness::{
    Backend, Builder, Caller, Gateway, Mesh, Phone, SETTLE_TIMEOUT, check, eventually,
    programs::{run, try_run},
};
use reqwest::Method;
use serde_json::{Value, json};

/// Runs a command on a node's own data, which must succeed; what it printed.
fn done(mesh: &Mesh, node: usize, name: &str, args: &[&str]) -> String {
    let output = mesh.nodes[node].try_command(name, args);
    assert!(output.status.success(), "{name} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// As [`done`], and it must be refused; what it said.
fn refused(mesh: &Mesh, node: usize, name: &str, args: &[&str]) -> String {
    let output = mesh.nodes[node].try_command(name, args);
    assert!(!output.status.success(), "{name} {args:?} was not refused");
    String::from_utf8(output.stderr).unwrap()
}

/// A customer with an account, who buys; the orders' numbers.
async fn customer(gateway: &Gateway, name: &str) -> Phone {
    let phone = Phone::new(gateway.address());
    let body = json!({"first_name": name, "username": name, "password": "violet-harbour-93", "email": "a@example.org"});
    phone.post("/backend/auth/register/", body).await.expect(201);
    phone.log_in(name, "violet-harbour-93").await.expect(200);
    phone
}

async fn buy(phone: &Phone) -> i64 {
    let drink = phone.design("Sprite", &["Vanilla"], &[]).await;
    phone.buy(&[drink]).await.expect(201)["OrderID"].as_i64().unwrap()
}

async fn revenue(manager: &Phone) -> Value {
    manager.get("/backend/revenues/totals/").await.expect(200)
}

async fn order_is_found(phone: &Phone, order: i64) {
    eventually(SETTLE_TIMEOUT, "an order is found by its old number", async || {
        let answer = phone.call(Method::GET, &format!("/backend/orders/{order}/"), true, None).await;
        check(answer.status == 200 && answer.json["OrderID"] == order, || format!("{}: {}", answer.status, answer.json))
    })
    .await;
}

/// Sales before and after a backup; what the scenario must find again.
struct Sold {
    ann: Phone,
    mona: Phone,
    before: Vec<i64>,
    lost: i64,
    stock: i64,
    revenue: Value,
}

async fn sell(mesh: &Mesh, gateway: &Gateway, admin: &str, file: &str) -> Sold {
    let mona = mesh.staff(gateway, admin, "mona", "staff").await;
    let ann = customer(gateway, "ann").await;
    let before = vec![buy(&ann).await, buy(&ann).await];
    let cancelled = json!({"OrderStatus": "cancelled"});
    let path = format!("/backend/orders/{}/", before[1]);
    mona.call(Method::PATCH, &path, true, Some(cancelled)).await.expect(200);
    eventually(SETTLE_TIMEOUT, "the refund is entered", async || {
        let totals = revenue(&mona).await;
        check(totals["refunds"] == 1, || totals.to_string())
    })
    .await;
    let (stock, sums) = (mesh.stock(gateway, admin, "Sprite").await, revenue(&mona).await);
    // Online: the node serves on.
    let said = done(mesh, 1, "backup", &["--to", file]);
    assert!(said.contains("rows in") && said.contains("digest"), "{said}");
    let whole = done(mesh, 1, "backup", &["--verify", file]);
    assert!(whole.contains("is whole"), "{whole}");
    customer(gateway, "ben").await;
    let lost = buy(&ann).await;
    Sold { ann, mona, before, lost, stock, revenue: sums }
}

on_both!(a_store_goes_on_in_a_new_box, async |backend: Backend| {
    let builder = Builder::with(2).on(backend).setting("ROBOT", "off");
    let (mut mesh, gateway, admin) = Mesh::open_shop_of(builder, 2, 100).await;
    let file = mesh.root().join("store.codepop-backup");
    let file = file.to_str().unwrap();
    let sold = sell(&mesh, &gateway, &admin, file).await;
    mesh.settled().await;
    mesh.kill9(1);

    let new = mesh.successor(1).await;
    let restored = done(&mesh, new, "restore", &[file]);
    assert!(restored.contains("is lost"), "{restored}");
    let again = refused(&mesh, new, "restore", &[file]);
    assert!(again.contains("has a database already"), "{again}");
    mesh.start(new).await;
    mesh.settled().await;

    // What was there is there, by its old numbers and at its old store.
    for order in &sold.before {
        order_is_found(&sold.ann, *order).await;
    }
    assert_eq!(mesh.stock(&gateway, &admin, "Sprite").await, sold.stock);
    assert_eq!(revenue(&sold.mona).await, sold.revenue);
    // Local writes since the backup are lost; what others held comes back.
    let lost = sold.ann.call(Method::GET, &format!("/backend/orders/{}/", sold.lost), true, None).await;
    assert_eq!(lost.status, 404, "{}", lost.json);
    Phone::new(gateway.address()).log_in("ben", "violet-harbour-93").await.expect(200);
    // Who managed the store manages it.
    sold.mona.get("/backend/inventory/report/").await.expect(200);
    // Nothing is numbered twice over both lives.
    let after = buy(&sold.ann).await;
    let all: BTreeSet<i64> = sold.before.iter().copied().chain([sold.lost, after]).collect();
    assert_eq!(all.len(), 4);
    assert_eq!(after % 100_000, i64::from(mesh.nodes[new].id.number));
    let old = mesh.nodes[1].id.uuid.to_string();
    let stores = gateway.get("/backend/stores/discover/?lat=41.74&lon=-111.83", None).await.expect(200);
    assert!(!stores.to_string().contains(&old), "the old store is not listed: {stores}");
    gateway.get(&format!("/backend/stores/{old}/"), None).await.expect(200);

    the_old_one_is_noticed(&mut mesh).await;
    mesh.stop(1).await;
    mesh.settled().await;
});

/// The old node starts again: it is told, takes no writes, and nobody is linked to it.
async fn the_old_one_is_noticed(mesh: &mut Mesh) {
    mesh.start(1).await;
    let why = eventually(SETTLE_TIMEOUT, "the old node notices that it was replaced", async || {
        let health = NodesServiceClient::new(mesh.channel(1).await).get_health(GetHealthRequest {}).await.unwrap();
        health.into_inner().writes_refused.ok_or_else(|| "it takes writes".to_owned())
    })
    .await;
    assert!(why.contains("was replaced"), "{why}");
    mesh.try_sign_up(1, "too-late").await.unwrap_err();
    eventually(SETTLE_TIMEOUT, "the hub lists that it still runs", async || {
        let kinds: Vec<String> = mesh.conflicts(0).await.into_iter().map(|conflict| conflict.kind).collect();
        check(kinds.iter().any(|kind| kind == "replaced_node_runs"), || format!("{kinds:?}"))
    })
    .await;
    assert!(mesh.peer(0, 1).await.is_none(), "it is no peer any more");
    let replaces = &mesh.peer(0, mesh.nodes.len() - 1).await.unwrap().replaces;
    assert_eq!(replaces[0].node_number, mesh.nodes[1].id.number);
}

/// Starts a command and ends it at once after so long, as a power cut would.
async fn cut_off(mesh: &Mesh, node: usize, name: &str, args: &[&str], after: Duration) {
    let mut command = mesh.nodes[node].command_of(name, args);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    tokio::time::sleep(after).await;
    child.kill().unwrap();
    child.wait().unwrap();
}

fn backups(dir: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|ending| ending == "codepop-backup")).collect()
}

on_both!(power_cuts_leave_nothing_half_believed, async |backend: Backend| {
    let mut mesh = Builder::with(1).on(backend).start().await;
    for name in ["ann", "ben", "cid"] {
        mesh.sign_up(1, name).await;
    }
    let dir = mesh.root().join("backups");
    std::fs::create_dir(&dir).unwrap();
    let folder = dir.to_str().unwrap().to_owned();
    for step in 0..8 {
        cut_off(&mesh, 1, "backup", &["--to", &folder], Duration::from_millis(step * 40)).await;
        // Whatever has its name is whole.
        for file in backups(&dir) {
            done(&mesh, 1, "backup", &["--verify", file.to_str().unwrap()]);
        }
    }
    let file = dir.join("last.codepop-backup");
    let file = file.to_str().unwrap().to_owned();
    done(&mesh, 1, "backup", &["--to", &file]);
    mesh.settled().await;
    mesh.kill9(1);

    let new = mesh.successor(1).await;
    for step in 0..12 {
        cut_off(&mesh, new, "restore", &[&file], Duration::from_millis(step * 30)).await;
        if mesh.nodes[new].dir.join("restore.unfinished").exists() {
            let why = refused(&mesh, new, "run", &[]);
            assert!(why.contains("a restore was broken off"), "{why}");
        }
    }
    // Perhaps the last one got through; then this one says so.
    let output = mesh.nodes[new].try_command("restore", &[&file]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() || said.contains("has a database already"), "{said}");
    mesh.start(new).await;
    mesh.settled().await;
    mesh.log_in(new, "cid").await.unwrap();
});

on_both!(a_running_node_backs_itself_up, async |backend: Backend| {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("backups");
    let builder = Builder::with(0).on(backend).setting("NODE_BACKUP_DIR", dir.to_str().unwrap());
    let mesh = builder.setting("NODE_BACKUP_EVERY_SECS", "1").setting("NODE_BACKUP_KEEP", "2").start().await;
    let mut seen = BTreeSet::new();
    eventually(SETTLE_TIMEOUT, "backups are taken, and old ones go", async || {
        let found = if dir.exists() { backups(&dir) } else { Vec::new() };
        check(found.len() <= 3, || format!("{found:?}"))?;
        seen.extend(found.clone());
        check(seen.len() >= 4 && found.len() == 2, || format!("{found:?}"))
    })
    .await;
    let newest = seen.last().unwrap().to_str().unwrap();
    done(&mesh, 0, "backup", &["--verify", newest]);
    let health = NodesServiceClient::new(mesh.channel(0).await).get_health(GetHealthRequest {}).await.unwrap();
    assert_eq!(health.into_inner().backup_failed, None);
});

/// The key for which backups are sealed, made by the program: where the secret one is, and the public one.
fn key(dir: &Path) -> (String, String) {
    let file = dir.join("backup.key");
    let said = run("codepop-node", dir, &["backup", "keygen", "--out", file.to_str().unwrap()]);
    let recipient = said.split_whitespace().find(|word| word.starts_with("age1")).unwrap();
    (file.to_str().unwrap().to_owned(), recipient.to_owned())
}

on_both!(what_a_store_brought_to_its_hub_makes_it_whole_again, async |backend: Backend| {
    let root = tempfile::tempdir().unwrap();
    let (secret, recipient) = key(root.path());
    let mut mesh = Builder::with(1).on(backend).start().await;
    for (name, value) in [
        ("NODE_BACKUP_DIR", root.path().join("backups").to_str().unwrap()),
        ("NODE_BACKUP_EVERY_SECS", "1"),
        ("NODE_BACKUP_TO_HUB", "1"),
        ("NODE_BACKUP_RECIPIENT", &recipient),
    ] {
        mesh.nodes[1].set(name, value);
    }
    mesh.stop(1).await;
    mesh.start(1).await;
    mesh.sign_up(1, "ann").await;
    let signed_up = SystemTime::now();
    let (number, hub, pki) = (
        mesh.nodes[1].id.number.to_string(),
        format!("https://{}", mesh.nodes[0].address()),
        mesh.root().join("pki").to_str().unwrap().to_owned(),
    );
    let kept = mesh.nodes[0].dir.join("backups-of-stores").join(&number);
    eventually(SETTLE_TIMEOUT, "the hub has a backup with the customer in it, and few in all", async || {
        let found = if kept.exists() { backups(&kept) } else { Vec::new() };
        let is_new = |path: &PathBuf| path.metadata().and_then(|meta| meta.modified()).is_ok_and(|at| at > signed_up);
        check(found.len() <= 4 && found.iter().filter(|path| is_new(path)).count() >= 2, || format!("{found:?}"))
    })
    .await;
    let health = NodesServiceClient::new(mesh.channel(1).await).get_health(GetHealthRequest {}).await.unwrap();
    assert_eq!(health.into_inner().backup_failed, None);
    mesh.kill9(1);

    let fetch = |of: &str, out: &str| {
        let args = ["backup", "fetch", "--node", &hub, "--pki", &pki, "--of", of, "--out", out];
        try_run("codepop-node", root.path(), &args, &[])
    };
    let nobodys = fetch("1999", "none");
    assert!(String::from_utf8_lossy(&nobodys.stderr).contains("no backup of node 1999"), "{nobodys:?}");
    let fetched = fetch(&number, "fetched.codepop-backup");
    assert!(fetched.status.success(), "{fetched:?}");
    let file = root.path().join("fetched.codepop-backup").to_str().unwrap().to_owned();
    // The hub can't read it, and neither can who has not the key.
    let unread = try_run("codepop-node", root.path(), &["backup", "--verify", &file], &[]);
    assert!(!unread.status.success(), "{unread:?}");

    let new = mesh.successor(1).await;
    done(&mesh, new, "restore", &[&file, "--identity", &secret]);
    mesh.start(new).await;
    mesh.settled().await;
    mesh.log_in(new, "ann").await.unwrap();
});

#[tokio::test]
async fn a_hub_keeps_only_what_it_cannot_read() {
    let mesh = Builder::with(1).start().await;
    let store = MeshServiceClient::new(mesh.dial_as(Caller::Node(1), 0).await);
    for (what, said, pieces, sizes) in [
        ("not encrypted", "not encrypted", vec![b"codepop-backup/1 ".repeat(40)], 680),
        ("cut off", "bytes came", vec![b"age-encryption.org/v1\n".repeat(40)], 1_000_000),
        ("nothing", "not encrypted", vec![], 0),
    ] {
        let first = StoreBackupRequest { size: sizes, piece: Vec::new() };
        let rest = pieces.into_iter().map(|piece| StoreBackupRequest { size: 0, piece });
        let sent: Vec<_> = std::iter::once(first).chain(rest).collect();
        let mut answers = store.clone().store_backup(tokio_stream::iter(sent)).await.unwrap().into_inner();
        let refused = answers.message().await.unwrap_err();
        assert!(refused.message().contains(said), "{what}: {refused}");
    }
    let kept = mesh.nodes[0].dir.join("backups-of-stores").join(mesh.nodes[1].id.number.to_string());
    assert_eq!(std::fs::read_dir(kept).unwrap().count(), 0, "nothing of it is left");
}
