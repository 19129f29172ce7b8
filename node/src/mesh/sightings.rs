//! When nodes were last heard, kept over a restart. Local: nobody else is told.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::{
    on,
    storage::{
        Error, Tx,
        schema::sightings,
        types::{Id, Time},
    },
};

/// Keeps when nodes were last heard.
pub async fn save(tx: &mut Tx, seen: Vec<(Uuid, DateTime<Utc>)>) -> Result<(), Error> {
    for (node, last_seen) in seen {
        on!(tx, conn => diesel::insert_into(sightings::table)
            .values((sightings::node.eq(Id(node)), sightings::last_seen.eq(Time(last_seen))))
            .on_conflict(sightings::node)
            .do_update()
            .set(sightings::last_seen.eq(Time(last_seen)))
            .cached()
            .execute(conn)
            .await)?;
    }
    Ok(())
}

/// When nodes were last heard, as far as it was kept.
pub async fn load(tx: &mut Tx) -> Result<Vec<(Uuid, DateTime<Utc>)>, Error> {
    let rows: Vec<(Id, Time)> = on!(tx, conn => sightings::table
        .select((sightings::node, sightings::last_seen))
        .load(conn)
        .await)?;
    Ok(rows.into_iter().map(|(node, seen)| (node.0, seen.0)).collect())
}
