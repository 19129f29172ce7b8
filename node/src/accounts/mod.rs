//! Accounts: sign up at one store, be at home at every store. Who an account is, how it logs in, what it may change of
//! itself, and how all of that merges between nodes.
//!
//! Reading order: `name` and `password` (pure rules), `events` (how changes merge), `store` (rows), then the operations:
//! `register`, `log_in`, `authenticate`, `profile`, `leave`; `gate`, `throttle` and `hashing` keep guessing slow and the
//! node upright; `import` and `legacy` are for accounts and sessions of the old system; `rpc` is the gRPC face.

mod administration;
mod authenticate;
mod digest;
mod error;
mod events;
mod figures;
mod gate;
mod hashing;
mod import;
mod input;
mod leave;
mod legacy;
mod log_in;
mod lookup;
mod name;
mod password;
mod profile;
mod register;
mod rpc;
mod store;
mod throttle;

pub use self::{
    authenticate::{authenticate, begin_guest, whose},
    digest::digest,
    error::Error,
    figures::born_here,
    gate::FAILURE_TIME,
    import::{Brought, bring, hash, is_claimed, is_known, keep_session, knows_algorithm},
    input::email as email_address,
    log_in::LoggedIn,
    lookup::{Known, account_numbers, count, email, grants, is_active, is_deleted, username},
    name::{NAME_MAX, NameKey, UserName},
    password::Password,
    profile::{Changes, Profile},
    register::{NewAccount, Prepared, Registered},
    store::CLAIMANTS_MAX,
    throttle::network,
};
use std::net::IpAddr;

use codepop_shared::Failure;

use self::{gate::Gate, hashing::Hashing};
use crate::{
    app::App,
    storage::{self, Tx},
};

/// The operations on accounts, and their gRPC service. Cheap to clone: the clones share the password pool and the count of
/// failures, so a process makes one and clones it.
#[derive(Clone)]
pub struct Accounts {
    app: App,
    hashing: Hashing,
    gate: Gate,
}

impl Accounts {
    /// The operations on a node's accounts.
    pub fn new(app: App) -> Self {
        Self { app, hashing: Hashing::new(), gate: Gate::new(FAILURE_TIME) }
    }

    /// Lets one attempt at a secret through that stands for `about`: slow and counted as log-ins are, and answered alike
    /// whatever is wrong.
    ///
    /// # Errors
    /// [`Code::LoginFailed`](codepop_shared::Code::LoginFailed) after [`FAILURE_TIME`] when `check` says `None`; that there are
    /// too many attempts; what `check` failed with.
    pub async fn attempt<T>(
        &self,
        about: NameKey,
        client: IpAddr,
        check: impl Future<Output = Result<Option<T>, Failure>>,
    ) -> Result<T, Failure> {
        self.gate.pass(about, client, check).await
    }
}

/// Drops the records of ended sessions whose tokens have expired, and of tokens of the old system that have; returns how
/// many. For a task that runs now and then.
///
/// # Errors
/// The database failed.
pub async fn forget_expired_sessions(tx: &mut Tx) -> Result<usize, storage::Error> {
    let now = tx.clock.wall();
    Ok(store::forget_expired(tx, now).await? + legacy::forget_expired(tx, now).await?)
}

/// A hash as the old system has it, cheap to check.
#[cfg(test)]
pub(crate) fn old_hash(password: &str) -> String {
    hashing::tests::django(password, 10)
}

#[cfg(test)]
mod tests;
