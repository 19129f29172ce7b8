//! Administration of accounts at a store: its administrators see the accounts that were made there and those with a role
//! there, change and delete the former, and decide who manages the store. Accounts that reach farther are not theirs.

mod rpc;
mod status;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use codepop_proto::{
    accounts::{CredentialSet, SessionsEnded, UserStatus},
    options::Permission,
    roles::Role,
};
use codepop_shared::{Code, Failure, identity::Kind, number};

use super::{
    Accounts, Error, Password, UserName, error,
    leave::erase,
    log_in::shown_name,
    profile::{self, Changes},
    store,
};
use crate::{
    auth::{Actor, Permit, Place},
    journal::{self, Audience},
    roles::{self, NewAssignment},
    storage::{self, Tx},
    stores,
};

/// Accounts in one answer.
const LISTED_MAX: i64 = 10_000;

/// What an account may do at the answering store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// Nothing more than every customer.
    User,
    /// Manage the store.
    Staff,
    /// Administer the store.
    Admin,
}

impl Rank {
    /// Reads the word of the app.
    fn parse(word: &str) -> Result<Self, &'static str> {
        match word {
            "user" => Ok(Self::User),
            "staff" => Ok(Self::Staff),
            "admin" => Ok(Self::Admin),
            _ => Err("must be user, staff or admin"),
        }
    }

    fn role(self) -> Option<Role> {
        match self {
            Self::User => None,
            Self::Staff => Some(Role::Manager),
            Self::Admin => Some(Role::Admin),
        }
    }
}

/// An account as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    user: i64,
    username: String,
    first_name: String,
    last_name: String,
    is_staff: bool,
    is_superuser: bool,
    status: UserStatus,
    status_reason: String,
}

/// What to change; what is `None` stays.
#[derive(Clone, Default)]
pub(super) struct Edits {
    username: Option<UserName>,
    first_name: Option<String>,
    last_name: Option<String>,
    password: Option<Password>,
    rank: Option<Rank>,
}

/// Someone who may administer accounts here.
#[derive(Clone, Debug)]
pub(super) struct Administrator {
    /// Number of the user.
    user: i64,
    /// The store; none at a hub.
    store: Option<Place>,
    /// Whether the whole chain is the administrator's.
    of_chain: bool,
    permit: Permit,
}

impl Administrator {
    /// The same, about to do something to an account.
    fn about(self, user: i64) -> Self {
        Self { permit: self.permit.about("user", user), ..self }
    }
}

impl Accounts {
    /// The caller, who must have the permission at this node.
    fn administrator(&self, actor: &Actor) -> Result<Administrator, Failure> {
        let here = &self.app.author().id;
        let store = (here.kind == Kind::Store).then_some(Place::Store(here.uuid));
        let permit = actor.may(Permission::UsersManage, store.as_ref().unwrap_or(&Place::Chain))?;
        let of_chain = actor.may(Permission::UsersManage, &Place::Chain).is_ok();
        Ok(Administrator { user: actor.user()?.number, store, of_chain, permit })
    }

    /// The accounts that were made here and those with a role here; all for who administers the chain.
    async fn administered(&self, by: Administrator, after: i64, limit: i64) -> Result<Vec<Seen>, Failure> {
        let read = self.app.read(move |tx| Box::pin(async move { list(tx, &by, after, limit).await })).await;
        read.map_err(|error| Error::from(error).into())
    }

    /// Changes an account; answers with its name.
    async fn edit(&self, by: Administrator, user: i64, edits: Edits) -> Result<String, Failure> {
        // Asked before the costly hash, and again in the transaction, where the answer counts.
        let (asking, asked) = (by.clone(), edits.clone());
        let allowed = self.app.read(move |tx| Box::pin(async move { editable(tx, &asking, user, &asked).await })).await;
        allowed.map_err(Failure::from)?;
        let hash = match &edits.password {
            Some(password) => Some(self.hashing.hash(password).await?),
            None => None,
        };
        let permit = by.permit.clone();
        let written =
            self.app.write(&permit, move |tx| Box::pin(async move { edit(tx, &by, user, edits, hash).await }));
        written.await.map_err(|error: Error| error.into())
    }

    /// Deletes an account; answers with the name that it had.
    async fn remove(&self, by: Administrator, user: i64) -> Result<String, Failure> {
        let permit = by.permit.clone();
        let written = self.app.write(&permit, move |tx| {
            Box::pin(async move {
                if by.user == user {
                    return Err(forbidden("You cannot delete your own account here.").into());
                }
                let row = administrable(tx, &by, user).await?;
                require_own(tx, &by, &row).await?;
                let name = shown_name(tx, &row).await?;
                erase(tx, user).await?;
                Ok(name)
            })
        });
        written.await.map_err(|error: Error| error.into())
    }
}

fn forbidden(why: &str) -> Failure {
    Failure::new(Code::Forbidden, why)
}

async fn list(tx: &mut Tx, by: &Administrator, after: i64, limit: i64) -> Result<Vec<Seen>, storage::Error> {
    let mut held: HashMap<i64, Vec<Role>> = HashMap::new();
    for place in by.store.iter().chain([&Place::Chain]) {
        for role in roles::in_force_at(tx, place).await? {
            held.entry(role.user).or_default().push(role.role);
        }
    }
    let mut rows = if by.of_chain {
        store::present_page(tx, after, None, limit).await?
    } else {
        let mut rows = Vec::new();
        for here in tx.author.numbers() {
            rows.extend(store::present_page(tx, after, Some(here), limit).await?);
        }
        if holds_imported(tx).await? {
            rows.extend(store::imported_page(tx, after, limit).await?);
        }
        let others = held.iter().filter(|(user, roles)| **user > after && roles.iter().any(|role| is_of_store(*role)));
        let others: Vec<i64> = others.map(|(user, _)| *user).collect();
        let others = others.into_iter().filter(|user| !rows.iter().any(|row| row.id == *user)).collect();
        rows.extend(store::present_among(tx, others).await?);
        rows
    };
    rows.sort_by_key(|row| row.id);
    rows.truncate(usize::try_from(limit).unwrap_or_default());
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let roles = held.remove(&row.id).unwrap_or_default();
        all.push(seen(tx, row, &roles).await?);
    }
    Ok(all)
}

async fn seen(tx: &mut Tx, row: store::User, roles: &[Role]) -> Result<Seen, storage::Error> {
    Ok(Seen {
        user: row.id,
        username: shown_name(tx, &row).await?,
        is_staff: roles.iter().any(|role| matches!(role, Role::Manager | Role::SuperAdmin)),
        is_superuser: roles.iter().any(|role| matches!(role, Role::Admin | Role::SuperAdmin)),
        status: status::of(&row),
        status_reason: row.hold_reason,
        first_name: row.first_name,
        last_name: row.last_name,
    })
}

/// The roles that a store's administrators give and take.
fn is_of_store(role: Role) -> bool {
    matches!(role, Role::Manager | Role::Admin)
}

/// The account, if the administrator has any say about it.
async fn administrable(tx: &mut Tx, by: &Administrator, user: i64) -> Result<store::User, Error> {
    let row = store::user(tx, user).await?.filter(store::User::is_there);
    let row = row.ok_or_else(|| Failure::new(Code::NotFound, format!("No user has the number {user}.")))?;
    if by.of_chain {
        // What a store says of accounts that hubs keep counts for nothing.
        let for_hubs = tx.author.id.kind == Kind::Store && number::is_hub_born(user);
        return if for_hubs { Err(error::ask_hub().into()) } else { Ok(row) };
    }
    if number::is_hub_born(user) {
        return Err(
            forbidden("This account is kept by the supply hubs; administrators of stores cannot change it.").into()
        );
    }
    let elsewhere = roles::in_force(tx, user).await?.into_iter().any(|grant| by.store.as_ref() != Some(&grant.place));
    if elsewhere {
        return Err(
            forbidden("This account has a role elsewhere; administrators of this store cannot change it.").into()
        );
    }
    Ok(row)
}

/// Whether the accounts that kept their numbers of the old system are this store's. The numbers themselves tell nothing; those
/// of whom another store brought over have that store's.
async fn holds_imported(tx: &mut Tx) -> Result<bool, storage::Error> {
    Ok(stores::legacy_holder(tx).await? == Some(tx.author.id.uuid))
}

/// Makes sure that the account was made here, or brought here from the old system.
async fn require_own(tx: &mut Tx, by: &Administrator, row: &store::User) -> Result<(), Error> {
    let is_own = match number::born_at(row.id) {
        Some(born_at) => tx.author.gave(born_at),
        None => holds_imported(tx).await?,
    };
    if by.of_chain || is_own {
        return Ok(());
    }
    Err(forbidden("This account was not made at this store; only its role here can be changed.").into())
}

async fn editable(tx: &mut Tx, by: &Administrator, user: i64, edits: &Edits) -> Result<store::User, Error> {
    let row = administrable(tx, by, user).await?;
    let personal =
        edits.username.is_some() || edits.first_name.is_some() || edits.last_name.is_some() || edits.password.is_some();
    if personal {
        require_own(tx, by, &row).await?;
    }
    if by.user == user && edits.password.is_some() {
        // There the current one is asked for, so that a stolen session does not become a stolen account.
        return Err(Failure::invalid("password", "is your own; change it by /backend/users/me/password/").into());
    }
    if edits.rank.is_some() && by.store.is_none() {
        return Err(Failure::invalid("role", "is given at stores; ask one").into());
    }
    Ok(row)
}

async fn edit(tx: &mut Tx, by: &Administrator, user: i64, edits: Edits, hash: Option<String>) -> Result<String, Error> {
    let row = editable(tx, by, user, &edits).await?;
    let Edits { username, first_name, last_name, rank, password: _ } = edits;
    profile::change(tx, user, Changes { username, first_name, last_name, ..Changes::default() }).await?;
    if let Some(password_hash) = hash {
        tx.about.says("new password");
        let hub_born = number::is_hub_born(user);
        let audience = if hub_born { Audience::Hubs } else { Audience::Everyone };
        let message = CredentialSet { user, password_hash, ends_sessions: !hub_born };
        journal::emit(tx, &audience, &message).await?;
        if hub_born {
            journal::emit(tx, &Audience::Everyone, &SessionsEnded { user }).await?;
        }
    }
    if let (Some(rank), Some(place)) = (rank, &by.store) {
        give(tx, by, user, rank, place).await?;
    }
    let row = store::user(tx, user).await?.unwrap_or(row);
    Ok(shown_name(tx, &row).await?)
}

/// Makes the rank the user's one rank at the store.
async fn give(tx: &mut Tx, by: &Administrator, user: i64, rank: Rank, place: &Place) -> Result<(), Error> {
    let held: Vec<_> = roles::in_force_at(tx, place).await?;
    let held: Vec<_> = held.into_iter().filter(|held| held.user == user && is_of_store(held.role)).collect();
    let wanted = rank.role();
    let loses = held.iter().any(|held| held.role == Role::Admin) && wanted != Some(Role::Admin);
    if by.user == user && loses {
        let problem = "is your own; another administrator can take it from you";
        return Err(Failure::invalid("role", problem).into());
    }
    for other in held.iter().filter(|held| Some(held.role) != wanted) {
        roles::revoke(tx, other.assignment, place, by.user).await?;
    }
    if let Some(role) = wanted.filter(|role| !held.iter().any(|held| held.role == *role)) {
        roles::assign(tx, &NewAssignment { user, role, place: place.clone(), hub: None, by: by.user }).await?;
    }
    Ok(())
}
