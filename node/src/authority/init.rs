//! Makes a chain: authority, empty register, operator.

use std::{fs, path::Path};

use chrono::{DateTime, Utc};
use codepop_shared::{
    authority::Authority,
    files::{write_new, write_private},
    identity::SpiffeId,
};

use super::{
    CA_FILE, CA_KEY_FILE, Error, REGISTER_FILE, Register, file,
    operator::{OPERATOR_FILE, OPERATOR_KEY_FILE, Operator},
};
use crate::identity::OPERATOR_EVENT_KEY_FILE;

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
    let operator = Operator::make(chain)?;
    let certificate = operator.certify(&authority, now)?;
    let mut register = Register::new(chain);
    register.entries.push(operator.entry(now));

    fs::create_dir_all(dir).map_err(file(dir))?;
    let secret = |name: &str, text: &str| write_private(&dir.join(name), text.as_bytes()).map_err(file(dir.join(name)));
    let public = |name: &str, text: &str| write_new(&dir.join(name), text.as_bytes()).map_err(file(dir.join(name)));
    secret(CA_KEY_FILE, &authority.key_pem())?;
    operator.write_keys(dir)?;
    public(OPERATOR_FILE, &certificate)?;
    public(REGISTER_FILE, &register.text()?)?;
    // The last one: where ca.pem is, all is.
    public(CA_FILE, authority.pem())?;
    Ok(Made { chain: chain.to_owned(), operator: operator.id })
}
