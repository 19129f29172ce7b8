//! The journal alone: how fast one node makes events durable, and how fast a peer that is far behind takes them in.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::Utc;
use codepop_node::{
    clock::Clock,
    identity::{Author, Expected, NodeIdentity},
    journal::{Audience, emit},
    storage::{Db, Error, Location},
};
use codepop_proto::catalog::{Recipe, UserDrinkSaved};
use prost::Message as _;
use tokio::task::JoinSet;

use crate::harness::{Backend, Builder, Node, sql, sqlite_sql};

/// Bytes of a message: what the systems that this is compared with are given.
pub const MESSAGE_BYTES: usize = 200;

/// Events in one transaction while a journal is filled for a measurement.
const FILL_BATCH: u64 = 500;

/// How often the node that catches up is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A store that lags so far behind its hub must have caught up within this time.
const CATCH_UP_MAX: Duration = Duration::from_secs(300);

/// A guest's drink whose message has [`MESSAGE_BYTES`].
fn drink(number: i64) -> UserDrinkSaved {
    let recipe = Recipe {
        drink: number,
        sodas: vec!["Sprite".to_owned()],
        syrups: vec!["Vanilla".to_owned(), "Coconut".to_owned()],
        size: "24oz".to_owned(),
        ice: "regular".to_owned(),
        price_cents: 260,
        user_created: true,
        ..Recipe::default()
    };
    // An older one would be removed as soon as its store runs.
    let created_at_us = Utc::now().timestamp_micros();
    let mut saved =
        UserDrinkSaved { recipe: Some(recipe), guest: vec![7; 16], created_at_us, ..UserDrinkSaved::default() };
    let missing = MESSAGE_BYTES.saturating_sub(saved.encoded_len() + 3);
    if let Some(recipe) = &mut saved.recipe {
        recipe.name = "x".repeat(missing);
    }
    saved
}

/// Opens the database of a node that does not run, in its name.
///
/// # Panics
/// It can't be opened.
pub async fn open(node: &Node) -> Db {
    // A second run in the same process has installed it already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let author: Author = identity(&node.dir).author();
    let location = node.database_url().map_or_else(|| Location::Sqlite(node.dir.join("node.db")), Location::Postgres);
    let clock = Arc::new(Clock::new(author.id.uuid));
    Db::open(&location, clock, Arc::new(author)).await.unwrap().0
}

fn identity(dir: &Path) -> NodeIdentity {
    NodeIdentity::load(dir, &Expected::default()).unwrap()
}

/// Says so many guests' drinks, in one transaction.
///
/// # Panics
/// The database fails.
pub async fn say(db: &Db, numbers: std::ops::Range<u64>) {
    let audience = Audience::Region(db.author().id.region.clone());
    let number = db.author().id.number;
    let said = db.write(move |tx| {
        Box::pin(async move {
            for counter in numbers {
                let public = i64::try_from(counter * 100_000).unwrap() + i64::from(number);
                emit(tx, &audience, &drink(public)).await.unwrap();
            }
            Ok::<_, Error>(())
        })
    });
    said.await.unwrap();
}

/// Durable events a second at one node, each in an operation of its own, by so many callers at once.
///
/// # Panics
/// A write fails.
pub async fn ingest(backend: Backend, writers: u64, time: Duration) -> f64 {
    let mesh = Builder::with(1).on(backend).make().await;
    let db = open(&mesh.nodes[1]).await;
    let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut callers = JoinSet::new();
    for writer in 0..writers {
        let (db, done, stop) = (db.clone(), Arc::clone(&done), Arc::clone(&stop));
        callers.spawn(async move {
            // Each its own numbers: every event is a new row.
            for round in 0.. {
                let counter = 1 + writer + round * writers;
                say(&db, counter..counter + 1).await;
                done.fetch_add(1, Ordering::Relaxed);
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
    }
    let start = Instant::now();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    callers.join_all().await;
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52 events")]
    let rate = done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    rate
}

/// How long a hub takes for so many events of a store, from its start until all are verified, merged and durable.
///
/// # Panics
/// It does not get there.
pub async fn catch_up(backend: Backend, events: u64) -> Duration {
    let mut mesh = Builder::with(1).on(backend).make().await;
    let db = open(&mesh.nodes[1]).await;
    let mut next = 1;
    while next <= events {
        let end = (next + FILL_BATCH).min(events + 1);
        say(&db, next..end).await;
        next = end;
    }
    drop(db);
    mesh.start(1).await;
    let start = Instant::now();
    mesh.start(0).await;
    while heads(&mesh.nodes[0]).await.into_iter().max().unwrap_or(0) < events {
        assert!(start.elapsed() < CATCH_UP_MAX, "the hub did not catch up");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    start.elapsed()
}

/// How far a node has the streams for its region, in the order of their origins: from its database, because the node itself
/// has something else to do.
pub async fn heads(node: &Node) -> Vec<u64> {
    let query = "SELECT CAST(head_seq AS TEXT) AS word FROM streams WHERE audience LIKE 'region:%' ORDER BY origin";
    let words = match node.database_url() {
        Some(url) => sql(&url, query).await,
        None => sqlite_sql(&node.dir.join("node.db"), query),
    };
    words.iter().map(|word| word.parse().unwrap()).collect()
}
