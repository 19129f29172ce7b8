//! Whose certificates are revoked, from what nodes tell. A node's word is not enough, or one bad node could talk all others
//! away: each revocation must bear the signature of an operator whom the chain's authority certified. What was seen once is
//! never forgotten. Of a revoked hub's certificates for others those stay good that nodes knew before; in that, a node is
//! believed whose own certificate is none of them.

use std::collections::{HashMap, HashSet};

use codepop_proto::{
    journal::{EventHeader, SignedEvent},
    mesh::{CertificateRevoked, NodeAnnounced},
    nodes::ListRevocationsResponse,
};
use codepop_shared::{
    identity::{CaCertificate, Certified, Kind, is_hash_of},
    revocation::{self, Revocation},
    tls::{Refusal, Refused, Trust},
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
    spared: HashSet<[u8; 32]>,
    digests: HashMap<Uuid, Vec<u8>>,
}

impl Revoked {
    /// The digest of a node's last answer.
    pub(super) fn known(&self, node: Uuid) -> Vec<u8> {
        self.digests.get(&node).cloned().unwrap_or_default()
    }

    /// Takes in what a node told, and refuses whom it names rightly. `by`: the hub that signed the node's own certificate, if
    /// one did.
    pub(super) fn learn(&mut self, (node, by): (Uuid, Option<Uuid>), told: &ListRevocationsResponse, trust: &Trust) {
        let before = (self.words.len(), self.spared.len());
        for word in proven(told, trust.ca()) {
            if self.words.len() < REMEMBERED_MAX {
                let at = self.words.entry((word.holder, word.by)).or_insert(word.at);
                *at = word.at.min(*at);
            }
        }
        let refused = self.refused();
        // What a hub certified after its revocation would vouch for itself.
        if by.is_none_or(|hub| !refused.issuers.contains_key(&hub)) {
            self.digests.insert(node, told.digest.clone());
            let spared = told.spared.iter().filter_map(|fingerprint| <[u8; 32]>::try_from(&fingerprint[..]).ok());
            self.spared.extend(spared.take(REMEMBERED_MAX.saturating_sub(self.spared.len())));
        }
        if (self.words.len(), self.spared.len()) == before {
            return;
        }
        for holder in refused.holders.keys().filter(|holder| trust.refusal(**holder).is_none()) {
            tracing::warn!(node.id = %holder, "certificate revoked: not used any more");
        }
        trust.refuse(Refused { spared: self.spared.clone(), ..refused });
    }

    /// Whom the operators' words refuse, and what of it they signed themselves.
    fn refused(&self) -> Refused {
        let words: Vec<Revocation> =
            self.words.iter().map(|((holder, by), at)| Revocation { holder: *holder, by: *by, at: *at }).collect();
        let revoked = revocation::in_force(&words);
        let all = |why: &str| -> HashMap<Uuid, Refusal> {
            let refusal = |holder: &Uuid| (*holder, Refusal { why: why.to_owned(), is_told: false });
            revoked.keys().map(refusal).collect()
        };
        let holders = all("its certificate was revoked by an operator");
        let issuers = all("the hub that signed its certificate was revoked by an operator");
        Refused { holders, issuers, ..Refused::default() }
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::Utc;
    use codepop_shared::{
        authority::{Authority, CERTIFICATE_VALID, Order, RegionSigner},
        identity::{SpiffeId, key_id},
        request::{KeyMaterial, RegionKey},
        tls::Credentials,
    };
    use ed25519_dalek::{Signer as _, SigningKey, pkcs8::DecodePrivateKey as _};
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// Somebody with a certificate and an event key.
    struct Speaker {
        certified: Certified,
        key: SigningKey,
    }

    impl Speaker {
        fn new(authority: &Authority, place: &str) -> Self {
            let id: SpiffeId = format!("spiffe://test/{place}/{}", Uuid::now_v7()).parse().unwrap();
            let keys = KeyMaterial::generate(true).unwrap();
            let pem = authority.issue(Order {
                event_key: keys.event_key(),
                csr: &keys.csr(id.uuid).unwrap(),
                name: "speaker",
                dns: &[],
                ips: &[],
                now: Utc::now(),
                valid: CERTIFICATE_VALID,
                id,
            });
            let der = rustls_pem(&pem.unwrap());
            let key = SigningKey::from_pkcs8_pem(&keys.event_pem().unwrap().unwrap()).unwrap();
            Self { certified: Certified::parse(&der).unwrap(), key }
        }

        fn says<M: Message + Name>(&self, message: &M) -> SignedEvent {
            let body = [&[7; SALT_LEN][..], &message.encode_to_vec()].concat();
            let header = EventHeader {
                chain: "test".to_owned(),
                origin: Bytes::copy_from_slice(self.certified.id.uuid.as_bytes()),
                key_id: Bytes::copy_from_slice(&key_id(&self.key.verifying_key()).0),
                hlc: 10,
                kind: M::full_name(),
                body_hash: Bytes::copy_from_slice(&Sha256::digest(&body)),
                ..EventHeader::default()
            };
            let header = header.encode_to_vec();
            let signature = Bytes::copy_from_slice(&self.key.sign(&header).to_bytes());
            SignedEvent { header: header.into(), signature, body: body.into() }
        }

        fn announced(&self) -> SignedEvent {
            let certificate = Bytes::copy_from_slice(&self.certified.der);
            self.says(&NodeAnnounced { certificate: certificate.into(), ..NodeAnnounced::default() })
        }

        fn revokes(&self, holder: Uuid) -> SignedEvent {
            let uuid = Bytes::copy_from_slice(holder.as_bytes());
            self.says(&CertificateRevoked { uuid: uuid.into(), ..CertificateRevoked::default() })
        }
    }

    fn rustls_pem(pem: &str) -> Vec<u8> {
        use rustls::pki_types::{CertificateDer, pem::PemObject as _};
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
    }

    fn told(announcements: Vec<SignedEvent>, revocations: Vec<SignedEvent>) -> ListRevocationsResponse {
        ListRevocationsResponse { announcements, revocations, ..ListRevocationsResponse::default() }
    }

    #[test]
    fn only_what_an_operator_of_the_chain_signed_counts() {
        let [ours, theirs] = [0, 1].map(|_| Authority::create("test", Utc::now()).unwrap());
        let ca = ours.certificate();
        let [operator, store] = ["operator/-/0", "store/C/1000"].map(|place| Speaker::new(&ours, place));
        let stranger = Speaker::new(&theirs, "operator/-/0");
        let (victim, by) = (Uuid::from_u128(9), operator.certified.id.uuid);
        let right = told(vec![operator.announced()], vec![operator.revokes(victim)]);
        assert_eq!(proven(&right, ca), [Revocation { holder: victim, by, at: 10 }]);

        let altered = |change: &dyn Fn(&mut SignedEvent)| {
            let mut event = operator.revokes(victim);
            change(&mut event);
            event
        };
        let flip = |bytes: &Bytes| {
            let mut changed = bytes.to_vec();
            *changed.last_mut().unwrap() ^= 1;
            Bytes::from(changed)
        };
        for (what, announced, revocation) in [
            ("nobody announced", None, operator.revokes(victim)),
            ("a store", Some(store.announced()), store.revokes(victim)),
            ("an operator of another authority", Some(stranger.announced()), stranger.revokes(victim)),
            ("a store in an operator's name", Some(operator.announced()), {
                let forged = Speaker { certified: operator.certified.clone(), key: store.key.clone() };
                forged.revokes(victim)
            }),
            ("another body", Some(operator.announced()), altered(&|event| event.body = flip(&event.body))),
            ("another header", Some(operator.announced()), altered(&|event| event.header = flip(&event.header))),
            (
                "another signature",
                Some(operator.announced()),
                altered(&|event| event.signature = flip(&event.signature)),
            ),
            ("another kind", Some(operator.announced()), operator.announced()),
            ("nothing in it", Some(operator.announced()), SignedEvent::default()),
        ] {
            let told = told(announced.into_iter().collect(), vec![revocation]);
            assert_eq!(proven(&told, ca), [], "{what}");
        }
    }

    /// A hub's certificate for a store of the region, whose own is used up.
    fn by_hub(authority: &Authority, hub: &RegionSigner, store: &Speaker) -> Certified {
        let ended = Utc::now() + CERTIFICATE_VALID * 4 / 5;
        let renewed = hub.renew(&store.certified, ended).unwrap();
        Certified::verify(&renewed.der, authority.certificate()).unwrap()
    }

    #[test]
    fn of_what_a_revoked_hub_signed_only_others_say_what_stays_good() {
        let ours = Authority::create("test", Utc::now()).unwrap();
        let [operator, store, other] =
            ["operator/-/0", "store/C/1000", "store/C/1001"].map(|place| Speaker::new(&ours, place));
        let (key, now) = (RegionKey::generate().unwrap(), Utc::now());
        let hub: SpiffeId = format!("spiffe://test/hub/C/1/{}", Uuid::now_v7()).parse().unwrap();
        let pem = ours.issue_region(&hub, &key.csr(hub.uuid).unwrap(), now, now + 2 * CERTIFICATE_VALID).unwrap();
        let hub = RegionSigner::from_pem(&pem, &key.pem(), ours.certificate()).unwrap();
        let [known, minted] = [&store, &other].map(|store| by_hub(&ours, &hub, store));
        let trust = {
            let keys = KeyMaterial::generate(false).unwrap();
            let id: SpiffeId = format!("spiffe://test/gateway/-/0/{}", Uuid::now_v7()).parse().unwrap();
            let csr = keys.csr(id.uuid).unwrap();
            let order =
                Order { event_key: None, csr: &csr, name: "g", dns: &[], ips: &[], now, valid: CERTIFICATE_VALID, id };
            let pem = ours.issue(order).unwrap();
            Trust::new(Credentials::from_pem(ours.pem(), &pem, &keys.tls_pem()).unwrap())
        };
        let spared = |certified: &Certified| ListRevocationsResponse {
            spared: vec![certified.fingerprint().to_vec(), vec![7; 31]],
            ..told(vec![operator.announced()], vec![operator.revokes(hub.hub().uuid)])
        };
        let (mut revoked, node) = (Revoked::default(), Uuid::now_v7());
        assert_eq!(trust.refusal_of(&known), None);
        // Whoever hangs on the hub vouches for nobody, least of all for itself.
        revoked.learn((node, Some(hub.hub().uuid)), &spared(&minted), &trust);
        assert!(trust.refusal_of(&known).is_some() && trust.refusal_of(&minted).is_some());
        revoked.learn((node, None), &spared(&known), &trust);
        assert!(trust.refusal_of(&known).is_none() && trust.refusal_of(&minted).is_some());
        assert!(trust.refusal_of(&store.certified).is_none(), "certified by the chain's authority");
        // What was once spared stays so.
        revoked.learn((node, Some(Uuid::now_v7())), &told(vec![], vec![]), &trust);
        assert!(trust.refusal_of(&known).is_none());
    }
}
