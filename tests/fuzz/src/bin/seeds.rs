//! Writes what the targets begin with: the events of a chain with test data (`codepop-node seed --dir DIR`) and a body of
//! every RPC. `seeds DIR CORPUS`

#![allow(clippy::unwrap_used, reason = "a panic says what is wrong")]

use std::{collections::HashMap, env, fs, path::Path, sync::Arc};

use codepop_fuzz::Chain;
use codepop_gateway::{contract::Contract, fuzzing};
use codepop_node::{
    clock::Clock,
    journal::{Event, entries, streams},
    replication::{apply, session::framed},
    storage::{Db, Error, Location},
};
use codepop_proto::{
    journal::SignedEvent,
    mesh::{Ack, EventBatch, Hello, Want, replication_frame::Frame},
};
use codepop_shared::identity::Kind;
use prost::Message as _;

/// Events of one kind that are enough.
const OF_A_KIND: usize = 8;

/// Events of one stream that are looked at.
const LOOK_MAX: u64 = 20_000;

fn main() {
    let [chain, corpus] = &env::args().skip(1).collect::<Vec<_>>()[..] else { panic!("seeds DIR CORPUS") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let events = runtime.block_on(events(Path::new(chain)));
    let kinds = apply::kinds();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut frames = vec![framed(Frame::Hello(Hello::default())).encode_to_vec()];
    for (number, signed) in events.into_iter().enumerate() {
        let event = Event::parse(signed.clone()).unwrap();
        let count = seen.entry(event.header.kind.clone()).or_default();
        let (Some(kind), Some(message)) = (kinds.iter().position(|kind| *kind == event.header.kind), event.message())
        else {
            continue;
        };
        *count += 1;
        if *count > OF_A_KIND {
            continue;
        }
        // As `arbitrary` reads the input of the target: voice, audience, kind, version, subject, and the rest.
        for (voice, audience) in [(0, 0), (0, 2), (2, 0), (2, 3), (3, 0)] {
            let mut seed = vec![voice, audience, u8::try_from(kind).unwrap(), 1];
            seed.extend(event.header.subject.to_le_bytes());
            seed.extend(message);
            write(corpus, "events", &format!("{number}-{voice}-{audience}"), &seed);
        }
        let batch = EventBatch { events: vec![signed], ..EventBatch::default() };
        frames.push(framed(Frame::Events(batch)).encode_to_vec());
    }
    frames.push(framed(Frame::Ack(Ack::default())).encode_to_vec());
    frames.push(framed(Frame::Want(Want::default())).encode_to_vec());
    let talk: Vec<u8> = frames
        .iter()
        .filter(|frame| frame.len() < 2_000)
        .flat_map(|frame| [&u16::try_from(frame.len()).unwrap().to_le_bytes()[..], frame].concat())
        .collect();
    write(corpus, "frames", "talk", &talk);
    let contract = Contract::load(codepop_proto::DESCRIPTORS).unwrap();
    for (rpc, body) in fuzzing::bodies(&contract).into_iter().enumerate() {
        write(corpus, "json", &rpc.to_string(), &[&[u8::try_from(rpc).unwrap()], &body[..]].concat());
    }
    write(corpus, "token", "form", b"v4.public.e30.e30");
}

fn write(corpus: &str, target: &str, name: &str, seed: &[u8]) {
    let folder = Path::new(corpus).join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("seed-{name}")), seed).unwrap();
}

/// All events of all nodes that are still whole.
async fn events(chain: &Path) -> Vec<SignedEvent> {
    let mut all = Vec::new();
    for folder in fs::read_dir(chain).unwrap() {
        let file = folder.unwrap().path().join("node.db");
        if !file.exists() {
            continue;
        }
        let author = Arc::new(Chain::new().author(Kind::Hub, 1, "C"));
        let clock = Arc::new(Clock::new(author.id.uuid));
        let (db, _) = Db::open(&Location::Sqlite(file), clock, author).await.unwrap();
        let read = db.read(|tx| {
            Box::pin(async move {
                let mut found = Vec::new();
                for stream in streams::all(tx).await? {
                    let mut after = 0;
                    while after < LOOK_MAX {
                        let some = entries::between(tx, stream.id, after, u64::MAX >> 1).await?;
                        let Some((last, _)) = some.last() else { break };
                        after = *last;
                        found.extend(some.into_iter().map(|(_, event)| event));
                    }
                }
                Ok::<_, Error>(found)
            })
        });
        all.extend(read.await.unwrap());
    }
    all
}
