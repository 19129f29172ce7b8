//! Any frames in any order, from a peer that may do as it likes: the session answers, asks, or ends, and neither its window
//! nor what it keeps of the peer grows beyond what the two have.

#![no_main]

use codepop_node::{
    journal::{Audience, Stream},
    replication::session::{Output, Session, WINDOW_EVENTS},
};
use codepop_proto::mesh::ReplicationFrame;
use codepop_shared::identity::{Kind, SpiffeId};
use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use uuid::Uuid;

fn name(kind: Kind, number: u32) -> SpiffeId {
    let uuid = Uuid::from_u128(number.into());
    SpiffeId { chain: "fuzz".to_owned(), kind, region: "C".to_owned(), number, uuid }
}

fn stream(id: i64, origin: Uuid, audience: Audience) -> Stream {
    Stream { id, origin, audience, head: 5_000, head_hash: None, floor: 0 }
}

/// The next frame: two bytes of length, and so many bytes of it.
fn frame<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (frame, after) = after.split_at(after.len().min(u16::from_le_bytes(*length).into()));
    *rest = after;
    Some(frame)
}

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let (me, peer) = (name(Kind::Hub, 1), name(Kind::Store, 1_017));
    let known = [
        stream(1, me.uuid, Audience::Everyone),
        stream(2, peer.uuid, Audience::Everyone),
        stream(3, Uuid::from_u128(7), Audience::Region("C".to_owned())),
        stream(4, Uuid::from_u128(8), Audience::Hubs),
    ];
    let mut session = Session::new(me, peer, true);
    session.hello(&known);
    while let Some(bytes) = frame(&mut rest) {
        let Ok(ReplicationFrame { frame: Some(frame) }) = ReplicationFrame::decode(bytes) else { continue };
        for output in session.handle(frame) {
            match output {
                Output::Close(_) => return,
                Output::Accept(batch) => {
                    session.took_in(batch.events.len(), None, batch.live_only);
                }
                _ => {}
            }
        }
        session.tick();
        while let Some(next) = session.next() {
            assert_ne!(next.stream, 4, "what is for hubs alone was about to go to a store");
            assert!(next.limit > 0);
            session.sent(next.key, next.after + next.limit as u64, next.limit);
        }
        assert!(session.lag().1 <= WINDOW_EVENTS);
    }
});
