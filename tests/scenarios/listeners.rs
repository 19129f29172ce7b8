//! Clients that mean harm, at the doors of a node and of a gateway: meanwhile others are served, memory stays bounded, and
//! who does not speak HTTP in time is put out.

use std::{
    net::Ipv4Addr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use codepop_proto::nodes::{GetHealthRequest, nodes_service_client::NodesServiceClient};
use codepop_tests::{
    attacks::{Attack, Door},
    bench::rest::resident_kib,
    harness::{Gateway, Mesh},
};
use futures::future::join_all;
use tokio::{io::AsyncReadExt as _, task::JoinHandle, time::timeout};

/// Where attackers come from: an address of the loopback that nobody else uses.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

/// Longest that anybody else waits for an answer meanwhile, also on a busy machine.
const SERVED_WITHIN: Duration = Duration::from_secs(5);

/// How long a flood goes on.
const FLOOD: Duration = Duration::from_millis(1_500);

/// Attackers at the same time.
const ATTACKERS: usize = 4;

/// What a process may grow by under attack: 4 connections with their windows of 1 MiB and messages of 2 MiB, and what the
/// allocator keeps.
const GROWTH_MAX_KIB: u64 = 64 * 1_024;

/// Longest that one who speaks slowly is let: 30 s for headers, and a question whether anybody is there.
const SLOW_MAX: Duration = Duration::from_secs(45);

/// Who asks again and again how a door is, and how long that took at worst.
struct Customer {
    stopped: Arc<AtomicBool>,
    asking: JoinHandle<(u32, Duration)>,
}

impl Customer {
    fn start<F: Future<Output = ()> + Send>(ask: impl Fn() -> F + Send + 'static) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stopped);
        let asking = tokio::spawn(async move {
            let (mut answers, mut longest) = (0, Duration::ZERO);
            while !told.load(Ordering::Relaxed) {
                let begun = Instant::now();
                timeout(SERVED_WITHIN, ask()).await.expect("others are served meanwhile");
                (answers, longest) = (answers + 1, longest.max(begun.elapsed()));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (answers, longest)
        });
        Self { stopped, asking }
    }

    async fn was_served(self) {
        self.stopped.store(true, Ordering::Relaxed);
        let (answers, longest) = self.asking.await.unwrap();
        println!("{answers} answers, the slowest after {longest:?}");
        assert!(answers > 3, "{answers} answers");
    }
}

/// All floods, one kind after the other; those that break HTTP/2 or its limits end their connections.
async fn floods(door: &Door, pid: u32) {
    let before = resident_kib(pid);
    for attack in Attack::FLOODS {
        let ended = join_all((0..ATTACKERS).map(|_| attack.carry_out(door, FLOOD))).await;
        let after = resident_kib(pid);
        println!("{attack:?}: {:?}, memory {before} to {after} KiB", ended[0]);
        assert!(after < before + GROWTH_MAX_KIB, "{attack:?}: memory grew from {before} to {after} KiB");
        let must_close =
            matches!(attack, Attack::RapidReset | Attack::Garbage | Attack::HugeHeaders | Attack::EmptyData);
        assert!(!must_close || ended.iter().all(|ended| ended.closed), "{attack:?}: {ended:?}");
    }
}

/// Those who take their time are put out.
async fn slow_ones(door: &Door, attacks: &[Attack]) {
    let ended = join_all(attacks.iter().map(async |attack| (*attack, attack.carry_out(door, SLOW_MAX).await))).await;
    for (attack, ended) in ended {
        println!("{attack:?}: {ended:?}");
        assert!(ended.closed, "{attack:?} is still let in after {SLOW_MAX:?}");
        let is_before_http = matches!(attack, Attack::Silence | Attack::SlowHello | Attack::SlowPreface);
        assert!(!is_before_http || ended.after < SLOW_MAX, "{attack:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_under_attack_serves_others() {
    let mesh = Mesh::with(1).await;
    let (address, pid) = (mesh.nodes[1].address(), mesh.nodes[1].program().pid());
    let door = Door::of_node(address, mesh.operator().credentials(), ATTACKER);
    let operator = mesh.operator().clone();
    let customer = Customer::start(move || {
        let operator = operator.clone();
        async move {
            // A new connection each time: whoever is inside already is not the question.
            let channel = operator.dial(address).await.unwrap();
            NodesServiceClient::new(channel).get_health(GetHealthRequest {}).await.unwrap();
        }
    });
    floods(&door, pid).await;
    slow_ones(&door, &Attack::SLOW).await;
    crowd(&door, 300, 256).await;
    customer.was_served().await;
    mesh.settled().await;
    assert!(mesh.peer(1, 0).await.unwrap().is_linked, "links hold");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_under_attack_serves_others() {
    let mesh = Mesh::with(1).await;
    let gateway: Arc<Gateway> = Arc::new(mesh.gateway(&[1]).await);
    let door = Door::of_gateway(gateway.address(), ATTACKER);
    let asked = Arc::clone(&gateway);
    let customer = Customer::start(move || {
        let asked = Arc::clone(&asked);
        async move {
            asked.get("/backend/drinks/", None).await.expect(200);
        }
    });
    floods(&door, gateway.pid()).await;
    slow_ones(&door, &Attack::SLOW).await;
    more_files();
    crowd(&door, 1_100, 1_024).await;
    customer.was_served().await;
}

/// Opens more idle connections than one address may have: those beyond are closed at once, and the others stay.
async fn crowd(door: &Door, many: usize, allowed: usize) {
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..many {
        match door.open().await {
            Ok(line) => held.push(line),
            Err(_) => refused += 1,
        }
    }
    // A refusal can come after what the client takes for the end of the handshake.
    let looks = held.iter_mut().map(async |line| {
        let read = timeout(Duration::from_millis(500), line.read_u8()).await;
        matches!(read, Ok(Err(_)))
    });
    refused += join_all(looks).await.into_iter().filter(|closed| *closed).count();
    assert!(refused >= many - allowed, "{refused} of {many} were refused");
    println!("{refused} of {many} connections were refused");
}

/// Room for the connections of this test in this process, where the system gives few.
fn more_files() {
    let pid = std::process::id().to_string();
    drop(Command::new("prlimit").args(["--pid", &pid, "--nofile=8192:"]).status());
}
