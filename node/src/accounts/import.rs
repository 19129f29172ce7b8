//! Accounts that were made elsewhere: brought over with their hashes, those of the old system with the sessions that their
//! phones hold.

use chrono::{DateTime, Utc};
use codepop_proto::{
    accounts::{CredentialSet, Hold, LegacySessionKept, UserRegistered, UserStatusChanged},
    roles::Role,
};
use codepop_shared::{Failure, identity::Kind, number};
use uuid::Uuid;

use super::{Password, UserName, hashing, hashing::Hashing, legacy, name, store};
use crate::{
    auth::{Place, token::LIFETIME},
    journal::{self, Audience},
    roles::{self, NewAssignment},
    storage::{self, Tx},
};

/// An account that was made elsewhere, in this system's terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Brought {
    /// Its number.
    pub user: i64,
    /// User name.
    pub username: UserName,
    /// First name; may be empty.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// E-mail address; may be empty.
    pub email: String,
    /// The password's hash; none when nobody can log in with one.
    pub password_hash: Option<String>,
    /// Whether it is disabled.
    pub disabled: bool,
    /// What it is at this node's store, beside a customer.
    pub role: Option<Role>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// The hash of a password, for accounts that are brought with it.
///
/// # Errors
/// The machine has no memory left for it.
pub async fn hash(password: &Password) -> Result<String, Failure> {
    Hashing::new().hash(password).await
}

/// Whether a log-in can check a hash of this form.
pub fn knows_algorithm(hash: &str) -> bool {
    hashing::is_readable(hash)
}

/// Whether anybody but `user` claims the name.
///
/// # Errors
/// The database failed.
pub async fn is_claimed(tx: &mut Tx, username: &UserName, user: i64) -> Result<bool, storage::Error> {
    let key = name::key(&tx.author.id.chain, username.as_str());
    store::is_claimed_by_others(tx, &key, user).await
}

/// Whether anything is known of a user with this number, deleted or not.
///
/// # Errors
/// The database failed.
pub async fn is_known(tx: &mut Tx, user: i64) -> Result<bool, storage::Error> {
    Ok(store::user(tx, user).await?.is_some())
}

/// Makes the account, at home at this node's store if this is one. A name that others have is a claim like any other.
///
/// # Errors
/// The database failed, or this node may not speak for the account.
pub async fn bring(tx: &mut Tx, new: Brought) -> Result<(), journal::Error> {
    let (user, store) = (new.user, tx.author.id.uuid);
    let registered = UserRegistered {
        user,
        username: new.username.as_str().to_owned(),
        first_name: new.first_name,
        last_name: new.last_name,
        email: new.email,
        preferred_store: if tx.author.id.kind == Kind::Store { store.to_string() } else { String::new() },
        created_at_us: new.created_at.timestamp_micros(),
    };
    journal::emit(tx, &Audience::Everyone, &registered).await?;
    if let Some(password_hash) = new.password_hash {
        let credential = CredentialSet { user, password_hash, ends_sessions: false };
        let audience = if number::is_hub_born(user) { Audience::Hubs } else { Audience::Everyone };
        journal::emit(tx, &audience, &credential).await?;
    }
    if let Some(role) = new.role {
        roles::assign(tx, &NewAssignment { user, role, place: Place::Store(store), hub: None, by: 0 }).await?;
    }
    if new.disabled {
        let held = UserStatusChanged { user, disabled: true, hold: Hold::Disabled.into(), changed_by: 0 };
        journal::emit(tx, &Audience::Everyone, &held).await?;
    }
    Ok(())
}

/// Keeps a token of the old system good for as long as a new one would be; false when it is not of the old form.
///
/// # Errors
/// The database failed, or this node may not speak for the account.
pub async fn keep_session(tx: &mut Tx, user: i64, token: &str) -> Result<bool, journal::Error> {
    let Some(hash) = legacy::hash_of(token) else { return Ok(false) };
    let message = LegacySessionKept {
        user,
        token_hash: hash.to_vec(),
        session: Uuid::now_v7().as_bytes().to_vec(),
        expires_at_us: (tx.clock.wall() + LIFETIME).timestamp_micros(),
    };
    journal::emit(tx, &Audience::Everyone, &message).await?;
    Ok(true)
}
