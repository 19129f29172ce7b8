//! What holds of the audit trail on both databases.

use std::net::IpAddr;

use chrono::{TimeDelta, Utc};
use codepop_proto::{options::Permission, roles::Role};
use diesel::sql_query;
use diesel_async::RunQueryDsl as _;

use super::*;
use crate::{
    accounts::{Accounts, NewAccount, Password, UserName},
    auth::{Grant, Place, User},
    laws, on, on_both,
    storage::types::Time,
    testing::Node,
};

/// Who does things in these tests.
const ADMIN: i64 = 201_000;

fn permit(node: &Node) -> Permit {
    let here = Place::Store(node.db.author().id.uuid);
    let actor = laws::actor(Some(ADMIN), vec![Grant { role: Role::Admin, place: here.clone() }]);
    actor.may(Permission::StoreWrite, &here).unwrap().about("thing", 7)
}

async fn entries(node: &Node) -> Vec<Row> {
    node.db
        .read(|tx| Box::pin(async move { list(tx, &Filter { limit: 100, ..Filter::default() }).await }))
        .await
        .unwrap()
}

/// What a statement says on either database.
async fn sql(node: &Node, statement: &'static str) -> Result<usize, String> {
    let done = node.db.write(move |tx| {
        Box::pin(async move { Ok::<_, Error>(on!(tx, conn => sql_query(statement).execute(conn).await)?) })
    });
    done.await.map_err(|error: Error| error.to_string())
}

on_both!(what_is_done_has_its_entry_and_what_fails_has_none, |node: Node| async move {
    let permit = permit(&node);
    let change = async |fails: bool| {
        let written = node.app.write(&permit, move |tx| {
            Box::pin(async move {
                crate::journal::next_number(tx, "thing").await?;
                tx.about.says("a word");
                if fails { Err(Error::Damaged("on purpose".into())) } else { Ok(()) }
            })
        });
        written.await
    };
    change(true).await.unwrap_err();
    assert_eq!(entries(&node).await, []);
    change(false).await.unwrap();
    let [entry] = entries(&node).await.try_into().unwrap();
    let here = format!("store:{}", node.db.author().id.uuid);
    assert_eq!((entry.user_id, entry.permission.as_str(), entry.place), (Some(ADMIN), "STORE_WRITE", here));
    assert_eq!((entry.target.as_deref(), entry.detail.as_deref()), (Some("thing:7"), Some("a word")));
    assert_eq!((entry.outcome.as_str(), entry.client.as_deref()), (DONE, Some("127.0.0.1")));
    // Nobody's own things: no right was used.
    let plain = Permit::plain(Some(ADMIN));
    node.app.write(&plain, |_| Box::pin(std::future::ready(Ok::<_, Error>(())))).await.unwrap();
    assert_eq!(entries(&node).await.len(), 1);
    // Reading that is written down.
    node.app.note_reading(&permit).await.unwrap();
    assert_eq!(entries(&node).await.len(), 2);
});

on_both!(a_change_is_undone_when_its_entry_cannot_be_written, |node: Node| async move {
    let block = "INSERT INTO audit_entries (id, at, caller_kind, caller, action, permission, place, outcome, repeated) \
        SELECT 101000, at, caller_kind, caller, action, permission, place, outcome, repeated FROM audit_entries";
    node.app.note_reading(&permit(&node)).await.unwrap();
    assert_eq!(entries(&node).await[0].id, 101_000);
    assert!(sql(&node, block).await.is_err(), "the number is taken");
    // The counter goes back: the next entry meets the number that is taken.
    sql(&node, "UPDATE counters SET value = 0 WHERE name = 'audit'").await.unwrap();
    let permit = permit(&node);
    let written = node.app.write(&permit, |tx| {
        Box::pin(async move {
            crate::journal::next_number(tx, "thing").await?;
            Ok(())
        })
    });
    let refused: Error = written.await.unwrap_err();
    assert!(matches!(refused, Error::Query(_)), "{refused}");
    let counter = "UPDATE counters SET value = value WHERE name = 'thing'";
    assert_eq!(sql(&node, counter).await, Ok(0), "the change is not there either");
});

on_both!(entries_are_neither_changed_nor_taken_away, |node: Node| async move {
    node.app.note_reading(&permit(&node)).await.unwrap();
    let before = entries(&node).await;
    let mut attacks = vec![
        "DELETE FROM audit_entries",
        "UPDATE audit_entries SET user_id = 1",
        "UPDATE audit_entries SET user_id = NULL",
        "UPDATE audit_entries SET client = '192.0.2.1'",
        "UPDATE audit_entries SET client = NULL, outcome = 'permission_denied'",
        "UPDATE audit_entries SET id = id + 1",
        "UPDATE audit_entries SET action = 'x', client = NULL",
        "UPDATE audit_entries SET target = NULL",
        "UPDATE audit_entries SET detail = 'x'",
        "UPDATE audit_entries SET repeated = 1",
        "UPDATE audit_entries SET place = ''",
        "UPDATE audit_entries SET permission = ''",
        "UPDATE audit_entries SET caller_kind = 'hub'",
    ];
    attacks.extend(match node.db.kind() {
        "sqlite" => vec![
            "UPDATE audit_entries SET at = 0",
            "UPDATE audit_entries SET caller = x'00'",
            "INSERT OR REPLACE INTO audit_entries SELECT id, 0, 1, caller_kind, caller, client, action, permission, \
             place, target, detail, outcome, repeated FROM audit_entries",
        ],
        _ => vec![
            "UPDATE audit_entries SET at = now() - interval '10 years'",
            "UPDATE audit_entries SET caller = '00000000-0000-0000-0000-000000000000'",
            "TRUNCATE audit_entries",
        ],
    });
    for attack in attacks {
        let refused = sql(&node, attack).await.unwrap_err();
        assert!(refused.contains("audit entries are"), "{attack}: {refused}");
        assert_eq!(entries(&node).await, before, "{attack}");
    }
    assert_eq!(sql(&node, "UPDATE audit_entries SET client = NULL").await, Ok(1), "the address alone may go");
    assert_eq!(entries(&node).await[0], Row { client: None, ..before[0].clone() });
});

/// Puts an entry into the past.
async fn put_old(node: &Node, outcome: &'static str, age: TimeDelta) {
    let permit = permit(node);
    let written = node.db.write(move |tx| {
        Box::pin(async move {
            let mut row = store::row(tx, permit.trail.as_deref().unwrap(), outcome, 0).await?;
            row.at = Time(Utc::now() - age);
            store::insert(tx, &row).await
        })
    });
    written.await.unwrap();
}

on_both!(entries_go_when_their_time_is_over, |node: Node| async move {
    let day = TimeDelta::days(1);
    put_old(&node, DONE, KEPT + day).await;
    put_old(&node, DONE, KEPT - day).await;
    put_old(&node, "permission_denied", REFUSALS_KEPT + day).await;
    put_old(&node, "permission_denied", REFUSALS_KEPT - day).await;
    assert_eq!(node.db.write(|tx| Box::pin(expire(tx))).await.unwrap(), 2);
    let ages = entries(&node).await.into_iter().map(|row| (row.id, row.outcome)).collect::<Vec<_>>();
    assert_eq!(ages, [(401_000, "permission_denied".to_owned()), (201_000, DONE.to_owned())]);
    assert_eq!(node.db.write(|tx| Box::pin(expire(tx))).await.unwrap(), 0);
});

on_both!(entries_outlive_their_user_without_the_address, |node: Node| async move {
    let accounts = Accounts::new(node.app.clone());
    let password = || Password::new("violet-harbour-93".into()).unwrap();
    let new = NewAccount {
        username: UserName::parse("unmistakable").unwrap(),
        password: password(),
        first_name: "Unmistakable".into(),
        last_name: "Person".into(),
        email: "unmistakable@example.org".into(),
        preferred_store: None,
    };
    let user = accounts.register(&Permit::default(), new).await.unwrap().user;
    let here = Place::Store(node.db.author().id.uuid);
    let actor = laws::actor(Some(user), vec![Grant { role: Role::Admin, place: here.clone() }]);
    let own = actor.may(Permission::StoreWrite, &here).unwrap();
    node.app.note_reading(&own).await.unwrap();
    node.app.note_reading(&permit(&node).about("user", user)).await.unwrap();
    let before = entries(&node).await;
    let session = User { number: user, session: uuid::Uuid::now_v7(), expires_at_us: 0, grants: Vec::new() };
    let client = IpAddr::from([127, 0, 0, 1]);
    accounts.delete(&Permit::plain(Some(user)), client, &session, password()).await.unwrap();
    node.db.receive(|tx| Box::pin(forget_deleted(tx))).await.unwrap();
    let after = entries(&node).await;
    assert_eq!(after.len(), 2);
    for (before, after) in before.iter().zip(&after) {
        let client = before.client.clone().filter(|_| before.user_id != Some(user));
        assert_eq!(*after, Row { client, ..before.clone() }, "all but the own address stays");
    }
    let all = format!("{after:?}").to_lowercase();
    assert!(!all.contains("unmistakable") && !all.contains("person"), "{all}");
});

on_both!(the_trail_is_read_by_user_place_and_action, |node: Node| async move {
    let mine = permit(&node);
    let mut other = mine.clone().about("user", 301_000);
    if let Some(trail) = &mut other.trail {
        (trail.user, trail.place, trail.action) = (Some(9), Some(Place::Chain), "codepop.x.v1.X/Y");
    }
    for permit in [&mine, &other, &mine] {
        node.app.note_reading(permit).await.unwrap();
    }
    let found = async |filter: Filter| -> Vec<i64> {
        let read = node.db.read(|tx| Box::pin(async move { list(tx, &filter).await })).await;
        read.unwrap_or_else(|error: Error| panic!("{error}")).iter().map(|row| row.id / 100_000).collect()
    };
    let all = || Filter { limit: 10, ..Filter::default() };
    assert_eq!(found(all()).await, [3, 2, 1]);
    assert_eq!(found(Filter { limit: 2, ..all() }).await, [3, 2]);
    assert_eq!(found(Filter { before: Some(301_000), ..all() }).await, [2, 1]);
    assert_eq!(found(Filter { user: Some(ADMIN), ..all() }).await, [3, 1]);
    // Done by 9, done to 301000: either finds it, and the other conditions hold all the same.
    for user in [9, 301_000] {
        assert_eq!(found(Filter { user: Some(user), ..all() }).await, [2]);
        assert_eq!(found(Filter { user: Some(user), before: Some(201_000), ..all() }).await, [0_i64; 0]);
    }
    assert_eq!(found(Filter { place: Some("chain".into()), ..all() }).await, [2]);
    assert_eq!(found(Filter { actions: vec!["codepop.x.v1.X/Y".into()], ..all() }).await, [2]);
});

#[test]
fn the_triggers_keep_entries_as_long_as_the_program_says() {
    let times = format!("THEN {} ELSE {} END", KEPT.num_days(), REFUSALS_KEPT.num_days());
    for migration in [
        include_str!("../../../migrations/sqlite/20261101000020_audit/up.sql"),
        include_str!("../../../migrations/postgres/20261101000020_audit/up.sql"),
    ] {
        assert!(migration.contains(&times), "{times}");
    }
}
