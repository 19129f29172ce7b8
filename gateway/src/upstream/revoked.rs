//! Whose certificates are revoked, from what nodes tell. A node's word is not enough, or one bad node could talk all others
//! away: each revocation must bear the signature of an operator whom the chain's authority certified. What was seen once is
//! never forgotten.

use std::collections::HashMap;

use codepop_proto::{
    journal::{EventHeader, SignedEvent},
    mesh::{CertificateRevoked, NodeAnnounced},
    nodes::ListRevocationsResponse,
};
use codepop_shared::{
    identity::{CaCertificate, Certified, Kind, is_hash_of},
    revocation::{self, Revocation},
    tls::{Refusal, Trust},
};
use prost::{Message, Name};
use uuid::Uuid;

/// Random bytes before the message in an event's body.
const SALT_LEN: usize = 16;

/// Revocations that are remembered: more than a chain has nodes, gateways and operators.
const REMEMBERED_MAX: usize = 100_000;

/// What was told and holds.
#[derive(Debug, Default)]
pub(super) struct Revoked {
    words: HashMap<(Uuid, Uuid), u64>,
    digests: HashMap<Uuid, Vec<u8>>,
}

impl Revoked {
    /// The digest of a node's last answer.
    pub(super) fn known(&self, node: Uuid) -> Vec<u8> {
        self.digests.get(&node).cloned().unwrap_or_default()
    }

    /// Takes in what a node told, and refuses whom it names rightly.
    pub(super) fn learn(&mut self, node: Uuid, told: &ListRevocationsResponse, trust: &Trust) {
        self.digests.insert(node, told.digest.clone());
        let before = self.words.len();
        for word in proven(told, trust.ca()) {
            if self.words.len() < REMEMBERED_MAX {
                let at = self.words.entry((word.holder, word.by)).or_insert(word.at);
                *at = word.at.min(*at);
            }
        }
        if self.words.len() == before {
            return;
        }
        let words: Vec<Revocation> =
            self.words.iter().map(|((holder, by), at)| Revocation { holder: *holder, by: *by, at: *at }).collect();
        let why = || "its certificate was revoked by an operator".to_owned();
        let refusal = |holder| (holder, Refusal { why: why(), is_told: false });
        let refused = revocation::in_force(&words).into_keys().map(refusal).collect::<HashMap<_, _>>();
        for holder in refused.keys().filter(|holder| trust.refusal(**holder).is_none()) {
            tracing::warn!(node.id = %holder, "certificate revoked: not used any more");
        }
        trust.refuse(refused);
    }
}

/// The revocations that operators of the chain have signed.
fn proven(told: &ListRevocationsResponse, ca: &CaCertificate) -> Vec<Revocation> {
    let operators: HashMap<Uuid, Certified> = told
        .announcements
        .iter()
        .filter_map(|event| Certified::verify(&said::<NodeAnnounced>(event)?.1.certificate, ca).ok())
        .filter(|certified| certified.id.kind == Kind::Operator)
        .map(|certified| (certified.id.uuid, certified))
        .collect();
    let revocation = |event: &SignedEvent| {
        let (header, message) = said::<CertificateRevoked>(event)?;
        let by = Uuid::from_slice(&header.origin).ok()?;
        let operator = operators.get(&by)?;
        let is_signed = header.chain == ca.chain()
            && operator.key_id()?.0[..] == header.key_id[..]
            && operator.has_signed(&event.header, &event.signature)
            && is_hash_of(&header.body_hash, &event.body);
        let holder = Uuid::from_slice(&message.uuid).ok()?;
        is_signed.then_some(Revocation { holder, by, at: header.hlc })
    };
    told.revocations.iter().filter_map(revocation).collect()
}

/// What an event says, if it is of the wanted kind. Proves nothing yet.
fn said<M: Message + Name + Default>(event: &SignedEvent) -> Option<(EventHeader, M)> {
    let header = EventHeader::decode(event.header.clone()).ok().filter(|header| header.kind == M::full_name())?;
    let message = M::decode(event.body.get(SALT_LEN..)?).ok()?;
    Some((header, message))
}
