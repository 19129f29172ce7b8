//! Measures the optimised programs and prints a table in markdown. `scripts/bench.sh` builds them and names them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails is none")]

use std::{env, path::PathBuf, time::Duration};

use codepop_proto::catalog::{CreateDrinkRequest, catalog_service_client::CatalogServiceClient};
use codepop_tests::{
    bench::{
        boards::{BOARDS, Boards},
        envoy::Envoy,
        http::{Load, load},
        import, journal, rest, shop,
        table::{Spread, row},
        visible::Customers,
    },
    harness::{Backend, Builder, Mesh},
};

/// Runs of each measurement.
const RUNS: usize = 3;

/// Connections of the load generator: a few busy shops.
const CONNECTIONS: usize = 32;

/// Time of one run against a door, and its warm-up.
const DOOR_TIME: Duration = Duration::from_secs(5);
const WARM_UP: Duration = Duration::from_secs(1);

/// Time of one run of writes; the highest rate must be held for as long.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// Rates that are tried for the highest, in writes a second.
const RATES: &[u32] = &[200, 400, 600, 800, 1_000, 1_500, 2_000, 3_000];

/// A rate is held when this share of it is acknowledged, and 99 of 100 writes are visible within a second.
const HELD_SHARE: f64 = 0.97;
const HELD_P99: Duration = Duration::from_secs(1);

/// Orders and log-ins of one run, and what the shelves need for all runs.
const ORDERS: usize = 3_000;
const LOG_INS: usize = 300;
const STOCK: i32 = 100_000;

/// Events that a node which catches up lacks.
const BEHIND: u64 = 100_000;

/// What can be measured on its own.
const PARTS: &[&str] = &["rest", "doors", "shops", "import", "boards", "ingest", "catchup", "writes"];

/// The settings of a shop.
const TIMES: (u64, u64) = (2_000, 6_000);

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let wanted: Vec<String> = env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|part| !PARTS.contains(&part.as_str())) {
        eprintln!("bench: \"{unknown}\" is none of {}", PARTS.join(", "));
        std::process::exit(2);
    }
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == part);
    row(&["what", "median (range) of 3 runs", "compared"]);
    row(&["---", "---", "---"]);
    if is_wanted("rest") {
        at_rest(Builder::with(2).times(TIMES.0, TIMES.1).start().await).await;
    }
    if is_wanted("doors") {
        doors().await;
    }
    if is_wanted("shops") {
        shops(Backend::Sqlite).await;
        shops(Backend::Postgres).await;
    }
    if is_wanted("import") {
        imports(Backend::Sqlite).await;
        imports(Backend::Postgres).await;
    }
    if is_wanted("boards") {
        boards().await;
    }
    if is_wanted("ingest") {
        ingest(Backend::Sqlite).await;
        ingest(Backend::Postgres).await;
    }
    if is_wanted("catchup") {
        catch_up(Backend::Sqlite).await;
        catch_up(Backend::Postgres).await;
    }
    if is_wanted("writes") {
        writes().await;
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

async fn at_rest(mut mesh: Mesh) {
    let mut starts = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..RUNS {
        starts.push(ms(rest::start_up(&mut mesh, 1).await));
        mesh.settled().await;
        memory.push(rest::resident_mb(&mesh, 1));
    }
    row(&["node at rest: memory, MB", &Spread::of(memory).shown(1), "aim: under 40"]);
    row(&["node: start to serving, ms", &Spread::of(starts).shown(0), "aim: under 500"]);
    row(&["node: size of the program, MB", &format!("{:.1}", rest::binary_mb("codepop-node")), ""]);
    row(&["gateway: size of the program, MB", &format!("{:.1}", rest::binary_mb("codepop-gateway")), ""]);
}

/// The gateway and Envoy before the same node, in turns, so that a slow moment of the machine meets both.
async fn doors() {
    let program = PathBuf::from(env::var_os("CODEPOP_ENVOY").expect("CODEPOP_ENVOY names Envoy; run scripts/bench.sh"));
    let mesh = Builder::with(1).times(TIMES.0, TIMES.1).start().await;
    for number in 0..20 {
        let drink = CreateDrinkRequest {
            name: format!("Drink {number}"),
            soda_used: vec!["Sprite".to_owned()],
            syrups_used: vec!["Vanilla".to_owned(), "Coconut".to_owned()],
            price: Some(3.5),
            user_created: Some(true),
            ..CreateDrinkRequest::default()
        };
        CatalogServiceClient::new(mesh.channel(1).await).create_drink(drink).await.unwrap();
    }
    let gateway = mesh.gateway(&[1]).await;
    let pki = mesh.root().join("gateway-1/pki");
    let envoy = Envoy::start(&program, mesh.root(), &pki, mesh.nodes[1].address()).await;
    for (what, path) in [
        ("GET /backend/drinks", "/backend/drinks"),
        ("store discovery", "/backend/stores/discover?lat=41.74&lon=-111.83"),
    ] {
        let (mut ours, mut theirs): (Vec<Load>, Vec<Load>) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            for (address, into) in [(gateway.address(), &mut ours), (envoy.address, &mut theirs)] {
                load(address, path, CONNECTIONS, WARM_UP).await;
                into.push(load(address, path, CONNECTIONS, DOOR_TIME).await);
            }
        }
        compare(what, "answers/s", &ours, &theirs, 0, |load| load.rate);
        compare(what, "p50, ms", &ours, &theirs, 2, |load| ms(load.p50));
        compare(what, "p99, ms", &ours, &theirs, 2, |load| ms(load.p99));
    }
}

fn compare(what: &str, unit: &str, ours: &[Load], theirs: &[Load], decimals: usize, value: impl Fn(&Load) -> f64) {
    let [ours, theirs] = [ours, theirs].map(|runs| Spread::of(runs.iter().map(&value).collect()));
    row(&[
        &format!("gateway, {what}: {unit}"),
        &ours.shown(decimals),
        &format!("Envoy {}: {:.2}×", theirs.shown(decimals), ours.median / theirs.median),
    ]);
}

/// A shop under load: what the server before this one did on such a machine is in brackets.
async fn shops(backend: Backend) {
    let builder = Builder::with(1).on(backend).times(TIMES.0, TIMES.1);
    let (mesh, gateway, _admin) = Mesh::open_shop_of(builder, 1, STOCK).await;
    shop::sign_up(&mesh, 1).await;
    for connections in [8, 64] {
        let (mut orders, mut reads, mut log_ins) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            orders.push(shop::orders(&gateway, ORDERS, connections).await);
            load(gateway.address(), "/backend/drinks/", connections, WARM_UP).await;
            reads.push(load(gateway.address(), "/backend/drinks/", connections, DOOR_TIME).await);
            log_ins.push(shop::log_ins(&gateway, LOG_INS, connections).await);
        }
        for (what, runs, before) in
            [("orders", orders, 59.0), ("catalogue reads", reads, 74.0), ("log-ins", log_ins, 3.0)]
        {
            let [rate, p50, p99] = [
                Spread::of(runs.iter().map(|load| load.rate).collect()),
                Spread::of(runs.iter().map(|load| ms(load.p50)).collect()),
                Spread::of(runs.iter().map(|load| ms(load.p99)).collect()),
            ];
            row(&[
                &format!("{what}/s, {backend:?}, {connections} connections"),
                &rate.shown(0),
                &format!(
                    "p50 {} ms, p99 {} ms; the old server {before}/s: {:.0}×",
                    p50.shown(1),
                    p99.shown(1),
                    rate.median / before
                ),
            ]);
        }
    }
}

/// A database of the old system, brought into a new store.
async fn imports(backend: Backend) {
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let took = import::import(Builder::with(1).on(backend)).await;
        #[allow(clippy::cast_precision_loss, reason = "thousands")]
        let rows = import::ROWS as f64;
        rates.push(rows / took.as_secs_f64());
    }
    row(&[&format!("import of an old database, rows/s, {backend:?}"), &Spread::of(rates).shown(0), ""]);
}

/// Dashboards over REST, on a chain with a month of test data.
async fn boards() {
    let boards = Boards::start().await;
    row(&["seed --profile chain, s", &format!("{:.1}", boards.seeding.as_secs_f64()), "aim: under 120"]);
    for (what, user, path, aim) in BOARDS {
        let (mut middle, mut slowest) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let took = boards.look(user, path).await;
            middle.push(ms(took[took.len() / 2]));
            slowest.push(ms(took[took.len() - 1]));
        }
        let aim = format!("aim: under {aim}");
        row(&[&format!("{what}: p50, ms"), &Spread::of(middle).shown(1), &aim]);
        row(&[&format!("{what}: slowest of 20, ms"), &Spread::of(slowest).shown(1), &aim]);
    }
}

/// Durable events at one node, in process: what the journal can take before any request is read.
async fn ingest(backend: Backend) {
    for writers in [1, 64] {
        let mut rates = Vec::new();
        for _ in 0..RUNS {
            rates.push(journal::ingest(backend, writers, WRITE_TIME).await);
        }
        let aim = if writers == 64 { "aim: 10,000" } else { "" };
        let what = format!("durable events/s of {} bytes, {backend:?}, {writers} callers", journal::MESSAGE_BYTES);
        row(&[&what, &Spread::of(rates).shown(0), aim]);
    }
}

/// A hub that takes a store's long journal in.
async fn catch_up(backend: Backend) {
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        let took = journal::catch_up(backend, BEHIND).await;
        #[allow(clippy::cast_precision_loss, reason = "a hundred thousand")]
        rates.push(BEHIND as f64 / took.as_secs_f64());
    }
    let what = format!("catch-up, events/s, {BEHIND} behind, {backend:?}");
    row(&[&what, &Spread::of(rates).shown(0), "aim: 50,000"]);
}

async fn writes() {
    let mesh = Builder::with(2).times(TIMES.0, TIMES.1).start().await;
    let customers = Customers::of(&mesh).await;
    for per_second in [100, 1_000] {
        let (mut p50, mut p99, mut rate) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let run = customers.write(per_second, WRITE_TIME).await;
            p50.push(ms(run.p50));
            p99.push(ms(run.p99));
            rate.push(run.rate);
        }
        let what = format!("write at store A to visible at store B, {per_second}/s");
        row(&[&format!("{what}: p50, ms"), &Spread::of(p50).shown(1), ""]);
        row(&[
            &format!("{what}: p99, ms"),
            &Spread::of(p99).shown(1),
            &format!("acknowledged {}/s", Spread::of(rate).shown(0)),
        ]);
    }
    let mut highest = 0.0;
    for rate in RATES {
        let run = customers.write(*rate, WRITE_TIME).await;
        if run.rate < f64::from(*rate) * HELD_SHARE || run.p99 > HELD_P99 {
            break;
        }
        highest = run.rate;
        mesh.settled().await;
    }
    row(&[
        "highest rate of writes held for 10 s, visible within 1 s",
        &format!("{highest:.0}/s"),
        "load generator on the same cores",
    ]);
}
