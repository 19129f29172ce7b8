//! What other parts of the node ask about accounts.

use futures::future::BoxFuture;

use super::store;
use crate::{
    app::Lookup,
    auth::Grant,
    roles::{self, People},
    storage::{self, Tx},
};

/// Tells the roles who is there.
#[derive(Clone, Copy, Debug)]
pub struct Known;

impl People for Known {
    fn is_there<'a>(&'a self, tx: &'a mut Tx, user: i64) -> BoxFuture<'a, Result<bool, storage::Error>> {
        Box::pin(async move { Ok(store::user(tx, user).await?.is_some_and(|row| row.is_there())) })
    }
}

/// Whether a user is there and may use the account.
///
/// # Errors
/// The database failed.
pub async fn is_active(tx: &mut Tx, user: i64) -> Result<bool, storage::Error> {
    Ok(store::user(tx, user).await?.is_some_and(|row| row.is_there() && !row.disabled))
}

/// The numbers of the accounts that a lookup means, the earliest claims first: those whose events answer a peer's question.
/// Deleted accounts are among them when asked for by number: that they are deleted is the answer.
///
/// # Errors
/// The database failed.
pub async fn account_numbers(tx: &mut Tx, lookup: &Lookup) -> Result<Vec<i64>, storage::Error> {
    Ok(match lookup {
        Lookup::NameKey(key) => store::claimants(tx, key).await?.into_iter().map(|row| row.id).collect(),
        Lookup::Number(user) => {
            let row = store::user(tx, *user).await?.filter(|row| row.deleted || row.is_there());
            row.map(|row| row.id).into_iter().collect()
        }
    })
}

/// Whether a user is deleted: then nothing personal about it is taken in any more
/// ([`journal::Error::Erased`](crate::journal::Error::Erased)).
///
/// # Errors
/// The database failed.
pub async fn is_deleted(tx: &mut Tx, user: i64) -> Result<bool, storage::Error> {
    Ok(store::user(tx, user).await?.is_some_and(|row| row.deleted))
}

/// The e-mail address of a user who is there, if one is known.
///
/// # Errors
/// The database failed.
pub async fn email(tx: &mut Tx, user: i64) -> Result<Option<String>, storage::Error> {
    let row = store::user(tx, user).await?.filter(store::User::is_there);
    Ok(row.map(|row| row.email).filter(|email| !email.is_empty()))
}

/// The roles of a user in force here; `None` of who is not there, is disabled or deleted, for whom nobody may do anything.
///
/// # Errors
/// The database failed.
pub async fn grants(tx: &mut Tx, user: i64) -> Result<Option<Vec<Grant>>, storage::Error> {
    match store::user(tx, user).await?.filter(|row| row.is_there() && !row.disabled) {
        Some(row) => Ok(Some(roles::in_force(tx, row.id).await?)),
        None => Ok(None),
    }
}

/// How many accounts there are in the chain.
///
/// # Errors
/// The database failed.
pub async fn count(tx: &mut Tx) -> Result<i64, storage::Error> {
    store::count(tx).await
}

/// The name of a user who is there, as it was claimed.
///
/// # Errors
/// The database failed.
pub async fn username(tx: &mut Tx, user: i64) -> Result<Option<String>, storage::Error> {
    let row = store::user(tx, user).await?.filter(store::User::is_there);
    Ok(row.map(|row| row.username))
}
