//! Whose key is it: token signatures are checked with the event keys of announced nodes, and with this node's own.

use codepop_shared::identity::{Certified, KeyId, Kind};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use ed25519_dalek::VerifyingKey;
use uuid::Uuid;

use crate::{
    on,
    storage::{
        Error, Tx,
        schema::{nodes, revocations},
    },
};

/// Who may have signed a token.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its UUID.
    pub uuid: Uuid,
    /// What it is.
    pub kind: Kind,
    /// Its event key.
    pub key: VerifyingKey,
}

/// The holder of a key; `None` when no announced certificate has it, or it was revoked: then its users log in again
/// elsewhere. This node's own is known before any announcement.
pub async fn find(tx: &mut Tx, key_id: KeyId) -> Result<Option<Issuer>, Error> {
    let author = &tx.author;
    if key_id == author.key_id {
        let key = author.key().verifying_key();
        return Ok(Some(Issuer { uuid: author.id.uuid, kind: author.id.kind, key }));
    }
    let certificate: Option<Vec<u8>> = on!(tx, conn => nodes::table
        .filter(nodes::key_id.eq(key_id.0.to_vec()))
        .filter(nodes::id.ne_all(
            revocations::table.filter(revocations::in_force.eq(true)).select(revocations::holder)
        ))
        .select(nodes::certificate)
        .first(conn)
        .await
        .optional())?;
    // The authority's signature was checked when the row was written.
    let holder = certificate.and_then(|der| Certified::parse(&der).ok());
    Ok(holder.and_then(|holder| {
        let (uuid, kind) = (holder.id.uuid, holder.id.kind);
        holder.event_key.map(|key| Issuer { uuid, kind, key })
    }))
}
