//! The live events, those that some field of a row still comes from: they make up the state. Here they are listed by
//! position and hash, so that two nodes can find out which one of them has lost, without sending what both have.

use std::collections::HashMap;

use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, SelectableHelper as _};
use diesel_async::RunQueryDsl as _;
use sha2::{Digest as _, Sha256};

use super::{
    Hash, State,
    entries::{Bytes3, READ_MAX},
    streams,
};
use crate::{
    clock::Hlc,
    on,
    storage::{Error, Tx, schema::events},
};

/// Positions named in one statement.
const AT_ONCE: usize = 500;

/// A live event by position and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// Position in its stream.
    pub seq: u64,
    /// SHA-256 over header, signature and body.
    pub hash: Hash,
}

/// What the live events of a stream come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// How many there are.
    pub count: u64,
    /// SHA-256 over their positions and hashes, in order.
    pub hash: Hash,
}

/// The live events of a stream after `seq`, in order, at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn list(tx: &mut Tx, stream: i64, after: u64, limit: usize) -> Result<Vec<Live>, Error> {
    let (mut all, mut last) = (Vec::new(), (stream, after.cast_signed()));
    while all.len() < limit {
        let page = page(tx, last, Some(stream)).await?;
        let Some((_, seq, _)) = page.last() else { break };
        last.1 = *seq;
        all.extend(page.iter().map(|(_, seq, bytes)| Live { seq: seq.cast_unsigned(), hash: hash(bytes) }));
    }
    all.truncate(limit);
    Ok(all)
}

/// What the live events of all streams come to, by the streams' numbers; streams without any are left out.
///
/// # Errors
/// The database failed.
pub async fn sums(tx: &mut Tx) -> Result<Vec<(i64, Sum)>, Error> {
    let mut sums: Vec<(i64, u64, Sha256)> = Vec::new();
    let mut last = (i64::MIN, i64::MIN);
    loop {
        let page = page(tx, last, None).await?;
        let Some((stream, seq, _)) = page.last() else { break };
        last = (*stream, *seq);
        for (stream, seq, bytes) in &page {
            if sums.last().is_none_or(|(last, ..)| last != stream) {
                sums.push((*stream, 0, Sha256::new()));
            }
            if let Some((_, count, hasher)) = sums.last_mut() {
                *count += 1;
                hasher.update(seq.to_be_bytes());
                hasher.update(hash(bytes));
            }
        }
    }
    Ok(sums
        .into_iter()
        .map(|(stream, count, hasher)| (stream, Sum { count, hash: hasher.finalize().into() }))
        .collect())
}

/// Live events after a position, in order of stream and seq, at most [`READ_MAX`].
async fn page(tx: &mut Tx, after: (i64, i64), of: Option<i64>) -> Result<Vec<(i64, i64, Bytes3)>, Error> {
    let (stream, seq) = after;
    let until = of.unwrap_or(i64::MAX);
    Ok(on!(tx, conn => events::table
        .filter(events::stream.ge(stream))
        .filter(events::stream.le(until))
        .filter(events::stream.gt(stream).or(events::seq.gt(seq)))
        .filter(events::live.gt(0))
        .order((events::stream, events::seq))
        .limit(READ_MAX)
        .select((events::stream, events::seq, Bytes3::as_select()))
        .load(conn)
        .await)?)
}

fn hash(event: &Bytes3) -> Hash {
    let mut hasher = Sha256::new();
    for part in [&event.header, &event.signature, &event.body] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Whether an event is stored, what became of it, and whether it is live.
///
/// # Errors
/// The database failed.
pub async fn standing(tx: &mut Tx, stream: i64, seq: i64) -> Result<Option<(State, i32)>, Error> {
    use diesel::OptionalExtension as _;
    let row: Option<(i16, i32)> = on!(tx, conn => events::table
        .find((stream, seq))
        .select((events::state, events::live))
        .first(conn)
        .await
        .optional())?;
    Ok(row.map(|(state, live)| (State::from_sql(state), live)))
}

/// Times of the events around a position, the nearest before and after it: a later event is not older.
///
/// # Errors
/// The database failed.
pub async fn neighbours(tx: &mut Tx, stream: i64, seq: i64) -> Result<(Option<i64>, Option<i64>), Error> {
    use diesel::OptionalExtension as _;
    let valid = || events::table.filter(events::stream.eq(stream)).filter(events::state.ne(State::Void as i16));
    let before = on!(tx, conn => valid()
        .filter(events::seq.lt(seq))
        .order(events::seq.desc())
        .select(events::hlc)
        .first(conn)
        .await
        .optional())?;
    let after = on!(tx, conn => valid()
        .filter(events::seq.gt(seq))
        .order(events::seq)
        .select(events::hlc)
        .first(conn)
        .await
        .optional())?;
    Ok((before, after))
}

/// Sets how many fields come from an event.
///
/// # Errors
/// The database failed.
pub async fn count(tx: &mut Tx, stream: i64, seq: i64, live: i32) -> Result<(), Error> {
    on!(tx, conn => diesel::update(events::table.find((stream, seq)))
        .set(events::live.eq(live))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Has events count as live no more, where they were made before a time. Returns how many did.
///
/// # Errors
/// The database failed.
pub async fn end(tx: &mut Tx, stream: i64, seqs: Vec<i64>, before: Hlc) -> Result<usize, Error> {
    let ended = on!(tx, conn => diesel::update(
            events::table
                .filter(events::stream.eq(stream))
                .filter(events::seq.eq_any(&seqs))
                .filter(events::hlc.lt(before.to_sql()))
                .filter(events::live.gt(0)),
        )
        .set(events::live.eq(0))
        .execute(conn)
        .await)?;
    drop_dead(tx, stream, &seqs).await?;
    tx.signals.journal |= ended > 0;
    Ok(ended)
}

/// Takes from events, by stream and seq, so many fields that came from them. Those that none is left of go, where only
/// live ones are kept.
///
/// # Errors
/// The database failed.
pub async fn take(tx: &mut Tx, fields: HashMap<(i64, i64), i32>) -> Result<(), Error> {
    let mut alike: HashMap<(i64, i32), Vec<i64>> = HashMap::new();
    for ((stream, seq), fields) in fields {
        alike.entry((stream, fields)).or_default().push(seq);
    }
    for ((stream, fields), seqs) in alike {
        for seqs in seqs.chunks(AT_ONCE) {
            on!(tx, conn => diesel::update(
                    events::table.filter(events::stream.eq(stream)).filter(events::seq.eq_any(seqs)),
                )
                .set(events::live.eq(events::live - fields))
                .execute(conn)
                .await)?;
            drop_dead(tx, stream, seqs).await?;
        }
    }
    Ok(())
}

/// Drops those of some events that lie below the floor of their stream and are not live: compaction, which passed there
/// before, does not come again until the floor rises.
async fn drop_dead(tx: &mut Tx, stream: i64, seqs: &[i64]) -> Result<(), Error> {
    let floor = streams::floor(tx, stream).await?.cast_signed();
    on!(tx, conn => diesel::delete(
            events::table
                .filter(events::stream.eq(stream))
                .filter(events::seq.eq_any(seqs))
                .filter(events::seq.lt(floor))
                .filter(events::live.eq(0))
                .filter(events::state.eq(State::Applied as i16)),
        )
        .execute(conn)
        .await)?;
    Ok(())
}

/// Drops a stored event whose bytes are damaged, to put the whole one in its place.
///
/// # Errors
/// The database failed.
pub async fn discard(tx: &mut Tx, stream: i64, seq: i64) -> Result<(), Error> {
    on!(tx, conn => diesel::delete(events::table.find((stream, seq))).execute(conn).await)?;
    Ok(())
}

/// A stored event with its number of fields.
pub struct Stored {
    /// The stream's number.
    pub stream: i64,
    /// Position in it.
    pub seq: i64,
    /// The event.
    pub event: codepop_proto::journal::SignedEvent,
}

/// Live events after a position, in order of stream and seq, at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn after(tx: &mut Tx, after: (i64, i64), limit: usize) -> Result<Vec<Stored>, Error> {
    let mut page = page(tx, after, None).await?;
    page.truncate(limit);
    Ok(page.into_iter().map(|(stream, seq, bytes)| Stored { stream, seq, event: bytes.into() }).collect())
}

/// All live events, by stream and seq.
///
/// # Errors
/// The database failed.
pub async fn all(tx: &mut Tx) -> Result<std::collections::BTreeSet<(i64, i64)>, Error> {
    let live: Vec<(i64, i64)> = on!(tx, conn => events::table
        .filter(events::live.gt(0))
        .select((events::stream, events::seq))
        .load(conn)
        .await)?;
    Ok(live.into_iter().collect())
}

/// Which events wait in quarantine, by stream and seq.
///
/// # Errors
/// The database failed.
pub async fn withheld(tx: &mut Tx) -> Result<Vec<(i64, i64)>, Error> {
    Ok(on!(tx, conn => events::table
        .filter(events::state.eq(State::Quarantined as i16))
        .order((events::stream, events::seq))
        .select((events::stream, events::seq))
        .load(conn)
        .await)?)
}
