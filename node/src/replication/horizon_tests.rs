//! What was removed long ago is forgotten, everywhere alike, and nothing else is.

use codepop_proto::{accounts::SessionEnded, catalog as pb, journal::SignedEvent, preferences::PreferenceRemoved};
use codepop_shared::identity::SpiffeId;

use super::*;
use crate::{
    journal::{State, compact, entries},
    on_both,
    replication::{
        accept::{batch, tests::Origin},
        inspect::inspect,
    },
    storage::schema::{catalog_drinks, favorites, preferences},
    testing::{self, Node},
};

const ADA: i64 = 101_000;

const DAY: i64 = 24 * 60 * 60;

fn added(drink: i64) -> pb::FavoriteAdded {
    let recipe = pb::Recipe {
        drink,
        name: "Old Main".into(),
        sodas: vec!["Sprite".into()],
        size: "24oz".into(),
        ice: "none".into(),
        ..pb::Recipe::default()
    };
    pb::FavoriteAdded { user: ADA, recipe: Some(recipe) }
}

fn removed(drink: i64) -> pb::FavoriteRemoved {
    pb::FavoriteRemoved { user: ADA, drink }
}

/// A peer whose words are so many days old.
fn origin(number: u32, days: i64) -> Origin {
    let mut origin = Origin::new(testing::name(number, "C"));
    origin.ahead = -days * DAY;
    origin
}

/// The peer says something about Ada.
fn said<M: prost::Message + prost::Name>(origin: &mut Origin, node: &Node, message: &M) -> SignedEvent {
    origin.say(node, &Audience::Everyone, ADA, message)
}

async fn hears(node: &Node, from: &SpiffeId, said: Vec<SignedEvent>) {
    let new = said.len();
    assert_eq!(batch(&node.db, from, said).await.unwrap().new, new);
}

/// Favourites with whether they are there, withdrawn drinks, preferences; and how many events are live.
async fn held(node: &Node) -> (Vec<(i64, bool)>, usize, usize, i64) {
    let read = node.db.read(|tx| {
        Box::pin(async move {
            let favorites: Vec<(i64, bool)> = on!(tx, conn => favorites::table
                .order(favorites::drink_id)
                .select((favorites::drink_id, favorites::present))
                .load(conn)
                .await)?;
            let drinks: i64 = on!(tx, conn => catalog_drinks::table.count().get_result(conn).await)?;
            let preferences: i64 = on!(tx, conn => preferences::table.count().get_result(conn).await)?;
            let live: i64 = on!(tx, conn => events::table.filter(events::live.gt(0)).count().get_result(conn).await)?;
            Ok::<_, storage::Error>((favorites, drinks as usize, preferences as usize, live))
        })
    });
    read.await.unwrap()
}

async fn is_sound(node: &Node) {
    let looked = node.db.read_consistent(|tx| Box::pin(inspect(tx))).await.map_err(|e: storage::Error| e).unwrap();
    assert_eq!(looked.findings, [] as [&str; 0]);
}

on_both!(what_was_removed_long_ago_is_forgotten, async |node: Node| {
    let mut hub = origin(1, 200);
    let from = hub.author.id.clone();
    let ended =
        SessionEnded { user: ADA, session: vec![7; 16], expires_at_us: node.app.clock().wall().timestamp_micros() };
    let old = vec![
        hub.announce(&node, "1"),
        said(&mut hub, &node, &added(7)),
        said(&mut hub, &node, &added(8)),
        said(&mut hub, &node, &removed(8)),
        said(&mut hub, &node, &PreferenceRemoved { user: ADA, name: "mango".into() }),
        said(&mut hub, &node, &ended),
        hub.withdraw(&node, 9),
    ];
    hears(&node, &from, old).await;
    hub.ahead = -170 * DAY;
    let recent = vec![said(&mut hub, &node, &added(10)), said(&mut hub, &node, &removed(10))];
    hears(&node, &from, recent).await;
    let (favorites, drinks, preferences, live) = held(&node).await;
    assert_eq!((favorites, drinks, preferences), (vec![(7, true), (8, false), (10, false)], 1, 1));
    assert_eq!(live, 7, "the announcement, a favourite, two removed ones, a preference, a session, a drink");

    hub.ahead = 0;
    hears(&node, &from, vec![hub.say(&node, &Audience::Everyone, 0, &HorizonMoved {})]).await;
    assert_eq!(held(&node).await, (vec![(7, true), (10, false)], 0, 0, 4));
    is_sound(&node).await;

    // What was removed before, and is heard of later, removes what there is and is not remembered either.
    let mut store = origin(1_001, 190);
    let by = store.author.id.clone();
    let late =
        vec![store.announce(&node, "1"), said(&mut store, &node, &removed(7)), said(&mut store, &node, &removed(11))];
    hears(&node, &by, late).await;
    hears(&node, &by, vec![said(&mut store, &node, &SessionEnded { session: vec![8; 16], ..ended })]).await;
    assert_eq!(held(&node).await, (vec![(10, false)], 0, 0, 4));
    is_sound(&node).await;
    let everything = compact::Keep { age: std::time::Duration::ZERO, bytes: u64::MAX };
    compact::compact(&node.db, everything).await.unwrap();
    let kept = node.db.read(|tx| Box::pin(entries::newest(tx, 100))).await.map_err(|e: storage::Error| e).unwrap();
    assert_eq!(kept.len(), 5, "the live ones and the last of the store's stream");
    assert!(kept.iter().all(|event| event.state == State::Applied));
    is_sound(&node).await;
});

on_both!(the_latest_word_counts_in_whatever_order, async |node: Node| {
    let (mut one, mut two) = (origin(1, 30), origin(2, 0));
    let (from_one, from_two) = (one.author.id.clone(), two.author.id.clone());
    let first = vec![one.announce(&node, "1"), one.say(&node, &Audience::Everyone, 0, &HorizonMoved {})];
    let later = vec![two.announce(&node, "1"), two.say(&node, &Audience::Everyone, 0, &HorizonMoved {})];
    hears(&node, &from_two, later).await;
    let horizon = || async { node.db.read(|tx| Box::pin(current(tx))).await.map_err(|e: storage::Error| e).unwrap() };
    let moved = horizon().await;
    hears(&node, &from_one, first).await;
    assert_eq!(horizon().await, moved);
    let off = (node.app.clock().wall() - moved.wall() - REMEMBERED).num_seconds().abs();
    assert!(off < 60, "{off} s");
    is_sound(&node).await;
});

on_both!(only_hubs_move_it_and_only_when_there_is_something_to_forget, async |store: Node| {
    let hub = Node::on(store.fresh().await, testing::author(testing::name(1, "C"))).await;
    let advance = async |node: &Node| node.db.write(|tx| Box::pin(advance(tx))).await;
    assert!(!advance(&hub).await.unwrap(), "nothing was removed");
    for node in [&hub, &store] {
        let mut peer = origin(2, 200);
        let old = vec![peer.announce(node, "1"), peer.withdraw(node, 9)];
        hears(node, &peer.author.id.clone(), old).await;
    }
    assert!(advance(&hub).await.unwrap());
    assert_eq!(held(&hub).await.1, 0);
    assert!(!advance(&hub).await.unwrap(), "it was moved just now");
    assert!(matches!(advance(&store).await, Err(Error::Forbidden { .. })));
    assert_eq!(held(&store).await.1, 1);
});
