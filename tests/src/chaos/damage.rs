//! Bits that flip and files that end too soon: a store's database is damaged while it is stopped, and started again. The
//! store must notice, or nothing must be wrong; and whatever it holds must not reach the others.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use codepop_proto::nodes::{
    GetDigestRequest, GetHealthRequest, ListConflictsRequest, nodes_service_client::NodesServiceClient,
};
use tonic::Status;

use super::Dice;
use crate::harness::{Builder, Digests, Mesh};

/// The store whose files are damaged.
const STORE: usize = 1;

/// Drinks in it: enough to fill pages.
const DRINKS: usize = 60;

/// Seconds between two comparisons of state; in a chain that is quiet.
const COMPARED_EVERY: &str = "2";

/// Time for a started store to be equal to the others, or to notice that it can't be: a comparison, the quiet before it,
/// and a repair with its pause.
const NOTICED_WITHIN: Duration = Duration::from_secs(45);

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The files of a store's database that outlive it.
const FILES: [&str; 2] = ["node.db", "node.db-wal"];

/// What was done to which file.
#[derive(Clone, Debug)]
pub enum Damage {
    /// One bit of the byte at this offset is another.
    Flip(&'static str, usize, u8),
    /// The file ends after so many bytes.
    Truncate(&'static str, usize),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The program said that the database is damaged and did not start.
    Refused,
    /// The store serves, and says that something is wrong: health, conflict list, or the answer to a question.
    Noticed(String),
    /// The store serves, is well, and has what the others have: nothing was hit, or what was hit came back from them.
    Equal,
    /// The store serves and differs, and does not know it: its digests tell others so.
    Unnoticed,
}

/// Damages the same store again and again, each time anew, and calls `told` with what came of it.
///
/// # Panics
/// The program panicked, or what is damaged reached another node.
pub async fn tries(seed: u64, tries: u32, mut told: impl FnMut(&Damage, &Outcome)) {
    let mut dice = Dice::of(seed);
    let mut mesh = Builder::with(2).setting("NODE_DIGEST_SECS", COMPARED_EVERY).start().await;
    for round in 0..4 {
        for node in [1, 2] {
            mesh.sign_up(node, &format!("customer{round}of{node}")).await;
        }
    }
    for drink in 0..DRINKS {
        mesh.try_make_drink(1 + drink % 2, &format!("drink{drink}")).await.unwrap();
    }
    mesh.settled().await;
    let expected = mesh.digests(2).await;
    let (dir, [killed, stopped]) =
        (mesh.nodes[STORE].dir.clone(), ["killed", "stopped"].map(|name| mesh.root().join(name)));
    mesh.kill9(STORE);
    copy_files(&dir, &killed);
    mesh.start(STORE).await;
    mesh.settled().await;
    mesh.stop(STORE).await;
    copy_files(&dir, &stopped);
    for number in 0..tries {
        // A killed store leaves a write-ahead log, a stopped one only the database itself.
        let copy = if dice.one_in(3) { &killed } else { &stopped };
        // The first try is the worst: nothing is left.
        let damage = if number == 0 { empty(&stopped, &dir) } else { harm(copy, &dir, &mut dice) };
        let outcome = outcome(&mut mesh, &expected).await;
        told(&damage, &outcome);
        for other in [0, 2] {
            assert_eq!(mesh.digests(other).await, subset(&expected, &mesh.digests(other).await), "{damage:?} spread");
        }
    }
}

/// The expected digests of the audiences that a node holds: a hub holds more than a store.
fn subset(expected: &Digests, held: &Digests) -> Digests {
    let mut both = held.clone();
    both.extend(
        expected.iter().filter(|(audience, _)| held.contains_key(*audience)).map(|(a, d)| (a.clone(), d.clone())),
    );
    both
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    // The index of the log is made anew from it.
    drop(fs::remove_file(to.join("node.db-shm")));
    for file in FILES {
        if from.join(file).exists() {
            fs::copy(from.join(file), to.join(file)).unwrap();
        } else {
            drop(fs::remove_file(to.join(file)));
        }
    }
}

/// Leaves nothing but an empty file.
fn empty(stopped: &Path, dir: &Path) -> Damage {
    copy_files(stopped, dir);
    fs::write(dir.join(FILES[0]), []).unwrap();
    Damage::Truncate(FILES[0], 0)
}

/// Puts the unharmed files back and damages one of them.
fn harm(copy: &Path, dir: &Path, dice: &mut Dice) -> Damage {
    copy_files(copy, dir);
    let there: Vec<&'static str> = FILES.into_iter().filter(|file| copy.join(file).exists()).collect();
    let file = there[dice.pick(there.len())];
    let mut bytes = fs::read(dir.join(file)).unwrap();
    let at = dice.pick(bytes.len());
    let damage = if dice.one_in(5) {
        bytes.truncate(at);
        Damage::Truncate(file, at)
    } else {
        let bit = u8::try_from(dice.below(8)).unwrap();
        bytes[at] ^= 1 << bit;
        Damage::Flip(file, at, bit)
    };
    fs::write(dir.join(file), bytes).unwrap();
    damage
}

async fn outcome(mesh: &mut Mesh, expected: &Digests) -> Outcome {
    if !mesh.try_start(STORE).await {
        let log = mesh.nodes[STORE].program().log();
        mesh.kill9(STORE);
        assert!(!log.contains("panicked"), "{log}");
        assert!(log.contains("damaged") || log.contains("malformed"), "it does not say what is wrong: {log}");
        return Outcome::Refused;
    }
    let begun = Instant::now();
    let mut seen = Outcome::Unnoticed;
    while begun.elapsed() < NOTICED_WITHIN && seen == Outcome::Unnoticed {
        tokio::time::sleep(LOOK_EVERY).await;
        seen = look(mesh, expected).await.unwrap_or_else(|status| Outcome::Noticed(status.message().to_owned()));
    }
    let log = mesh.nodes[STORE].program().log();
    mesh.kill9(STORE);
    assert!(!log.contains("panicked"), "{log}");
    seen
}

async fn look(mesh: &Mesh, expected: &Digests) -> Result<Outcome, Status> {
    let mut nodes = NodesServiceClient::new(mesh.channel(STORE).await);
    let health = nodes.get_health(GetHealthRequest {}).await?.into_inner();
    if health.status != "healthy" {
        return Ok(Outcome::Noticed(health.writes_refused.unwrap_or(health.database)));
    }
    if let Some(conflict) =
        nodes.list_conflicts(ListConflictsRequest::default()).await?.into_inner().conflicts.into_iter().next()
    {
        return Ok(Outcome::Noticed(conflict.kind));
    }
    let digests = nodes.get_digest(GetDigestRequest {}).await?.into_inner().digests;
    let held: Digests = digests.into_iter().map(|d| (d.audience, (d.digest, d.rows))).collect();
    Ok(if held == subset(expected, &held) { Outcome::Equal } else { Outcome::Unnoticed })
}
