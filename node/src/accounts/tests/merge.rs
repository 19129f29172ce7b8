//! The merge law of accounts: any order of arrival, with repetitions, ends in the same rows.

use codepop_proto::accounts::{
    CredentialSet, LegacySessionKept, ProfileChanged, SessionEnded, SessionsEnded, UserDeleted, UserRegistered,
    UserStatusChanged,
};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use uuid::Uuid;

use crate::accounts::store;
use crate::{
    clock::Hlc,
    journal::{Error, Replicated, Stamp},
    on, on_both,
    storage::{
        self, Db, Tx,
        schema::legacy_tokens,
        types::{Id, Time},
    },
    testing::Node,
};

/// Sets of events that are tried on each database.
const CASES: usize = 60;

/// An event about some user.
#[derive(Clone, Debug)]
enum About {
    Registered(UserRegistered),
    Profile(ProfileChanged),
    Credential(CredentialSet),
    Session(SessionEnded),
    Sessions(SessionsEnded),
    Status(UserStatusChanged),
    Kept(LegacySessionKept),
    Deleted(UserDeleted),
}

impl About {
    async fn apply(mut self, tx: &mut Tx, user: i64, stamp: &Stamp) -> Result<(), Error> {
        macro_rules! about {
            ($($variant:ident),+) => {
                match &mut self {
                    $(Self::$variant(message) => {
                        message.user = user;
                        message.apply(tx, stamp).await
                    })+
                }
            };
        }
        match about!(Registered, Profile, Credential, Session, Sessions, Status, Kept, Deleted) {
            Ok(_) | Err(Error::Erased) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[abAB]{1,2}"]
}

fn maybe_word() -> impl Strategy<Value = Option<String>> {
    prop::option::of(word())
}

fn event() -> impl Strategy<Value = About> {
    let registered = (word(), word(), word(), 1_i64..5).prop_map(|(username, first_name, email, created_at_us)| {
        About::Registered(UserRegistered { username, first_name, email, created_at_us, ..Default::default() })
    });
    let profile =
        (maybe_word(), maybe_word(), maybe_word(), any::<bool>()).prop_map(|(username, last_name, email, store)| {
            let preferred_store = store.then(|| Uuid::nil().to_string());
            About::Profile(ProfileChanged { username, last_name, email, preferred_store, ..Default::default() })
        });
    let credential = (word(), any::<bool>()).prop_map(|(password_hash, ends_sessions)| {
        About::Credential(CredentialSet { user: 0, password_hash, ends_sessions })
    });
    let session = (0_u128..2, 1_i64..4).prop_map(|(session, expires_at_us)| {
        let session = Uuid::from_u128(session).as_bytes().to_vec();
        About::Session(SessionEnded { user: 0, session, expires_at_us })
    });
    let status = (any::<bool>(), 0..5)
        .prop_map(|(disabled, hold)| About::Status(UserStatusChanged { user: 0, disabled, hold, changed_by: 0 }));
    let kept = (0_u8..2, 0_u128..2, 1_i64..4).prop_map(|(token, session, expires_at_us)| {
        let session = Uuid::from_u128(session).as_bytes().to_vec();
        About::Kept(LegacySessionKept { user: 0, token_hash: vec![token; 32], session, expires_at_us })
    });
    let deleted = (0_u8..3).prop_map(|claim| {
        About::Deleted(UserDeleted {
            user: 0,
            name_key: vec![claim; 32],
            name_hlc: claim.into(),
            name_origin: Uuid::nil().as_bytes().to_vec(),
        })
    });
    prop_oneof![
        3 => registered,
        4 => profile,
        3 => credential,
        3 => session,
        1 => Just(About::Sessions(SessionsEnded::default())),
        2 => status,
        3 => kept,
        1 => deleted,
    ]
}

/// What all nodes should hold alike, with the user's number left out.
type Rows = (Option<store::User>, Option<store::Credential>, Vec<Option<i64>>, Vec<Kept>);

/// A kept token: hash, session, end, generation.
type Kept = (Vec<u8>, Id, Time, i64);

async fn rows(db: &Db, user: i64) -> Rows {
    let read = db.read(move |tx| {
        Box::pin(async move {
            let row = store::user(tx, user).await?.map(|row| store::User { id: 0, ..row });
            let credential = store::credential(tx, user).await?.map(|row| store::Credential { user_id: 0, ..row });
            let mut ended = Vec::new();
            for session in 0..2 {
                let expires_at = store::ended(tx, user, Uuid::from_u128(session)).await?;
                ended.push(expires_at.map(|time| time.timestamp_micros()));
            }
            let kept: Vec<Kept> = on!(tx, conn => legacy_tokens::table
                .filter(legacy_tokens::user_id.eq(user))
                .order(legacy_tokens::token_hash)
                .select((
                    legacy_tokens::token_hash,
                    legacy_tokens::session,
                    legacy_tokens::expires_at,
                    legacy_tokens::generation,
                ))
                .load(conn)
                .await)?;
            Ok((row, credential, ended, kept))
        })
    });
    read.await.map_err(|error: storage::Error| error).unwrap()
}

async fn apply_all(db: &Db, user: i64, events: Vec<(About, Stamp)>) -> Rows {
    let applied = db.write(move |tx| {
        Box::pin(async move {
            for (event, stamp) in events {
                event.apply(tx, user, &stamp).await?;
            }
            Ok(())
        })
    });
    applied.await.map_err(|error: Error| error).unwrap();
    rows(db, user).await
}

on_both!(order_and_repetition_change_nothing, async |node: Node| {
    let mut runner = TestRunner::deterministic();
    let set = prop::collection::vec((event(), 5_u64..9, 0_u128..3), 1..16);
    let order = any::<prop::sample::Index>();
    for case in 0..CASES as i64 {
        let events: Vec<(About, Stamp)> = set
            .new_tree(&mut runner)
            .unwrap()
            .current()
            .into_iter()
            .zip(1_i64..)
            .map(|((event, hlc, origin), seq)| {
                (event, Stamp { hlc: Hlc(hlc), origin: Uuid::from_u128(origin), stream: origin as i64, seq })
            })
            .collect();
        let user = (case + 1) * 1_000;
        let expected = apply_all(&node.db, user, events.clone()).await;
        let mut other = events.clone();
        other.reverse();
        let middle = order.new_tree(&mut runner).unwrap().current().index(other.len());
        other.rotate_left(middle);
        // Again some, after all: nothing is new.
        other.extend(events.iter().take(middle + 1).cloned());
        assert_eq!(apply_all(&node.db, user + 1, other).await, expected, "case {case}: {events:?}");
    }
});

on_both!(a_deleted_user_stays_deleted, async |node: Node| {
    let mut runner = TestRunner::deterministic();
    let set = prop::collection::vec(event(), 1..8);
    let last = About::Deleted(UserDeleted { user: 0, name_key: vec![9; 32], name_hlc: 9, name_origin: vec![9; 16] });
    let stamp = |hlc, seq| Stamp { hlc: Hlc(hlc), origin: Uuid::nil(), stream: 1, seq };
    for case in 1_i64..=10 {
        let others = set.new_tree(&mut runner).unwrap().current();
        let mut events = vec![(last.clone(), stamp(100, 1))];
        // Those with later stamps change nothing either.
        events.extend(
            others.into_iter().zip(2_i64..).map(|(event, seq)| (event, stamp(90 + seq.cast_unsigned() * 4, seq))),
        );
        let (row, credential, _, kept) = apply_all(&node.db, case, events).await;
        let row = row.unwrap();
        assert!(row.deleted && !row.disabled && credential.is_none() && kept.is_empty());
        assert_eq!([row.username, row.first_name, row.last_name, row.email].concat(), "");
        assert_eq!(row.name_key.len(), 32);
    }
});
