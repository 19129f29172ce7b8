//! The journal on both databases.

use super::*;
use crate::{on_both, storage, testing::Node};

/// Some message of the contract; merging is not what is tested here. A negative drink is unfit.
type Note = codepop_proto::catalog::UserDrinkDeleted;

async fn say(node: &Node, drink: i64) -> Result<Stamp, Error> {
    let message = Note { drink, owner: 100_001_000 };
    node.db.write(move |tx| Box::pin(async move { emit(tx, &Audience::Everyone, &message).await })).await
}

on_both!(a_stream_is_gapless_and_chained, async |node: Node| {
    for drink in 1..=5 {
        say(&node, drink).await.unwrap();
    }
    // A failed operation takes no seq.
    say(&node, -1).await.unwrap_err();
    say(&node, 6).await.unwrap();

    let events = node.db.read(|tx| Box::pin(entries::after(tx, 1, 0))).await.map_err(|e: storage::Error| e).unwrap();
    let events: Vec<Event> = events.into_iter().map(|signed| Event::parse(signed).unwrap()).collect();
    assert_eq!(events.iter().map(|event| event.header.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    for pair in events.windows(2) {
        assert_eq!(pair[1].header.previous, Some(pair[0].hash()));
        assert!(pair[1].header.hlc > pair[0].header.hlc);
    }
    let key = node.app.author().key().verifying_key();
    assert!(events.iter().all(|event| event.is_signed_by(&key)));
});

on_both!(concurrent_writes_share_commits_and_lose_nothing, async |node: Node| {
    let node = std::sync::Arc::new(node);
    let writes: Vec<_> = (1..=100)
        .map(|drink| {
            let node = node.clone();
            tokio::spawn(async move { say(&node, drink).await.unwrap().seq })
        })
        .collect();
    let mut seqs = Vec::new();
    for write in writes {
        seqs.push(write.await.unwrap());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=100).collect::<Vec<i64>>());
});

on_both!(erasing_leaves_the_chain_whole, async |node: Node| {
    say(&node, 1).await.unwrap();
    say(&node, 2).await.unwrap();
    node.db
        .write(|tx| Box::pin(entries::erase_about(tx, 100_001_000, &[])))
        .await
        .map_err(|error: storage::Error| error)
        .unwrap();
    let events = node.db.read(|tx| Box::pin(entries::after(tx, 1, 0))).await.map_err(|e: storage::Error| e).unwrap();
    let events: Vec<Event> = events.into_iter().map(|signed| Event::parse(signed).unwrap()).collect();
    assert!(events.iter().all(|event| event.message().is_none()));
    assert_eq!(events[1].header.previous, Some(events[0].hash()));
});

on_both!(a_fenced_node_takes_no_writes_of_its_own, async |node: Node| {
    node.db.fence("restored from a backup".into());
    assert!(matches!(say(&node, 1).await, Err(Error::Storage(storage::Error::Fenced(_)))));
});

on_both!(public_numbers_carry_the_node, async |node: Node| {
    let next =
        async || node.db.write(|tx| Box::pin(next_number(tx, "user"))).await.map_err(|e: storage::Error| e).unwrap();
    assert_eq!((next().await, next().await), (101_000, 201_000));
});

#[test]
fn a_changed_byte_is_noticed() {
    let author = crate::testing::author(crate::testing::name(1_000, "C"));
    let draft = || Draft {
        audience: &Audience::Everyone,
        seq: 1,
        previous: None,
        hlc: crate::clock::Hlc(1 << 62),
        schema_version: 1,
        kind: "test",
        subject: 0,
        message: b"hello",
    };
    let key = author.key().verifying_key();
    let good = Event::sign(&author, draft());
    assert!(good.is_signed_by(&key));
    let mut body = good.clone().into_signed();
    body.body = [&body.body[..body.body.len() - 1], b"p"].concat().into();
    assert!(Event::parse(body).is_err());
    let mut header = good.clone().into_signed();
    let mut bytes = header.header.to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    header.header = bytes.into();
    assert!(Event::parse(header).map_or(true, |event| !event.is_signed_by(&key)));
}
