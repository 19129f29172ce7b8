//! Tokens of the old system that phones still hold: 40 hexadecimal digits, good until they run out or their session is
//! ended. Only their hashes are kept.

use chrono::{DateTime, Utc};
use codepop_proto::accounts::LegacySessionKept;
use diesel::{
    AsChangeset, BoolExpressionMethods as _, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _,
    Queryable, Selectable, SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    digest::{PAGE, bytes},
    events,
};
use crate::{
    auth::token::{Claims, LIFETIME},
    clock::Hlc,
    journal::{Error, Field, Merge, Replicated, Scope, Stamp},
    on,
    storage::{
        self, Tx,
        schema::legacy_tokens,
        types::{Id, Time},
    },
};

/// The one field of a row.
const SESSION: Field = 1;

/// Length of a token of the old system.
const TOKEN_LEN: usize = 40;

#[derive(Clone, Debug, AsChangeset, Insertable, Queryable, Selectable)]
#[diesel(table_name = legacy_tokens, primary_key(user_id, token_hash))]
struct Row {
    user_id: i64,
    token_hash: Vec<u8>,
    session: Id,
    expires_at: Time,
    /// When the token was kept: what ends the user's sessions after that ends this one.
    generation: i64,
    clocks: Vec<u8>,
}

/// The hash of a token of the old system; none when it is not of that form.
pub(super) fn hash_of(token: &str) -> Option<[u8; 32]> {
    let fits = token.len() == TOKEN_LEN && token.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    fits.then(|| Sha256::digest(token.as_bytes()).into())
}

/// What a kept token stands for, if it is still good by itself.
pub(super) async fn claims(tx: &mut Tx, hash: [u8; 32], now: DateTime<Utc>) -> Result<Option<Claims>, storage::Error> {
    let row: Option<Row> = on!(tx, conn => legacy_tokens::table
        .filter(legacy_tokens::token_hash.eq(hash.to_vec()))
        .filter(legacy_tokens::expires_at.gt(Time(now)))
        .order(legacy_tokens::user_id)
        .select(Row::as_select())
        .first(conn)
        .await
        .optional())?;
    Ok(row.map(|row| Claims {
        user: row.user_id,
        session: row.session.0,
        guest: None,
        issued_at: row.expires_at.0 - LIFETIME,
        expires_at: row.expires_at.0,
        generation: Hlc::from_sql(row.generation),
    }))
}

impl Replicated for LegacySessionKept {
    fn scope(&self) -> Scope {
        Scope::Customer(self.user)
    }

    fn subject(&self) -> i64 {
        self.user
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        events::living(tx, self.user).await?;
        if self.token_hash.len() != 32 {
            return Err(Error::Unfit("the token's hash has not 32 bytes"));
        }
        let session = Uuid::from_slice(&self.session).map_err(|_| Error::Unfit("the session is not a UUID"))?;
        let expires_at = events::time(self.expires_at_us)?;
        let old: Option<Vec<u8>> = on!(tx, conn => legacy_tokens::table
            .find((self.user, self.token_hash.clone()))
            .select(legacy_tokens::clocks)
            .first(conn)
            .await
            .optional())
        .map_err(storage::Error::from)?;
        let mut merge = Merge::new(&old.unwrap_or_default(), stamp)?;
        if !merge.takes(SESSION) {
            return Ok(0);
        }
        let (clocks, live) = merge.settle(tx).await?;
        let row = Row {
            user_id: self.user,
            token_hash: self.token_hash.clone(),
            session: Id(session),
            expires_at: Time(expires_at),
            generation: stamp.hlc.to_sql(),
            clocks,
        };
        put(tx, &row).await?;
        Ok(live)
    }
}

async fn put(tx: &mut Tx, row: &Row) -> Result<(), storage::Error> {
    on!(tx, conn => diesel::insert_into(legacy_tokens::table)
        .values(row)
        .on_conflict((legacy_tokens::user_id, legacy_tokens::token_hash))
        .do_update()
        .set(row)
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Drops the tokens of a user who is deleted.
pub(super) async fn forget_user(tx: &mut Tx, user: i64) -> Result<(), storage::Error> {
    on!(tx, conn => diesel::delete(legacy_tokens::table.filter(legacy_tokens::user_id.eq(user))).execute(conn).await)?;
    Ok(())
}

/// Drops the tokens that have run out.
pub(super) async fn forget_expired(tx: &mut Tx, now: DateTime<Utc>) -> Result<usize, storage::Error> {
    Ok(on!(tx, conn => diesel::delete(legacy_tokens::table.filter(legacy_tokens::expires_at.le(Time(now))))
        .execute(conn)
        .await)?)
}

/// Feeds the tokens that have not run out to a digest; tells how many there are.
pub(super) async fn digest(tx: &mut Tx, hasher: &mut Sha256) -> Result<u64, storage::Error> {
    let now = tx.clock.wall();
    let (mut count, mut after) = (0, (0, Vec::new()));
    loop {
        let page = page(tx, after, now).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after = (last.user_id, last.token_hash.clone());
        count += page.len() as u64;
        for row in &page {
            hasher.update(b"legacy token");
            hasher.update(row.user_id.to_be_bytes());
            bytes(&row.token_hash, hasher);
            hasher.update(row.session.0.as_bytes());
            hasher.update(row.expires_at.0.timestamp_micros().to_be_bytes());
            hasher.update(row.generation.to_be_bytes());
        }
    }
}

async fn page(tx: &mut Tx, (user, hash): (i64, Vec<u8>), now: DateTime<Utc>) -> Result<Vec<Row>, storage::Error> {
    Ok(on!(tx, conn => legacy_tokens::table
        .filter(
            legacy_tokens::user_id
                .gt(user)
                .or(legacy_tokens::user_id.eq(user).and(legacy_tokens::token_hash.gt(hash))),
        )
        .filter(legacy_tokens::expires_at.gt(Time(now)))
        .order((legacy_tokens::user_id, legacy_tokens::token_hash))
        .limit(PAGE)
        .select(Row::as_select())
        .load(conn)
        .await)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_of_the_old_form_are_looked_up() {
        assert!(hash_of("9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b").is_some());
        let long = "a".repeat(41);
        for other in ["", "9944B09199C62BCF9418AD846DD0E4BBDFC6EE4B", &long, "v4.public.abc"] {
            assert!(hash_of(other).is_none(), "{other}");
        }
    }
}
