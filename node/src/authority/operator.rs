//! The operators' certificates: the first is made with the authority, others and renewed ones later.

use std::{
    fs,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use codepop_shared::{
    authority::{Authority, CERTIFICATE_VALID, Order},
    files::{replace, write_private},
    identity::{Kind, NO_REGION, SpiffeId},
    request::KeyMaterial,
};
use uuid::Uuid;

use super::{CA_FILE, Entry, Error, Register, file, issue::load};
use crate::identity::{DataLock, OPERATOR_EVENT_KEY_FILE};

/// The operator's certificate.
pub(super) const OPERATOR_FILE: &str = "operator.pem";

/// The operator's TLS key.
pub(super) const OPERATOR_KEY_FILE: &str = "operator.key";

/// What was certified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// The operator's id.
    pub id: SpiffeId,
    /// Until when the certificate is good.
    pub not_after: DateTime<Utc>,
    /// The folder with the operator's files.
    pub out: PathBuf,
    /// Whether the operator was there before.
    pub again: bool,
}

/// An operator with its keys.
pub(super) struct Operator {
    pub(super) id: SpiffeId,
    pub(super) keys: KeyMaterial,
}

impl Operator {
    /// A new one.
    pub(super) fn make(chain: &str) -> Result<Self, Error> {
        Ok(Self { id: id(chain, Uuid::now_v7()), keys: KeyMaterial::generate(true)? })
    }

    /// The one whose keys are in a folder; `None` when there are none. Which it is says the register, by the event key.
    fn find(folder: &Path, register: &Register) -> Result<Option<Self>, Error> {
        let (tls, event) = (folder.join(OPERATOR_KEY_FILE), folder.join(OPERATOR_EVENT_KEY_FILE));
        if !tls.exists() && !event.exists() {
            return Ok(None);
        }
        let read = |path: &Path| fs::read_to_string(path).map_err(file(path));
        let keys = KeyMaterial::from_pem(&read(&tls)?, Some(&read(&event)?))?;
        let key = keys.event_key().map(|key| hex::encode(key.as_bytes()));
        let entry = register.entries.iter().find(|entry| entry.kind == Kind::Operator && entry.event_key == key);
        let problem = "is not the event key of an operator in the register: nothing was changed".to_owned();
        let entry = entry.ok_or(Error::Content { path: event, problem })?;
        Ok(Some(Self { id: id(&register.chain, entry.uuid), keys }))
    }

    /// Its name for people.
    fn name(&self) -> String {
        format!("Operator of {}", self.id.chain)
    }

    /// Its entry in the register, with a certificate from now on.
    pub(super) fn entry(&self, now: DateTime<Utc>) -> Entry {
        Entry::new(&self.id, &self.name(), self.keys.event_key().as_ref(), now, now + CERTIFICATE_VALID)
    }

    /// A certificate from now on, as PEM.
    pub(super) fn certify(&self, authority: &Authority, now: DateTime<Utc>) -> Result<String, Error> {
        let name = self.name();
        let order = Order {
            id: self.id.clone(),
            event_key: self.keys.event_key(),
            csr: &self.keys.csr(self.id.uuid)?,
            name: &name,
            dns: &[],
            ips: &[],
            now,
            valid: CERTIFICATE_VALID,
        };
        Ok(authority.issue(order)?)
    }

    /// Writes both keys.
    pub(super) fn write_keys(&self, folder: &Path) -> Result<(), Error> {
        let secret = |name: &str, text: &str| {
            write_private(&folder.join(name), text.as_bytes()).map_err(file(folder.join(name)))
        };
        secret(OPERATOR_KEY_FILE, &self.keys.tls_pem())?;
        secret(OPERATOR_EVENT_KEY_FILE, &self.keys.event_pem()?.unwrap_or_default())
    }
}

fn id(chain: &str, uuid: Uuid) -> SpiffeId {
    SpiffeId { chain: chain.to_owned(), kind: Kind::Operator, region: NO_REGION.to_owned(), number: 0, uuid }
}

/// Certifies the operator whose keys are in `out` anew, or makes another one there.
///
/// # Errors
/// The operator is revoked or not known, or a file can't be read or written.
pub fn operator(dir: &Path, out: &Path, now: DateTime<Utc>) -> Result<Certified, Error> {
    let _lock = DataLock::take(dir).map_err(|e| Error::Register(e.to_string()))?;
    let authority = load(dir)?;
    let mut register = Register::load(dir)?;
    fs::create_dir_all(out).map_err(file(out))?;
    let found = Operator::find(out, &register)?;
    let again = found.is_some();
    let operator = found.map_or_else(|| Operator::make(authority.chain()), Ok)?;
    match register.entries.iter_mut().find(|entry| entry.uuid == operator.id.uuid) {
        Some(entry) => {
            entry.require_good()?;
            (entry.issued_at, entry.not_after) = (now, now + CERTIFICATE_VALID);
        }
        None => register.entries.push(operator.entry(now)),
    }
    let pem = operator.certify(&authority, now)?;
    register.save(dir)?;
    if !again {
        operator.write_keys(out)?;
    }
    for (name, text) in [(OPERATOR_FILE, pem.as_str()), (CA_FILE, authority.pem())] {
        replace(&out.join(name), text.as_bytes()).map_err(file(out.join(name)))?;
    }
    Ok(Certified { id: operator.id, not_after: now + CERTIFICATE_VALID, out: out.to_owned(), again })
}
