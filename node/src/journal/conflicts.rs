//! What people should look at. A short list, oldest entries dropped first: it must not grow without bound when a peer
//! misbehaves.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::{
    on,
    storage::{
        Error, Tx,
        schema::conflicts,
        types::{Id, Time},
    },
};

/// Entries that are kept.
const KEEP: i64 = 10_000;

/// What people should look at.
#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = conflicts)]
pub struct Conflict {
    id: Id,
    /// `void`, `name_collision`, `bad_event`, `fork`, `stale_database`, `legacy_numbers`, `after_revocation`,
    /// `duplicate_number` or `clone`.
    pub kind: String,
    /// What happened and what was decided; holds nothing personal.
    pub detail: String,
    noticed_at: Time,
    /// The stream of the event concerned.
    pub stream: Option<i64>,
    /// Its position.
    pub seq: Option<i64>,
}

impl Conflict {
    /// When it was noticed.
    pub fn noticed_at(&self) -> DateTime<Utc> {
        self.noticed_at.0
    }
}

/// Notes something that people should look at.
pub async fn note(tx: &mut Tx, kind: &str, detail: String, event: Option<(i64, i64)>) -> Result<(), Error> {
    tracing::warn!(conflict.kind = kind, detail, "something to look at");
    let conflict = Conflict {
        id: Id(Uuid::now_v7()),
        kind: kind.to_owned(),
        detail,
        noticed_at: Time(tx.clock.wall()),
        stream: event.map(|(stream, _)| stream),
        seq: event.map(|(_, seq)| seq),
    };
    on!(tx, conn => diesel::insert_into(conflicts::table).values(&conflict).execute(conn).await)?;
    let count: i64 = on!(tx, conn => conflicts::table.count().get_result(conn).await)?;
    if count > KEEP {
        drop_oldest(tx).await?;
    }
    Ok(())
}

async fn drop_oldest(tx: &mut Tx) -> Result<(), Error> {
    let oldest: Id = on!(tx, conn => conflicts::table
        .select(conflicts::id)
        .order((conflicts::noticed_at, conflicts::id))
        .first(conn)
        .await)?;
    on!(tx, conn => diesel::delete(conflicts::table.find(oldest)).execute(conn).await)?;
    Ok(())
}

/// Whether something of this kind was noted about a stream.
pub async fn is_noted(tx: &mut Tx, kind: &str, stream: i64) -> Result<bool, Error> {
    let found: Option<Id> = on!(tx, conn => conflicts::table
        .filter(conflicts::kind.eq(kind))
        .filter(conflicts::stream.eq(stream))
        .select(conflicts::id)
        .first(conn)
        .await
        .optional())?;
    Ok(found.is_some())
}

/// The newest entries, newest first.
pub async fn newest(tx: &mut Tx, limit: i64) -> Result<Vec<Conflict>, Error> {
    Ok(on!(tx, conn => conflicts::table
        .order(conflicts::noticed_at.desc())
        .limit(limit)
        .select(Conflict::as_select())
        .load(conn)
        .await)?)
}
