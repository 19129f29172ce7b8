//! Clocks that jump, by libfaketime: promises hold, what is too far ahead waits, and people are told.

use std::{fs, path::PathBuf, time::Duration};

use codepop_proto::accounts::{GetProfileRequest, accounts_service_client::AccountsServiceClient};
use codepop_tests::{
    chaos::held_by_all,
    harness::{Builder, Mesh, check, eventually},
};
use reqwest::Method;
use serde_json::json;
use tonic::{Request, Status};

/// Time for what waited for a clock to be applied: it is tried every 5 s.
const APPLIED: Duration = Duration::from_secs(40);

/// Events of a stream whose time is not after that of the event before.
const OUT_OF_ORDER: &str = "SELECT a.kind AS word FROM events a JOIN events b ON a.stream = b.stream AND \
     b.seq = a.seq + 1 WHERE b.hlc <= a.hlc";

/// The library; without it these promises cannot be tried.
fn library() -> PathBuf {
    if let Some(named) = std::env::var_os("CODEPOP_FAKETIME") {
        return named.into();
    }
    let folders = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path().join("faketime"));
    let mut found = folders.map(|folder| folder.join("libfaketimeMT.so.1")).filter(|file| file.exists());
    found.next().expect("libfaketime is there (Debian: apt-get install faketime); ./scripts/test.sh installs it")
}

/// A mesh whose nodes have clocks of their own.
async fn with_clocks(stores: usize) -> Mesh {
    with_clocks_and(Builder::with(stores)).await
}

async fn with_clocks_and(builder: Builder) -> Mesh {
    let mut mesh = builder.make().await;
    let stores = mesh.nodes.len() - 1;
    let library = library();
    for node in 0..=stores {
        set_clock(&mesh, node, 0);
        let (file, node) = (clock_file(&mesh, node), &mut mesh.nodes[node]);
        node.set("LD_PRELOAD", library.to_str().unwrap());
        node.set("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap());
        node.set("FAKETIME_CACHE_DURATION", "1");
        // Timers go on as ever: only what the clock on the wall shows jumps.
        node.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
    for node in 0..=stores {
        mesh.start(node).await;
    }
    mesh.settled().await;
    mesh
}

fn clock_file(mesh: &Mesh, node: usize) -> PathBuf {
    mesh.root().join(format!("clock{node}"))
}

/// The clock of a node is so many seconds off from now on (within a second, when the node runs).
fn set_clock(mesh: &Mesh, node: usize, seconds: i64) {
    fs::write(clock_file(mesh, node), format!("{seconds:+}")).unwrap();
}

/// Waits until a node's own word shows that its clock is so many seconds off.
async fn clock_is(mesh: &Mesh, node: usize, seconds: i64) {
    eventually(APPLIED, "the clock has jumped", async || {
        let shown = mesh.health(node).await.timestamp.unwrap().seconds - chrono::Utc::now().timestamp();
        check((shown - seconds).abs() < 20, || format!("it is {shown} s off"))
    })
    .await;
}

async fn profile(mesh: &Mesh, node: usize, token: &str) -> Result<(), Status> {
    let mut request = Request::new(GetProfileRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    AccountsServiceClient::new(mesh.channel(node).await).get_profile(request).await.map(drop)
}

async fn waiting(mesh: &Mesh, node: usize) -> usize {
    mesh.conflicts(node).await.iter().filter(|conflict| conflict.kind == "quarantined").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_an_hour_ahead_and_back_breaks_no_promise() {
    let mut mesh = with_clocks(2).await;
    let token = mesh.sign_up(1, "before").await.token;
    mesh.settled().await;

    set_clock(&mesh, 1, 3_600);
    clock_is(&mesh, 1, 3_600).await;
    mesh.sign_up(1, "ahead").await;
    for other in [0, 2] {
        eventually(APPLIED, "what is an hour ahead waits, and people are told", async || {
            check(waiting(&mesh, other).await > 0, || "nothing waits".to_owned())
        })
        .await;
        profile(&mesh, other, &token).await.unwrap();
    }
    // Both sides go on: at the store with the wrong clock and elsewhere, with tokens from before.
    profile(&mesh, 1, &token).await.unwrap();
    mesh.log_in(1, "ahead").await.unwrap();
    mesh.sign_up(2, "elsewhere").await;
    eventually(APPLIED, "others' events arrive where the clock is ahead", async || {
        mesh.log_in(1, "elsewhere").await.map(drop).map_err(|status| status.to_string())
    })
    .await;

    // An hour back, while it runs and over a start.
    set_clock(&mesh, 1, 0);
    clock_is(&mesh, 1, 0).await;
    mesh.sign_up(1, "back").await;
    mesh.kill9(1);
    mesh.start(1).await;
    mesh.sign_up(1, "restarted").await;
    assert!(mesh.nodes[1].program().log().contains("clock is behind"), "the node says that its clock is behind");
    profile(&mesh, 1, &token).await.unwrap();

    // Once the others' clocks are there, everything is applied.
    for node in 0..=2 {
        set_clock(&mesh, node, 3_700);
    }
    mesh.settled().await;
    eventually(APPLIED, "nothing waits any more", async || {
        let left = waiting(&mesh, 0).await + waiting(&mesh, 2).await;
        check(left == 0, || format!("{left} events wait"))
    })
    .await;
    for name in ["ahead", "back", "restarted"] {
        mesh.log_in(2, name).await.unwrap();
    }
    held_by_all(&mut mesh, &[]).await;
    for node in &mesh.nodes {
        assert_eq!(node.rows(OUT_OF_ORDER).await, Vec::<String>::new(), "times within a stream only rise");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_an_hour_behind_breaks_no_promise() {
    let mut mesh = with_clocks(2).await;
    let token = mesh.sign_up(1, "before").await.token;
    mesh.settled().await;
    // Between two starts, with writes elsewhere meanwhile.
    mesh.stop(1).await;
    set_clock(&mesh, 1, -3_590);
    mesh.sign_up(2, "meanwhile").await;
    mesh.start(1).await;
    mesh.sign_up(1, "behind").await;
    // Its own word counts everywhere; what others say seems to come from the future there, and waits.
    eventually(APPLIED, "what it says is applied elsewhere", async || {
        mesh.log_in(2, "behind").await.map(drop).map_err(|status| status.to_string())
    })
    .await;
    profile(&mesh, 1, &token).await.expect("a token from before");
    set_clock(&mesh, 1, 0);
    mesh.settled().await;
    mesh.log_in(1, "meanwhile").await.unwrap();
    held_by_all(&mut mesh, &[]).await;
    assert_eq!(mesh.nodes[1].rows(OUT_OF_ORDER).await, Vec::<String>::new(), "times within a stream only rise");
}

/// Half a year and some days, in seconds.
const LONG: i64 = 200 * 24 * 60 * 60;

/// What is left of removed favourites.
const REMOVED: &str = "SELECT drink_id AS word FROM favorites WHERE NOT present";

/// Waits until nothing at the first three nodes remembers a removed favourite.
async fn is_forgotten(mesh: &Mesh) {
    let events = "SELECT kind AS word FROM events WHERE kind = 'codepop.catalog.v1.FavoriteRemoved'";
    eventually(APPLIED, "the removal is forgotten and its event is gone", async || {
        for node in 0..=2 {
            for left in [REMOVED, events] {
                let left = mesh.nodes[node].rows(left).await;
                check(left.is_empty(), || format!("node {node}: {left:?}"))?;
            }
        }
        Ok(())
    })
    .await;
}

/// A store that was away for longer than removed things are remembered does not bring them back: neither to others nor to
/// itself; and what it wrote meanwhile arrives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_removed_while_a_store_was_away_for_half_a_year_stays_removed() {
    let builder = Builder::with(3).setting("NODE_JOURNAL_KEEP_SECS", "1").setting("NODE_DIGEST_SECS", "1");
    let mut mesh = with_clocks_and(builder).await;
    let gateway = mesh.gateway(&[1]).await;
    let ada = mesh.sign_up(1, "ada").await;
    let favorites = format!("/backend/users/{}/favorites/", ada.user_id);
    let mut drinks = Vec::new();
    for name in ["Kept", "Removed"] {
        let body = json!({"Name": name, "SyrupsUsed": [], "SodaUsed": ["Sprite"], "AddIns": [], "Price": 3,
            "User_Created": true});
        let made = gateway.post("/backend/drinks/", Some(&ada.token), body).await.expect(201);
        let drink = made["DrinkID"].as_i64().unwrap();
        gateway.post(&favorites, Some(&ada.token), json!({"drink_id": drink})).await.expect(201);
        drinks.push(drink);
    }
    mesh.settled().await;
    mesh.stop(3).await;
    let path = format!("{favorites}{}/", drinks[1]);
    gateway.ask(Method::DELETE, &path, Some(&ada.token), None).await.expect(204);
    // The last event of a stream is always kept, for what follows it.
    mesh.sign_up(1, "meanwhile").await;
    mesh.settled().await;

    for node in 0..=3 {
        set_clock(&mesh, node, LONG);
    }
    for node in 0..=2 {
        mesh.stop(node).await;
        assert_eq!(mesh.nodes[node].rows(REMOVED).await, [drinks[1].to_string()], "it is remembered at node {node}");
    }
    for node in 0..=2 {
        mesh.start(node).await;
    }
    is_forgotten(&mesh).await;

    // The store comes back, alone at first, and somebody signs up there.
    for other in 0..=2 {
        mesh.cut(3, other);
    }
    mesh.start(3).await;
    mesh.sign_up(3, "grace").await;
    let there = "SELECT name AS word FROM favorites WHERE present ORDER BY name";
    assert_eq!(mesh.nodes[3].rows(there).await, ["Kept", "Removed"], "it has not heard of the removal");
    for other in 0..=2 {
        mesh.join(3, other);
    }
    eventually(APPLIED * 3, "it gave up what others have forgotten", async || {
        let names = mesh.nodes[3].rows(there).await;
        check(names == ["Kept"], || format!("{names:?}"))?;
        mesh.differences().await
    })
    .await;
    mesh.log_in(1, "grace").await.unwrap();
    for node in 0..=3 {
        let left = mesh.nodes[node].rows("SELECT name AS word FROM favorites").await;
        assert_eq!(left, ["Kept"], "node {node}");
    }
    eventually(APPLIED, "its state is confirmed by a second node", async || {
        let verifying = mesh.health(3).await.verifying;
        check(verifying.is_empty(), || format!("{verifying:?}"))
    })
    .await;
}
