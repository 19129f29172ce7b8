//! A certificate read into what the program decides on: the id, the event key, how long it is good.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ed25519_dalek::{
    VerifyingKey,
    pkcs8::spki::der::pem::{LineEnding, encode_string},
};
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use webpki::KeyUsage;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _, time::ASN1Time};

use super::{CaCertificate, Error, KeyId, RegionAuthority, SpiffeId, is_signed, key_id};
use crate::number::{HUB_MAX, NODE_MAX};

/// What stands before the 64 hexadecimal digits of the event key in a certificate's second URI SAN.
pub const EVENT_KEY_URI: &str = "urn:codepop:event-key:";

/// What stands before `<number>:<uuid>` in a URI SAN that names a node whose place this one takes.
pub const REPLACES_URI: &str = "urn:codepop:replaces:";

/// Nodes whose place one node takes at the most: a store that lost its disk so often has other troubles.
const REPLACES_MAX: usize = 16;

/// How far certificates are dated back, so that a peer whose clock is slow accepts a fresh one.
pub(crate) const BACKDATED: Duration = Duration::from_secs(60 * 60);

/// Largest certificate that is looked at, with that of the region's authority; real ones have about 700 bytes each.
const DER_MAX: usize = 8 * 1024;

/// A certificate's content. [`Certified::parse`] only reads; it is proven by [`Certified::verify`] or by a TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// Who it is.
    pub id: SpiffeId,
    /// The key that signs its events; none for gateways.
    pub event_key: Option<VerifyingKey>,
    /// Nodes whose place it takes: the last one, and those before whose place that one took.
    pub replaces: Vec<Replaced>,
    /// The region's authority that signed it; none when the chain's authority did itself.
    pub issuer: Option<RegionAuthority>,
    /// The certificate's bytes, directly followed by those of the region's authority that signed it, if one did: the order
    /// of a TLS handshake.
    pub der: Vec<u8>,
    /// Not good before.
    pub not_before: DateTime<Utc>,
    /// Not good after.
    pub not_after: DateTime<Utc>,
}

/// A node whose place another one takes, because its database was lost: one life of one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Replaced {
    /// Its number.
    pub number: u32,
    /// Its UUID.
    pub uuid: Uuid,
}

impl Replaced {
    /// The URI by which a certificate names it.
    pub fn uri(&self) -> String {
        format!("{REPLACES_URI}{}:{}", self.number, self.uuid)
    }

    /// Reads what [`Replaced::uri`] gives, in that spelling alone.
    fn parse(uri: &str) -> Option<Self> {
        let (number, uuid) = uri.strip_prefix(REPLACES_URI)?.split_once(':')?;
        let read = Self { number: number.parse().ok()?, uuid: Uuid::try_parse(uuid).ok()? };
        (read.uri() == uri).then_some(read)
    }
}

impl Certified {
    /// Reads a certificate, and that of the region's authority if it follows. Proves nothing.
    ///
    /// # Errors
    /// It is not of the shape that the authority makes.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        if der.len() > DER_MAX {
            return Err(Error::Malformed("longer than 8 KiB"));
        }
        let (rest, x509) = X509Certificate::from_der(der).map_err(|_| Error::Malformed("not X.509"))?;
        let issuer = if rest.is_empty() { None } else { Some(RegionAuthority::parse(rest)?) };
        let uris = uris(&x509)?;
        let id: SpiffeId = uris.first().ok_or(Error::Malformed("it has no URI name"))?.parse()?;
        let (replaces, others): (Vec<&str>, Vec<&str>) =
            uris[1..].iter().partition(|uri| uri.starts_with(REPLACES_URI));
        let event_key = event_key(&id, &others)?;
        let replaces = replaced(&id, &replaces)?;
        let validity = x509.validity();
        Ok(Self {
            id,
            event_key,
            replaces,
            issuer,
            der: der.to_vec(),
            not_before: time(&validity.not_before)?,
            not_after: time(&validity.not_after)?,
        })
    }

    /// Reads a certificate and proves that the authority signed it for its own chain. Does not look at the clock: what
    /// is announced in an event is judged alike on every node and at any time.
    ///
    /// # Errors
    /// It is not of the authority's shape, not signed by it, or of another chain.
    pub fn verify(der: &[u8], ca: &CaCertificate) -> Result<Self, Error> {
        let certified = Self::parse(der)?;
        let moment = u64::try_from(certified.not_before.timestamp()).unwrap_or_default();
        let moment = UnixTime::since_unix_epoch(Duration::from_secs(moment));
        // Every certificate of a chain is good for clients; servers are the fewer.
        ca.check(&certified.certificates(), moment, KeyUsage::client_auth())?;
        certified.within_bounds(ca)
    }

    /// Reads and proves what was shown in a handshake at `time`: the certificate, and that of the region's authority if it
    /// signed it.
    pub(crate) fn shown(
        list: &[CertificateDer<'_>],
        ca: &CaCertificate,
        time: UnixTime,
        usage: KeyUsage,
    ) -> Result<Self, Error> {
        ca.check(list, time, usage)?;
        Self::parse_list(list)?.within_bounds(ca)
    }

    /// Reads what was shown in a handshake. Proves nothing.
    pub(crate) fn parse_list(list: &[CertificateDer<'_>]) -> Result<Self, Error> {
        let all: Vec<&[u8]> = list.iter().map(AsRef::as_ref).collect();
        Self::parse(&all.concat())
    }

    /// Passes itself on if whoever signed it may: the one place where that is decided.
    fn within_bounds(self, ca: &CaCertificate) -> Result<Self, Error> {
        if let Some(issuer) = &self.issuer {
            issuer.check_may_sign(&self.id, self.not_before, self.not_after)?;
        }
        self.of_chain(ca.chain())
    }

    /// The certificate, and after it that of the region's authority if that signed it: what is shown in a handshake.
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        let rest = X509Certificate::from_der(&self.der).map_or(0, |(rest, _)| rest.len());
        let (leaf, issuer) = self.der.split_at(self.der.len() - rest);
        [leaf, issuer].into_iter().filter(|der| !der.is_empty()).map(|der| CertificateDer::from(der.to_vec())).collect()
    }

    /// The same as the text of a PEM file.
    ///
    /// # Errors
    /// It can't be encoded.
    pub fn pem(&self) -> Result<String, Error> {
        let encode = |der: &CertificateDer<'_>| encode_string("CERTIFICATE", LineEnding::LF, der);
        let blocks: Result<Vec<String>, _> = self.certificates().iter().map(encode).collect();
        Ok(blocks.map_err(|_| Error::Malformed("it can't be encoded"))?.concat())
    }

    /// Passes itself on if it belongs to the chain.
    ///
    /// # Errors
    /// [`Error::OtherChain`] otherwise.
    pub fn of_chain(self, chain: &str) -> Result<Self, Error> {
        if self.id.chain == chain {
            return Ok(self);
        }
        Err(Error::OtherChain { found: self.id.chain, expected: chain.to_owned() })
    }

    /// SHA-256 over its bytes: names exactly this certificate.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// The short name of the event key.
    pub fn key_id(&self) -> Option<KeyId> {
        self.event_key.as_ref().map(key_id)
    }

    /// Whether the holder's event key signed `message`, as [`is_signed`] judges.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let signed = self.event_key.as_ref().zip(signature.try_into().ok());
        signed.is_some_and(|(key, signature)| is_signed((key, message, signature)))
    }

    /// How long it was made for, counted from when it was made, not from the date to which it was dated back.
    pub fn life(&self) -> Duration {
        (self.not_after - self.not_before).to_std().unwrap_or_default().saturating_sub(BACKDATED)
    }

    /// Whether it is good at `time`.
    pub fn is_valid_at(&self, time: DateTime<Utc>) -> bool {
        (self.not_before..=self.not_after).contains(&time)
    }
}

pub(super) fn time(time: &ASN1Time) -> Result<DateTime<Utc>, Error> {
    DateTime::from_timestamp(time.timestamp(), 0).ok_or(Error::Malformed("its dates are out of range"))
}

fn uris<'a>(x509: &'a X509Certificate<'_>) -> Result<Vec<&'a str>, Error> {
    let san = x509.subject_alternative_name().map_err(|_| Error::Malformed("its alternative names can't be read"))?;
    let names = san.map(|san| san.value.general_names.as_slice()).unwrap_or_default();
    Ok(names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect())
}

/// Whose place it takes: only nodes do, and only that of others of their kind.
fn replaced(id: &SpiffeId, uris: &[&str]) -> Result<Vec<Replaced>, Error> {
    let malformed = Error::Malformed("whose place it takes makes no sense");
    if uris.len() > REPLACES_MAX || (!id.is_node() && !uris.is_empty()) {
        return Err(malformed);
    }
    let hub = |number: u32| number <= HUB_MAX;
    let fits = |read: &Replaced| {
        (1..=NODE_MAX).contains(&read.number)
            && hub(read.number) == hub(id.number)
            && read.number != id.number
            && read.uuid != id.uuid
    };
    uris.iter().map(|uri| Replaced::parse(uri).filter(fits).ok_or_else(|| malformed.clone())).collect()
}

fn event_key(id: &SpiffeId, uris: &[&str]) -> Result<Option<VerifyingKey>, Error> {
    let uri = match (id.kind.signs_events(), uris) {
        (true, [uri]) => uri,
        (false, []) => return Ok(None),
        (true, _) => return Err(Error::EventKey("must be there exactly once")),
        (false, _) => return Err(Error::EventKey("must not be there: gateways sign nothing")),
    };
    let digits = uri.strip_prefix(EVENT_KEY_URI).ok_or(Error::EventKey("has another prefix"))?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| Error::EventKey("must be 64 hexadecimal digits"))?;
    let key = VerifyingKey::from_bytes(&bytes).map_err(|_| Error::EventKey("is no Ed25519 key"))?;
    // With a weak key, one signature fits many messages.
    if key.is_weak() || hex::encode(bytes) != digits {
        return Err(Error::EventKey("is weak or not spelled in lower case"));
    }
    Ok(Some(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_place_it_takes_has_one_spelling() {
        let store: SpiffeId = "spiffe://demo/store/C/1001/01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let old = Replaced { number: 1000, uuid: Uuid::from_u128(7) };
        let uri = old.uri();
        assert_eq!(replaced(&store, &[&uri]).unwrap(), [old]);
        assert_eq!(replaced(&store, &[]).unwrap(), []);
        let own = Replaced { uuid: store.uuid, ..old }.uri();
        let hub = Replaced { number: 7, ..old }.uri();
        for bad in [uri.to_uppercase(), uri.replace("1000", "01000"), uri.replace("1000", "100000"), own, hub] {
            assert!(replaced(&store, &[&bad]).is_err(), "{bad}");
        }
        assert!(replaced(&store, &[uri.as_str(); REPLACES_MAX + 1]).is_err());
        let gateway: SpiffeId = "spiffe://demo/gateway/-/0/01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert!(replaced(&gateway, &[&uri]).is_err());
    }
}
