//! Whether an account may be used: locked for the time being, disabled, readmitted. Whoever is out has no session from that
//! moment on, at every node that the event reaches.

use codepop_proto::accounts::{Hold, UserStatus, UserStatusChanged};
use codepop_shared::Failure;

use super::{Accounts, Administrator, Error, Place, Role, Seen, administrable, forbidden, require_own, seen, store};
use crate::{
    journal::{self, Audience},
    roles,
    storage::{self, Tx},
};

/// What the row says.
pub(super) fn of(row: &store::User) -> UserStatus {
    match hold(row) {
        _ if !row.disabled => UserStatus::Active,
        Hold::Locked => UserStatus::Locked,
        Hold::Unspecified | Hold::Disabled | Hold::DisabledByChain => UserStatus::Disabled,
    }
}

fn hold(row: &store::User) -> Hold {
    Hold::try_from(i32::from(row.hold)).unwrap_or(Hold::Disabled)
}

impl Accounts {
    /// Makes the status of an account what it is to be; answers with the account.
    pub(super) async fn set_status(
        &self,
        by: Administrator,
        user: i64,
        status: UserStatus,
        reason: String,
    ) -> Result<Seen, Failure> {
        let permit = by.permit.clone();
        let written = self.app.write(&permit, move |tx| {
            Box::pin(async move {
                if by.user == user {
                    return Err(forbidden("You cannot change the status of your own account.").into());
                }
                let row = administrable(tx, &by, user).await?;
                require_own(tx, &by, &row).await?;
                change(tx, &by, row, status, reason).await
            })
        });
        written.await.map_err(|error: Error| error.into())
    }
}

async fn change(
    tx: &mut Tx,
    by: &Administrator,
    row: store::User,
    status: UserStatus,
    reason: String,
) -> Result<Seen, Error> {
    let wanted = match status {
        UserStatus::Unspecified | UserStatus::Active => Hold::Unspecified,
        UserStatus::Locked => Hold::Locked,
        UserStatus::Disabled if by.of_chain => Hold::DisabledByChain,
        UserStatus::Disabled => Hold::Disabled,
    };
    if row.disabled && hold(&row) == Hold::DisabledByChain && !by.of_chain {
        return Err(forbidden("A super admin disabled this account; only a super admin can change that.").into());
    }
    let user = row.id;
    let disabled = wanted != Hold::Unspecified;
    if (row.disabled, if row.disabled { hold(&row) } else { Hold::Unspecified }) != (disabled, wanted) {
        let message = UserStatusChanged { user, disabled, hold: wanted.into(), changed_by: by.user };
        journal::emit(tx, &Audience::Everyone, &message).await?;
        tx.about.says(wanted.as_str_name());
    }
    let mut row = store::user(tx, user).await?.unwrap_or(row);
    let reason = if disabled { reason } else { String::new() };
    if row.hold_reason != reason && (!reason.is_empty() || !disabled) {
        row.hold_reason = reason;
        store::save_user(tx, &row).await?;
    }
    let held = roles_here(tx, by, user).await?;
    Ok(seen(tx, row, &held).await?)
}

/// The roles by which the list of accounts tells ranks.
async fn roles_here(tx: &mut Tx, by: &Administrator, user: i64) -> Result<Vec<Role>, storage::Error> {
    let grants = roles::in_force(tx, user).await?;
    let counts = |place: &Place| *place == Place::Chain || by.store.as_ref() == Some(place);
    Ok(grants.into_iter().filter(|grant| counts(&grant.place)).map(|grant| grant.role).collect())
}
