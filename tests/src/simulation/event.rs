//! What nodes say in the simulation: real events in their real form and size, with four kinds of bodies that stand for
//! the ways in which the shop's nouns merge. Only the signature is not computed: nobody forges here.

use bytes::Bytes;
use codepop_node::{
    clock::Hlc,
    journal::{Audience, Event, Hash, sha256},
};
use codepop_proto::journal::{EventHeader, SignedEvent};
use codepop_shared::identity::SpiffeId;
use prost::Message as _;
use uuid::Uuid;

/// Bytes of a body without its salt: as the figures that others publish, 200 of payload.
const PAYLOAD: usize = 200;

/// Bytes of an announcement: mostly the certificate.
const ANNOUNCEMENT: usize = 900;

/// What an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The origin's certificate: without it nobody takes its other events.
    Announced,
    /// One field of a row: the later wins.
    Set {
        /// The row.
        row: u32,
        /// Its field.
        field: u8,
    },
    /// A role is given.
    Granted {
        /// The role.
        row: u32,
    },
    /// A role is taken: wins for ever, and is never held back for a clock.
    Revoked {
        /// The role.
        row: u32,
    },
}

impl Body {
    /// The contract's name for an event that merges in this way.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Announced => "codepop.mesh.v1.NodeAnnounced",
            Self::Set { .. } => "codepop.accounts.v1.ProfileChanged",
            Self::Granted { .. } => "codepop.roles.v1.RoleAssigned",
            Self::Revoked { .. } => "codepop.roles.v1.RoleRevoked",
        }
    }

    /// Salt, row, field, the write's number, and as many bytes more as such an event has.
    fn encode(self, write: u64) -> Vec<u8> {
        let (row, field, length) = match self {
            Self::Announced => (0, 0, ANNOUNCEMENT),
            Self::Set { row, field } => (row, field, PAYLOAD),
            Self::Granted { row } => (row, 0, PAYLOAD),
            Self::Revoked { row } => (row, 0, PAYLOAD),
        };
        let mut bytes = vec![0; 16 + length];
        bytes[..8].copy_from_slice(&write.to_be_bytes());
        bytes[16..20].copy_from_slice(&row.to_be_bytes());
        bytes[20] = field;
        bytes[21..29].copy_from_slice(&write.to_be_bytes());
        bytes
    }
}

/// Reads what an event says, and the number of the write that made it.
pub fn said(event: &Event) -> Option<(Body, u64)> {
    let message = event.message()?;
    let row = u32::from_be_bytes(message.get(..4)?.try_into().ok()?);
    let field = *message.get(4)?;
    let write = u64::from_be_bytes(message.get(5..13)?.try_into().ok()?);
    let kinds = [Body::Announced, Body::Set { row, field }, Body::Granted { row }, Body::Revoked { row }];
    kinds.into_iter().find(|body| body.kind() == event.header.kind).map(|body| (body, write))
}

/// Where an event stands in its stream.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// For whom.
    pub audience: &'a Audience,
    /// Position.
    pub seq: u64,
    /// Hash of the header before it.
    pub previous: Option<Hash>,
    /// When.
    pub hlc: Hlc,
}

/// Makes an event as its origin would. `write` tells it from every other.
pub fn make(origin: &SpiffeId, place: &Place<'_>, body: Body, write: u64) -> SignedEvent {
    let bytes = body.encode(write);
    let header = EventHeader {
        chain: origin.chain.clone(),
        origin: Bytes::copy_from_slice(origin.uuid.as_bytes()),
        key_id: Bytes::copy_from_slice(&key_id(origin.uuid)),
        audience: place.audience.to_string(),
        seq: place.seq,
        previous: place.previous.map(|hash| Bytes::copy_from_slice(&hash)).unwrap_or_default(),
        hlc: place.hlc.0,
        schema_version: 1,
        kind: body.kind().to_owned(),
        body_hash: Bytes::copy_from_slice(&sha256(&bytes)),
        subject: 0,
    };
    SignedEvent { header: header.encode_to_vec().into(), signature: Bytes::from_static(&[1; 64]), body: bytes.into() }
}

fn key_id(origin: Uuid) -> [u8; 16] {
    (!origin.as_u128()).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_survives_the_wire() {
        let origin = crate::simulation::node::name(1_000, "C", Uuid::from_u128(7));
        let place = Place { audience: &Audience::Everyone, seq: 1, previous: None, hlc: Hlc(5) };
        for body in [Body::Announced, Body::Set { row: 3, field: 2 }, Body::Granted { row: 9 }, Body::Revoked { row: 9 }] {
            let event = Event::parse(make(&origin, &place, body, 42)).unwrap();
            assert_eq!(said(&event), Some((body, 42)));
        }
    }
}
