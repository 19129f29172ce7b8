//! Ending things: a session, all sessions with a new password, the account.

use std::net::IpAddr;

use codepop_proto::accounts::{SessionEnded, SessionsEnded, UserDeleted};
use codepop_shared::{Code, Failure, number};
use uuid::Uuid;

use super::{
    Accounts, Error, Password,
    gate::account_key,
    log_in::{new_token, replace_hash},
    profile::present,
    store,
};
use crate::{
    auth::{Permit, User},
    clock::Hlc,
    journal::{self, Audience},
    storage::Tx,
};

impl Accounts {
    /// Ends the session, everywhere and for ever.
    ///
    /// # Errors
    /// [`Code::AskHub`] at a store for an account that is kept by hubs.
    pub async fn log_out(&self, permit: &Permit, user: &User) -> Result<(), Failure> {
        self.must_keep(user.number)?;
        let message = SessionEnded {
            user: user.number,
            session: user.session.as_bytes().to_vec(),
            expires_at_us: user.expires_at_us,
        };
        let written = self.app.write(permit, move |tx| {
            Box::pin(async move {
                journal::emit(tx, &Audience::Everyone, &message).await?;
                Ok(())
            })
        });
        written.await.map_err(|error: Error| error.into())
    }

    /// Sets a new password and ends all sessions; returns the token of a new one, which keeps what belongs to `guest`'s.
    ///
    /// # Errors
    /// As [`Accounts::log_in`] when the current password is wrong.
    pub async fn change_password(
        &self,
        permit: &Permit,
        client: IpAddr,
        (user, guest): (&User, Option<Uuid>),
        current: Password,
        new: Password,
    ) -> Result<String, Failure> {
        let number = user.number;
        self.must_keep(number)?;
        let check = self.checked(number, &current);
        let old = self.gate.pass(self.account(number).await?, client, check).await?;
        let hash = self.hashing.hash(&new).await?;
        let written =
            self.app.write(permit, move |tx| Box::pin(async move { set_password(tx, number, &old, hash).await }));
        let since = written.await.map_err(|error: Error| Failure::from(error))?;
        new_token(&self.app, number, guest, since)
    }

    /// Deletes the account: personal data is erased here at once and elsewhere as the event arrives.
    ///
    /// # Errors
    /// As [`Accounts::log_in`] when the password is wrong.
    pub async fn delete(
        &self,
        permit: &Permit,
        client: IpAddr,
        user: &User,
        password: Password,
    ) -> Result<(), Failure> {
        let number = user.number;
        self.must_keep(number)?;
        let check = self.checked(number, &password);
        self.gate.pass(self.account(number).await?, client, check).await?;
        let written = self.app.write(permit, move |tx| Box::pin(async move { erase(tx, number).await }));
        written.await.map_err(|error: Error| error.into())
    }

    /// The key under which failures of a user count: the same as at log-in.
    async fn account(&self, user: i64) -> Result<super::NameKey, Failure> {
        let row = self.app.read(move |tx| Box::pin(async move { present(tx, user).await })).await;
        row.map(|row| account_key(&row.name_key)).map_err(|error: Error| error.into())
    }

    /// The user's hash if the password fits it.
    async fn checked(&self, user: i64, password: &Password) -> Result<Option<String>, Failure> {
        let read = self.app.read(move |tx| Box::pin(store::credential(tx, user))).await;
        let credential = read.map_err(|error| Failure::from(Error::from(error)))?;
        let hash = credential.map(|credential| credential.password_hash).filter(|hash| !hash.is_empty());
        let fits = self.hashing.fits(password, hash.clone()).await?;
        Ok(hash.filter(|_| fits))
    }
}

/// Returns since when sessions are good.
async fn set_password(tx: &mut Tx, user: i64, old: &str, hash: String) -> Result<Hlc, Error> {
    let by_event = number::is_hub_born(user);
    if !replace_hash(tx, user, old, hash, !by_event).await? {
        let detail = "The password was changed by another call at the same time. Log in again.";
        return Err(Failure::new(Code::Conflict, detail).into());
    }
    if by_event {
        journal::emit(tx, &Audience::Everyone, &SessionsEnded { user }).await?;
    }
    let credential = store::credential(tx, user).await?;
    Ok(credential.map(|credential| Hlc::from_sql(credential.sessions_since)).unwrap_or_default())
}

pub(super) async fn erase(tx: &mut Tx, user: i64) -> Result<(), Error> {
    let row = present(tx, user).await?;
    let message = UserDeleted {
        user,
        name_key: row.name_key,
        name_hlc: Hlc::from_sql(row.name_hlc).0,
        name_origin: row.name_origin.0.as_bytes().to_vec(),
    };
    journal::emit(tx, &Audience::Everyone, &message).await?;
    Ok(())
}
