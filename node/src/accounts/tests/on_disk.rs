//! What is left of a deleted account on the disk.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_users_address_is_nowhere_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.db");
    let id = testing::name(1_000, "C");
    let clock = Arc::new(crate::clock::Clock::new(id.uuid));
    let location = storage::Location::Sqlite(path.clone());
    let (db, _) = Db::open(&location, clock, Arc::new(testing::author(id))).await.unwrap();
    let node = Node::sqlite().await;
    let accounts = quick(&App { db: db.clone(), ..node.app.clone() });
    // Others around it, so that its pages are shared.
    for number in 0..20 {
        register(&accounts, &format!("other{number}"), "a long secret").await;
    }
    let made = register(&accounts, "findme", "a long secret").await;
    let session = user(&accounts, &made.token).await;
    let found = |what: &str| {
        ["", "-wal", "-journal"].iter().any(|ending| {
            let name = format!("node.db{ending}");
            let bytes = std::fs::read(folder.path().join(name)).unwrap_or_default();
            bytes.windows(what.len()).any(|window| window == what.as_bytes())
        })
    };
    assert!(found("findme@example.com"));
    let changes = Changes { email: Some("findme2@example.com".into()), ..Changes::default() };
    accounts.change_profile(&permit(), &session, changes).await.unwrap();
    accounts.delete(&permit(), HOME, &session, typed("a long secret")).await.unwrap();
    assert!(!found("findme"));
    assert!(found("other7@example.com"));
}
