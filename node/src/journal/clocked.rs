//! All rows that keep where their fields come from, whatever they are about: so that it can be counted how many fields
//! come from each event.

use std::collections::HashMap;

use diesel::{QueryDsl as _, QueryResult};
use diesel_async::RunQueryDsl as _;

use super::sources;
use crate::{
    each_clocked, on,
    storage::{Error, Tx},
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
    Ok((counts, unreadable))
}
