//! Preferences of the old system.

use codepop_proto::preferences as pb;

use super::{store, vocabulary};
use crate::{
    journal::{self, Audience},
    storage::{self, Tx},
};

/// A preference as it is kept; the old system wrote some names with underscores.
///
/// # Errors
/// It is no ingredient's.
pub fn name(raw: &str) -> Result<String, String> {
    vocabulary::parse(&raw.replace('_', " "))
}

/// Whether the user has the preference, or has ever had it here: what was removed stays so.
///
/// # Errors
/// The database failed.
pub async fn is_known(tx: &mut Tx, user: i64, name: &str) -> Result<bool, storage::Error> {
    Ok(store::row(tx, user, name).await?.is_some())
}

/// Takes a preference in under a number.
///
/// # Errors
/// The user is deleted, this node may not speak for it, or the database failed.
pub async fn bring(tx: &mut Tx, user: i64, preference: i64, name: String) -> Result<(), journal::Error> {
    let message = pb::PreferenceAdded { user, preference, name };
    journal::emit(tx, &Audience::Everyone, &message).await?;
    Ok(())
}
