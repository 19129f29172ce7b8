//! Idempotency: a request with an `Idempotency-Key` that was carried out is answered again, not carried out again. The
//! answer is kept in the transaction of its effect.

use chrono::TimeDelta;
use codepop_shared::{Code, Failure};
use prost::Message;
use sha2::{Digest as _, Sha256};
use tonic::Request;

use crate::{
    auth::Actor,
    on,
    storage::{self, Tx, schema::idempotency_keys, types::Time},
};

/// The metadata with the key, as the gateway passes the header of the same name.
const KEY: &str = "idempotency-key";

/// Longest key, in characters (the bound of Stripe's API).
const KEY_MAX: usize = 255;

/// How long answers are kept: longer than a phone stays without network.
const KEPT: TimeDelta = TimeDelta::days(30);

/// Old answers dropped at a time.
const DROPPED_MAX: i64 = 1_000;

/// Why a request with a key was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key was sent before with another request; use a new one.
    #[error("This Idempotency-Key was sent before with another request; use a new one.")]
    Reused,
    /// The database failed; try again.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Reused => Self::new(Code::KeyReused, error.to_string()),
            Error::Storage(error) => super::edge::storage_failure(&error),
        }
    }
}

/// A key together with who sent it and for what.
#[derive(Clone, Debug)]
pub struct Once {
    scope: String,
    key: String,
    request: Vec<u8>,
}

impl Once {
    /// The key of a request, when it has one and its sender can be told from others.
    ///
    /// # Errors
    /// The key is empty, too long or not printable.
    pub fn of<M: Message>(request: &Request<M>, rpc: &'static str) -> Result<Option<Self>, Failure> {
        let Some(value) = request.metadata().get(KEY) else { return Ok(None) };
        let key = value.to_str().ok().filter(|key| (1..=KEY_MAX).contains(&key.len()));
        let key = key.ok_or_else(|| Failure::invalid(KEY, format!("must have 1 to {KEY_MAX} printable characters")))?;
        let actor = Actor::of(request)?;
        let scope = match (&actor.user, actor.guest) {
            (Some(user), _) => format!("{rpc} user {}", user.number),
            (None, Some(guest)) => format!("{rpc} guest {guest}"),
            (None, None) => format!("{rpc} client {}", actor.client),
        };
        let request = Sha256::digest(request.get_ref().encode_to_vec()).to_vec();
        Ok(Some(Self { scope, key: key.to_owned(), request }))
    }

    /// The answer given before, if the request was carried out before. To be called first in the transaction.
    ///
    /// # Errors
    /// [`Error::Reused`], or the database failed.
    pub async fn answered<R: Message + Default>(&self, tx: &mut Tx) -> Result<Option<R>, Error> {
        use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
        use diesel_async::RunQueryDsl as _;
        let kept: Option<(Vec<u8>, Vec<u8>)> = on!(tx, conn => idempotency_keys::table
            .find((&self.scope, &self.key))
            .filter(idempotency_keys::at.gt(Time(tx.clock.wall() - KEPT)))
            .select((idempotency_keys::request, idempotency_keys::answer))
            .first(conn)
            .await
            .optional())
        .map_err(storage::Error::from)?;
        match kept {
            None => Ok(None),
            Some((request, _)) if request != self.request => Err(Error::Reused),
            // What this program wrote it can read; an older one may have had another form: then the answer is lost, not the
            // effect.
            Some((_, answer)) => Ok(Some(R::decode(answer.as_slice()).unwrap_or_default())),
        }
    }

    /// Keeps the answer. To be called last in the transaction.
    ///
    /// # Errors
    /// The database failed.
    pub async fn keep<R: Message>(&self, tx: &mut Tx, answer: &R) -> Result<(), storage::Error> {
        use diesel::ExpressionMethods as _;
        use diesel_async::RunQueryDsl as _;
        let (at, answer) = (Time(tx.clock.wall()), answer.encode_to_vec());
        on!(tx, conn => diesel::insert_into(idempotency_keys::table)
            .values((
                idempotency_keys::scope.eq(&self.scope),
                idempotency_keys::key.eq(&self.key),
                idempotency_keys::request.eq(&self.request),
                idempotency_keys::answer.eq(&answer),
                idempotency_keys::at.eq(at),
            ))
            .on_conflict((idempotency_keys::scope, idempotency_keys::key))
            .do_update()
            .set((
                idempotency_keys::request.eq(&self.request),
                idempotency_keys::answer.eq(&answer),
                idempotency_keys::at.eq(at),
            ))
            .cached()
            .execute(conn)
            .await)?;
        Ok(())
    }
}

/// Drops answers that are no longer kept; true when there may be more.
///
/// # Errors
/// The database failed.
pub async fn forget(tx: &mut Tx) -> Result<bool, storage::Error> {
    use diesel::{ExpressionMethods as _, QueryDsl as _};
    use diesel_async::RunQueryDsl as _;
    let before = Time(tx.clock.wall() - KEPT);
    let old: Vec<(String, String)> = on!(tx, conn => idempotency_keys::table
        .filter(idempotency_keys::at.lt(before))
        .select((idempotency_keys::scope, idempotency_keys::key))
        .limit(DROPPED_MAX)
        .load(conn)
        .await)?;
    let more = i64::try_from(old.len()).unwrap_or(0) == DROPPED_MAX;
    for (scope, key) in old {
        on!(tx, conn => diesel::delete(idempotency_keys::table.find((&scope, &key))).execute(conn).await)?;
    }
    Ok(more)
}
