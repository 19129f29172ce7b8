//! Hubs that go and come back, regions that fall apart and heal, and lines that are bad in every way that lines are.

use std::time::{Duration, Instant};

use codepop_tests::{
    faults::Fault,
    harness::{Builder, Mesh, Spec, check, eventually, store},
};

/// From the moment a restarted hub serves until all its stores are linked to it again: what is promised.
const RECONNECTED: Duration = Duration::from_secs(5);

/// Time for links to be given up or found elsewhere: peers are down after a second here, plans are made every five.
const REARRANGED: Duration = Duration::from_secs(20);

/// Two hubs (0, 1) of two regions, and three stores (2, 3, 4) of the first.
async fn two_hubs() -> Mesh {
    let hub = |name: &str, region, place, seeds| Spec {
        name: name.to_owned(),
        kind: "SUPPLY_HUB",
        region,
        place,
        seeds,
    };
    let mut specs =
        vec![hub("hub-c", "C", (41.74, -111.83), vec![]), hub("hub-d", "D", (43.61, -116.2), vec![0])];
    specs.extend((2..5).map(|number| store(number, vec![0, 1])));
    Builder::of(specs).start().await
}

async fn linked(mesh: &Mesh, node: usize, other: usize) -> Result<(), String> {
    let linked = mesh.peer(node, other).await.is_some_and(|peer| peer.is_linked);
    check(linked, || format!("node {node} is not linked to node {other}"))
}

async fn arrives(mesh: &Mesh, name: &str, node: usize, within: Duration) -> Duration {
    let begun = Instant::now();
    eventually(within, &format!("{name} arrives at node {node}"), async || {
        mesh.log_in(node, name).await.map(drop).map_err(|status| status.to_string())
    })
    .await;
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_go_on_with_the_next_hub_and_come_back_within_seconds() {
    let mut mesh = two_hubs().await;
    mesh.kill9(0);
    for store in 2..5 {
        eventually(REARRANGED, "the next hub takes over", async || linked(&mesh, store, 1).await).await;
    }
    // The stores' region goes on, and what they say reaches the other hub.
    mesh.sign_up(2, "without-the-hub").await;
    for node in [1, 3, 4] {
        arrives(&mesh, "without-the-hub", node, REARRANGED).await;
    }
    mesh.start(0).await;
    let begun = Instant::now();
    for store in 2..5 {
        eventually(RECONNECTED, "the hub's stores are linked again", async || linked(&mesh, store, 0).await).await;
    }
    println!("all stores are linked {:?} after the hub serves", begun.elapsed());
    mesh.settled().await;
    mesh.log_in(0, "without-the-hub").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_falls_in_two_halves_heals() {
    let mesh = Builder::with(4).start().await;
    // The hub with stores 1 and 2 on one side, stores 3 and 4 on the other.
    let (here, there) = ([0, 1, 2], [3, 4]);
    for a in here {
        there.iter().for_each(|b| mesh.cut(a, *b));
    }
    eventually(REARRANGED, "the halves know that they are apart", async || {
        let across = mesh.status(3).await.peers.iter().filter(|peer| peer.is_linked).count();
        check(across == 1, || format!("store 3 has {across} links"))
    })
    .await;
    mesh.sign_up(1, "here").await;
    mesh.sign_up(3, "there").await;
    arrives(&mesh, "here", 2, REARRANGED).await;
    arrives(&mesh, "there", 4, REARRANGED).await;
    assert!(mesh.differences().await.is_err(), "apart is apart");
    for a in here {
        there.iter().for_each(|b| mesh.join(a, *b));
    }
    mesh.settled().await;
    mesh.log_in(4, "here").await.unwrap();
    mesh.log_in(2, "there").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_works_one_way_only_counts_as_none() {
    let mesh = Builder::with(2).start().await;
    for (from, to) in [(1, 0), (0, 1)] {
        mesh.silence(from, to);
        // Who is not heard, and who hears nothing: both give the link up.
        for (node, other) in [(0, 1), (1, 0)] {
            eventually(REARRANGED, "the link is given up on both sides", async || {
                check(linked(&mesh, node, other).await.is_err(), || format!("node {node} holds on to node {other}"))
            })
            .await;
        }
        // Store 2 hears both and brings what they say across.
        let name = format!("past-the-deaf{from}");
        mesh.sign_up(1, &name).await;
        arrives(&mesh, &name, 0, REARRANGED).await;
        mesh.join(0, 1);
        eventually(REARRANGED, "the link is back", async || linked(&mesh, 1, 0).await).await;
    }
    mesh.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_slow_shaky_narrow_and_break_lose_nothing() {
    let mesh = Builder::with(2).times(2_000, 6_000).start().await;
    let faults = [
        Fault::Jitter(Duration::from_millis(200)),
        Fault::Bandwidth(16 * 1_024),
        Fault::Cut,
        Fault::HalfOpen,
        Fault::Delay(Duration::from_millis(150)),
    ];
    for (round, fault) in faults.into_iter().enumerate() {
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            mesh.between(a, b, fault);
        }
        for store in [1, 2] {
            mesh.sign_up(store, &format!("bad{round}at{store}")).await;
        }
        if matches!(fault, Fault::Jitter(_) | Fault::Bandwidth(_) | Fault::Delay(_)) {
            arrives(&mesh, &format!("bad{round}at1"), 2, REARRANGED).await;
        }
    }
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        mesh.between(a, b, Fault::None);
    }
    mesh.settled().await;
}
