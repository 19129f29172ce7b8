//! What a session has to say besides events: acknowledgements, digests, wants. They wait here and not in the connection's
//! queue, so that whoever reads frames never waits for room to answer: two sides that did, each with a full queue, would
//! wait for each other for ever. Of each kind the latest is enough, so that it stays small whatever the peer does.

use std::mem::{discriminant, take};

use codepop_proto::mesh::{Ack, replication_frame::Frame};

use crate::journal::Positions;

/// Frames that wait to be sent, at most one of a kind.
#[derive(Debug, Default)]
pub struct Outbox(Vec<Frame>);

impl Outbox {
    /// Adds a frame to be sent; it takes the place of one of its kind.
    pub fn push(&mut self, frame: Frame) {
        let same = self.0.iter_mut().find(|waiting| discriminant(*waiting) == discriminant(&frame));
        match (same, frame) {
            (Some(Frame::Ack(waiting)), Frame::Ack(newer)) => merge(waiting, &newer),
            (Some(waiting), frame) => *waiting = frame,
            (None, frame) => self.0.push(frame),
        }
    }

    /// Everything that waits, to be sent now.
    pub fn take(&mut self) -> Vec<Frame> {
        take(&mut self.0)
    }
}

/// An acknowledgement names only what changed: of two, both are needed.
fn merge(waiting: &mut Ack, newer: &Ack) {
    let mut all = Positions::from_vector(&waiting.vector.take().unwrap_or_default());
    for (key, seq) in Positions::from_vector(&newer.vector.clone().unwrap_or_default()).0 {
        all.raise(key, seq);
    }
    *waiting = Ack { vector: Some(all.to_vector()), received: newer.received };
}

#[cfg(test)]
mod tests {
    use codepop_proto::mesh::{Digest, Want};
    use uuid::Uuid;

    use super::*;
    use crate::journal::{Audience, StreamKey};

    fn ack(key: &StreamKey, seq: u64, received: u64) -> Frame {
        let vector = Positions::from_iter([(key.clone(), seq)]).to_vector();
        Frame::Ack(Ack { vector: Some(vector), received })
    }

    #[test]
    fn one_of_a_kind_is_kept_and_no_acknowledgement_is_lost() {
        let mut outbox = Outbox::default();
        let (a, b) = ((Uuid::from_u128(1), Audience::Everyone), (Uuid::from_u128(2), Audience::Everyone));
        for seq in 1..=1_000 {
            outbox.push(ack(&a, seq, 2 * seq - 1));
            outbox.push(ack(&b, seq, 2 * seq));
            outbox.push(Frame::Digest(Digest { vector_hash: vec![seq as u8; 16], states: vec![] }));
            outbox.push(Frame::Want(Want::default()));
        }
        let frames = outbox.take();
        assert_eq!(frames.len(), 3);
        let Frame::Ack(ack) = &frames[0] else { panic!("{frames:?}") };
        assert_eq!(ack.received, 2_000);
        let said = Positions::from_vector(ack.vector.as_ref().unwrap());
        assert_eq!((said.get(&a), said.get(&b)), (1_000, 1_000));
        assert!(outbox.take().is_empty());
    }
}
