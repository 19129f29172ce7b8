//! What tests of all nouns share: the law of merging (the same events in any order, some of them twice, give the same
//! rows), and callers.

use std::fmt::Debug;

use codepop_shared::identity::{Kind, SpiffeId};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures::future::BoxFuture;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    auth::{Actor, Grant, User},
    clock::Hlc,
    journal::{Error, Hash, Stamp},
    on,
    storage::{self, Tx, schema::events, types::Time},
    testing::Node,
};

/// What a digest function gives.
pub(crate) type Digested = Result<(Hash, u64), storage::Error>;

/// The events of a noun.
pub(crate) trait Said: Clone + Debug + Send + Sync + 'static {
    /// Merges it into the rows.
    fn apply<'a>(&'a self, tx: &'a mut Tx, stamp: &'a Stamp) -> BoxFuture<'a, Result<i32, Error>>;

    /// Digest and number of the noun's rows.
    fn digest(tx: &mut Tx) -> BoxFuture<'_, Digested>;
}

/// Finishes what a digest function feeds.
pub(crate) async fn digested(feed: impl AsyncFnOnce(&mut Sha256) -> Result<u64, storage::Error>) -> Digested {
    let mut hasher = Sha256::new();
    let rows = feed(&mut hasher).await?;
    Ok((hasher.finalize().into(), rows))
}

/// Rows that events leave, and which of the events are live then: both must not depend on the order.
type After = (Hash, u64, Vec<(i64, i64)>);

/// The way out of a transaction that is to be undone.
enum Undone {
    After(After),
    Failed(Error),
}

impl From<storage::Error> for Undone {
    fn from(error: storage::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Keeps of an event what counts how many fields come from it.
async fn keep(tx: &mut Tx, stamp: &Stamp, live: i32) -> Result<(), storage::Error> {
    let row = (
        (events::stream.eq(stamp.stream), events::seq.eq(stamp.seq), events::hlc.eq(stamp.hlc.to_sql())),
        (events::kind.eq("law"), events::subject.eq(0_i64), events::state.eq(0_i16), events::live.eq(live)),
        (events::header.eq(Vec::new()), events::signature.eq(Vec::new()), events::body.eq(Vec::new())),
        events::received_at.eq(Time(tx.clock.wall())),
    );
    on!(tx, conn => diesel::insert_into(events::table)
        .values(row)
        .on_conflict((events::stream, events::seq))
        .do_update()
        .set(events::live.eq(live))
        .execute(conn)
        .await)?;
    Ok(())
}

async fn live(tx: &mut Tx) -> Result<Vec<(i64, i64)>, storage::Error> {
    Ok(on!(tx, conn => events::table
        .filter(events::live.gt(0))
        .order((events::stream, events::seq))
        .select((events::stream, events::seq))
        .load(conn)
        .await)?)
}

/// What these events leave; it is gone afterwards.
async fn rows_after<E: Said>(node: &Node, events: Vec<(Stamp, E)>) -> After {
    let undone: Result<(), Undone> = node
        .db
        .write(move |tx| {
            Box::pin(async move {
                for (stamp, event) in &events {
                    let live = event.apply(tx, stamp).await.map_err(Undone::Failed)?;
                    keep(tx, stamp, live).await?;
                }
                let (digest, rows) = E::digest(tx).await?;
                Err(Undone::After((digest, rows, live(tx).await?)))
            })
        })
        .await;
    match undone {
        Err(Undone::After(after)) => after,
        Err(Undone::Failed(error)) => panic!("{error}"),
        Ok(()) => unreachable!("the transaction always ends in an error"),
    }
}

/// A caller: a gateway that speaks for a user with these roles, or for a guest.
pub(crate) fn actor(user: Option<i64>, grants: Vec<Grant>) -> Actor {
    let user = user.map(|number| User { number, session: Uuid::nil(), expires_at_us: 0, grants });
    let caller =
        SpiffeId { chain: "test".into(), kind: Kind::Gateway, region: "-".into(), number: 0, uuid: Uuid::nil() };
    let client = [127, 0, 0, 1].into();
    let here = SpiffeId { kind: Kind::Store, region: "C".into(), number: 1_000, ..caller.clone() }.into();
    Actor { caller, user, guest: None, client, rpc: "test", here, hub_heard: true, hub_linked: true }
}

/// Checks the law for events of this kind.
pub(crate) async fn hold<E: Said>(node: &Node, event: impl Strategy<Value = E>) {
    // Few times and origins, so that stamps come close to each other and collide in part.
    let stamped = prop::collection::vec((event, 1_u64..8, 1_u128..4), 1..12).prop_map(|events| {
        let stamp = |(seq, (event, hlc, origin)): (usize, (E, u64, u128))| {
            let (stream, seq) = (origin as i64, seq as i64 + 1);
            (Stamp { hlc: Hlc(hlc), origin: Uuid::from_u128(origin), stream, seq }, event)
        };
        events.into_iter().enumerate().map(stamp).collect::<Vec<_>>()
    });
    let orders = stamped.prop_flat_map(|events| {
        let twice: Vec<_> = events.iter().chain(&events[..events.len() / 2]).cloned().collect();
        (Just(events), Just(twice).prop_shuffle())
    });
    let runtime = tokio::runtime::Handle::current();
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&orders, |(events, shuffled)| {
            let expected = runtime.block_on(rows_after(node, events));
            prop_assert!(expected.1 > 0, "events leave rows");
            prop_assert_eq!(runtime.block_on(rows_after(node, shuffled)), expected);
            Ok(())
        })
    });
    outcome.unwrap();
}

/// Checks that the same events give the same digest on both databases.
pub(crate) async fn alike_on_both<E: Said>(events: Vec<E>) {
    let stamp = |seq: usize| Stamp { hlc: Hlc(seq as u64 + 1), origin: Uuid::nil(), stream: 1, seq: seq as i64 + 1 };
    let events: Vec<_> = events.into_iter().enumerate().map(|(seq, event)| (stamp(seq), event)).collect();
    let sqlite = rows_after(&Node::sqlite().await, events.clone()).await;
    assert!(sqlite.1 > 0);
    assert_eq!(rows_after(&Node::postgres().await, events).await, sqlite);
}
