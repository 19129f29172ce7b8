//! A journal that does not grow with history: what was superseded goes, and whoever comes later gets what is left.

use std::time::Duration;

use codepop_tests::harness::{Builder, Mesh, check, eventually};
use reqwest::Method;
use serde_json::json;

/// Changes of one profile: each supersedes the one before it.
const CHANGES: usize = 60;

/// Time for the journals to be compacted: they keep a second.
const COMPACTED: Duration = Duration::from_secs(30);

async fn stored(mesh: &Mesh, node: usize) -> u64 {
    mesh.status(node).await.events.unwrap_or_default().stored
}

on_both!(a_newcomer_and_a_latecomer_get_the_live_state, async |backend| {
    let builder = Builder::with(3).on(backend).setting("NODE_JOURNAL_KEEP_SECS", "1");
    let mut mesh = builder.make().await;
    for node in [0, 1, 2] {
        mesh.start(node).await;
    }
    mesh.settled().await;
    let gateway = mesh.gateway(&[1]).await;
    let token = mesh.sign_up(1, "ada").await.token;
    mesh.settled().await;
    // Store 2 misses all that follows.
    mesh.stop(2).await;
    let before = stored(&mesh, 1).await;
    for change in 0..CHANGES {
        let body = json!({"last_name": format!("Lovelace {change}")});
        gateway.ask(Method::PATCH, "/backend/users/me/", Some(&token), Some(body)).await.expect(200);
    }
    for node in [0, 1] {
        eventually(COMPACTED, "what was superseded is gone", async || {
            let left = stored(&mesh, node).await;
            check(left < before + 10, || format!("{left} events at node {node}, {before} before"))
        })
        .await;
    }
    // Store 2 was away for longer than the journals reach back; store 3 has never been there.
    mesh.start(2).await;
    mesh.start(3).await;
    mesh.settled().await;
    for node in [2, 3] {
        let left = stored(&mesh, node).await;
        assert!(left < before + 30, "{left} events came to node {node}");
        assert!(mesh.conflicts(node).await.is_empty());
    }
    // And what happens from now on arrives as ever.
    let body = json!({"last_name": "King"});
    gateway.ask(Method::PATCH, "/backend/users/me/", Some(&token), Some(body)).await.expect(200);
    mesh.settled().await;
});
