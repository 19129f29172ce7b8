//! Keeps the journal small: what was superseded goes once it is old enough, or once there is too much of it. Live events
//! and what waits in quarantine stay for ever, so the journal is as large as the live state and the window kept, not as
//! the history. A peer that is further behind than the window gets the live events alone.

use std::time::Duration;

use diesel::{BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use super::{State, Stream, streams};
use crate::{
    clock::Hlc,
    on,
    storage::{Db, Error, Tx, schema::events},
};

/// Positions of a stream that one transaction goes over, so that other writers get their turn.
const STEP: u64 = 2_000;

/// How often the window is halved at the most, when there are too many bytes in it: a month becomes a day, whatever one
/// origin says.
const HALVINGS_MAX: u32 = 5;

/// How much of what was superseded is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Not longer than this.
    pub age: Duration,
    /// Not more than so many bytes of headers, signatures and bodies.
    pub bytes: u64,
}

/// Drops what need not be kept. Returns how many events went.
///
/// # Errors
/// The database failed; what was dropped before stays so.
pub async fn compact(db: &Db, keep: Keep) -> Result<u64, Error> {
    let age = window(db, keep).await?;
    let oldest = Hlc::at(db.clock().wall() - chrono::TimeDelta::from_std(age).unwrap_or(chrono::TimeDelta::MAX));
    let mut dropped = 0;
    for stream in db.read(|tx| Box::pin(streams::all(tx))).await? {
        let floor = db.read(move |tx| Box::pin(floor_for(tx, stream.clone(), oldest))).await?;
        if let Some((stream, until)) = floor {
            dropped += raise(db, stream, until).await?;
        }
    }
    Ok(dropped)
}

/// The age that is kept: as told, or less when there would be too many bytes.
async fn window(db: &Db, keep: Keep) -> Result<Duration, Error> {
    let mut age = keep.age;
    for _ in 0..HALVINGS_MAX {
        let since = Hlc::at(db.clock().wall() - chrono::TimeDelta::from_std(age).unwrap_or(chrono::TimeDelta::MAX));
        if db.read(move |tx| Box::pin(superseded_bytes(tx, since))).await? <= keep.bytes {
            break;
        }
        age /= 2;
    }
    Ok(age)
}

/// Bytes of the events since a time that are not live.
async fn superseded_bytes(tx: &mut Tx, since: Hlc) -> Result<u64, Error> {
    use diesel::{
        dsl::sql,
        sql_types::{BigInt, Nullable},
    };
    let bytes: Option<i64> = on!(tx, conn => events::table
        .filter(events::live.eq(0))
        .filter(events::hlc.ge(since.to_sql()))
        .select(sql::<Nullable<BigInt>>("CAST(SUM(LENGTH(header) + LENGTH(signature) + LENGTH(body)) AS BIGINT)"))
        .first(conn)
        .await)?;
    Ok(bytes.unwrap_or(0).max(0).cast_unsigned())
}

/// How far the floor of a stream may rise: to the last event before `oldest`. `None` when it stays.
async fn floor_for(tx: &mut Tx, stream: Stream, oldest: Hlc) -> Result<Option<(Stream, u64)>, Error> {
    let kept: Option<i64> = on!(tx, conn => events::table
        .filter(events::stream.eq(stream.id))
        .filter(events::seq.gt(stream.floor.cast_signed()))
        .filter(events::hlc.ge(oldest.to_sql()))
        .select(diesel::dsl::min(events::seq))
        .first(conn)
        .await)?;
    let until = kept.map_or(stream.head, |seq| seq.cast_unsigned() - 1);
    Ok((until > stream.floor).then_some((stream, until)))
}

/// Raises the floor step by step. The event at the floor itself stays: its header vouches for what follows it.
async fn raise(db: &Db, stream: Stream, until: u64) -> Result<u64, Error> {
    let (id, mut floor, mut dropped) = (stream.id, stream.floor, 0);
    while floor < until {
        let next = until.min(floor + STEP);
        dropped += db
            .receive(move |tx| {
                Box::pin(async move {
                    streams::raise_floor(tx, id, next).await?;
                    drop_superseded(tx, id, next).await
                })
            })
            .await?;
        floor = next;
    }
    Ok(dropped)
}

async fn drop_superseded(tx: &mut Tx, stream: i64, below: u64) -> Result<u64, Error> {
    let dropped = on!(tx, conn => diesel::delete(
            events::table.filter(
                events::stream
                    .eq(stream)
                    .and(events::seq.lt(below.cast_signed()))
                    .and(events::live.eq(0))
                    .and(events::state.ne(State::Quarantined as i16)),
            ),
        )
        .execute(conn)
        .await)?;
    Ok(dropped as u64)
}

#[cfg(test)]
mod tests {
    use codepop_proto::catalog::{Recipe, UserDrinkSaved};

    use super::*;
    use crate::{
        journal::{Audience, emit, entries},
        on_both,
        testing::Node,
    };

    const NOTHING: Keep = Keep { age: Duration::ZERO, bytes: u64::MAX };

    async fn save(node: &Node, drink: i64) {
        let (name, sodas) = ("Old Main".into(), vec!["Dr. Pepper".into()]);
        let recipe = Some(Recipe {
            drink,
            name,
            sodas,
            size: "24oz".into(),
            ice: "none".into(),
            user_created: true,
            ..Recipe::default()
        });
        let message = UserDrinkSaved { recipe, ..UserDrinkSaved::default() };
        let region = Audience::Region("C".into());
        node.db.write(move |tx| Box::pin(async move { emit(tx, &region, &message).await })).await.unwrap();
    }

    /// Seqs of the one stream, and its floor.
    async fn kept(node: &Node) -> (Vec<u64>, u64) {
        let read = node.db.read(|tx| {
            Box::pin(async move {
                let events = entries::between(tx, 1, 0, 1_000_000).await?;
                Ok::<_, Error>((events.into_iter().map(|(seq, _)| seq).collect(), streams::floor(tx, 1).await?))
            })
        });
        read.await.unwrap()
    }

    on_both!(what_was_superseded_goes_and_the_rest_stays, async |node: Node| {
        for drink in [101_000, 201_000, 101_000, 101_000] {
            save(&node, drink).await;
        }
        let old = Keep { age: Duration::from_secs(3_600), ..NOTHING };
        assert_eq!(compact(&node.db, old).await.unwrap(), 0);
        assert_eq!(kept(&node).await, (vec![1, 2, 3, 4], 0));
        assert_eq!(compact(&node.db, NOTHING).await.unwrap(), 2);
        assert_eq!(kept(&node).await, (vec![2, 4], 4));
        // What was live and is no longer goes with a later run; the floor's own event stays.
        save(&node, 201_000).await;
        save(&node, 101_000).await;
        assert_eq!(compact(&node.db, NOTHING).await.unwrap(), 2);
        assert_eq!(kept(&node).await, (vec![5, 6], 6));
        assert_eq!(compact(&node.db, NOTHING).await.unwrap(), 0);
    });

    on_both!(too_many_bytes_shorten_the_window, async |node: Node| {
        for _ in 0..10 {
            save(&node, 101_000).await;
        }
        let month = Duration::from_secs(32 * 24 * 3_600);
        let keep = Keep { age: month, bytes: 1_000_000 };
        assert_eq!(window(&node.db, keep).await.unwrap(), month);
        // But never below a day: nobody shortens the memory of others at will.
        assert_eq!(window(&node.db, Keep { bytes: 1, ..keep }).await.unwrap(), month / 32);
    });
}
