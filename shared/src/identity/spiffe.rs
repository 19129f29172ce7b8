//! The name in a certificate: `spiffe://<chain>/<kind>/<region>/<number>/<uuid>`. Read strictly, so that one name has
//! exactly one spelling.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use super::{Error, Kind};
use crate::number::{HUB_MAX, NODE_MAX};

/// The region of those that have none (gateways, operators).
pub const NO_REGION: &str = "-";

/// Longest chain name: a DNS label.
const CHAIN_MAX: usize = 63;

/// Longest region code, as in the plan's tables (Task 1.1).
const REGION_MAX: usize = 10;

/// Longest piece of a foreign name that is repeated in an error.
const SHOWN_MAX: usize = 160;

/// Who somebody is, as the chain's authority certifies it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpiffeId {
    /// The chain: 1 to 63 of `a-z`, `0-9` and `-`.
    pub chain: String,
    /// What it is.
    pub kind: Kind,
    /// The region's code, 1 to 10 letters and digits; [`NO_REGION`] for gateways and operators.
    pub region: String,
    /// The node number: 1 to 999 hubs, 1,000 to 99,999 stores, 0 gateways and operators.
    pub number: u32,
    /// The holder's UUID.
    pub uuid: Uuid,
}

impl SpiffeId {
    /// Checks that the parts fit together.
    ///
    /// # Errors
    /// [`Error::Id`] says which part does not.
    pub fn checked(self) -> Result<Self, Error> {
        match self.problem() {
            None => Ok(self),
            Some(problem) => Err(Error::Id { id: shown(&self.to_string()), problem }),
        }
    }

    /// Whether it is a store or a hub.
    pub fn is_node(&self) -> bool {
        self.kind.is_node()
    }

    fn problem(&self) -> Option<&'static str> {
        let numbers = match self.kind {
            Kind::Hub => 1..=HUB_MAX,
            Kind::Store => HUB_MAX + 1..=NODE_MAX,
            Kind::Gateway | Kind::Operator => 0..=0,
        };
        if chain_name(&self.chain).is_err() {
            Some("the chain must be 1 to 63 of a-z, 0-9 and -")
        } else if self.region == NO_REGION && self.is_node() {
            Some("a store or hub needs a region")
        } else if self.region != NO_REGION && !is_region(&self.region) {
            Some("the region must be 1 to 10 letters or digits")
        } else if !numbers.contains(&self.number) {
            Some("the number must be 1 to 999 for a hub, 1000 to 99999 for a store, 0 for all others")
        } else if self.uuid.is_nil() {
            Some("the uuid must not be nil")
        } else {
            None
        }
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}/{}/{}/{}", self.chain, self.kind, self.region, self.number, self.uuid)
    }
}

impl FromStr for SpiffeId {
    type Err = Error;

    fn from_str(id: &str) -> Result<Self, Error> {
        let wrong = |problem| Error::Id { id: shown(id), problem };
        let path = id.strip_prefix("spiffe://").ok_or_else(|| wrong("it must begin with spiffe://"))?;
        let parts: Vec<&str> = path.split('/').collect();
        let [chain, kind, region, number, uuid] = parts[..] else {
            return Err(wrong("it must have five parts"));
        };
        let parsed = Self {
            chain: chain.to_owned(),
            kind: kind.parse().map_err(wrong)?,
            region: region.to_owned(),
            number: number.parse().map_err(|_| wrong("the number must be a number"))?,
            uuid: uuid.parse().map_err(|_| wrong("the uuid must be a UUID"))?,
        };
        // Leading zeros, signs, capitals: whatever reads alike but is spelled otherwise is somebody else's.
        if parsed.to_string() != id {
            return Err(wrong("it must be spelled in the one canonical way"));
        }
        parsed.checked()
    }
}

/// Checks the name of a chain.
///
/// # Errors
/// What a chain name must be, as a sentence.
pub fn chain_name(name: &str) -> Result<&str, &'static str> {
    let fits = (1..=CHAIN_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits { Ok(name) } else { Err("must be 1 to 63 of a-z, 0-9 and -") }
}

fn is_region(region: &str) -> bool {
    (1..=REGION_MAX).contains(&region.len()) && region.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn shown(id: &str) -> String {
    id.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn every_kind_survives_the_round_trip() {
        for id in ["hub/C/1", "hub/C/999", "store/C/1000", "store/abc/99999", "gateway/-/0", "operator/-/0"] {
            let text = format!("spiffe://demo-1/{id}/{UUID}");
            assert_eq!(text.parse::<SpiffeId>().map(|id| id.to_string()), Ok(text));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for id in [
            "",
            "spiffe://",
            "https://demo/hub/C/1/U",
            "spiffe:///hub/C/1/U",
            "spiffe://Demo/hub/C/1/U",
            "spiffe://de_mo/hub/C/1/U",
            "spiffe://demo/Hub/C/1/U",
            "spiffe://demo/king/C/1/U",
            "spiffe://demo/hub//1/U",
            "spiffe://demo/hub/-/1/U",
            "spiffe://demo/hub/ABCDEFGHIJK/1/U",
            "spiffe://demo/hub/C D/1/U",
            "spiffe://demo/hub/C/0/U",
            "spiffe://demo/hub/C/1000/U",
            "spiffe://demo/store/C/999/U",
            "spiffe://demo/store/C/100000/U",
            "spiffe://demo/store/C/01000/U",
            "spiffe://demo/store/C/+1000/U",
            "spiffe://demo/store/C/-1/U",
            "spiffe://demo/gateway/-/1/U",
            "spiffe://demo/operator/-/7/U",
            "spiffe://demo/hub/C/1/U/",
            "spiffe://demo/hub/C/1",
            "spiffe://demo/hub/C/1/store-logan-001",
            "spiffe://demo/hub/C/1/00000000-0000-0000-0000-000000000000",
            "spiffe://demo/hub/C/1/01890A5D-AC96-774B-BCCE-B302099A8057",
            "spiffe://demo/hub/C/1/01890a5dac96774bbcceb302099a8057",
        ] {
            let id = id.replace("/U", &format!("/{UUID}"));
            assert!(id.parse::<SpiffeId>().is_err(), "{id}");
        }
    }

    #[test]
    fn an_error_is_one_short_line() {
        let error = format!("spiffe://{}\n", "x".repeat(9_999)).parse::<SpiffeId>().unwrap_err().to_string();
        assert!(error.len() < 300 && !error.contains('\n'), "{error}");
    }
}
