//! Connections as TCP and HTTP/2 make them: within one, order is kept and nothing is lost or doubled until it breaks. So
//! loss shows as delay (what is lost is sent again) and as connections that are not made or break; a cut path holds
//! everything back, and only silence tells.

use std::collections::{BTreeMap, VecDeque};

use codepop_node::{
    mesh::{
        heartbeat::Pulse,
        links::{LinkGuard, Refused},
    },
    replication::{outbox::Outbox, session::Session},
};
use codepop_proto::mesh::{
    Heartbeat, LinkRequest, ReplicateRequest, ReplicationFrame, replication_frame::Frame,
};
use prost::Message as _;

use super::clock::Micros;

/// Bytes around each message: gRPC's prefix 5, HTTP/2's frame header 9, TLS 1.3's record 22. TCP and IP are not counted.
pub const OVERHEAD: usize = 5 + 9 + 22;

/// Bytes of frames that may be on the way unread: HTTP/2's window of a stream.
pub const WINDOW_BYTES: usize = 65_535;

/// What travels on a connection.
#[derive(Clone, Debug)]
pub enum Message {
    /// The dialler opens `Link`.
    Link,
    /// The link is open, or is not.
    Linked(Result<(), Refused>),
    /// The dialler opens `Replicate`.
    Replicate,
    /// The session is open, or there is no link for it.
    Replicates(bool),
    /// A heartbeat.
    Beat(Heartbeat),
    /// A frame of the session.
    Frame(Box<Frame>),
    /// The other side has closed.
    End,
}

impl Message {
    /// Bytes on the wire.
    pub fn bytes(&self) -> usize {
        let content = match self {
            Self::Beat(beat) => LinkRequest { heartbeat: Some(*beat) }.encoded_len(),
            Self::Frame(frame) => {
                let frame = ReplicationFrame { frame: Some(Frame::clone(frame)) };
                ReplicateRequest { frame: Some(frame) }.encoded_len()
            }
            _ => 0,
        };
        content + OVERHEAD
    }
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct Pipe {
    /// What is on the way, with the time of its arrival.
    pub flight: VecDeque<(Micros, Message, usize)>,
    /// Bytes of frames that are on the way or not read.
    pub unread: usize,
    /// Whether the arrival of the first is due.
    pub is_awaited: bool,
    /// The last arrival: nothing overtakes.
    pub latest: Micros,
}

/// One side of a connection.
pub struct End {
    /// Holds the pair's one link.
    pub guard: LinkGuard,
    /// Heartbeats, once they run.
    pub pulse: Option<Pulse>,
    /// Replication, once it runs.
    pub session: Option<Session>,
    /// What is to be said besides events.
    pub outbox: Outbox,
    /// What was taken from it and found no room yet.
    pub waiting: VecDeque<Frame>,
    /// Frames that wait for the connection.
    pub queue: VecDeque<Frame>,
    /// Frames that arrived and were not read, with their bytes.
    pub inbox: VecDeque<(Frame, usize)>,
    /// A batch is with the writer; reading waits for it.
    pub is_accepting: bool,
    /// When the session began.
    pub since: Micros,
    /// The version of the journal that the session has seen.
    pub seen: u64,
}

impl End {
    /// A side that holds a link, and nothing else yet.
    pub fn new(guard: LinkGuard, now: Micros) -> Self {
        Self {
            guard,
            pulse: None,
            session: None,
            outbox: Outbox::default(),
            waiting: VecDeque::new(),
            queue: VecDeque::new(),
            inbox: VecDeque::new(),
            is_accepting: false,
            since: now,
            seen: 0,
        }
    }
}

/// A connection: side 0 has dialled side 1.
pub struct Connection {
    /// The nodes at its ends.
    pub nodes: [usize; 2],
    /// The sides that hold a link on it.
    pub ends: [Option<End>; 2],
    /// What travels, by the side that sends.
    pub pipes: [Pipe; 2],
}

impl Connection {
    /// A connection without links.
    pub fn new(dialler: usize, dialled: usize) -> Self {
        Self { nodes: [dialler, dialled], ends: [None, None], pipes: [Pipe::default(), Pipe::default()] }
    }
}

/// Connections by number. Those of a node are found in the node.
pub type Connections = BTreeMap<u64, Connection>;
