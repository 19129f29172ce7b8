//! The authority of a region: a hub that signs certificates of its region's stores. What it may sign is a rule of our own
//! over the names, because the library refuses every certificate with a URI name below an authority with constraints.

use chrono::{DateTime, Utc};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _};

use super::{CaCertificate, Error, Kind, SpiffeId, certified::time};

/// What stands in an authority's name where a leaf's has its kind: the one is never taken for the other.
const WORD: &str = "authority";

/// The region's authority that signed a certificate, as its own certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionAuthority {
    /// The hub that it is. Hubs are known by their UUID, whatever certificate of theirs was used.
    pub hub: SpiffeId,
    /// Not good before.
    pub not_before: DateTime<Utc>,
    /// Not good after, nor is what it signed.
    pub not_after: DateTime<Utc>,
}

impl RegionAuthority {
    /// The URI by which the certificate of a hub's authority names it: `spiffe://<chain>/authority/<region>/<number>/<uuid>`.
    pub fn uri(hub: &SpiffeId) -> String {
        format!("spiffe://{}/{WORD}/{}/{}/{}", hub.chain, hub.region, hub.number, hub.uuid)
    }

    /// Reads the certificate of a region's authority. Proves nothing.
    ///
    /// # Errors
    /// It is not of the shape that the chain's authority makes.
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        let (rest, x509) = X509Certificate::from_der(der).map_err(|_| Error::Malformed("not X.509"))?;
        if !rest.is_empty() {
            return Err(Error::Malformed("bytes follow it"));
        }
        let constraints = x509.basic_constraints().ok().flatten().map(|constraints| constraints.value);
        if !constraints.is_some_and(|constraints| constraints.ca && constraints.path_len_constraint == Some(0)) {
            return Err(Error::Region("must be an authority's, of path length 0"));
        }
        let usage = x509.key_usage().ok().flatten().map(|usage| usage.value);
        if !usage.is_some_and(|usage| usage.key_cert_sign()) {
            return Err(Error::Region("must be for signing certificates"));
        }
        let names = x509.subject_alternative_name().ok().flatten();
        let hub = names
            .and_then(|names| match names.value.general_names[..] {
                [GeneralName::URI(uri)] => hub(uri),
                _ => None,
            })
            .ok_or(Error::Region("must name the hub that it is, and nothing else"))?;
        let validity = x509.validity();
        Ok(Self { hub, not_before: time(&validity.not_before)?, not_after: time(&validity.not_after)? })
    }

    /// Reads the certificate of a region's authority and proves that the chain's authority signed it. Does not look at the
    /// clock.
    ///
    /// # Errors
    /// It is not of the right shape, not signed by it, or of another chain.
    pub fn verify(der: &[u8], ca: &CaCertificate) -> Result<Self, Error> {
        let read = Self::parse(der)?;
        if !ca.has_signed(der) {
            return Err(Error::Region("was not signed by the chain's"));
        }
        if read.hub.chain != ca.chain() {
            return Err(Error::OtherChain { found: read.hub.chain, expected: ca.chain().to_owned() });
        }
        Ok(read)
    }

    /// Checks that it may sign for `leaf` within these dates: for stores of its own region and chain, and never for longer
    /// than it is good itself. Hubs, gateways and operators are certified by the chain's authority alone.
    ///
    /// # Errors
    /// Says which of it does not hold.
    pub fn check_may_sign(
        &self,
        leaf: &SpiffeId,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> Result<(), Error> {
        if leaf.chain != self.hub.chain {
            Err(Error::Region("is of another chain than what it signed"))
        } else if leaf.kind != Kind::Store {
            Err(Error::Region("may certify stores alone"))
        } else if leaf.region != self.hub.region {
            Err(Error::Region("may certify stores of its own region alone"))
        } else if not_before < self.not_before || not_after > self.not_after {
            Err(Error::Region("may not certify for a time when it is not good itself"))
        } else {
            Ok(())
        }
    }
}

/// The hub that a name says, in the one spelling that [`RegionAuthority::uri`] gives.
fn hub(uri: &str) -> Option<SpiffeId> {
    let (chain, rest) = uri.strip_prefix("spiffe://")?.split_once('/')?;
    let rest = rest.strip_prefix(WORD)?.strip_prefix('/')?;
    format!("spiffe://{chain}/{}/{rest}", Kind::Hub).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn its_name_has_one_spelling_and_is_no_leaf_s() {
        let named: SpiffeId = format!("spiffe://demo/hub/C/1/{UUID}").parse().unwrap();
        let uri = RegionAuthority::uri(&named);
        assert_eq!(hub(&uri), Some(named.clone()));
        assert!(uri.parse::<SpiffeId>().is_err() && hub(&named.to_string()).is_none());
        for bad in ["authority/C/01/U", "authority/C/1000/U", "authority/-/1/U", "authority//1/U", "authority/C/1/U/x"]
        {
            let uri = format!("spiffe://demo/{}", bad.replace('U', UUID));
            assert!(hub(&uri).is_none(), "{uri}");
        }
    }

    #[test]
    fn it_signs_for_stores_of_its_region_within_its_own_time() {
        let day = |day| DateTime::UNIX_EPOCH + chrono::TimeDelta::days(day);
        let hub = format!("spiffe://demo/hub/C/1/{UUID}").parse().unwrap();
        let authority = RegionAuthority { hub, not_before: day(10), not_after: day(20) };
        let check = |leaf: &str, from, until| {
            let leaf = format!("spiffe://{leaf}/{UUID}").parse().unwrap();
            authority.check_may_sign(&leaf, day(from), day(until))
        };
        assert!(check("demo/store/C/1000", 10, 20).is_ok());
        for leaf in ["demo/hub/C/2", "demo/gateway/-/0", "demo/operator/-/0", "demo/store/D/1000", "other/store/C/1000"]
        {
            assert!(check(leaf, 10, 20).is_err(), "{leaf}");
        }
        assert!(check("demo/store/C/1000", 9, 20).is_err() && check("demo/store/C/1000", 10, 21).is_err());
    }
}
