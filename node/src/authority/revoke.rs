//! Marks a holder in the register as revoked: it gets no certificate any more. The nodes are told by an event.

use std::path::Path;

use chrono::{DateTime, Utc};
use codepop_shared::identity::Kind;
use uuid::Uuid;

use super::{Entry, Error, Register, Revocation};
use crate::identity::DataLock;

/// Whose certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The node with this number.
    Number(u32),
    /// Whoever has this UUID.
    Uuid(Uuid),
}

/// Who was marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its number and kind; none when the register does not know it: another copy of the authority's folder certified it.
    pub known: Option<(u32, Kind, String)>,
}

/// Marks a holder as revoked, if it is in the register. One that is marked stays as it is.
///
/// # Errors
/// There is no node of this number, or the register can't be read or written.
pub fn mark(dir: &Path, whom: Whom, reason: &str, now: DateTime<Utc>) -> Result<Marked, Error> {
    let _lock = DataLock::take(dir).map_err(|e| Error::Register(e.to_string()))?;
    let mut register = Register::load(dir)?;
    let is_meant = |entry: &&mut Entry| match whom {
        Whom::Number(number) => entry.number == number,
        Whom::Uuid(uuid) => entry.uuid == uuid,
    };
    let Some(entry) = register.entries.iter_mut().find(is_meant) else {
        return match whom {
            Whom::Uuid(uuid) => Ok(Marked { uuid, known: None }),
            Whom::Number(number) => Err(Error::Register(format!("the register has no node with number {number}"))),
        };
    };
    entry.revoked.get_or_insert_with(|| Revocation { at: now, reason: reason.to_owned() });
    let marked = Marked { uuid: entry.uuid, known: Some((entry.number, entry.kind, entry.name.clone())) };
    register.save(dir)?;
    Ok(marked)
}
