//! The own profile: read it, change it.

use chrono::{DateTime, Utc};
use codepop_proto::accounts::ProfileChanged;
use codepop_shared::{Failure, identity::Kind, number};
use uuid::Uuid;

use super::{Accounts, Error, UserName, error, log_in::shown_name, name, store};
use crate::{
    auth::{Permit, User},
    journal::{self, Audience},
    mesh::replaced,
    roles,
    storage::Tx,
};

/// What a user sees of the own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Number of the user.
    pub user: i64,
    /// User name, with the number when an earlier claim holds the plain name.
    pub username: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// E-mail address.
    pub email: String,
    /// The preferred store.
    pub preferred_store: Option<Uuid>,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// Words of the roles in force.
    pub roles: Vec<String>,
    /// Whether the account was made at another node.
    pub is_replicated: bool,
    /// Number of the node where it was made; none for imported accounts.
    pub source: Option<u32>,
}

/// Fields to change; those left out stay.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// New user name.
    pub username: Option<UserName>,
    /// New first name.
    pub first_name: Option<String>,
    /// New last name.
    pub last_name: Option<String>,
    /// New e-mail address.
    pub email: Option<String>,
    /// New preferred store, or none.
    pub preferred_store: Option<Option<Uuid>>,
}

impl Accounts {
    /// Reads the own profile.
    ///
    /// # Errors
    /// The account was deleted meanwhile, or the database failed.
    pub async fn profile(&self, user: &User) -> Result<Profile, Failure> {
        let number = user.number;
        let read = self.app.read(move |tx| Box::pin(async move { profile(tx, number).await })).await;
        read.map_err(|error: Error| error.into())
    }

    /// Changes the own profile and reads it again; says whether the preferred store is another one now.
    ///
    /// # Errors
    /// [`Code::NameTaken`](codepop_shared::Code::NameTaken) when this node knows another claim on the new name;
    /// [`Code::AskHub`](codepop_shared::Code::AskHub) at a store for an account that is kept by hubs.
    pub async fn change_profile(
        &self,
        permit: &Permit,
        user: &User,
        changes: Changes,
    ) -> Result<(Profile, bool), Failure> {
        self.must_keep(user.number)?;
        let number = user.number;
        let written = self.app.write(permit, move |tx| {
            Box::pin(async move {
                let before = present(tx, number).await?.preferred_store.map(Uuid::from);
                change(tx, number, changes).await?;
                let after = profile(tx, number).await?;
                let moved = after.preferred_store != before;
                Ok((after, moved))
            })
        });
        written.await.map_err(|error: Error| error.into())
    }

    /// What is said about hub-born accounts counts only from hubs.
    pub(super) fn must_keep(&self, user: i64) -> Result<(), Failure> {
        let for_hubs = self.app.author().id.kind != Kind::Hub && number::is_hub_born(user);
        if for_hubs { Err(error::ask_hub()) } else { Ok(()) }
    }
}

/// The row of a user who is there.
pub(super) async fn present(tx: &mut Tx, user: i64) -> Result<store::User, Error> {
    let row = store::user(tx, user).await?.filter(store::User::is_there);
    row.ok_or_else(|| error::invalid_token().into())
}

async fn profile(tx: &mut Tx, user: i64) -> Result<Profile, Error> {
    let row = present(tx, user).await?;
    let source = number::born_at(user);
    let preferred_store = match row.preferred_store {
        Some(store) => Some(replaced::successors(tx).await?.now(store.into())),
        None => None,
    };
    Ok(Profile {
        user,
        username: shown_name(tx, &row).await?,
        first_name: row.first_name,
        last_name: row.last_name,
        email: row.email,
        preferred_store,
        created_at: row.created_at.0,
        roles: roles::words(&roles::in_force(tx, user).await?),
        is_replicated: source.is_some_and(|node| !tx.author.gave(node)),
        source,
    })
}

pub(super) async fn change(tx: &mut Tx, user: i64, changes: Changes) -> Result<(), Error> {
    let row = present(tx, user).await?;
    // A field that stays as it is says nothing: it would win over a change made elsewhere.
    let username = changes.username.map(|new| new.as_str().to_owned()).filter(|new| *new != row.username);
    if let Some(username) = &username {
        let key = name::key(&tx.author.id.chain, username);
        if store::is_claimed_by_others(tx, &key, user).await? {
            return Err(error::name_taken().into());
        }
    }
    let store = changes.preferred_store.filter(|new| *new != row.preferred_store.map(Uuid::from));
    let message = ProfileChanged {
        user,
        username,
        first_name: changes.first_name.filter(|new| *new != row.first_name),
        last_name: changes.last_name.filter(|new| *new != row.last_name),
        email: changes.email.filter(|new| *new != row.email),
        preferred_store: store.map(|store| store.map(|store| store.to_string()).unwrap_or_default()),
    };
    if message != (ProfileChanged { user, ..ProfileChanged::default() }) {
        journal::emit(tx, &Audience::Everyone, &message).await?;
    }
    Ok(())
}
