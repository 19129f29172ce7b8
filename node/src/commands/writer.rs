//! The operator's own stream of events, signed here with the operator's key, and handed to a node.

use anyhow::{Result, ensure};
use codepop_proto::{
    journal::SignedEvent,
    mesh::NodeAnnounced,
    operator::{GetStreamRequest, SubmitEventsRequest, operator_service_client::OperatorServiceClient},
};
use prost::Name;
use tonic::transport::Channel;

use super::client;
use crate::{
    clock::{Clock, Hlc},
    identity::Author,
    journal::{Audience, Draft, Event, Hash},
};

/// The operator's own stream, and what is to be added to it.
pub(super) struct OperatorStream {
    author: Author,
    clock: Clock,
    head: u64,
    head_hash: Option<Hash>,
    events: Vec<SignedEvent>,
}

impl OperatorStream {
    /// The stream of this operator, which ends at `head` so far. Before its first event it says whose it is.
    pub(super) fn at(author: Author, head: u64, head_hash: Option<Hash>) -> Self {
        let clock = Clock::new(author.id.uuid);
        let mut stream = Self { author, clock, head, head_hash, events: Vec::new() };
        if stream.head == 0 {
            stream.announce();
        }
        stream
    }

    /// What is said from now on is later than this, also when the clock of this machine is behind.
    fn resume(self, latest: Hlc) -> Self {
        self.clock.resume(latest);
        self
    }

    /// The first event of every stream for everyone says whose it is.
    fn announce(&mut self) {
        let announced = NodeAnnounced {
            certificate: self.author.certificate.der.clone(),
            display_name: "Operator".to_owned(),
            api_base_url: String::new(),
            latitude: None,
            longitude: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        self.say(&announced, 0);
    }

    /// Signs the next event.
    pub(super) fn say<M: Name>(&mut self, message: &M, subject: i64) {
        let draft = Draft {
            audience: &Audience::Everyone,
            seq: self.head + 1,
            previous: self.head_hash,
            hlc: self.clock.tick(),
            schema_version: 1,
            kind: &M::full_name(),
            subject,
            message: &message.encode_to_vec(),
        };
        let event = Event::sign(&self.author, draft);
        self.head = event.header.seq;
        self.head_hash = Some(event.hash());
        self.events.push(event.into_signed());
    }

    /// Takes what was said since the last time.
    pub(super) fn take(&mut self) -> Vec<SignedEvent> {
        std::mem::take(&mut self.events)
    }
}

/// Adds to the operator's stream at a node: goes on where the node says that it ends.
pub(super) struct Writer {
    stream: OperatorStream,
    node: OperatorServiceClient<Channel>,
}

impl Writer {
    /// The stream of this operator, as a node knows it.
    pub(super) async fn open(author: Author, mut node: OperatorServiceClient<Channel>) -> Result<Self> {
        let audience = Audience::Everyone.to_string();
        let known = node.get_stream(GetStreamRequest { audience }).await.map_err(client::said)?.into_inner();
        let head_hash = if known.seq == 0 { None } else { Some(known.head.as_slice().try_into()?) };
        let stream = OperatorStream::at(author, known.seq, head_hash).resume(Hlc(known.hlc.max(known.now)));
        Ok(Self { stream, node })
    }

    /// Signs the next event.
    pub(super) fn say<M: Name>(&mut self, message: &M, subject: i64) {
        self.stream.say(message, subject);
    }

    /// Hands the node what was said.
    pub(super) async fn submit(&mut self) -> Result<()> {
        let events = self.stream.take();
        let wanted = u32::try_from(events.len())?;
        let taken = self.node.submit_events(SubmitEventsRequest { events }).await.map_err(client::said)?.into_inner();
        ensure!(taken.accepted == wanted, "the node took {} of {wanted} events; run the command again", taken.accepted);
        Ok(())
    }
}
