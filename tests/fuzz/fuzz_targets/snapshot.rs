//! Pieces of snapshots: any choice, order, repetition and damage of signed events, with any proofs. Nothing is kept that was
//! not signed as it is, and no position goes beyond what was signed.

#![no_main]

use std::cell::RefCell;

use arbitrary::Arbitrary;
use codepop_fuzz::{Chain, Node, Saying, Voice};
use codepop_node::{
    journal::{Audience, entries, streams},
    replication::accept,
};
use codepop_proto::{
    catalog::{DrinkPublished, Recipe},
    journal::SignedEvent,
};
use codepop_shared::identity::{Kind, SpiffeId};
use libfuzzer_sys::fuzz_target;
use prost::{Message as _, Name as _};

/// Events of the stream of which pieces are made.
const EVENTS: i64 = 40;

/// Nodes are made anew after so many inputs, so that there is something to take again.
const INPUTS_MAX: u32 = 200;

#[derive(Arbitrary, Debug)]
struct Pick {
    event: u8,
    /// Which part is damaged, if any, where, and how.
    damage: Option<(u8, u16, u8)>,
}

#[derive(Arbitrary, Debug)]
struct Input {
    live_only: bool,
    /// From where on it says that it is whole.
    after: u8,
    from_hub: bool,
    picks: Vec<Pick>,
    proofs: Vec<Pick>,
}

struct World {
    chain: Chain,
    node: Node,
    origin: SpiffeId,
    hub: SpiffeId,
    signed: Vec<SignedEvent>,
    inputs: u32,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

impl World {
    fn new() -> Self {
        let chain = Chain::new();
        let mut voice = Voice::new(chain.author(Kind::Operator, 0, "-"));
        let mut signed = vec![voice.announce()];
        for number in 1..EVENTS {
            let name = format!("Drink {number}");
            let recipe = Recipe { drink: number % 7 * 100_000 + 2, name, size: "24oz".to_owned(), ..Recipe::default() };
            let event = voice.say(&Saying {
                audience: Audience::Everyone,
                kind: &DrinkPublished::full_name(),
                version: 1,
                subject: 0,
                message: &DrinkPublished { recipe: Some(recipe) }.encode_to_vec(),
            });
            voice.was_taken(&event);
            signed.push(event.into_signed());
        }
        let hub = chain.author(Kind::Hub, 2, "D").id.clone();
        let node = Node::new(&chain);
        Self { node, chain, origin: voice.author.id.clone(), hub, signed, inputs: 0 }
    }

    fn picked(&self, picks: &[Pick]) -> Vec<SignedEvent> {
        picks.iter().map(|pick| self.event(pick)).collect()
    }

    fn event(&self, pick: &Pick) -> SignedEvent {
        let mut event = self.signed[usize::from(pick.event) % self.signed.len()].clone();
        let Some((part, at, flip)) = pick.damage else { return event };
        let part = match part % 3 {
            0 => &mut event.header,
            1 => &mut event.signature,
            _ => &mut event.body,
        };
        let mut bytes = part.to_vec();
        if flip == 0 {
            bytes.truncate(usize::from(at) % (bytes.len() + 1));
        } else if !bytes.is_empty() {
            let at = usize::from(at) % bytes.len();
            bytes[at] ^= flip;
        }
        *part = bytes.into();
        event
    }

    fn take(&mut self, input: &Input) {
        let from = if input.from_hub { self.hub.clone() } else { self.origin.clone() };
        let (events, proofs) = (self.picked(&input.picks), self.picked(&input.proofs));
        let db = &self.node.db;
        let taken = self.node.runtime.block_on(async {
            if !proofs.is_empty() {
                accept::proofs(db, proofs).await?;
            }
            match input.live_only {
                true => accept::live(db, &from, events, input.after.into()).await,
                false => accept::batch(db, &from, events).await,
            }
        });
        if let Err(accept::Error::Storage(error)) = taken {
            panic!("{error}");
        }
        self.look();
        self.inputs += 1;
        if self.inputs == INPUTS_MAX {
            (self.node, self.inputs) = (Node::new(&self.chain), 0);
        }
    }

    /// Everything that is kept is as it was signed.
    fn look(&self) {
        let origin = self.origin.uuid;
        let read = self.node.db.read_consistent(move |tx| {
            Box::pin(async move {
                let Some(stream) = streams::find(tx, origin, &Audience::Everyone).await? else { return Ok((0, vec![])) };
                Ok::<_, codepop_node::storage::Error>((stream.head, entries::after(tx, stream.id, 0).await?))
            })
        });
        let (head, kept) = self.node.runtime.block_on(read).unwrap();
        assert!(head <= self.signed.len() as u64);
        assert!(kept.iter().all(|event| self.signed.contains(event)), "an event was kept that nobody signed");
    }
}

fuzz_target!(|input: Input| WORLD.with_borrow_mut(|world| world.take(&input)));
