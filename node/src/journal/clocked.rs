//! All rows that keep where their fields come from, whatever they are about: so that it can be counted how many fields
//! come from each event.

use std::collections::{BTreeSet, HashMap};

use diesel::{ExpressionMethods as _, QueryDsl as _, QueryResult};
use diesel_async::RunQueryDsl as _;

use super::{Stream, sources};
use crate::{
    each_clocked, on,
    storage::{Error, Tx, schema::revocations},
};

/// How many fields of rows come from each event, by stream and seq; and how many rows say it unreadably.
///
/// # Errors
/// The database failed.
pub async fn counts(tx: &mut Tx) -> Result<(HashMap<(i64, i64), i32>, u64), Error> {
    let (mut counts, mut unreadable) = (HashMap::new(), 0);
    each_clocked!(table => {
        let all: QueryResult<Vec<Vec<u8>>> = on!(tx, conn => table::table.select(table::clocks).load(conn).await);
        for clocks in all? {
            match sources(&clocks) {
                Ok(stamps) => {
                    for stamp in stamps {
                        *counts.entry((stamp.stream, stamp.seq)).or_insert(0) += 1;
                    }
                }
                Err(_) => unreadable += 1,
            }
        }
    });
    // Of revocations the row is the one field.
    let words: Vec<(i64, i64)> = on!(tx, conn => revocations::table
        .select((revocations::stream, revocations::seq))
        .load(conn)
        .await)?;
    for word in words {
        *counts.entry(word).or_insert(0) += 1;
    }
    Ok((counts, unreadable))
}

/// Whether a row's clocks name an event that no field can come from: not live, and none that is still to come.
fn is_astray(clocks: &[u8], live: &BTreeSet<(i64, i64)>, all: &[Stream]) -> bool {
    let Ok(stamps) = sources(clocks) else { return true };
    let is_live = |stamp: &super::Stamp| {
        let is_ahead = |stream: &&Stream| stream.id == stamp.stream && stamp.seq.cast_unsigned() > stream.head;
        live.contains(&(stamp.stream, stamp.seq)) || all.iter().any(|stream| is_ahead(&stream))
    };
    stamps.is_empty() || !stamps.iter().all(is_live)
}

/// Makes rows forget where their fields come from when they name events that are not live: merging the live events again
/// makes them anew. Returns how many kinds of such rows there are.
///
/// # Errors
/// The database failed.
pub async fn forget_strays(tx: &mut Tx, live: &BTreeSet<(i64, i64)>, all: &[Stream]) -> Result<usize, Error> {
    let mut strays = 0;
    each_clocked!(table => {
        let rows: QueryResult<Vec<Vec<u8>>> = on!(tx, conn => table::table.select(table::clocks).load(conn).await);
        let astray: BTreeSet<Vec<u8>> = rows?.into_iter().filter(|clocks| is_astray(clocks, live, all)).collect();
        strays += astray.len();
        for clocks in astray {
            on!(tx, conn => diesel::update(table::table.filter(table::clocks.eq(clocks)))
                .set(table::clocks.eq(Vec::<u8>::new()))
                .cached()
                .execute(conn)
                .await)?;
        }
    });
    Ok(strays)
}

/// Drops rows that no event speaks of, after the live ones were merged again. Returns how many.
///
/// # Errors
/// The database failed.
pub async fn drop_strays(tx: &mut Tx) -> Result<usize, Error> {
    let mut dropped = 0;
    each_clocked!(table => {
        dropped += on!(tx, conn => diesel::delete(table::table.filter(table::clocks.eq(Vec::<u8>::new())))
            .execute(conn)
            .await)?;
    });
    Ok(dropped)
}
