//! How fast a mesh is whole again: a hub that comes back to stores which went on without it, and a new store at the end of a
//! thin line.

use std::time::{Duration, Instant};

use argon2::{Argon2, PasswordHasher as _, password_hash::SaltString};
use codepop_node::{
    journal::{Audience, emit},
    storage::{Db, Error},
};
use codepop_proto::accounts::{CredentialSet, UserRegistered};

use super::journal::{heads, open, say};
use crate::{
    faults::Fault,
    harness::{Backend, Builder, PASSWORD},
};

/// Events that each store said while the hub was away.
pub const WAITING: u64 = 2_000;

/// Accounts that the new store does not have.
pub const ACCOUNTS: i64 = 100_000;

/// The thin line, in bytes a second: 1 Mbit/s.
const LINE: u32 = 125_000;

/// Events in one transaction while a journal is filled.
const FILL_BATCH: i64 = 500;

/// Everything that is measured here ends within this time, or failed.
const MEASURE_MAX: Duration = Duration::from_secs(120);

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A hub that serves again until it and its two stores, each with [`WAITING`] events, have the same rows.
///
/// # Panics
/// They never do.
pub async fn hub_back(backend: Backend) -> Duration {
    let mut mesh = Builder::with(2).on(backend).times(2_000, 6_000).start().await;
    for node in [1, 2, 0] {
        mesh.stop(node).await;
    }
    for store in [1, 2] {
        let db = open(&mesh.nodes[store]).await;
        for from in (1..=WAITING).step_by(500) {
            say(&db, from..from + 500).await;
        }
    }
    // The stores must not tell each other: it is the hub that brings it from one to the other.
    mesh.cut(1, 2);
    mesh.start(1).await;
    mesh.start(2).await;
    mesh.start(0).await;
    let start = Instant::now();
    until(start, async || {
        let mut known = Vec::new();
        for node in &mesh.nodes {
            known.push(heads(node).await);
        }
        known.iter().all(|heads| *heads == known[0] && heads.iter().filter(|head| **head >= WAITING).count() == 2)
    })
    .await;
    let took = start.elapsed();
    mesh.settled().await;
    took
}

/// A new store behind a line of 1 Mbit/s in a chain of [`ACCOUNTS`] customers: until somebody's first log-in there works.
///
/// # Panics
/// It never does.
pub async fn first_log_in() -> Duration {
    let mut mesh = Builder::with(1).times(2_000, 6_000).make().await;
    let hub = open(&mesh.nodes[0]).await;
    let hash = shared_hash();
    for from in (1..=ACCOUNTS).step_by(500) {
        register(&hub, from, &hash).await;
    }
    drop(hub);
    mesh.start(0).await;
    mesh.between(0, 1, Fault::Bandwidth(LINE));
    mesh.start(1).await;
    let start = Instant::now();
    let last = name_of(ACCOUNTS);
    until(start, async || mesh.log_in(1, &last).await.is_ok()).await;
    start.elapsed()
}

async fn until(start: Instant, done: impl AsyncFn() -> bool) {
    while !done().await {
        assert!(start.elapsed() < MEASURE_MAX, "it takes too long");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn name_of(counter: i64) -> String {
    format!("customer{counter}")
}

/// One hash for all: a hundred thousand would take half an hour, and what is measured does not look at it.
fn shared_hash() -> String {
    let salt = SaltString::encode_b64(&[7; 16]).unwrap();
    Argon2::default().hash_password(PASSWORD.as_bytes(), &salt).unwrap().to_string()
}

async fn register(db: &Db, from: i64, hash: &str) {
    let hash = hash.to_owned();
    let said = db.write(move |tx| {
        Box::pin(async move {
            for counter in from..from + FILL_BATCH {
                let (user, username) = (counter * 100_000 + 1_017, name_of(counter));
                let registered = UserRegistered { user, username, created_at_us: 1, ..UserRegistered::default() };
                emit(tx, &Audience::Everyone, &registered).await.unwrap();
                let credential = CredentialSet { user, password_hash: hash.clone(), ends_sessions: false };
                emit(tx, &Audience::Everyone, &credential).await.unwrap();
            }
            Ok::<_, Error>(())
        })
    });
    said.await.unwrap();
}
