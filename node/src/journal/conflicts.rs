//! What people should look at. A short list, oldest entries dropped first: it must not grow without bound when a peer
//! misbehaves. It names people by number alone.

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

/// The kind of entries about events in quarantine. They are in the list by themselves; an entry is made when one is
/// dismissed.
pub const QUARANTINED: &str = "quarantined";

/// What people should look at.
#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = conflicts)]
pub struct Conflict {
    id: Id,
    /// `void`, `name_collision`, `bad_event`, `fork`, `stale_database`, `legacy_numbers`, `after_revocation`,
    /// `duplicate_number`, `clone`, `rows_differ` or [`QUARANTINED`].
    pub kind: String,
    /// What happened; holds nothing personal.
    pub detail: String,
    noticed_at: Time,
    /// The stream of the event concerned.
    pub stream: Option<i64>,
    /// Its position.
    pub seq: Option<i64>,
    /// Who dismissed it: `user:` and the number, or `operator`.
    pub dismissed_by: Option<String>,
    dismissed_at: Option<Time>,
}

impl Conflict {
    /// Names it at this node.
    pub fn id(&self) -> Uuid {
        self.id.0
    }

    /// When it was noticed.
    pub fn noticed_at(&self) -> DateTime<Utc> {
        self.noticed_at.0
    }

    /// When it was dismissed, if it was.
    pub fn dismissed_at(&self) -> Option<DateTime<Utc>> {
        self.dismissed_at.map(|at| at.0)
    }
}

/// What was decided about an entry of a kind, and what people can do about it elsewhere.
pub fn meaning(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "void" => (
            "The event is kept and passed on, so that its stream goes on, and is never merged.",
            "Find out why the node named said what it may not say: an old program, a wrong clock, or a stolen key.",
        ),
        QUARANTINED => (
            "The event is kept and passed on, and merged once that is possible; it is tried at every start.",
            "Upgrade this node if it does not know the kind or the schema; otherwise have it tried again.",
        ),
        "name_collision" => (
            "Both accounts go on: the earlier claim has the plain name, the other is shown as name~number. Both can log in \
             with the plain name.",
            "Ask one of the two users to choose another name.",
        ),
        "bad_event" => (
            "Nothing of what the peer sent was taken; it is fetched from another peer.",
            "Run `codepop-node verify` at the peer: its disk or its program may be damaged.",
        ),
        "fork" => (
            "What came first is kept, and nothing after it is taken from that stream.",
            "Revoke the node's certificate, and give it a new one with `pki issue --replaces`.",
        ),
        "stale_database" => (
            "This node takes no writes of its own.",
            "Give it a new certificate with `pki issue --replaces`, or bring its latest database back.",
        ),
        "replaced" => (
            "This node takes no writes of its own any more.",
            "Stop it. What it sold since its successor's backup is on its disk alone.",
        ),
        "replaced_node_runs" => (
            "Nobody links to the node whose place was taken.",
            "Stop it. What it sold since its successor's backup is on its disk alone.",
        ),
        "replaced_node_spoke" => (
            "What it said after its place was taken is merged as it signed it.",
            "Look at its disk for the orders and the money of that time.",
        ),
        "legacy_numbers" => (
            "The earlier claim has the numbers below 100,000.",
            "Import the other database again under a name of its own (`import-legacy --source-name`).",
        ),
        "after_revocation" => (
            "What was merged here before its origin's revocation was known stays merged; other nodes have it as void.",
            "Look at the rows that the events are about, and put right by hand what a thief said.",
        ),
        "duplicate_number" => (
            "The node that was made first keeps the number and is linked to; the other is refused and takes no writes.",
            "Revoke one of the two (`pki revoke`), and find out which copy of the authority's folder gave the number.",
        ),
        "clone" => (
            "The run that began later is refused and takes no writes.",
            "Stop one of the two. If the copy is in other hands, revoke the certificate (`pki revoke`).",
        ),
        "rows_differ" => {
            ("Events are believed, rows are made from them anew.", "The entry says what remains to be done.")
        }
        _ => ("", ""),
    }
}

/// Notes something that people should look at. What is noted already, word for word, is not noted twice.
pub async fn note(tx: &mut Tx, kind: &str, detail: String, event: Option<(i64, i64)>) -> Result<(), Error> {
    let open = || {
        let of_kind = conflicts::table.filter(conflicts::kind.eq(kind)).filter(conflicts::detail.eq(&detail));
        of_kind.filter(conflicts::dismissed_at.is_null()).select(conflicts::id)
    };
    let known: Option<Id> = match event {
        None => on!(tx, conn => open().first(conn).await.optional())?,
        Some((stream, seq)) => on!(tx, conn => open()
            .filter(conflicts::stream.eq(stream))
            .filter(conflicts::seq.eq(seq))
            .first(conn)
            .await
            .optional())?,
    };
    if let Some(known) = known {
        let now = Time(tx.clock.wall());
        on!(tx, conn => diesel::update(conflicts::table.find(known))
            .set(conflicts::noticed_at.eq(now))
            .cached()
            .execute(conn)
            .await)?;
        return Ok(());
    }
    tracing::warn!(conflict.kind = kind, detail, "something to look at");
    insert(tx, kind, detail, event).await.map(drop)
}

async fn insert(tx: &mut Tx, kind: &str, detail: String, event: Option<(i64, i64)>) -> Result<Id, Error> {
    let conflict = Conflict {
        id: Id(Uuid::now_v7()),
        kind: kind.to_owned(),
        detail,
        noticed_at: Time(tx.clock.wall()),
        stream: event.map(|(stream, _)| stream),
        seq: event.map(|(_, seq)| seq),
        dismissed_by: None,
        dismissed_at: None,
    };
    on!(tx, conn => diesel::insert_into(conflicts::table).values(&conflict).cached().execute(conn).await)?;
    let count: i64 = on!(tx, conn => conflicts::table.count().get_result(conn).await)?;
    if count > KEEP {
        drop_oldest(tx).await?;
    }
    Ok(conflict.id)
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

/// One entry.
pub async fn find(tx: &mut Tx, id: Uuid) -> Result<Option<Conflict>, Error> {
    Ok(on!(tx, conn => conflicts::table
        .find(Id(id))
        .select(Conflict::as_select())
        .first(conn)
        .await
        .optional())?)
}

/// Marks an entry as looked at. Whoever did so first stays.
pub async fn dismiss(tx: &mut Tx, id: Uuid, by: &str) -> Result<(), Error> {
    let (at, by) = (Time(tx.clock.wall()), by.to_owned());
    on!(tx, conn => diesel::update(conflicts::table.find(Id(id)).filter(conflicts::dismissed_at.is_null()))
        .set((conflicts::dismissed_by.eq(by), conflicts::dismissed_at.eq(at)))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Marks an event in quarantine as looked at.
pub async fn dismiss_event(tx: &mut Tx, (stream, seq): (i64, i64), reason: String, by: &str) -> Result<(), Error> {
    let known: Option<Id> = on!(tx, conn => conflicts::table
        .filter(conflicts::kind.eq(QUARANTINED))
        .filter(conflicts::stream.eq(stream))
        .filter(conflicts::seq.eq(seq))
        .select(conflicts::id)
        .first(conn)
        .await
        .optional())?;
    let id = match known {
        Some(id) => id,
        None => insert(tx, QUARANTINED, reason, Some((stream, seq))).await?,
    };
    dismiss(tx, id.0, by).await
}
