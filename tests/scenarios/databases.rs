//! Databases that fail: a full disk, a lock that somebody else holds, a server that goes away. Writes are refused in
//! words, reads go on where they can, nothing acknowledged is lost, and the node recovers by itself.

use std::{fs, path::Path, process::Command, time::Duration};

use codepop_proto::catalog::{CreateDrinkRequest, ListDrinksRequest, catalog_service_client::CatalogServiceClient};
use codepop_shared::{Code, Failure};
use codepop_tests::{
    chaos::{Dice, Writers, held_by_all},
    faults::{Fault, Processes, Proxy},
    harness::{Backend, Builder, Mesh, check, eventually, sql},
};
use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
use tonic::Status;

/// Time for a node to notice that the cause is gone: its own retries are seconds apart.
const RECOVERED: Duration = Duration::from_secs(20);

/// Bytes that files of a node with a full disk may have: less than its database has, more than its log.
const FILES_MAX: u64 = 256 * 1_024;

async fn make_drink(mesh: &Mesh, node: usize, name: &str) -> Result<i64, Status> {
    let drink = CreateDrinkRequest {
        name: name.to_owned(),
        soda_used: vec!["Sprite".to_owned()],
        price: Some(3.5),
        user_created: Some(true),
        ..CreateDrinkRequest::default()
    };
    let made = CatalogServiceClient::new(mesh.channel(node).await).create_drink(drink).await?;
    Ok(made.into_inner().drink.unwrap().drink_id)
}

async fn reads(mesh: &Mesh, node: usize) -> Result<(), Status> {
    CatalogServiceClient::new(mesh.channel(node).await).list_drinks(ListDrinksRequest::default()).await.map(drop)
}

fn code(status: &Status) -> Code {
    Failure::from(status).code
}

/// The node is well again and takes writes.
async fn recovered(mesh: &Mesh, node: usize, name: &str) -> i64 {
    eventually(RECOVERED, "the node takes writes again", async || {
        let made = make_drink(mesh, node, name).await.map_err(|status| status.to_string())?;
        let health = mesh.health(node).await;
        check(health.status == "healthy", || format!("{health:?}"))?;
        Ok(made)
    })
    .await
}

fn limit_files(pid: u32, limit: &str) {
    let done = Command::new("prlimit").args(["--pid", &pid.to_string(), &format!("--fsize={limit}:")]).status();
    assert!(done.expect("prlimit (util-linux) is there").success());
}

fn size(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |file| file.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_and_loses_none() {
    let mut mesh = Builder::with(1).make().await;
    mesh.nodes[1].outlive_file_limit();
    mesh.start(0).await;
    mesh.start(1).await;
    mesh.settled().await;
    let mut made = vec![make_drink(&mesh, 1, "before").await.unwrap()];
    let (pid, dir) = (mesh.nodes[1].program().pid(), mesh.nodes[1].dir.clone());
    assert!(size(&dir.with_extension("log")) < FILES_MAX / 2 && size(&dir.join("node.db-wal")) > FILES_MAX);
    limit_files(pid, &FILES_MAX.to_string());
    for number in 0..3 {
        let refused = make_drink(&mesh, 1, &format!("full{number}")).await.unwrap_err();
        assert_eq!(code(&refused), Code::StorageUnavailable, "{refused}");
    }
    reads(&mesh, 1).await.unwrap();
    let health = mesh.health(1).await;
    assert_eq!(health.status, "degraded");
    assert!(health.writes_refused.unwrap().contains("disk"), "it says why");
    // What others say cannot be kept either, and waits with them.
    mesh.hub_account("meanwhile").await;
    limit_files(pid, "unlimited");
    made.push(recovered(&mesh, 1, "after").await);
    mesh.settled().await;
    mesh.kill9(1);
    mesh.start(1).await;
    mesh.settled().await;
    held_by_all(&mut mesh, &made).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_another_program_locks_refuses_writes_until_it_is_let_go() {
    let mut mesh = Builder::with(1).start().await;
    let mut made = vec![make_drink(&mesh, 1, "before").await.unwrap()];
    let file = mesh.nodes[1].dir.join("node.db");
    let mut foreign = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    foreign.batch_execute("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE").unwrap();
    let refused = make_drink(&mesh, 1, "locked").await.unwrap_err();
    assert_eq!(code(&refused), Code::StorageUnavailable, "{refused}");
    reads(&mesh, 1).await.unwrap();
    let health = mesh.health(1).await;
    assert!(health.status == "degraded" && health.writes_refused.unwrap().contains("locked"));
    foreign.batch_execute("ROLLBACK").unwrap();
    drop(foreign);
    made.push(recovered(&mesh, 1, "after").await);
    mesh.settled().await;
    held_by_all(&mut mesh, &made).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_server_that_drops_its_sessions_costs_no_acknowledged_write() {
    let mut mesh = Builder::with(2).on(Backend::Postgres).start().await;
    let writers = Writers::start(&mesh, &mut Dice::of(5));
    let terminate = "SELECT CAST(pg_terminate_backend(pid) AS TEXT) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for round in 0..6 {
        let written = writers.count().0;
        eventually(RECOVERED, "writers write", async || {
            check(writers.count().0 > written + 10, || format!("{:?}", writers.count()))
        })
        .await;
        let ended = sql(&mesh.nodes[round % 3].database_url().unwrap(), terminate).await;
        assert!(!ended.is_empty(), "the node had sessions");
    }
    let acknowledged = writers.stop().await;
    mesh.settled().await;
    codepop_tests::chaos::prove(&mut mesh, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_server_that_is_away_for_a_while_is_found_again() {
    let mut mesh = Builder::with(1).on(Backend::Postgres).make().await;
    let server = Proxy::start(Processes::default()).await;
    let url = mesh.nodes[1].database_url().unwrap();
    let address = url.rsplit_once('/').unwrap().0.rsplit_once('@').unwrap().1.parse().unwrap();
    server.lead_to(Some(address));
    mesh.nodes[1].reach_database_at(server.address());
    mesh.start(0).await;
    mesh.start(1).await;
    mesh.settled().await;
    let mut made = vec![make_drink(&mesh, 1, "before").await.unwrap()];
    server.set(Fault::Cut);
    for number in 0..2 {
        let refused = make_drink(&mesh, 1, &format!("away{number}")).await.unwrap_err();
        assert_eq!(code(&refused), Code::StorageUnavailable, "{refused}");
    }
    let health = mesh.health(1).await;
    assert_eq!((health.status.as_str(), health.database.as_str()), ("degraded", "disconnected"));
    let refused = reads(&mesh, 1).await.unwrap_err();
    assert_eq!(code(&refused), Code::StorageUnavailable, "{refused}");
    server.set(Fault::None);
    made.push(recovered(&mesh, 1, "after").await);
    mesh.settled().await;
    held_by_all(&mut mesh, &made).await;
}
