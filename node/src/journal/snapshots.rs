//! Which audiences came in pieces of a snapshot, from whom, and were not yet found equal to a second node: what one node
//! left out, no chain of hashes shows.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::Audience;
use crate::{
    on,
    storage::{
        Error, Tx,
        schema::snapshots,
        types::{Id, Time},
    },
};

/// Notes that a node brought a piece of a snapshot.
///
/// # Errors
/// The database failed.
pub async fn brought(tx: &mut Tx, audience: &Audience, bringer: Uuid) -> Result<(), Error> {
    let since = Time(tx.clock.wall());
    on!(tx, conn => diesel::insert_into(snapshots::table)
        .values((
            snapshots::audience.eq(audience.to_string()),
            snapshots::bringer.eq(Id(bringer)),
            snapshots::since.eq(since),
        ))
        .on_conflict((snapshots::audience, snapshots::bringer))
        .do_nothing()
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// The audiences that wait, with those who brought them.
///
/// # Errors
/// The database failed.
pub async fn waiting(tx: &mut Tx) -> Result<Vec<(String, Uuid)>, Error> {
    let rows: Vec<(String, Id)> = on!(tx, conn => snapshots::table
        .order((snapshots::audience, snapshots::bringer))
        .select((snapshots::audience, snapshots::bringer))
        .load(conn)
        .await)?;
    Ok(rows.into_iter().map(|(audience, bringer)| (audience, bringer.0)).collect())
}

/// Whether an audience waits for a second node's word.
///
/// # Errors
/// The database failed.
pub async fn is_waiting(tx: &mut Tx, audience: &Audience) -> Result<bool, Error> {
    let audience = audience.to_string();
    Ok(waiting(tx).await?.iter().any(|(waiting, _)| *waiting == audience))
}

/// An audience was found equal to that of a node that did not bring it.
///
/// # Errors
/// The database failed.
pub async fn verified(tx: &mut Tx, audience: &str) -> Result<(), Error> {
    let audience = audience.to_owned();
    on!(tx, conn => diesel::delete(snapshots::table.filter(snapshots::audience.eq(audience))).execute(conn).await)?;
    Ok(())
}
