//! New accounts: customers at stores, staff at hubs.

use codepop_proto::accounts::{CredentialSet, UserRegistered};
use codepop_shared::{Code, Failure, identity::Kind};
use uuid::Uuid;

use super::{Accounts, Error, Password, UserName, error, log_in, name, store};
use crate::{
    auth::Permit,
    clock::Hlc,
    journal::{self, Audience},
    storage::Tx,
};

/// The counter from which the numbers of users are made.
const COUNTER: &str = "user";

/// An account to be made.
#[derive(Clone)]
pub struct NewAccount {
    /// User name.
    pub username: UserName,
    /// Password.
    pub password: Password,
    /// First name; may be empty.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// E-mail address; may be empty.
    pub email: String,
    /// The store that the customer prefers.
    pub preferred_store: Option<Uuid>,
}

/// A customer's account just made, and logged in.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Number of the user.
    pub user: i64,
    /// User name as stored.
    pub username: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Token of the first session.
    pub token: String,
}

impl Accounts {
    /// Makes a customer's account and logs it in. Stores only: what hubs make is for staff.
    ///
    /// # Errors
    /// [`Code::AskStore`] at a hub, [`Code::NameTaken`] when this node knows a claim on the name.
    pub async fn register(&self, permit: &Permit, new: NewAccount) -> Result<Registered, Failure> {
        if self.app.author().id.kind != Kind::Store {
            return Err(Failure::new(Code::AskStore, "Customers' accounts are made at stores. Ask one of them."));
        }
        let names = (new.username.clone(), new.first_name.clone(), new.last_name.clone());
        let user = self.create(permit, new, Audience::Everyone).await?;
        let token = self.first_token(user)?;
        let (username, first_name, last_name) = names;
        Ok(Registered { user, username: username.as_str().to_owned(), first_name, last_name, token })
    }

    /// Makes an account that is born at this hub, for people with regional or chain roles. Returns its number.
    ///
    /// # Errors
    /// [`Code::AskHub`] at a store, [`Code::NameTaken`] when this node knows a claim on the name.
    pub async fn create_staff(&self, permit: &Permit, new: NewAccount) -> Result<i64, Failure> {
        if self.app.author().id.kind != Kind::Hub {
            return Err(Failure::new(Code::AskHub, "Staff accounts are made at supply hubs. Ask one of them."));
        }
        self.create(permit, new, Audience::Hubs).await
    }

    /// `hash_for`: who gets the password's hash.
    async fn create(&self, permit: &Permit, new: NewAccount, hash_for: Audience) -> Result<i64, Failure> {
        let prepared = self.prepare(new, hash_for).await?;
        let created = self.app.write(permit, move |tx| Box::pin(prepared.insert(tx)));
        created.await.map_err(|error: Error| error.into())
    }

    /// Does what is costly before an account that is born at this node is made: at a hub a staff account, whose hash is for
    /// hubs.
    ///
    /// # Errors
    /// [`Code::NameTaken`] when this node knows a claim on the name.
    pub async fn prepare_here(&self, new: NewAccount) -> Result<Prepared, Failure> {
        let is_hub = self.app.author().id.kind == Kind::Hub;
        self.prepare(new, if is_hub { Audience::Hubs } else { Audience::Everyone }).await
    }

    async fn prepare(&self, new: NewAccount, hash_for: Audience) -> Result<Prepared, Failure> {
        let key = name::key(&self.app.author().id.chain, new.username.as_str());
        // Asked before the costly hash, and again in the transaction, where the answer counts.
        let taken = self.app.read(move |tx| Box::pin(async move { free(tx, &key).await })).await;
        taken.map_err(Failure::from)?;
        let hash = self.hashing.hash(&new.password).await?;
        Ok(Prepared { new, key, hash, hash_for })
    }

    /// A token of the first session of an account just made.
    ///
    /// # Errors
    /// It could not be signed.
    pub fn first_token(&self, user: i64) -> Result<String, Failure> {
        log_in::new_token(&self.app, user, None, Hlc(0))
    }
}

/// An account that lacks nothing but to be written.
pub struct Prepared {
    new: NewAccount,
    key: name::NameKey,
    hash: String,
    hash_for: Audience,
}

impl Prepared {
    /// Makes the account; returns its number.
    ///
    /// # Errors
    /// The name was taken in between, or the database failed.
    pub async fn insert(self, tx: &mut Tx) -> Result<i64, Error> {
        free(tx, &self.key).await?;
        insert(tx, self.new, self.hash, &self.hash_for).await
    }
}

async fn free(tx: &mut Tx, key: &name::NameKey) -> Result<(), Error> {
    if store::is_claimed_by_others(tx, key, 0).await? { Err(error::name_taken().into()) } else { Ok(()) }
}

async fn insert(tx: &mut Tx, new: NewAccount, hash: String, hash_for: &Audience) -> Result<i64, Error> {
    let user = journal::next_number(tx, COUNTER).await?;
    tx.about.is("user", user);
    let registered = UserRegistered {
        user,
        username: new.username.as_str().to_owned(),
        first_name: new.first_name,
        last_name: new.last_name,
        email: new.email,
        preferred_store: new.preferred_store.map(|store| store.to_string()).unwrap_or_default(),
        created_at_us: tx.clock.wall().timestamp_micros(),
    };
    journal::emit(tx, &Audience::Everyone, &registered).await?;
    let credential = CredentialSet { user, password_hash: hash, ends_sessions: false };
    journal::emit(tx, hash_for, &credential).await?;
    Ok(user)
}
