//! What was lost or damaged comes back, and nothing else comes in by this door.

use codepop_proto::catalog as pb;
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use super::*;
use crate::{
    journal::{Audience, conflicts},
    on, on_both,
    replication::{
        accept::{batch, tests::Origin},
        inspect::{Inspection, inspect},
        states::{self, AudienceState},
    },
    storage::schema::{catalog_drinks, events, favorites},
    testing::{self, Node},
};

const ADA: i64 = 101_000;

/// A node that heard a hub say a few things about favourites and the catalogue.
async fn heard(node: &Node) -> (SpiffeId, Origin, Vec<SignedEvent>) {
    let mut hub = Origin::new(testing::name(1, "C"));
    let from = hub.author.id.clone();
    let mut said = vec![hub.announce(node, "1")];
    for drink in [7, 8] {
        let recipe = Some(pb::Recipe {
            drink,
            name: "Old Main".into(),
            sodas: vec!["Sprite".into()],
            size: "24oz".into(),
            ice: "none".into(),
            ..pb::Recipe::default()
        });
        said.push(hub.say(node, &Audience::Everyone, ADA, &pb::FavoriteAdded { user: ADA, recipe }));
    }
    said.push(hub.say(node, &Audience::Everyone, ADA, &pb::FavoriteRemoved { user: ADA, drink: 8 }));
    said.push(hub.withdraw(node, 9));
    assert_eq!(batch(&node.db, &from, said.clone()).await.unwrap().new, 5);
    (from, hub, said)
}

async fn everyone(node: &Node) -> AudienceState {
    let all = node.db.read_consistent(|tx| Box::pin(states::compute(tx))).await.map_err(|e: storage::Error| e).unwrap();
    all.into_iter().find(|state| state.audience == Audience::Everyone).unwrap()
}

/// What is damaged behind the program's back.
#[derive(Clone, Copy, Debug)]
enum Damage {
    RowLost,
    RowChanged,
    EventLost(i64),
    BodyFlipped,
    HeaderFlipped,
    Uncounted,
}

async fn damage(node: &Node, what: Damage) {
    let flip = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        bytes
    };
    let done = node.db.receive(move |tx| {
        Box::pin(async move {
            let event = entries::get(tx, 1, 2).await?.unwrap();
            let (header, body) = (flip(&event.header), flip(&event.body));
            match what {
                Damage::RowLost => {
                    on!(tx, conn => diesel::delete(favorites::table.filter(favorites::drink_id.eq(7)))
                        .execute(conn)
                        .await)
                }
                Damage::RowChanged => {
                    on!(tx, conn => diesel::update(favorites::table.filter(favorites::drink_id.eq(7)))
                        .set(favorites::name.eq("New Main"))
                        .execute(conn)
                        .await)
                }
                Damage::EventLost(seq) => {
                    on!(tx, conn => diesel::delete(events::table.find((1, seq))).execute(conn).await)
                }
                Damage::BodyFlipped => {
                    on!(tx, conn => diesel::update(events::table.find((1, 2)))
                        .set(events::body.eq(body))
                        .execute(conn)
                        .await)
                }
                Damage::HeaderFlipped => {
                    on!(tx, conn => diesel::update(events::table.find((1, 2)))
                        .set(events::header.eq(header))
                        .execute(conn)
                        .await)
                }
                Damage::Uncounted => {
                    on!(tx, conn => diesel::update(events::table.find((1, 2)))
                        .set(events::live.eq(0))
                        .execute(conn)
                        .await)
                }
            }?;
            Ok::<_, storage::Error>(())
        })
    });
    done.await.unwrap();
}

async fn looked_at(node: &Node) -> Inspection {
    node.db.read_consistent(|tx| Box::pin(inspect(tx))).await.map_err(|error: storage::Error| error).unwrap()
}

on_both!(whatever_is_lost_or_damaged_is_noticed_and_comes_back, async |node: Node| {
    let (from, _, said) = heard(&node).await;
    let whole = everyone(&node).await;
    assert_eq!(looked_at(&node).await.findings, [] as [&str; 0]);
    for what in [
        Damage::RowLost,
        Damage::RowChanged,
        Damage::EventLost(2),
        Damage::EventLost(4),
        Damage::EventLost(5),
        Damage::BodyFlipped,
        Damage::HeaderFlipped,
        Damage::Uncounted,
    ] {
        damage(&node, what).await;
        let damaged = everyone(&node).await;
        assert_ne!(damaged.state, whole.state, "{what:?}");
        assert_eq!(damaged.basis, whole.basis, "{what:?}");
        // A changed word of a row only shows beside another node's.
        assert!(looked_at(&node).await.damaged > 0 || matches!(what, Damage::RowChanged), "{what:?}");
        restore(&node.db, &from, said.clone()).await.unwrap();
        merge_again(&node.db, BTreeSet::from([1]), true).await.unwrap();
        assert_eq!(everyone(&node).await, whole, "{what:?}");
        assert_eq!(looked_at(&node).await.findings, [] as [&str; 0], "{what:?}");
    }
    // With nothing wrong nothing changes, however often.
    assert_eq!(restore(&node.db, &from, said).await.unwrap(), 0);
    assert_eq!(merge_again(&node.db, BTreeSet::from([1]), true).await.unwrap(), (4, 0));
    assert_eq!(everyone(&node).await, whole);
});

on_both!(what_was_superseded_stays_so, async |node: Node| {
    let (from, _, said) = heard(&node).await;
    let whole = everyone(&node).await;
    // Of drink 8 the removal is live, not the adding.
    assert_eq!(whole.streams.iter().map(|(.., sum)| sum.count).sum::<u64>(), 4);
    damage(&node, Damage::EventLost(3)).await;
    assert_eq!(everyone(&node).await.state, whole.state);
    assert!(looked_at(&node).await.damaged > 0);
    assert_eq!(restore(&node.db, &from, said).await.unwrap(), 1);
    assert_eq!(everyone(&node).await, whole);
    assert_eq!(looked_at(&node).await.damaged, 0);
});

on_both!(only_what_was_there_comes_in_by_this_door, async |node: Node| {
    let (from, mut hub, said) = heard(&node).await;
    let whole = everyone(&node).await;
    // What is ahead comes by its stream.
    let ahead = hub.withdraw(&node, 10);
    assert_eq!(restore(&node.db, &from, vec![ahead]).await.unwrap(), 0);
    // Another event signed for the same place is a fork, whether ours is there or not.
    let forged = forked(&node, &hub, &said);
    assert_eq!(restore(&node.db, &from, vec![forged.clone()]).await.unwrap(), 0);
    let noted = node.db.read(|tx| Box::pin(conflicts::newest(tx, 10))).await.map_err(|e: storage::Error| e).unwrap();
    assert_eq!(noted.iter().map(|entry| entry.kind.as_str()).collect::<Vec<_>>(), ["fork"]);
    damage(&node, Damage::EventLost(4)).await;
    assert_eq!(restore(&node.db, &from, vec![forged]).await.unwrap(), 0);
    assert_eq!(restore(&node.db, &from, vec![said[3].clone()]).await.unwrap(), 1);
    assert_eq!(everyone(&node).await, whole);
    // Neither bodies that are missing nor signatures that do not hold.
    let mut stripped = said[3].clone();
    stripped.body = bytes::Bytes::new();
    assert!(matches!(restore(&node.db, &from, vec![stripped]).await, Err(Error::Fault(_))));
    let mut forged = said[3].clone();
    forged.signature = said[2].signature.clone();
    assert!(matches!(restore(&node.db, &from, vec![forged]).await, Err(Error::Fault(_))));
    // Nor what another region says.
    let elsewhere = hub.say(&node, &Audience::Region("D".into()), 0, &pb::DrinkWithdrawn { drink: 1 });
    assert!(matches!(restore(&node.db, &from, vec![elsewhere]).await, Err(Error::Fault(_))));
    assert_eq!(everyone(&node).await, whole);
});

/// The hub's event 4, said otherwise.
fn forked(node: &Node, hub: &Origin, said: &[SignedEvent]) -> SignedEvent {
    let before = Event::parse(said[2].clone()).unwrap();
    let draft = crate::journal::Draft {
        audience: &Audience::Everyone,
        seq: 4,
        previous: Some(before.hash()),
        hlc: node.app.clock().tick(),
        schema_version: 1,
        kind: "codepop.catalog.v1.DrinkWithdrawn",
        subject: 0,
        message: &prost::Message::encode_to_vec(&pb::DrinkWithdrawn { drink: 77 }),
    };
    Event::sign(&hub.author, draft).into_signed()
}

on_both!(below_the_floor_too, async |node: Node| {
    let (from, mut hub, mut said) = heard(&node).await;
    said.push(hub.withdraw(&node, 11));
    batch(&node.db, &from, said.clone()).await.unwrap();
    let everything = crate::journal::compact::Keep { age: std::time::Duration::ZERO, bytes: u64::MAX };
    assert_eq!(crate::journal::compact::compact(&node.db, everything).await.unwrap(), 1);
    let whole = everyone(&node).await;
    damage(&node, Damage::RowLost).await;
    damage(&node, Damage::EventLost(2)).await;
    // With the event and its row gone, only a peer can tell that there was something.
    assert_ne!(everyone(&node).await, whole);
    // The superseded adding of drink 8 does not come back.
    assert_eq!(restore(&node.db, &from, said).await.unwrap(), 1);
    assert_eq!(everyone(&node).await, whole);
    assert_eq!(looked_at(&node).await.damaged, 0);
});

on_both!(rows_that_come_from_nowhere_are_made_anew_or_dropped, async |node: Node| {
    heard(&node).await;
    let whole = everyone(&node).await;
    let stray = node.db.receive(|tx| {
        Box::pin(async move {
            // One row claims a later event that there never was, another one is about nothing that was ever said.
            let later =
                crate::journal::Stamp { hlc: tx.clock.tick(), origin: uuid::Uuid::from_u128(9), stream: 1, seq: 3 };
            let mut merge = crate::journal::Merge::new(&[], &later)?;
            merge.takes(1);
            let (clocks, _) = merge.settle(tx).await?;
            on!(tx, conn => diesel::update(favorites::table.filter(favorites::drink_id.eq(7)))
                .set((favorites::clocks.eq(clocks.clone()), favorites::name.eq("Forged")))
                .execute(conn)
                .await)?;
            on!(tx, conn => diesel::update(catalog_drinks::table)
                .set((catalog_drinks::id.eq(99_i64), catalog_drinks::clocks.eq(vec![7_u8])))
                .execute(conn)
                .await)?;
            Ok::<_, storage::Error>(())
        })
    });
    stray.await.unwrap();
    merge_again(&node.db, BTreeSet::from([1]), true).await.unwrap();
    assert_ne!(everyone(&node).await.state, whole.state);
    assert!(looked_at(&node).await.damaged > 0);
    assert_eq!(remake_strays(&node.db, BTreeSet::from([1])).await.unwrap(), Some(1));
    assert_eq!(everyone(&node).await, whole);
    assert_eq!(remake_strays(&node.db, BTreeSet::from([1])).await.unwrap(), None);
    assert_eq!(looked_at(&node).await.findings, [] as [&str; 0]);
});

on_both!(the_state_depends_on_what_is_live_and_on_rows, async |node: Node| {
    let (_, _, _) = heard(&node).await;
    let whole = everyone(&node).await;
    let withdrawn = node.db.receive(|tx| {
        Box::pin(async move {
            on!(tx, conn => diesel::delete(catalog_drinks::table).execute(conn).await)?;
            Ok::<_, storage::Error>(())
        })
    });
    withdrawn.await.unwrap();
    let damaged = everyone(&node).await;
    assert_eq!((damaged.live, damaged.basis), (whole.live, whole.basis));
    let differing: Vec<&str> =
        whole.nouns.iter().zip(&damaged.nouns).filter(|(a, b)| a != b).map(|(noun, _)| noun.noun).collect();
    assert_eq!(differing, ["catalog"]);
});

on_both!(what_others_have_forgotten_is_given_up, async |node: Node| {
    let (_, _, said) = heard(&node).await;
    let time = |at: usize| Event::parse(said[at].clone()).unwrap().header.hlc;
    // The first favourite lies beyond the horizon, the withdrawn drink does not.
    assert_eq!(give_up(&node.db, 1, vec![2, 5, 99], time(2)).await.unwrap(), 1);
    assert_eq!(remake_strays(&node.db, BTreeSet::from([1])).await.unwrap(), Some(1));
    let left = node.db.read(|tx| {
        Box::pin(async move {
            let rows: Vec<i64> =
                on!(tx, conn => favorites::table.select(favorites::drink_id).order(favorites::drink_id).load(conn).await)?;
            let drinks: i64 = on!(tx, conn => catalog_drinks::table.count().get_result(conn).await)?;
            Ok::<_, storage::Error>((rows, drinks))
        })
    });
    assert_eq!(left.await.unwrap(), (vec![8], 1));
    assert_eq!(looked_at(&node).await.findings, [] as [&str; 0]);
});
