//! The register: every number that was given, to whom, and what it replaced. A number is never given twice, because
//! public numbers and journal streams are made of it.

use std::{fs, path::Path};

use chrono::{DateTime, Utc};
use codepop_shared::{
    files::replace,
    identity::{Kind, Replaced, SpiffeId},
    number::{HUB_MAX, NODE_MAX},
    request::CertificateRequest,
};
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, REGISTER_FILE, file};

/// The one version of the file's form.
const VERSION: u32 = 1;

/// The register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Version of the file's form.
    pub version: u32,
    /// The chain's name.
    pub chain: String,
    /// All holders, in the order in which they were first certified.
    pub entries: Vec<Entry>,
}

/// One holder of certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its node number; 0 for gateways and operators.
    pub number: u32,
    /// What it is.
    pub kind: Kind,
    /// Code of its region.
    pub region: String,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name for people.
    pub name: String,
    /// Its event key, hexadecimal; none for gateways.
    pub event_key: Option<String>,
    /// When it was certified first.
    pub given_at: DateTime<Utc>,
    /// When its last certificate was issued.
    pub issued_at: DateTime<Utc>,
    /// Until when its last certificate is good.
    pub not_after: DateTime<Utc>,
    /// Host names and addresses in its certificate.
    pub hosts: Vec<String>,
    /// The number whose place it took, after a restored or lost database.
    pub replaces: Option<u32>,
    /// That it gets no certificate any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revocation>,
}

/// When and why a holder was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// When.
    pub at: DateTime<Utc>,
    /// Why, in one word.
    pub reason: String,
}

impl Entry {
    /// A new holder.
    pub fn new(
        id: &SpiffeId,
        name: &str,
        event_key: Option<&VerifyingKey>,
        now: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> Self {
        Self {
            number: id.number,
            kind: id.kind,
            region: id.region.clone(),
            uuid: id.uuid,
            name: name.to_owned(),
            event_key: event_key.map(|key| hex::encode(key.as_bytes())),
            given_at: now,
            issued_at: now,
            not_after,
            hosts: Vec::new(),
            replaces: None,
            revoked: None,
        }
    }

    /// Checks that the holder may get a certificate.
    ///
    /// # Errors
    /// It was revoked.
    pub fn require_good(&self) -> Result<(), Error> {
        let Some(revoked) = &self.revoked else { return Ok(()) };
        Err(Error::Register(format!(
            "{} ({}) was revoked on {} ({}) and gets no certificate any more: make a new identity with `init` in an empty \
             data directory",
            self.uuid,
            self.name,
            revoked.at.format("%Y-%m-%d"),
            revoked.reason
        )))
    }
}

impl Register {
    /// An empty register.
    pub fn new(chain: &str) -> Self {
        Self { version: VERSION, chain: chain.to_owned(), entries: Vec::new() }
    }

    /// Reads the register of an authority's folder.
    ///
    /// # Errors
    /// It can't be read, or is not of the known form.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(REGISTER_FILE);
        let text = fs::read_to_string(&path).map_err(file(&path))?;
        let wrong = |problem: String| Error::Content { path: path.clone(), problem };
        let register: Self = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        if register.version != VERSION {
            return Err(wrong(format!("its version is {}, this program reads {VERSION}", register.version)));
        }
        Ok(register)
    }

    /// Writes the register, whole or not at all.
    ///
    /// # Errors
    /// It can't be written.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let path = dir.join(REGISTER_FILE);
        replace(&path, self.text()?.as_bytes()).map_err(file(path))
    }

    /// The register as the file's text.
    ///
    /// # Errors
    /// It can't be encoded.
    pub fn text(&self) -> Result<String, Error> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::Register(e.to_string()))?;
        Ok(text + "\n")
    }

    /// The holder who asks, if it was certified before: the same one gets the same number.
    ///
    /// # Errors
    /// The UUID was certified with another kind, region or event key.
    pub fn find(&self, request: &CertificateRequest) -> Result<Option<usize>, Error> {
        let Some(at) = self.entries.iter().position(|entry| entry.uuid == request.uuid) else {
            return Ok(None);
        };
        let entry = &self.entries[at];
        let same =
            entry.kind == request.kind && entry.region == request.region && entry.event_key == request.event_public_key;
        if same {
            return Ok(Some(at));
        }
        Err(Error::Register(format!(
            "uuid {} was certified with another kind, region or event key: make a new identity with `init`, then \
             `pki issue … --replaces {}`",
            entry.uuid, entry.number
        )))
    }

    /// The number for a new holder: the wanted one, or the next free one.
    ///
    /// # Errors
    /// The wanted one is taken or not of this kind's range, or none is left.
    pub fn number(&self, kind: Kind, wanted: Option<u32>) -> Result<u32, Error> {
        let range = match kind {
            Kind::Hub => 1..=HUB_MAX,
            Kind::Store => HUB_MAX + 1..=NODE_MAX,
            Kind::Gateway | Kind::Operator => 0..=0,
        };
        let taken = |number: u32| number != 0 && self.entries.iter().any(|entry| entry.number == number);
        match wanted {
            Some(number) if !range.contains(&number) => Err(Error::Register(format!(
                "--number is \"{number}\": must be {} to {} for a {kind}",
                range.start(),
                range.end()
            ))),
            Some(number) if taken(number) => {
                Err(Error::Register(format!("--number is \"{number}\": must be free, but was given already")))
            }
            Some(number) => Ok(number),
            None => {
                // After the highest: a number that was struck from the list by hand must not come back.
                let of_kind = self.entries.iter().filter(|entry| entry.kind == kind).map(|entry| entry.number);
                let next = of_kind.max().map_or(*range.start(), |highest| highest + u32::from(highest != 0));
                let free = |number: &u32| !taken(*number);
                let again = range.clone().find(free);
                Some(next)
                    .filter(|next| range.contains(next))
                    .or(again)
                    .ok_or_else(|| Error::Register(format!("no number is left for a {kind}")))
            }
        }
    }

    /// Whose place a holder takes: the one before it, the one before that, and so on.
    pub fn predecessors(&self, entry: &Entry) -> Vec<Replaced> {
        let mut found: Vec<Replaced> = Vec::new();
        let mut next = entry.replaces;
        while let Some(before) = next.and_then(|number| self.entries.iter().find(|entry| entry.number == number)) {
            let replaced = Replaced { number: before.number, uuid: before.uuid };
            // A register that was changed by hand may go round in circles.
            if found.contains(&replaced) {
                break;
            }
            found.push(replaced);
            next = before.replaces;
        }
        found
    }

    /// Checks that `replaced` is a holder of this kind and region whose place nobody took yet.
    ///
    /// # Errors
    /// It is not.
    pub fn check_replaces(&self, kind: Kind, region: &str, replaced: u32) -> Result<(), Error> {
        let refused = |problem: &str| Err(Error::Register(format!("--replaces is \"{replaced}\": {problem}")));
        let is_it = |entry: &&Entry| entry.number == replaced && entry.kind == kind;
        let Some(entry) = self.entries.iter().find(is_it).filter(|_| replaced != 0) else {
            return refused(&format!("must be the number of a {kind} in the register"));
        };
        if entry.region != region {
            return refused(&format!("is of region {}, not of {region}", entry.region));
        }
        if self.entries.iter().any(|entry| entry.replaces == Some(replaced)) {
            return refused("was replaced already");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, number: u32) -> Entry {
        let id = SpiffeId { chain: "demo".to_owned(), kind, region: "C".to_owned(), number, uuid: Uuid::now_v7() };
        Entry::new(&id, "Name", None, DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn numbers_go_on_and_are_never_given_twice() {
        let mut register = Register::new("demo");
        assert_eq!(register.number(Kind::Hub, None).unwrap(), 1);
        assert_eq!(register.number(Kind::Store, None).unwrap(), 1000);
        assert_eq!(register.number(Kind::Gateway, None).unwrap(), 0);
        register.entries = vec![entry(Kind::Hub, 7), entry(Kind::Store, 1000), entry(Kind::Gateway, 0)];
        assert_eq!(register.number(Kind::Hub, None).unwrap(), 8);
        assert_eq!(register.number(Kind::Store, None).unwrap(), 1001);
        assert_eq!(register.number(Kind::Gateway, None).unwrap(), 0);
        assert_eq!(register.number(Kind::Store, Some(1017)).unwrap(), 1017);
        for (kind, number) in [(Kind::Store, 1000), (Kind::Store, 999), (Kind::Hub, 1000), (Kind::Gateway, 3)] {
            assert!(register.number(kind, Some(number)).is_err(), "{kind} {number}");
        }
        register.entries.push(entry(Kind::Hub, 999));
        assert_eq!(register.number(Kind::Hub, None).unwrap(), 1, "what was left out is used at last");
    }

    #[test]
    fn only_what_is_there_can_be_replaced_and_only_once() {
        let mut register = Register::new("demo");
        register.entries = vec![entry(Kind::Store, 1000)];
        register.check_replaces(Kind::Store, "C", 1000).unwrap();
        assert!(register.check_replaces(Kind::Store, "D", 1000).is_err());
        assert!(register.check_replaces(Kind::Hub, "C", 1000).is_err());
        assert!(register.check_replaces(Kind::Store, "C", 1001).is_err());
        register.entries.push(Entry { replaces: Some(1000), ..entry(Kind::Store, 1001) });
        assert!(register.check_replaces(Kind::Store, "C", 1000).is_err());
        register.entries.push(Entry { replaces: Some(1001), ..entry(Kind::Store, 1002) });
        let numbers = |at: usize| -> Vec<u32> {
            register.predecessors(&register.entries[at]).iter().map(|replaced| replaced.number).collect()
        };
        assert_eq!((numbers(0), numbers(1), numbers(2)), (vec![], vec![1000], vec![1001, 1000]));
    }
}
