//! What broken and malicious peers try at the one door in.

use codepop_proto::{accounts::ProfileChanged, catalog as pb};
use codepop_shared::identity::SpiffeId;
use prost::{Message, Name};

use super::*;
use crate::{
    clock::Hlc,
    identity::Author,
    journal::{Audience, Draft, Hash},
    on_both,
    replication::retry::retry_quarantined,
    testing::{self, Node},
};

/// A peer and one stream of it.
#[derive(Clone)]
pub(in crate::replication) struct Origin {
    pub(in crate::replication) author: Arc<Author>,
    seq: u64,
    previous: Option<Hash>,
    /// Seconds that its clock is ahead of the node's.
    pub(in crate::replication) ahead: i64,
}

impl Origin {
    pub(in crate::replication) fn new(id: SpiffeId) -> Self {
        Self { author: Arc::new(testing::author(id)), seq: 0, previous: None, ahead: 0 }
    }

    pub(in crate::replication) fn say<M: Message + Name>(
        &mut self,
        node: &Node,
        audience: &Audience,
        subject: i64,
        message: &M,
    ) -> SignedEvent {
        self.seq += 1;
        let draft = Draft {
            audience,
            seq: self.seq,
            previous: self.previous,
            hlc: Hlc(node.app.clock().tick().0.wrapping_add_signed(self.ahead << 32)),
            schema_version: 1,
            kind: &M::full_name(),
            subject,
            message: &message.encode_to_vec(),
        };
        let event = Event::sign(&self.author, draft);
        self.previous = Some(event.hash());
        event.into_signed()
    }

    pub(in crate::replication) fn announce(&mut self, node: &Node, version: &str) -> SignedEvent {
        let announcement = NodeAnnounced {
            certificate: self.author.certificate.der.clone(),
            display_name: "peer".into(),
            api_base_url: "https://127.0.0.1:1".into(),
            version: version.into(),
            ..NodeAnnounced::default()
        };
        self.say(node, &Audience::Everyone, 0, &announcement)
    }

    pub(in crate::replication) fn withdraw(&mut self, node: &Node, drink: i64) -> SignedEvent {
        self.say(node, &Audience::Everyone, 0, &pb::DrinkWithdrawn { drink })
    }
}

/// States of the events of a stream, in order.
async fn states(node: &Node) -> Vec<State> {
    let mut all = node.db.read(|tx| Box::pin(entries::newest(tx, 100))).await.map_err(|e: storage::Error| e).unwrap();
    all.sort_by_key(|event| (event.stream, event.seq));
    all.iter().map(|event| event.state).collect()
}

async fn noted(node: &Node, kind: &str) -> usize {
    let all = node.db.read(|tx| Box::pin(conflicts::newest(tx, 100))).await.map_err(|e: storage::Error| e).unwrap();
    all.iter().filter(|conflict| conflict.kind == kind).count()
}

on_both!(a_body_that_nobody_may_erase_is_missed_and_comes_from_another, async |node: Node| {
    let mut hub = Origin::new(testing::name(1, "C"));
    let relay = testing::name(1_001, "C");
    let good = vec![hub.announce(&node, "1"), hub.withdraw(&node, 7)];
    let mut stripped = good.clone();
    stripped[1].body = bytes::Bytes::new();
    assert!(matches!(batch(&node.db, &relay, stripped).await, Err(Error::Fault(_))));
    assert_eq!(batch(&node.db, &relay, good).await.unwrap().new, 2);
    assert_eq!(states(&node).await, [State::Applied, State::Applied]);
});

on_both!(whose_clock_is_ahead_is_known_all_the_same_and_no_fault_of_who_brings_it, async |node: Node| {
    let mut hub = Origin { ahead: 3_600, ..Origin::new(testing::name(1, "C")) };
    let relay = testing::name(1_001, "C");
    for event in [hub.announce(&node, "1"), hub.withdraw(&node, 7), hub.withdraw(&node, 8)] {
        assert_eq!(batch(&node.db, &relay, vec![event]).await.unwrap().new, 1);
    }
    assert_eq!(states(&node).await, [State::Applied, State::Quarantined, State::Quarantined]);
});

on_both!(a_fork_is_noted_once_and_blocks_nobody_else, async |node: Node| {
    let mut hub = Origin::new(testing::name(1, "C"));
    let relay = testing::name(1_001, "C");
    let first = hub.announce(&node, "1");
    let mut other = hub.clone();
    let ours = hub.withdraw(&node, 7);
    let theirs = vec![other.withdraw(&node, 8), other.withdraw(&node, 9)];
    batch(&node.db, &relay, vec![first, ours]).await.unwrap();
    for _ in 0..3 {
        let taken = batch(&node.db, &relay, theirs.clone()).await.unwrap();
        assert!(taken.forked && taken.new == 0 && taken.reached.1 == 2);
    }
    assert_eq!(noted(&node, "fork").await, 1);
});

on_both!(a_cloned_database_that_went_on_is_found_out, async |node: Node| {
    let mut own = Origin { author: Arc::clone(node.db.author()), seq: 0, previous: None, ahead: 0 };
    let announced = own.announce(&node, "1");
    // The registry must know the key, as it does in a node that runs.
    announcements(&node.db, vec![announced.clone()]).await.unwrap();
    let message = pb::FavoriteRemoved { user: 101_000, drink: 7 };
    for _ in 0..2 {
        let said = node.db.write(move |tx| {
            Box::pin(async move { crate::journal::emit(tx, &Audience::Everyone, &message).await.map(|_| ()) })
        });
        said.await.unwrap();
    }
    // Its other life signed other events of the same seqs.
    let lived = own.say(&node, &Audience::Everyone, 101_000, &message);
    let taken = batch(&node.db, &testing::name(1, "C"), vec![announced, lived]).await.unwrap();
    assert_eq!(taken.forgotten, Some((2, 2)));
});

on_both!(what_a_database_cannot_hold_stalls_no_stream, async |node: Node| {
    let mut hub = Origin::new(testing::name(1, "C"));
    let peer = hub.author.id.clone();
    let first = hub.announce(&node, "1");
    let events = vec![first, hub.announce(&node, "with a \0 in it"), hub.withdraw(&node, 7)];
    assert_eq!(batch(&node.db, &peer, events).await.unwrap().new, 3);
    assert_eq!(states(&node).await, [State::Applied, State::Quarantined, State::Applied]);
    // Whatever else a database may refuse: here the table is gone.
    node.db.receive(|tx| Box::pin(async move { tx.conn.batch("DROP TABLE catalog_drinks").await })).await.unwrap();
    let events = vec![hub.withdraw(&node, 8), hub.announce(&node, "2")];
    assert_eq!(batch(&node.db, &peer, events).await.unwrap().new, 2);
    assert_eq!(states(&node).await[3..], [State::Quarantined, State::Applied]);
    assert_eq!(retry_quarantined(&node.db, None).await.unwrap(), 0);
});

on_both!(what_some_nodes_would_not_hear_is_void, async |node: Node| {
    let mut store = Origin::new(testing::name(1_001, "C"));
    let peer = store.author.id.clone();
    let announced = store.announce(&node, "1");
    announcements(&node.db, vec![announced]).await.unwrap();
    let mut regional = Origin { seq: 0, previous: None, ..store };
    let change = ProfileChanged { user: 101_001, email: Some("a@b.c".into()), ..ProfileChanged::default() };
    let event = regional.say(&node, &Audience::Region("C".into()), 101_001, &change);
    batch(&node.db, &peer, vec![event]).await.unwrap();
    assert_eq!(states(&node).await, [State::Void]);
    assert_eq!(noted(&node, "void").await, 1);
});

on_both!(introducing_others_gives_no_other_say, async |node: Node| {
    let mut hub = Origin::new(testing::name(1, "C"));
    let announced = hub.announce(&node, "1");
    announcements(&node.db, vec![announced]).await.unwrap();
    let other = hub.withdraw(&node, 7);
    assert!(matches!(announcements(&node.db, vec![other]).await, Err(Error::Fault(_))));
});

on_both!(more_than_one_page_of_quarantine_is_tried_again, async |node: Node| {
    let mut hub = Origin::new(testing::name(1, "C"));
    let peer = hub.author.id.clone();
    let first = hub.announce(&node, "1");
    batch(&node.db, &peer, vec![first]).await.unwrap();
    // The oldest are of kinds that this program will not know tomorrow either.
    let unknown: Vec<_> = (0..500)
        .map(|_| {
            let draft_kind = pb::FavoriteRemoved { user: 1, drink: 0 };
            hub.say(&node, &Audience::Everyone, 1, &draft_kind)
        })
        .collect();
    batch(&node.db, &peer, unknown).await.unwrap();
    node.db
        .receive(|tx| Box::pin(async move { tx.conn.batch("ALTER TABLE catalog_drinks RENAME TO away").await }))
        .await
        .unwrap();
    let late = hub.withdraw(&node, 7);
    batch(&node.db, &peer, vec![late]).await.unwrap();
    node.db
        .receive(|tx| Box::pin(async move { tx.conn.batch("ALTER TABLE away RENAME TO catalog_drinks").await }))
        .await
        .unwrap();
    assert_eq!(retry_quarantined(&node.db, None).await.unwrap(), 1);
});

/// How far the one stream of `origin` is known, and up to where with gaps.
async fn reached(node: &Node, origin: &Origin) -> (u64, u64) {
    let id = origin.author.id.uuid;
    let found = node.db.read(move |tx| Box::pin(streams::find(tx, id, &Audience::Everyone)));
    let found = found.await.map_err(|e: storage::Error| e).unwrap();
    found.map_or((0, 0), |stream| (stream.head, stream.floor))
}

on_both!(a_snapshot_comes_in_pieces_and_goes_on_where_it_stopped, async |node: Node| {
    let mut hub = Origin::new(testing::name(1, "C"));
    let peer = testing::name(2, "D");
    let mut all = vec![hub.announce(&node, "1")];
    all.extend((1..10).map(|drink| hub.withdraw(&node, drink)));
    let piece = |seqs: &[usize]| seqs.iter().map(|seq| all[seq - 1].clone()).collect::<Vec<_>>();
    // Gaps need to be admitted.
    assert!(matches!(batch(&node.db, &peer, piece(&[1, 3])).await, Err(Error::Fault(_))));
    // Who might leave out more than what was superseded is not asked.
    let store = testing::name(1_001, "C");
    assert!(matches!(live(&node.db, &store, piece(&[1, 3]), 0).await, Err(Error::Fault(_))));
    assert_eq!(live(&node.db, &peer, piece(&[1, 3]), 0).await.unwrap().new, 2);
    assert_eq!(reached(&node, &hub).await, (3, 3));
    // A repeated piece brings nothing, the next one joins although the one between was superseded.
    assert_eq!(live(&node.db, &peer, piece(&[1, 3]), 0).await.unwrap().new, 0);
    assert_eq!(live(&node.db, &peer, piece(&[5, 6]), 0).await.unwrap().reached.1, 6);
    assert!(batch(&node.db, &peer, piece(&[8])).await.unwrap().gap);
    assert_eq!(batch(&node.db, &peer, piece(&[7, 8])).await.unwrap().new, 2);
    assert_eq!(reached(&node, &hub).await, (8, 6));
    // What joins without a gap must be chained; what is signed by nobody known, or twice, or backwards, never comes in.
    let mut other = hub.clone();
    other.seq = 8;
    let forged = vec![other.withdraw(&node, 99)];
    assert!(live(&node.db, &peer, forged, 0).await.unwrap().forked);
    for wrong in [piece(&[10, 9]), piece(&[9, 9])] {
        assert!(matches!(live(&node.db, &peer, wrong, 0).await, Err(Error::Fault(_))));
    }
    // A piece that is whole from 9 on says nothing about 9.
    let beyond = live(&node.db, &peer, piece(&[10]), 9).await.unwrap();
    assert!(beyond.gap && beyond.new == 0);
    let mut broken = piece(&[10]);
    broken[0].signature = vec![0; 64].into();
    assert!(matches!(live(&node.db, &peer, broken, 0).await, Err(Error::Fault(_))));
    assert_eq!(reached(&node, &hub).await, (8, 6));
});

fn revocation(holder: &SpiffeId) -> CertificateRevoked {
    let reason = codepop_proto::mesh::RevocationReason::Stolen.into();
    CertificateRevoked { uuid: holder.uuid.as_bytes().to_vec(), number: holder.number, kind: 0, reason }
}

fn operator() -> Origin {
    let id = SpiffeId { kind: Kind::Operator, region: "-".into(), number: 0, ..testing::name(1, "C") };
    Origin::new(id)
}

/// How many revocations are in force.
async fn in_force(node: &Node) -> usize {
    let signed = node.db.read(|tx| Box::pin(revocations::signed(tx))).await;
    signed.map_err(|e: storage::Error| e).unwrap().in_force.len()
}

on_both!(what_a_revoked_node_said_later_is_void_and_what_it_said_before_stays, async |node: Node| {
    let (mut hub, mut operator) = (Origin::new(testing::name(1, "C")), operator());
    let (relay, by) = (testing::name(1_001, "C"), operator.author.id.clone());
    let before = vec![hub.announce(&node, "1"), hub.withdraw(&node, 7)];
    let said =
        vec![operator.announce(&node, "1"), operator.say(&node, &Audience::Everyone, 0, &revocation(&hub.author.id))];
    let later = vec![hub.withdraw(&node, 8)];
    batch(&node.db, &by, said).await.unwrap();
    // However late they come: the time of the events decides. And the stream goes on.
    assert_eq!(batch(&node.db, &relay, before).await.unwrap().new, 2);
    assert_eq!(batch(&node.db, &relay, later).await.unwrap().new, 1);
    assert_eq!(states(&node).await[2..], [State::Applied, State::Applied, State::Void]);
    assert_eq!(noted(&node, "void").await, 1);
    // Itself it is not heard at all.
    let peer = hub.author.id.clone();
    let own = vec![hub.withdraw(&node, 9)];
    assert!(matches!(batch(&node.db, &peer, own.clone()).await, Err(Error::Fault(_))));
    assert!(matches!(live(&node.db, &peer, own, 0).await, Err(Error::Fault(_))));
});

on_both!(what_was_merged_before_the_revocation_came_is_listed, async |node: Node| {
    let (mut hub, mut operator) = (Origin::new(testing::name(1, "C")), operator());
    let (relay, by) = (testing::name(1_001, "C"), operator.author.id.clone());
    let said =
        vec![operator.announce(&node, "1"), operator.say(&node, &Audience::Everyone, 0, &revocation(&hub.author.id))];
    let events = vec![hub.announce(&node, "1"), hub.withdraw(&node, 7)];
    batch(&node.db, &relay, events).await.unwrap();
    assert_eq!(noted(&node, "after_revocation").await, 0);
    batch(&node.db, &by, said).await.unwrap();
    assert_eq!(noted(&node, "after_revocation").await, 1);
});

on_both!(only_operators_revoke_and_not_after_they_were_revoked_themselves, async |node: Node| {
    let mut hub = Origin::new(testing::name(1, "C"));
    let (mut first, mut second, store) = (operator(), operator(), testing::name(1_002, "C"));
    let peer = hub.author.id.clone();
    let (a, b) = (first.author.id.clone(), second.author.id.clone());
    let everyone = Audience::Everyone;
    let forged = vec![hub.announce(&node, "1"), hub.say(&node, &everyone, 0, &revocation(&store))];
    batch(&node.db, &peer, forged).await.unwrap();
    assert_eq!((states(&node).await[1], in_force(&node).await), (State::Void, 0));
    let of_first = vec![first.announce(&node, "1"), first.say(&node, &everyone, 0, &revocation(&b))];
    let of_second = vec![second.announce(&node, "1"), second.say(&node, &everyone, 0, &revocation(&a))];
    let theirs = vec![second.say(&node, &everyone, 0, &revocation(&store))];
    // The later word comes first and counts, until the earlier one is known.
    batch(&node.db, &b, of_second).await.unwrap();
    batch(&node.db, &b, theirs).await.unwrap();
    assert_eq!(in_force(&node).await, 2);
    batch(&node.db, &peer, of_first).await.unwrap();
    assert_eq!(in_force(&node).await, 1, "the second operator was revoked before it spoke");
});
