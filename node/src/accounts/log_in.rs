//! Logging in: find who is meant, here or at peers, check the password, make a token. A password never leaves the node.

use std::{net::IpAddr, time::Duration};

use codepop_proto::accounts::CredentialSet;
use codepop_shared::{Failure, identity::Kind, number};
use uuid::Uuid;

use super::{
    Accounts, Error, Password,
    authenticate::unsigned,
    error::ask_hub,
    hashing,
    name::{self, NameKey, Sought},
    store,
};
use crate::{
    app::{App, Lookup},
    auth::{
        Customer, Permit,
        token::{self, Claims},
    },
    clock::Hlc,
    journal::{self, Audience},
    roles::{self, Standing},
    storage::{self, Tx},
};

/// How long peers may take to bring an account.
pub(super) const FINDER_MAX: Duration = Duration::from_secs(2);

/// A session just made.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// Token of the session.
    pub token: String,
    /// Number of the user.
    pub user: i64,
    /// User name, with the number when an earlier claim holds the plain name.
    pub username: String,
    /// First name, or the user name when there is none.
    pub first_name: String,
    /// What the user's roles come to.
    pub standing: Standing,
    /// Tells a user who typed a plain name that belongs to somebody else what to type from now on.
    pub notice: Option<String>,
    /// The store that the user prefers.
    pub preferred_store: Option<Uuid>,
}

/// An account that may be meant.
struct Candidate {
    row: store::User,
    /// `None` when it is not here.
    hash: Option<String>,
    sessions_since: Hlc,
}

impl Accounts {
    /// Logs in. What belongs to the session that `before` had as a guest belongs to the new one too.
    ///
    /// # Errors
    /// [`Code::LoginFailed`](codepop_shared::Code::LoginFailed) for every reason alike, after a fixed time;
    /// [`Code::AskHub`](codepop_shared::Code::AskHub) at a store for an account whose password only hubs know;
    /// [`Code::TooManyAttempts`](codepop_shared::Code::TooManyAttempts).
    pub async fn log_in(
        &self,
        client: IpAddr,
        before: Customer,
        username: &str,
        password: Password,
    ) -> Result<LoggedIn, Failure> {
        let sought = Sought::read(&self.app.author().id.chain, username);
        let candidate = self.gate.pass(sought.key, client, self.identify(&sought, &password)).await?;
        self.renew_hash(&candidate, &password).await;
        self.session(candidate, before, sought.user.is_none()).await
    }

    /// Who has this name and this password, if anybody.
    async fn identify(&self, sought: &Sought, password: &Password) -> Result<Option<Candidate>, Failure> {
        let mut found = self.candidates(sought).await?;
        if !found.iter().any(|candidate| candidate.hash.is_some() || self.is_for_hubs(candidate)) {
            let lookup = match sought.user {
                Some(user) if user > 0 => Lookup::Number(user),
                _ => Lookup::NameKey(sought.key),
            };
            if find(&self.app, lookup).await {
                found = self.candidates(sought).await?;
            }
        }
        self.judge(found, password).await
    }

    async fn candidates(&self, sought: &Sought) -> Result<Vec<Candidate>, Failure> {
        let (key, user) = (sought.key, sought.user);
        let found = self.app.read(move |tx| Box::pin(async move { candidates(tx, key, user).await })).await;
        found.map_err(|error: storage::Error| Error::from(error).into())
    }

    /// Whether this node is a store and the account's hash is kept by hubs.
    fn is_for_hubs(&self, candidate: &Candidate) -> bool {
        self.app.author().id.kind == Kind::Store && number::is_hub_born(candidate.row.id)
    }

    /// The first whom the password fits. A store can't tell for accounts that hubs keep: then it says so, once the password
    /// fits nobody whom it can tell of.
    async fn judge(&self, candidates: Vec<Candidate>, password: &Password) -> Result<Option<Candidate>, Failure> {
        let (mut checked, mut for_hubs) = (false, false);
        for candidate in candidates {
            if self.is_for_hubs(&candidate) {
                for_hubs = true;
                continue;
            }
            let Some(hash) = candidate.hash.clone() else { continue };
            checked = true;
            if self.hashing.fits(password, Some(hash)).await? && !candidate.row.disabled {
                return Ok(Some(candidate));
            }
        }
        if for_hubs {
            return Err(ask_hub());
        }
        if !checked {
            self.hashing.fits(password, None).await?;
        }
        Ok(None)
    }

    /// Replaces a hash that was brought over or is weaker than today's. The log-in does not depend on it.
    async fn renew_hash(&self, candidate: &Candidate, password: &Password) {
        let (user, Some(old)) = (candidate.row.id, candidate.hash.clone()) else { return };
        if !hashing::is_outdated(&old) {
            return;
        }
        let Ok(hash) = self.hashing.hash(password).await else { return };
        let permit = Permit::plain(Some(user));
        let written = self.app.write(&permit, move |tx| {
            Box::pin(async move { replace_hash(tx, user, &old, hash, false).await.map(|_| ()) })
        });
        if let Err(error) = written.await {
            tracing::warn!(user.id = user, error = %error, "an old password hash could not be replaced");
        }
    }

    async fn session(&self, candidate: Candidate, before: Customer, typed_plain: bool) -> Result<LoggedIn, Failure> {
        let Candidate { row, sessions_since, .. } = candidate;
        // Of another user's session nothing is taken over: two may share a phone.
        let guest = before.guest.filter(|_| before.user.is_none_or(|user| user == row.id));
        let token = new_token(&self.app, row.id, guest, sessions_since)?;
        let (user, first_name, preferred_store) = (row.id, row.first_name.clone(), row.preferred_store.map(Uuid::from));
        let looked = self.app.read(move |tx| {
            Box::pin(async move { Ok((shown_name(tx, &row).await?, roles::in_force(tx, row.id).await?, row.username)) })
        });
        let (username, grants, plain) =
            looked.await.map_err(|error: storage::Error| Failure::from(Error::from(error)))?;
        let notice = (typed_plain && username != plain)
            .then(|| format!("An earlier account has the name \"{plain}\". From now on, log in as \"{username}\"."));
        let first_name = if first_name.is_empty() { username.clone() } else { first_name };
        Ok(LoggedIn { token, user, username, first_name, standing: roles::standing(&grants), notice, preferred_store })
    }
}

/// Those whom a typed name may mean.
async fn candidates(tx: &mut Tx, key: NameKey, user: Option<i64>) -> Result<Vec<Candidate>, storage::Error> {
    let rows = match user {
        None => store::claimants(tx, &key).await?,
        Some(user) => store::user(tx, user).await?.into_iter().collect(),
    };
    let mut found = Vec::with_capacity(rows.len());
    for row in rows.into_iter().filter(|row| row.is_there() && row.name_key == key) {
        let credential = store::credential(tx, row.id).await?;
        let sessions_since = credential.as_ref().map(|credential| Hlc::from_sql(credential.sessions_since));
        let hash = credential.map(|credential| credential.password_hash).filter(|hash| !hash.is_empty());
        found.push(Candidate { row, hash, sessions_since: sessions_since.unwrap_or_default() });
    }
    Ok(found)
}

/// The name by which an account is known: plain for the earliest claim, with its number for the others.
pub(super) async fn shown_name(tx: &mut Tx, row: &store::User) -> Result<String, storage::Error> {
    let owner = store::name_owner(tx, &row.name_key).await?;
    let plain = owner.is_none_or(|owner| owner == row.id);
    Ok(if plain { row.username.clone() } else { name::numbered(&row.username, row.id) })
}

/// Sets a new hash unless another one came in between. False then.
pub(super) async fn replace_hash(
    tx: &mut Tx,
    user: i64,
    old: &str,
    new: String,
    ends_sessions: bool,
) -> Result<bool, Error> {
    let current = store::credential(tx, user).await?;
    if current.is_none_or(|current| current.password_hash != old) {
        return Ok(false);
    }
    let audience = if number::is_hub_born(user) { Audience::Hubs } else { Audience::Everyone };
    journal::emit(tx, &audience, &CredentialSet { user, password_hash: new, ends_sessions }).await?;
    Ok(true)
}

/// A token of a new session, which keeps what belongs to a guest's.
pub(super) fn new_token(app: &App, user: i64, guest: Option<Uuid>, generation: Hlc) -> Result<String, Failure> {
    let claims = Claims::new(user, guest, generation, app.clock().wall());
    token::issue(app.author(), &claims).map_err(unsigned)
}

/// Has peers asked for an account, within the time that this may take.
pub(super) async fn find(app: &App, account: Lookup) -> bool {
    tokio::time::timeout(FINDER_MAX, app.finder.find(account)).await.unwrap_or(false)
}
