//! What a node sent and got.

use codepop_proto::mesh::replication_frame::Frame;

use super::wire::Message;

/// Counters of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages sent.
    pub messages: u64,
    /// Bytes sent, with what surrounds each message ([`super::wire::OVERHEAD`]).
    pub sent: u64,
    /// Bytes that arrived.
    pub received: u64,
    /// Events sent.
    pub events: u64,
    /// Vectors sent: hellos and wants.
    pub vectors: u64,
}

impl Traffic {
    /// Counts a message that is sent.
    pub fn send(&mut self, message: &Message, bytes: usize) {
        self.messages += 1;
        self.sent += bytes as u64;
        let Message::Frame(frame) = message else { return };
        match frame.as_ref() {
            Frame::Events(batch) => self.events += batch.events.len() as u64,
            Frame::Hello(_) | Frame::Want(_) => self.vectors += 1,
            Frame::Ack(_) | Frame::Digest(_) => {}
        }
    }

    /// What came since an earlier count.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            messages: self.messages - earlier.messages,
            sent: self.sent - earlier.sent,
            received: self.received - earlier.received,
            events: self.events - earlier.events,
            vectors: self.vectors - earlier.vectors,
        }
    }

    /// The sum of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            sent: self.sent + other.sent,
            received: self.received + other.received,
            events: self.events + other.events,
            vectors: self.vectors + other.vectors,
        }
    }
}
