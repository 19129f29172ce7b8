//! Staff join by invitation: whoever may give a role invites to it, and whoever has the code makes an account that has it. At
//! a hub the account is born there, and so can have roles of regions.
//!
//! Reading order: `code` (the secret), this file (operations), `store` (rows), `rpc` (the gRPC face). Invitations stay at
//! the node where they were made.

mod code;
mod rpc;
mod store;

#[cfg(test)]
mod tests;

use chrono::TimeDelta;
use codepop_proto::roles::{Role, UserRole};
use codepop_shared::{Code, Failure, identity::Kind};
use uuid::Uuid;

pub use self::rpc::StaffRpc;
use self::store::Row;
use crate::{
    accounts::{self, Prepared},
    app::edge::{journal_failure, storage_failure},
    auth::Place,
    journal,
    roles::{self, Named, Target},
    storage::{
        self, Tx,
        types::{Id, Time},
    },
};

/// How long an invitation waits: over a weekend.
const GOOD_FOR: TimeDelta = TimeDelta::hours(72);

/// Invitations that may wait at one place: more than anyone hires at a time, too few to hide one among them.
const OPEN_MAX: i64 = 20;

/// How long it is remembered what became of an invitation.
const KEPT: TimeDelta = TimeDelta::days(30);

/// The counter from which the numbers of invitations are made.
const COUNTER: &str = "invitation";

/// What became of an invitation; [`State::Open`] past its time has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open = 1,
    Accepted = 2,
    Withdrawn = 3,
}

/// Why an operation on invitations did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is told this and may act on it.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The database failed; nothing was written.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The event could not be made; nothing was written.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The role could not be given; nothing was written.
    #[error(transparent)]
    Role(#[from] roles::Error),
    /// The account could not be made; nothing was written.
    #[error(transparent)]
    Account(#[from] accounts::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(failure) => failure,
            Error::Storage(error) => storage_failure(&error),
            Error::Journal(error) => journal_failure(&error),
            Error::Role(error) => error.into(),
            Error::Account(error) => error.into(),
        }
    }
}

/// The one answer to every invitation that cannot be accepted, whatever the reason.
fn no_such() -> Failure {
    let detail = "There is no such invitation: it was used, taken back or has expired, or the code is another one.";
    Failure::new(Code::NotFound, detail)
}

/// Whom to invite to what.
struct NewInvitation {
    target: Target,
    email: String,
    code_hash: Vec<u8>,
    by: i64,
}

/// Invites. The caller has leave to give the role.
async fn invite(tx: &mut Tx, new: NewInvitation) -> Result<Row, Error> {
    let Named { role, place, hub } = roles::named(tx, &new.target).await?;
    if role == Role::AccountUser {
        return Err(Failure::invalid("role_type", "needs no invitation: customers sign up themselves").into());
    }
    if place == Place::Own && tx.author.id.kind != Kind::Hub {
        return Err(Failure::new(Code::AskHub, "Staff accounts are made at supply hubs. Ask one of them.").into());
    }
    let (now, scope) = (tx.clock.wall(), place.word());
    if store::open_at(tx, &scope, now).await? >= OPEN_MAX {
        let detail = format!("{OPEN_MAX} invitations wait here, the most that may. Take one back first.");
        return Err(Failure::new(Code::Conflict, detail).into());
    }
    let row = Row {
        id: journal::next_number(tx, COUNTER).await?,
        role: i16::try_from(i32::from(role)).unwrap_or_default(),
        scope,
        hub: hub.map(Id),
        code_hash: new.code_hash,
        email: new.email,
        state: State::Open as i16,
        invited_by: new.by,
        invited_at: Time(now),
        expires_at: Time(now + GOOD_FOR),
        user_id: None,
    };
    store::insert(tx, &row).await?;
    tx.about.is("invitation", row.id);
    tx.about.says(&format!("invited {} at {}", roles::word(role), row.scope));
    Ok(row)
}

/// The invitation, if it can be accepted with this code now: its inviter must be one who may invite still.
async fn acceptable(tx: &mut Tx, id: i64, code: &str) -> Result<Option<Row>, storage::Error> {
    let Some(row) = store::get(tx, id).await? else { return Ok(None) };
    let is_open = row.state == State::Open as i16 && tx.clock.wall() < row.expires_at.0;
    if !is_open || !code::fits(code, &row.code_hash) {
        return Ok(None);
    }
    let Some(named) = row.named() else { return Ok(None) };
    // A role without a place was the chain's to give.
    let place = if named.place == Place::Own { Place::Chain } else { named.place };
    let holds =
        accounts::is_active(tx, row.invited_by).await? && roles::may_still_give(tx, row.invited_by, &place).await?;
    Ok(holds.then_some(row))
}

/// Makes the account and gives it the role, in one transaction. Answers with the account's number and its role.
async fn accept(tx: &mut Tx, id: i64, code: &str, account: Prepared) -> Result<(i64, Option<UserRole>), Error> {
    let row = acceptable(tx, id, code).await?.ok_or_else(no_such)?;
    let named = row.named().ok_or_else(no_such)?;
    let user = account.insert(tx).await?;
    let role = roles::give(tx, user, &named, row.invited_by).await?;
    store::settle(tx, id, State::Accepted, Some(user)).await?;
    tx.about.says(&format!("invitation {id}"));
    Ok((user, role.shown))
}

/// Takes an invitation back.
async fn withdraw(tx: &mut Tx, id: i64) -> Result<(), Error> {
    let row = store::get(tx, id).await?.ok_or_else(|| unknown(id))?;
    if row.state == State::Accepted as i16 {
        return Err(Failure::new(Code::Conflict, "This invitation was accepted. Take the role away instead.").into());
    }
    if row.state == State::Open as i16 {
        store::settle(tx, id, State::Withdrawn, None).await?;
    }
    Ok(())
}

fn unknown(id: i64) -> Failure {
    Failure::new(Code::NotFound, format!("No invitation has the number {id}."))
}

/// Drops the e-mail addresses of invitations that have expired, and those that are over for long. For a task that runs now
/// and then.
///
/// # Errors
/// The database failed.
pub async fn forget_old(tx: &mut Tx) -> Result<(), storage::Error> {
    let now = tx.clock.wall();
    store::forget_addresses(tx, now).await?;
    store::forget_before(tx, now - KEPT).await
}

impl Row {
    /// The role that it is for; nothing when this version does not know it.
    fn named(&self) -> Option<Named> {
        let role = Role::try_from(i32::from(self.role)).ok()?;
        Some(Named { role, place: Place::parse(&self.scope)?, hub: self.hub.map(Uuid::from) })
    }
}
