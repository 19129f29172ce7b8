//! Makes a chain: authority, empty register, operator.

use std::{fs, path::Path};

use chrono::{DateTime, Utc};
use codepop_shared::{
    authority::{Authority, CERTIFICATE_VALID, Order},
    files::{write_new, write_private},
    identity::{Kind, NO_REGION, SpiffeId},
    request::KeyMaterial,
};
use uuid::Uuid;

use super::{CA_FILE, CA_KEY_FILE, Entry, Error, REGISTER_FILE, Register, file};
use crate::identity::OPERATOR_EVENT_KEY_FILE;

/// The operator's certificate.
const OPERATOR_FILE: &str = "operator.pem";

/// The operator's TLS key.
const OPERATOR_KEY_FILE: &str = "operator.key";

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The chain's name.
    pub chain: String,
    /// The operator's id.
    pub operator: SpiffeId,
}

/// Makes the authority of a new chain in a folder, which is made if it is not there.
///
/// # Errors
/// There is one already (nothing is changed then), the name is not allowed, or a file can't be written.
pub fn init(dir: &Path, chain: &str, now: DateTime<Utc>) -> Result<Made, Error> {
    let names = [CA_FILE, CA_KEY_FILE, REGISTER_FILE, OPERATOR_FILE, OPERATOR_KEY_FILE, OPERATOR_EVENT_KEY_FILE];
    if let Some(name) = names.into_iter().find(|name| dir.join(name).exists()) {
        return Err(Error::Exists(dir.join(name)));
    }
    let authority = Authority::create(chain, now)?;
    let operator = Operator::make(&authority, now)?;
    let mut register = Register::new(chain);
    register.entries.push(operator.entry.clone());

    fs::create_dir_all(dir).map_err(file(dir))?;
    let secret = |name: &str, text: &str| write_private(&dir.join(name), text.as_bytes()).map_err(file(dir.join(name)));
    let public = |name: &str, text: &str| write_new(&dir.join(name), text.as_bytes()).map_err(file(dir.join(name)));
    secret(CA_KEY_FILE, &authority.key_pem())?;
    secret(OPERATOR_KEY_FILE, &operator.keys.tls_pem())?;
    secret(OPERATOR_EVENT_KEY_FILE, &operator.event_pem)?;
    public(OPERATOR_FILE, &operator.pem)?;
    public(REGISTER_FILE, &register.text()?)?;
    // The last one: where ca.pem is, all is.
    public(CA_FILE, authority.pem())?;
    Ok(Made { chain: chain.to_owned(), operator: operator.id })
}

struct Operator {
    id: SpiffeId,
    keys: KeyMaterial,
    event_pem: String,
    pem: String,
    entry: Entry,
}

impl Operator {
    fn make(authority: &Authority, now: DateTime<Utc>) -> Result<Self, Error> {
        let keys = KeyMaterial::generate(true)?;
        let id = SpiffeId {
            chain: authority.chain().to_owned(),
            kind: Kind::Operator,
            region: NO_REGION.to_owned(),
            number: 0,
            uuid: Uuid::now_v7(),
        };
        let name = format!("Operator of {}", id.chain);
        let csr = keys.csr(id.uuid)?;
        let event_key = keys.event_key();
        let entry = Entry::new(&id, &name, event_key.as_ref(), now, now + CERTIFICATE_VALID);
        let order = Order {
            id: id.clone(),
            event_key,
            csr: &csr,
            name: &name,
            dns: &[],
            ips: &[],
            now,
            valid: CERTIFICATE_VALID,
        };
        let pem = authority.issue(order)?;
        let event_pem = keys.event_pem()?.unwrap_or_default();
        Ok(Self { id, keys, event_pem, pem, entry })
    }
}
