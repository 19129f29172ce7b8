//! Nodes find each other, lose each other, and end up with the same.

use std::time::{Duration, Instant};

use codepop_tests::{
    faults::Fault,
    harness::{Backend, Builder, check, eventually, store},
};

/// A peer that is gone is marked within this time, as promised with the shop's settings; these are sharper.
const MARKED_AWAY: Duration = Duration::from_secs(10);

/// A peer that is back is marked within this time.
const MARKED_BACK: Duration = Duration::from_secs(5);

/// Times that a node is killed in one test.
const KILLS: usize = 5;

on_both!(
    /// Everything that is written anywhere is everywhere.
    what_is_written_at_any_node_is_at_all_nodes,
    |backend: Backend| async move {
        let mesh = Builder::with(3).on(backend).start().await;
        for store in 1..=3 {
            mesh.sign_up(store, &format!("customer{store}")).await;
        }
        mesh.settled().await;
        let rows = mesh.digests(0).await["everyone"].1;
        for node in 1..=3 {
            assert_eq!(mesh.digests(node).await["everyone"].1, rows);
            assert_eq!(mesh.status(node).await.peers.len(), 3);
        }
        for store in 1..=3 {
            mesh.log_in(store - 1, &format!("customer{store}")).await.unwrap();
        }
    }
);

on_both!(
    /// Killed at any moment, in the midst of writes, a node comes back with all that it acknowledged.
    a_node_that_is_killed_again_and_again_loses_nothing,
    |backend: Backend| async move {
        let mut mesh = Builder::with(2).on(backend).start().await;
        let mut acknowledged = Vec::new();
        for round in 0..KILLS {
            // Store 1, the hub, store 2 and so on: written to right before, and another right after.
            let killed = [1, 0, 2][round % 3];
            let (writers, survivor) = if killed == 2 { ([2, 1], 1) } else { ([1, 2], 2) };
            for at in writers {
                let name = format!("round{round}at{at}");
                mesh.sign_up(at, &name).await;
                acknowledged.push(name);
            }
            mesh.kill9(killed);
            let name = format!("meanwhile{round}");
            mesh.sign_up(survivor, &name).await;
            acknowledged.push(name);
            mesh.start(killed).await;
        }
        mesh.settled().await;
        mesh.kill9(0);
        mesh.kill9(1);
        for name in acknowledged {
            mesh.log_in(2, &name).await.unwrap_or_else(|status| panic!("{name}: {status}"));
        }
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_goes_is_marked_away_and_back_when_it_returns() {
    // The settings of a shop: these are the times that are promised.
    let mut mesh = Builder::with(2).times(2_000, 6_000).start().await;
    linked(&mesh, 1, 0).await;
    mesh.nodes[0].program().signal("STOP");
    let start = Instant::now();
    eventually(MARKED_AWAY, "a frozen hub is marked away", async || reachable(&mesh, 1, 0, false).await).await;
    mesh.nodes[0].program().signal("CONT");
    eventually(MARKED_BACK, "a thawed hub is marked back", async || reachable(&mesh, 1, 0, true).await).await;
    assert!(start.elapsed() >= Duration::from_secs(4), "nobody may be given up after one lost heartbeat");

    mesh.kill9(0);
    eventually(MARKED_AWAY, "a killed hub is marked away", async || reachable(&mesh, 1, 0, false).await).await;
    mesh.start(0).await;
    eventually(MARKED_BACK, "a returned hub is marked back", async || reachable(&mesh, 1, 0, true).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn along_a_line_whose_ends_cannot_connect_everything_still_arrives() {
    // Stores 0 - 1 - 2: no hub at all.
    let line = (0..3).map(|n| store(n, if n == 1 { vec![] } else { vec![1] })).collect();
    let mut mesh = Builder::of(line).make().await;
    mesh.cut(0, 2);
    for node in 0..3 {
        mesh.start(node).await;
    }
    mesh.settled().await;
    mesh.sign_up(0, "at-one-end").await;
    mesh.sign_up(2, "at-the-other").await;
    mesh.settled().await;
    assert!(!mesh.peer(0, 2).await.unwrap().is_linked && !mesh.peer(2, 0).await.unwrap().is_linked);
    mesh.kill9(1);
    mesh.log_in(2, "at-one-end").await.unwrap();
    mesh.log_in(0, "at-the-other").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_cross_a_hub_outage_through_other_stores() {
    let mut mesh = Builder::with(3).start().await;
    mesh.kill9(0);
    mesh.cut(1, 3);
    mesh.sign_up(1, "during-the-outage").await;
    mesh.settled().await;
    mesh.start(0).await;
    mesh.sign_up(3, "after-the-outage").await;
    mesh.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_while_a_store_was_cut_off_arrives_on_both_sides() {
    let mesh = Builder::with(3).start().await;
    for other in [0, 2, 3] {
        mesh.cut(1, other);
    }
    eventually(MARKED_AWAY, "the store is cut off", async || {
        let linked = mesh.status(1).await.peers.iter().filter(|peer| peer.is_linked).count();
        check(linked == 0, || format!("{linked} links"))
    })
    .await;
    mesh.sign_up(1, "alone").await;
    mesh.sign_up(2, "among-others").await;
    assert!(mesh.differences().await.is_err(), "cut off is cut off");
    for other in [0, 2, 3] {
        mesh.join(1, other);
    }
    mesh.settled().await;
    mesh.log_in(3, "alone").await.unwrap();
    mesh.log_in(1, "among-others").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_stuck_holds_nobody_up() {
    let mesh = Builder::with(3).times(2_000, 6_000).start().await;
    // Connections to and from store 1 stay open, and nothing passes any more.
    for other in [0, 2, 3] {
        mesh.between(1, other, Fault::HalfOpen);
    }
    let start = Instant::now();
    for round in 0..10 {
        mesh.sign_up(2, &format!("while-stuck{round}")).await;
    }
    eventually(Duration::from_secs(4), "the others go on before the stuck one is given up", async || {
        let (here, there) = (mesh.digests(2).await, mesh.digests(3).await);
        check(here == there, || format!("{here:?} {there:?}"))
    })
    .await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    for other in [0, 2, 3] {
        mesh.between(1, other, Fault::None);
    }
    mesh.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_slow_and_reset_now_and_then_lose_nothing() {
    let mesh = Builder::with(2).start().await;
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        mesh.between(a, b, Fault::Delay(Duration::from_millis(20)));
    }
    for round in 0..6 {
        mesh.sign_up(1 + round % 2, &format!("slow{round}")).await;
        let (a, b) = [(0, 1), (0, 2), (1, 2)][round % 3];
        mesh.cut(a, b);
        mesh.between(a, b, Fault::Delay(Duration::from_millis(20)));
    }
    mesh.settled().await;
}

async fn linked(mesh: &codepop_tests::harness::Mesh, node: usize, other: usize) {
    eventually(MARKED_AWAY, "linked", async || reachable(mesh, node, other, true).await).await;
}

async fn reachable(
    mesh: &codepop_tests::harness::Mesh,
    node: usize,
    other: usize,
    expected: bool,
) -> Result<(), String> {
    let seen = mesh.peer(node, other).await.and_then(|peer| peer.is_reachable);
    check(seen == Some(expected), || format!("is_reachable is {seen:?}"))
}
