//! Which databases were brought here, and which of their rows became what.

use std::collections::HashMap;

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use super::report::Entity;
use crate::{
    on,
    storage::{
        Error, Tx,
        schema::{legacy_rows, legacy_sources},
        types::Time,
    },
};

/// Whether a database that was brought here before kept its numbers; none when it was not.
pub(super) async fn is_verbatim(tx: &mut Tx, source: &[u8; 32]) -> Result<Option<bool>, Error> {
    Ok(on!(tx, conn => legacy_sources::table
        .find(source.to_vec())
        .select(legacy_sources::verbatim)
        .first(conn)
        .await
        .optional())?)
}

/// Whether any database that was brought here kept its numbers.
pub(super) async fn has_verbatim(tx: &mut Tx) -> Result<bool, Error> {
    let count: i64 = on!(tx, conn => legacy_sources::table
        .filter(legacy_sources::verbatim.eq(true))
        .count()
        .get_result(conn)
        .await)?;
    Ok(count > 0)
}

pub(super) async fn begin(tx: &mut Tx, source: &[u8; 32], verbatim: bool) -> Result<(), Error> {
    let now = Time(tx.clock.wall());
    on!(tx, conn => diesel::insert_into(legacy_sources::table)
        .values((
            legacy_sources::source.eq(source.to_vec()),
            legacy_sources::verbatim.eq(verbatim),
            legacy_sources::began_at.eq(now),
        ))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

pub(super) async fn end(tx: &mut Tx, source: &[u8; 32]) -> Result<(), Error> {
    let now = Time(tx.clock.wall());
    on!(tx, conn => diesel::update(legacy_sources::table.find(source.to_vec()))
        .set(legacy_sources::ended_at.eq(Some(now)))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// What rows were brought over as, by their numbers in the old system.
pub(super) async fn rows(tx: &mut Tx, source: &[u8; 32], entity: Entity) -> Result<HashMap<i64, i64>, Error> {
    let rows: Vec<(i64, i64)> = on!(tx, conn => legacy_rows::table
        .filter(legacy_rows::source.eq(source.to_vec()))
        .filter(legacy_rows::entity.eq(entity.word()))
        .select((legacy_rows::legacy, legacy_rows::number))
        .load(conn)
        .await)?;
    Ok(rows.into_iter().collect())
}

pub(super) async fn put(tx: &mut Tx, source: &[u8; 32], entity: Entity, legacy: i64, number: i64) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(legacy_rows::table)
        .values((
            legacy_rows::source.eq(source.to_vec()),
            legacy_rows::entity.eq(entity.word()),
            legacy_rows::legacy.eq(legacy),
            legacy_rows::number.eq(number),
        ))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}
