//! The roles' part of the digest by which nodes are compared.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::store;
use crate::{
    journal::Audience,
    storage::{Error, Tx},
};

/// Feeds what everyone should hold alike into `hasher`; returns the number of rows.
///
/// # Errors
/// The database failed.
pub async fn digest(tx: &mut Tx, audience: &Audience, hasher: &mut Sha256) -> Result<u64, Error> {
    if *audience != Audience::Everyone {
        return Ok(0);
    }
    let rows = store::all(tx).await?;
    for row in &rows {
        hasher.update(b"role");
        hasher.update(row.id.0.as_bytes());
        hasher.update((row.scope.len() as u64).to_be_bytes());
        hasher.update(row.scope.as_bytes());
        hasher.update(row.user_id.to_be_bytes());
        hasher.update(row.role.to_be_bytes());
        hasher.update(row.assigned_by.to_be_bytes());
        hasher.update(row.assigned_at.0.timestamp_micros().to_be_bytes());
        hasher.update([u8::from(row.revoked)]);
        hasher.update(row.hub.map_or(Uuid::nil(), Uuid::from).as_bytes());
    }
    Ok(rows.len() as u64)
}
