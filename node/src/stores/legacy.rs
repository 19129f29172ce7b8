//! Which store holds the numbers below 100,000: the first that brought a database of the old system over.

use codepop_proto::stores as pb;
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::{
    app::canonical::Canonical,
    journal::{self, Audience, Error, Field, Merge, Replicated, Scope, Stamp, conflicts},
    mesh::replaced,
    on,
    storage::{self, Tx, schema::legacy_holders, types::Id},
};

/// When a store claimed the numbers.
const CLAIM: Field = 1;

/// The store whose claim is the earliest; none when nobody has claimed the numbers.
pub async fn legacy_holder(tx: &mut Tx) -> Result<Option<Uuid>, storage::Error> {
    let holder: Option<Id> = on!(tx, conn => legacy_holders::table
        .order((legacy_holders::hlc, legacy_holders::store))
        .select(legacy_holders::store)
        .first(conn)
        .await
        .optional())?;
    match holder {
        Some(id) => Ok(Some(replaced::successors(tx).await?.now(id.0))),
        None => Ok(None),
    }
}

/// Claims the numbers for this node's store, unless somebody has them already. Tells whether this store has them.
///
/// # Errors
/// The database failed, or this node is no store.
pub async fn claim_legacy_numbers(tx: &mut Tx) -> Result<bool, Error> {
    let own = tx.author.id.uuid;
    match legacy_holder(tx).await? {
        Some(holder) => Ok(holder == own),
        None => {
            let message = pb::LegacyNumbersHeld { store_id: own.to_string() };
            journal::emit(tx, &Audience::Everyone, &message).await?;
            Ok(true)
        }
    }
}

impl Replicated for pb::LegacyNumbersHeld {
    fn scope(&self) -> Scope {
        Scope::Store(self.store_id.parse().unwrap_or(Uuid::nil()))
    }

    /// A store has one claim; which of the stores holds the numbers is found out when somebody asks.
    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let store = Id(self.store_id.parse().map_err(|_| Error::Unfit("the store is not a UUID"))?);
        let clocks: Option<Vec<u8>> = on!(tx, conn => legacy_holders::table
            .find(store)
            .select(legacy_holders::clocks)
            .first(conn)
            .await
            .optional())
        .map_err(storage::Error::from)?;
        let mut merge = Merge::new(&clocks.unwrap_or_default(), stamp)?;
        if !merge.takes(CLAIM) {
            return Ok(0);
        }
        let (clocks, live) = merge.settle(tx).await?;
        put(tx, store, stamp, &clocks).await?;
        note_rivals(tx, store, stamp).await?;
        Ok(live)
    }
}

async fn put(tx: &mut Tx, store: Id, stamp: &Stamp, clocks: &[u8]) -> Result<(), Error> {
    let row = (
        legacy_holders::store.eq(store),
        legacy_holders::hlc.eq(stamp.hlc.to_sql()),
        legacy_holders::clocks.eq(clocks.to_vec()),
    );
    on!(tx, conn => diesel::insert_into(legacy_holders::table)
        .values(row.clone())
        .on_conflict(legacy_holders::store)
        .do_update()
        .set(row)
        .cached()
        .execute(conn)
        .await)
    .map_err(storage::Error::from)?;
    Ok(())
}

/// Two stores that brought their databases over without knowing of each other: people must look at it.
async fn note_rivals(tx: &mut Tx, store: Id, stamp: &Stamp) -> Result<(), Error> {
    let rival: Option<Id> = on!(tx, conn => legacy_holders::table
        .filter(legacy_holders::store.ne(store))
        .select(legacy_holders::store)
        .first(conn)
        .await
        .optional())
    .map_err(storage::Error::from)?;
    if let Some(rival) = rival {
        let detail = format!("stores {} and {} both kept numbers of the old system", rival.0, store.0);
        conflicts::note(tx, "legacy_numbers", detail, Some((stamp.stream, stamp.seq))).await?;
    }
    Ok(())
}

/// Feeds the claims to a digest; tells how many there are.
pub(super) async fn digest(tx: &mut Tx, rows: &mut Canonical<'_>) -> Result<u64, storage::Error> {
    let mut claims: Vec<(Id, i64)> = on!(tx, conn => legacy_holders::table
        .select((legacy_holders::store, legacy_holders::hlc))
        .load(conn)
        .await)?;
    claims.sort_unstable();
    rows.table("legacy holders");
    for (store, hlc) in &claims {
        rows.bytes(store.0.as_bytes()).integer(*hlc);
    }
    Ok(claims.len() as u64)
}
