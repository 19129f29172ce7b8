//! Until when removed things are forgotten. A favourite that was removed, or a drink that is gone, leaves a row and a live
//! event behind, so that it stays removed wherever the word that it was there arrives later. They need not stay for ever: a
//! hub moves the horizon by an event, and whoever merges it drops what was removed before. So nodes with the same events
//! hold the same rows, whatever their clocks say and whenever each compacts.
//!
//! A node that was away for longer missed removals that nobody remembers any more. It joins by pieces of a snapshot, and
//! until a second node has confirmed its state it gives up live events that are older than the horizon and that its peers
//! no longer have (`repair`), instead of spreading them anew.
//!
//! Users, roles, certificates and who took whose place are remembered for ever.

use std::collections::HashMap;

use chrono::TimeDelta;
use codepop_proto::mesh::HorizonMoved;
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryResult,
    dsl::sql,
    sql_types::{BigInt, Binary, Bool},
};
use diesel_async::RunQueryDsl as _;

use crate::{
    app::canonical::Canonical,
    clock::Hlc,
    each_removable,
    journal::{
        Audience, ENTRY_LEN, Error, Event, Field, Merge, Outcome, Replicated, Scope, Stamp, emit, live, source, sources,
    },
    on,
    storage::{
        self, Tx,
        schema::{events, horizon},
    },
};

/// Kinds that leave a rest behind, so that what they removed stays removed; it is dropped beyond the horizon.
const REMOVALS: &[&str] = &[
    "codepop.accounts.v1.SessionEnded",
    "codepop.catalog.v1.DrinkWithdrawn",
    "codepop.catalog.v1.UserDrinkDeleted",
    "codepop.catalog.v1.FavoriteRemoved",
    "codepop.preferences.v1.PreferenceRemoved",
    "codepop.notifications.v1.ChainNoticeWithdrawn",
    "codepop.reports.v1.StockReported",
];

/// How long what was removed is remembered. The whole chain must use the same figure; half a year is as long as a token is
/// good and longer than any store was ever closed for building.
pub const REMEMBERED: TimeDelta = TimeDelta::days(180);

/// How far the horizon lags behind before a hub moves it. An hour more for each hub number: as a rule one hub does it for
/// all, and the next one when that is gone.
const LAG: TimeDelta = TimeDelta::hours(24);

/// The most that a hub waits for others to do it.
const TURN_MAX: u32 = 24;

/// The horizon merges as a whole.
const WHOLE: Field = 1;

/// The one row.
const ONLY: i16 = 1;

/// Rows with the clock of a single field that is older than a time; the clock's first bytes are field and time.
const OLDER: &str = "length(clocks) = 41 AND substr(clocks, 2, 8) < ";

/// Rows with the clock of a single field that comes from one event.
const OWN: &str = "length(clocks) = 41 AND substr(clocks, 2, 40) = ";

const _: () = assert!(ENTRY_LEN == 41, "the conditions above count on it");

/// Ends of sessions that still count.
const SESSION_ENDS: &str = "kind = 'codepop.accounts.v1.SessionEnded' AND live > 0 AND hlc < ";

impl Replicated for HorizonMoved {
    fn scope(&self) -> Scope {
        Scope::Horizon
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let held = clocks(tx).await?;
        let mut merge = Merge::new(held.as_deref().unwrap_or_default(), stamp)?;
        if !merge.takes(WHOLE) {
            return Ok(0);
        }
        let (clocks, live) = merge.settle(tx).await?;
        on!(tx, conn => diesel::insert_into(horizon::table)
            .values((horizon::id.eq(ONLY), horizon::clocks.eq(&clocks)))
            .on_conflict(horizon::id)
            .do_update()
            .set(horizon::clocks.eq(&clocks))
            .cached()
            .execute(conn)
            .await)
        .map_err(storage::Error::from)?;
        forget(tx, before(stamp.hlc)).await?;
        Ok(live)
    }
}

/// What an event of this time has forgotten: everything removed earlier.
fn before(moved: Hlc) -> Hlc {
    Hlc::at(moved.wall() - REMEMBERED)
}

async fn clocks(tx: &mut Tx) -> Result<Option<Vec<u8>>, storage::Error> {
    Ok(on!(tx, conn => horizon::table.find(ONLY).select(horizon::clocks).first(conn).await.optional())?)
}

async fn moved(tx: &mut Tx) -> Result<Option<Stamp>, storage::Error> {
    source(&clocks(tx).await?.unwrap_or_default(), WHOLE)
}

/// What was removed before this time is forgotten; 1970 in a chain that is too young to have forgotten anything.
///
/// # Errors
/// The database failed.
pub async fn current(tx: &mut Tx) -> Result<Hlc, storage::Error> {
    Ok(moved(tx).await?.map(|stamp| before(stamp.hlc)).unwrap_or_default())
}

/// At a hub: moves the horizon when it lags behind and there is something to forget. Says whether it did.
///
/// # Errors
/// The database failed, or this node may not say it.
pub async fn advance(tx: &mut Tx) -> Result<bool, Error> {
    let turn = i64::from(tx.author.id.number.min(TURN_MAX));
    let due = Hlc::at(tx.clock.wall() - LAG - TimeDelta::hours(turn));
    if moved(tx).await?.is_some_and(|last| last.hlc > due) || !is_any_older(tx, before(due)).await? {
        return Ok(false);
    }
    emit(tx, &Audience::Everyone, &HorizonMoved {}).await?;
    Ok(true)
}

/// Whether anything that was removed before a time is remembered.
async fn is_any_older(tx: &mut Tx, before: Hlc) -> Result<bool, storage::Error> {
    let bound = before.0.to_be_bytes().to_vec();
    each_removable!(table, removed => {
        let older = sql::<Bool>(OLDER).bind::<Binary, _>(bound.clone());
        let any: QueryResult<Option<Vec<u8>>> = on!(tx, conn => table::table
            .filter(removed())
            .filter(older.clone())
            .select(table::clocks)
            .first(conn)
            .await
            .optional());
        if any?.is_some() {
            return Ok(true);
        }
    });
    let ended = sql::<Bool>(SESSION_ENDS).bind::<BigInt, _>(before.to_sql());
    let any: Option<i64> =
        on!(tx, conn => events::table.filter(ended.clone()).select(events::seq).first(conn).await.optional())?;
    Ok(any.is_some())
}

/// Drops what is left of things that were removed before a time, and their events where only live ones are kept.
async fn forget(tx: &mut Tx, before: Hlc) -> Result<(), storage::Error> {
    let bound = before.0.to_be_bytes().to_vec();
    let mut lost: HashMap<(i64, i64), i32> = HashMap::new();
    each_removable!(table, removed => {
        let older = sql::<Bool>(OLDER).bind::<Binary, _>(bound.clone());
        let rows: QueryResult<Vec<Vec<u8>>> = on!(tx, conn => table::table
            .filter(removed())
            .filter(older.clone())
            .select(table::clocks)
            .load(conn)
            .await);
        count(&rows?, &mut lost);
        on!(tx, conn => diesel::delete(table::table.filter(removed()).filter(older.clone())).execute(conn).await)?;
    });
    let ended = sql::<Bool>(SESSION_ENDS).bind::<BigInt, _>(before.to_sql());
    let ends: Vec<(i64, i64, i32)> = on!(tx, conn => events::table
        .filter(ended.clone())
        .select((events::stream, events::seq, events::live))
        .load(conn)
        .await)?;
    lost.extend(ends.into_iter().map(|(stream, seq, live)| ((stream, seq), live)));
    live::take(tx, lost).await
}

/// Counts how many of these rows come from each event.
fn count(rows: &[Vec<u8>], lost: &mut HashMap<(i64, i64), i32>) {
    for stamp in rows.iter().filter_map(|clocks| sources(clocks).ok()).flatten() {
        *lost.entry((stamp.stream, stamp.seq)).or_insert(0) += 1;
    }
}

/// What becomes of an event that was just merged: a removal from beyond the horizon has removed what it names, and leaves
/// nothing that would remember it.
///
/// # Errors
/// The database failed.
pub(super) async fn settle(
    tx: &mut Tx,
    event: &Event,
    stamp: &Stamp,
    outcome: Outcome,
) -> Result<Outcome, storage::Error> {
    let header = &event.header;
    let may_be_beyond = || before(Hlc::at(tx.clock.reached())) > header.hlc;
    if outcome.live == 0 || !REMOVALS.contains(&header.kind.as_str()) || !may_be_beyond() {
        return Ok(outcome);
    }
    if header.hlc >= current(tx).await? {
        return Ok(outcome);
    }
    let (mut live, key) = (outcome.live, stamp.to_bytes().to_vec());
    if header.kind == SESSION_ENDED {
        live = 0;
    }
    each_removable!(table, removed => {
        let own = sql::<Bool>(OWN).bind::<Binary, _>(key.clone());
        let dropped = on!(tx, conn => diesel::delete(table::table.filter(removed()).filter(own.clone()))
            .execute(conn)
            .await)?;
        live -= i32::try_from(dropped).unwrap_or(i32::MAX);
    });
    Ok(Outcome { live: live.max(0), ..outcome })
}

/// The end of a session, whose row goes by itself.
const SESSION_ENDED: &str = "codepop.accounts.v1.SessionEnded";

/// Feeds the horizon into a digest. Returns how many rows it has.
///
/// # Errors
/// The database failed.
pub async fn digest(tx: &mut Tx, audience: &Audience, hasher: &mut sha2::Sha256) -> Result<u64, storage::Error> {
    let horizon = if *audience == Audience::Everyone { current(tx).await? } else { Hlc::default() };
    if horizon == Hlc::default() {
        return Ok(0);
    }
    Canonical(hasher).table("horizon").integer(horizon.to_sql());
    Ok(1)
}

#[cfg(test)]
#[path = "horizon_tests.rs"]
mod tests;
