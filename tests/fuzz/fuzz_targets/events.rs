//! Any message under any kind, signed by a store, a hub or an operator: decoded, verified, judged, merged. Whatever it says,
//! it is taken or refused, and what is taken can be read and summed up again.

#![no_main]

use std::cell::RefCell;

use arbitrary::Arbitrary;
use codepop_fuzz::{Chain, Node, Saying, Voice};
use codepop_node::{
    journal::Audience,
    replication::{accept, apply},
};
use codepop_shared::identity::Kind;
use libfuzzer_sys::fuzz_target;

/// Inputs between two looks at the digests.
const LOOK_EVERY: u32 = 64;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    voice: u8,
    audience: u8,
    kind: u8,
    version: u8,
    subject: i64,
    message: &'a [u8],
}

struct World {
    node: Node,
    voices: Vec<Voice>,
    inputs: u32,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

impl World {
    fn new() -> Self {
        let chain = Chain::new();
        let node = Node::new(&chain);
        let who = [(Kind::Store, 1_017, "C"), (Kind::Store, 1_018, "D"), (Kind::Hub, 2, "D"), (Kind::Operator, 0, "-")];
        let mut voices: Vec<Voice> =
            who.iter().map(|(kind, number, region)| Voice::new(chain.author(*kind, *number, region))).collect();
        for voice in &mut voices {
            let from = voice.author.id.clone();
            let announced = vec![voice.announce()];
            node.runtime.block_on(accept::batch(&node.db, &from, announced)).unwrap();
        }
        Self { node, voices, inputs: 0 }
    }

    fn take(&mut self, input: &Input<'_>) {
        let kinds = apply::kinds();
        let at = usize::from(input.voice) % self.voices.len();
        let voice = &self.voices[at];
        let region = voice.author.id.region.clone();
        let audience = match input.audience % 4 {
            0 => Audience::Everyone,
            1 => Audience::Hubs,
            2 => Audience::Region(region),
            _ => Audience::Hub("C".to_owned()),
        };
        let saying = Saying {
            audience,
            kind: kinds[usize::from(input.kind) % kinds.len()],
            version: u32::from(input.version % 3),
            // Small numbers meet each other; others are as they come.
            subject: if input.subject % 2 == 0 { input.subject % 16 * 100_000 + 1_017 } else { input.subject },
            message: input.message,
        };
        let event = voice.say(&saying);
        let from = voice.author.id.clone();
        match self.node.runtime.block_on(accept::batch(&self.node.db, &from, vec![event.clone().into_signed()])) {
            Ok(taken) => {
                assert!(!taken.gap && !taken.forked, "{taken:?}");
                self.voices[at].was_taken(&event);
            }
            Err(accept::Error::Fault(_)) => {}
            Err(accept::Error::Storage(error)) => panic!("{error}"),
        }
        self.inputs += 1;
        if self.inputs % LOOK_EVERY == 0 {
            self.look();
        }
    }

    fn look(&self) {
        for audience in [Audience::Everyone, Audience::Hubs, Audience::Region("C".to_owned())] {
            let read = self.node.db.read_consistent(move |tx| Box::pin(async move { apply::digest(tx, &audience).await }));
            self.node.runtime.block_on(read).unwrap();
        }
    }
}

fuzz_target!(|input: Input<'_>| WORLD.with_borrow_mut(|world| world.take(&input)));
