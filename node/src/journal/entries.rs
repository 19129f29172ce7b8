//! The rows of the journal: stored events, by stream and seq.

use bytes::Bytes;
use codepop_proto::journal::SignedEvent;
use diesel::{
    ExpressionMethods as _, Insertable, JoinOnDsl as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _, TextExpressionMethods as _,
};
use diesel_async::RunQueryDsl as _;

use super::{Event, Stamp, Stream};
use crate::{
    clock::Hlc,
    on,
    storage::{
        Error, Tx,
        schema::events,
        types::{Id, Time},
    },
};

/// Events that one query reads at the most.
pub const READ_MAX: i64 = 500;

/// What became of an accepted event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Merged into the rows.
    Applied = 0,
    /// Not applicable yet; blocks nothing and is tried again.
    Quarantined = 1,
    /// Authentic, but its origin may not say it: kept so that the stream goes on, never applied.
    Void = 2,
}

impl State {
    /// The word in status and conflict lists.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Quarantined => "quarantined",
            Self::Void => "void",
        }
    }

    pub(super) fn from_sql(stored: i16) -> Self {
        match stored {
            0 => Self::Applied,
            1 => Self::Quarantined,
            _ => Self::Void,
        }
    }
}

/// What became of an event and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What became of it.
    pub state: State,
    /// Why it is not applied.
    pub reason: Option<String>,
    /// How many fields it holds.
    pub live: i32,
    /// Whether the body is dropped, because the user whom it is about is deleted.
    pub erase: bool,
}

impl Outcome {
    /// Merged into the rows; holds so many fields.
    pub const fn applied(live: i32) -> Self {
        Self { state: State::Applied, reason: None, live, erase: false }
    }

    /// About a deleted user: kept for the chain of headers, without its body.
    pub const fn erased() -> Self {
        Self { state: State::Applied, reason: None, live: 0, erase: true }
    }

    /// As it is, but without the body: for what is withheld about a deleted user.
    #[must_use]
    pub fn without_body(mut self) -> Self {
        self.erase = true;
        self
    }

    /// Not applied.
    pub fn withheld(state: State, reason: impl Into<String>) -> Self {
        Self { state, reason: Some(reason.into()), live: 0, erase: false }
    }
}

#[derive(Insertable)]
#[diesel(table_name = events)]
struct New<'a> {
    stream: i64,
    seq: i64,
    hlc: i64,
    kind: &'a str,
    subject: i64,
    header: &'a [u8],
    signature: &'a [u8],
    body: &'a [u8],
    state: i16,
    reason: Option<&'a str>,
    live: i32,
    received_at: Time,
}

/// Stores an event with what became of it.
pub async fn insert(tx: &mut Tx, stream: i64, event: &Event, outcome: &Outcome) -> Result<(), Error> {
    let new = New {
        stream,
        seq: event.header.seq.cast_signed(),
        hlc: event.header.hlc.to_sql(),
        kind: &event.header.kind,
        subject: event.header.subject,
        header: &event.header_bytes,
        signature: &event.signature,
        body: if outcome.erase { &[] } else { &event.body },
        state: outcome.state as i16,
        reason: outcome.reason.as_deref(),
        live: outcome.live,
        received_at: Time(tx.clock.wall()),
    };
    on!(tx, conn => diesel::insert_into(events::table).values(&new).cached().execute(conn).await)?;
    Ok(())
}

/// Changes what became of a stored event.
pub async fn settle(tx: &mut Tx, stream: i64, seq: i64, outcome: &Outcome) -> Result<(), Error> {
    on!(tx, conn => diesel::update(events::table.find((stream, seq)))
        .set((
            events::state.eq(outcome.state as i16),
            events::reason.eq(outcome.reason.as_deref()),
            events::live.eq(outcome.live),
        ))
        .cached()
        .execute(conn)
        .await)?;
    if outcome.erase {
        on!(tx, conn => diesel::update(events::table.find((stream, seq)))
            .set(events::body.eq(Vec::<u8>::new()))
            .cached()
            .execute(conn)
            .await)?;
        tx.signals.erased = true;
    }
    Ok(())
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = events)]
pub(super) struct Bytes3 {
    pub(super) header: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) body: Vec<u8>,
}

impl From<Bytes3> for SignedEvent {
    fn from(row: Bytes3) -> Self {
        Self { header: row.header.into(), signature: row.signature.into(), body: Bytes::from(row.body) }
    }
}

/// Events of a stream after `seq`, in order, at most [`READ_MAX`] of them: without gaps above the stream's floor.
pub async fn after(tx: &mut Tx, stream: i64, seq: u64) -> Result<Vec<SignedEvent>, Error> {
    Ok(between(tx, stream, seq, i64::MAX.cast_unsigned()).await?.into_iter().map(|(_, event)| event).collect())
}

/// Events of a stream after one seq up to another, each with its seq, in order, at most [`READ_MAX`] of them.
pub async fn between(tx: &mut Tx, stream: i64, after: u64, until: u64) -> Result<Vec<(u64, SignedEvent)>, Error> {
    let rows: Vec<(i64, Bytes3)> = on!(tx, conn => events::table
        .filter(events::stream.eq(stream))
        .filter(events::seq.gt(after.cast_signed()))
        .filter(events::seq.le(until.cast_signed()))
        .order(events::seq)
        .limit(READ_MAX)
        .select((events::seq, Bytes3::as_select()))
        .load(conn)
        .await)?;
    Ok(rows.into_iter().map(|(seq, row)| (seq.cast_unsigned(), row.into())).collect())
}

/// When the last event of a stream was made that is not void: what is void says nothing about time either.
pub async fn latest_valid(tx: &mut Tx, stream: i64) -> Result<Option<Hlc>, Error> {
    let stored: Option<i64> = on!(tx, conn => events::table
        .filter(events::stream.eq(stream))
        .filter(events::state.ne(State::Void as i16))
        .order(events::seq.desc())
        .select(events::hlc)
        .first(conn)
        .await
        .optional())?;
    Ok(stored.map(Hlc::from_sql))
}

/// One event of a stream.
pub async fn get(tx: &mut Tx, stream: i64, seq: i64) -> Result<Option<SignedEvent>, Error> {
    let row: Option<Bytes3> = on!(tx, conn => events::table
        .find((stream, seq))
        .select(Bytes3::as_select())
        .first(conn)
        .await
        .optional())?;
    Ok(row.map(SignedEvent::from))
}

/// Live events about a user, what makes up the account, at most [`READ_MAX`] of them: those of the kind `last`, of which
/// there may be any number, only where there is room left, the newest first.
pub async fn live_about(tx: &mut Tx, subject: i64, last: &str) -> Result<Vec<SignedEvent>, Error> {
    let mut rows: Vec<Bytes3> = on!(tx, conn => events::table
        .filter(events::subject.eq(subject))
        .filter(events::live.gt(0))
        .filter(events::kind.ne(last))
        .order((events::hlc, events::stream, events::seq))
        .limit(READ_MAX)
        .select(Bytes3::as_select())
        .load(conn)
        .await)?;
    let room = READ_MAX - i64::try_from(rows.len()).unwrap_or(READ_MAX);
    let more: Vec<Bytes3> = on!(tx, conn => events::table
        .filter(events::subject.eq(subject))
        .filter(events::live.gt(0))
        .filter(events::kind.eq(last))
        .order((events::hlc.desc(), events::stream, events::seq))
        .limit(room)
        .select(Bytes3::as_select())
        .load(conn)
        .await)?;
    rows.extend(more);
    Ok(rows.into_iter().map(SignedEvent::from).collect())
}

/// Live events of one kind about a user, the earliest first, at most [`READ_MAX`] of them.
pub async fn live_of_kind(tx: &mut Tx, subject: i64, kind: &str) -> Result<Vec<SignedEvent>, Error> {
    let rows: Vec<Bytes3> = on!(tx, conn => events::table
        .filter(events::subject.eq(subject))
        .filter(events::live.gt(0))
        .filter(events::kind.eq(kind))
        .order((events::hlc, events::stream, events::seq))
        .limit(READ_MAX)
        .select(Bytes3::as_select())
        .load(conn)
        .await)?;
    Ok(rows.into_iter().map(SignedEvent::from).collect())
}

/// An event that is not applied: where it stands, and what it says.
pub struct Withheld {
    /// Where it stands.
    pub stamp: Stamp,
    /// The event.
    pub event: SignedEvent,
    /// Why it is not applied.
    pub reason: Option<String>,
}

/// Quarantined events in order of time, all or those of one reason, at most [`READ_MAX`]; those after `after`.
pub async fn quarantined(tx: &mut Tx, reason: Option<&str>, after: Option<Stamp>) -> Result<Vec<Withheld>, Error> {
    use diesel::BoolExpressionMethods as _;
    let (hlc, stream, seq) =
        after.map_or((i64::MIN, i64::MIN, i64::MIN), |after| (after.hlc.to_sql(), after.stream, after.seq));
    use crate::storage::schema::streams;
    let rows: Vec<(i64, i64, i64, Id, Option<String>, Bytes3)> = on!(tx, conn => events::table
        .inner_join(streams::table.on(streams::id.eq(events::stream)))
        .filter(events::state.eq(State::Quarantined as i16))
        .filter(events::reason.like(reason.unwrap_or("%").to_owned()))
        .filter(
            events::hlc.gt(hlc).or(events::hlc
                .eq(hlc)
                .and(events::stream.gt(stream).or(events::stream.eq(stream).and(events::seq.gt(seq))))),
        )
        .order((events::hlc, events::stream, events::seq))
        .limit(READ_MAX)
        .select((events::stream, events::seq, events::hlc, streams::origin, events::reason, Bytes3::as_select()))
        .load(conn)
        .await)?;
    Ok(rows
        .into_iter()
        .map(|(stream, seq, hlc, origin, reason, bytes)| Withheld {
            stamp: Stamp { hlc: Hlc::from_sql(hlc), origin: origin.0, stream, seq },
            event: bytes.into(),
            reason,
        })
        .collect())
}

/// Why an event waits in quarantine; `None` when it does not.
pub async fn reason(tx: &mut Tx, stream: i64, seq: i64) -> Result<Option<String>, Error> {
    let row: Option<Option<String>> = on!(tx, conn => events::table
        .find((stream, seq))
        .filter(events::state.eq(State::Quarantined as i16))
        .select(events::reason)
        .first(conn)
        .await
        .optional())?;
    Ok(row.map(Option::unwrap_or_default))
}

/// Empties the bodies of all events about a user, but for the kinds that say nothing personal. The emptied hold no field
/// any more.
pub async fn erase_about(tx: &mut Tx, subject: i64, but: &[&str]) -> Result<(), Error> {
    use diesel::BoolExpressionMethods as _;
    on!(tx, conn => diesel::update(
            events::table
                .filter(events::subject.eq(subject))
                .filter(events::kind.ne_all(but.iter().copied()))
                // What came without a body, before it was known why, waits no longer.
                .filter(events::body.ne(Vec::<u8>::new()).or(events::state.eq(State::Quarantined as i16))),
        )
        .set((
            events::body.eq(Vec::<u8>::new()),
            events::state.eq(State::Applied as i16),
            events::reason.eq(None::<String>),
            events::live.eq(0),
        ))
        .cached()
        .execute(conn)
        .await)?;
    tx.signals.erased = true;
    Ok(())
}

/// Makes events of some kinds about a user history: no field comes from them any more.
pub async fn supersede_about(tx: &mut Tx, subject: i64, kinds: &[&str]) -> Result<(), Error> {
    on!(tx, conn => diesel::update(
            events::table
                .filter(events::subject.eq(subject))
                .filter(events::kind.eq_any(kinds.iter().copied()))
                .filter(events::live.ne(0)),
        )
        .set(events::live.eq(0))
        .execute(conn)
        .await)?;
    Ok(())
}

/// One event without its content.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The stream's number in this database.
    pub stream: i64,
    /// Position in the stream.
    pub seq: u64,
    /// Kind of the event.
    pub kind: String,
    /// What became of it.
    pub state: State,
    /// Why it is not applied.
    pub reason: Option<String>,
    /// When its origin made it.
    pub hlc: Hlc,
}

/// The newest events, newest first.
pub async fn newest(tx: &mut Tx, limit: i64) -> Result<Vec<Summary>, Error> {
    let rows: Vec<(i64, i64, String, i16, Option<String>, i64)> = on!(tx, conn => events::table
        .order((events::received_at.desc(), events::hlc.desc()))
        .limit(limit)
        .select((events::stream, events::seq, events::kind, events::state, events::reason, events::hlc))
        .load(conn)
        .await)?;
    Ok(rows.into_iter().map(summary).collect())
}

/// Events that are void or quarantined, newest first.
pub async fn withheld(tx: &mut Tx, limit: i64) -> Result<Vec<Summary>, Error> {
    let rows: Vec<(i64, i64, String, i16, Option<String>, i64)> = on!(tx, conn => events::table
        .filter(events::state.ne(State::Applied as i16))
        .order(events::hlc.desc())
        .limit(limit)
        .select((events::stream, events::seq, events::kind, events::state, events::reason, events::hlc))
        .load(conn)
        .await)?;
    Ok(rows.into_iter().map(summary).collect())
}

fn summary((stream, seq, kind, state, reason, hlc): (i64, i64, String, i16, Option<String>, i64)) -> Summary {
    Summary { stream, seq: seq.cast_unsigned(), kind, state: State::from_sql(state), reason, hlc: Hlc::from_sql(hlc) }
}

/// How many events are stored, and how many of them quarantined and void.
pub async fn counts(tx: &mut Tx) -> Result<(i64, i64, i64), Error> {
    let by_state = |state: State| events::table.filter(events::state.eq(state as i16)).count();
    let all: i64 = on!(tx, conn => events::table.count().get_result(conn).await)?;
    let quarantined: i64 = on!(tx, conn => by_state(State::Quarantined).get_result(conn).await)?;
    let void: i64 = on!(tx, conn => by_state(State::Void).get_result(conn).await)?;
    Ok((all, quarantined, void))
}

/// The latest hybrid logical time in the journal, so that a restarted node goes on after it.
pub async fn latest_hlc(tx: &mut Tx, own: &[Stream]) -> Result<Option<Hlc>, Error> {
    let ids: Vec<i64> = own.iter().map(|stream| stream.id).collect();
    let latest: Option<i64> = on!(tx, conn => events::table
        .filter(events::stream.eq_any(ids.clone()))
        .select(diesel::dsl::max(events::hlc))
        .first(conn)
        .await)?;
    Ok(latest.map(Hlc::from_sql))
}
