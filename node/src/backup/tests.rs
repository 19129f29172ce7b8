//! Backups of real databases, taken while they are written to, and put back.

use std::{path::Path, sync::Arc};

use chrono::Utc;
use codepop_shared::identity::{Replaced, SpiffeId};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;

use super::{age::Identity, *};
use crate::{
    identity::Author,
    journal::{self, streams},
    mesh::{registry, replaced},
    on, on_both,
    storage::{self, Location, schema::settings},
    testing::{Node, author_replacing, name},
};

fn order(node: &Node, to: &Path) -> Order {
    Order {
        id: node.db.author().id.clone(),
        location: node.location().clone(),
        to: to.to_owned(),
        recipient: None,
        force: false,
        now: Utc::now(),
    }
}

/// The next number of the thing that these tests count; also says something, so that the journal has events.
async fn count(node: &Node) -> i64 {
    let written = node.db.write(|tx| {
        Box::pin(async move {
            let author = Arc::clone(&tx.author);
            let announcement = codepop_proto::mesh::NodeAnnounced {
                certificate: author.certificate.der.clone(),
                display_name: "Main".into(),
                api_base_url: "https://127.0.0.1:7101".into(),
                version: tx.clock.tick().0.to_string(),
                ..Default::default()
            };
            registry::announce_self(tx, announcement).await?;
            Ok::<_, journal::Error>(journal::next_number(tx, "order").await?)
        })
    });
    written.await.unwrap()
}

fn successor(of: &SpiffeId) -> Author {
    author_replacing(name(1_001, "C"), &[Replaced { number: of.number, uuid: of.uuid }])
}

fn back(file: &Path, data_dir: &Path, location: &Location, author: &Author) -> Restore {
    Restore {
        file: file.to_owned(),
        identity: None,
        data_dir: data_dir.to_owned(),
        location: location.clone(),
        certificate: Arc::clone(&author.certificate),
        now: Utc::now(),
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

on_both!(what_was_backed_up_goes_on_under_another_number, async |node: Node| {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.codepop-backup");
    let first = count(&node).await;
    let made = create(order(&node, &file)).await.unwrap();
    assert_eq!(made.trailer.tables.iter().find(|table| table.table == "counters").unwrap().rows, 1);
    let (_, trailer) = verify(file.clone(), None).await.unwrap();
    assert_eq!(trailer, made.trailer);
    // The old node goes on after the backup.
    let lost = count(&node).await;

    let (fresh, author) = (node.fresh().await, successor(&node.db.author().id));
    let restored = restore(back(&file, folder.path(), &fresh.location, &author)).await.unwrap();
    assert_eq!(restored.header.node_number, 1_000);
    assert_eq!(names(folder.path()), ["one.codepop-backup"], "nothing half-made is left");
    let again = restore(back(&file, folder.path(), &fresh.location, &author)).await.unwrap_err().to_string();
    assert!(again.contains("has a database already"), "{again}");

    let new = Node::on(fresh, author).await;
    let numbers = [first, lost, count(&new).await];
    assert_eq!(numbers.map(|number| number % 100_000), [1_000, 1_000, 1_001]);
    let old = node.db.author().id.uuid;
    let (heads, is_replaced) = new
        .db
        .write(move |tx| {
            Box::pin(async move {
                assert!(replaced::take_place(tx).await?);
                assert!(!replaced::take_place(tx).await?, "it is said once");
                let heads: Vec<_> =
                    streams::all(tx).await?.iter().map(|stream| (stream.origin == old, stream.head)).collect();
                Ok::<_, journal::Error>((heads, replaced::successors(tx).await?.is_replaced(old)))
            })
        })
        .await
        .unwrap();
    // The old life's stream stays as it was; the new one has its own, from 1.
    assert!(heads.contains(&(true, 1)) && heads.contains(&(false, 2)), "{heads:?}");
    assert!(is_replaced);
});

on_both!(only_the_one_who_takes_its_place_gets_a_backup, async |node: Node| {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.codepop-backup");
    count(&node).await;
    create(order(&node, &file)).await.unwrap();
    let refused = async |author: &Author| {
        let fresh = node.fresh().await;
        restore(back(&file, folder.path(), &fresh.location, author)).await.unwrap_err().to_string()
    };
    let itself = Arc::clone(node.db.author());
    assert!(refused(&itself).await.contains("which this node is itself"));
    let stranger = author_replacing(name(1_001, "C"), &[]);
    assert!(refused(&stranger).await.contains("--replaces 1000"));
    let elsewhere = Replaced { number: 1_000, uuid: itself.id.uuid };
    assert!(refused(&author_replacing(name(1_001, "D"), &[elsewhere])).await.contains("region"));
    let used = restore(back(&file, folder.path(), node.location(), &successor(&itself.id))).await.unwrap_err();
    assert!(used.to_string().contains("has a database already"), "{used}");
    assert_eq!(names(folder.path()), ["one.codepop-backup"]);
});

on_both!(a_broken_off_restore_is_noticed_and_repeated, async |node: Node| {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.codepop-backup");
    count(&node).await;
    create(order(&node, &file)).await.unwrap();
    let (fresh, author) = (node.fresh().await, successor(&node.db.author().id));
    restore(back(&file, folder.path(), &fresh.location, &author)).await.unwrap();
    // As if the power had failed before the mark was taken away.
    std::fs::write(folder.path().join(UNFINISHED_FILE), b"").unwrap();
    assert!(refuse_unfinished(folder.path()).unwrap_err().to_string().contains("repeat it"));
    restore(back(&file, folder.path(), &fresh.location, &author)).await.unwrap();
    refuse_unfinished(folder.path()).unwrap();
    assert_eq!(count(&Node::on(fresh, author).await).await, 200_000 + 1_001);
});

on_both!(an_encrypted_backup_opens_with_its_key_alone, async |node: Node| {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::generate().unwrap();
    let marker = "a sentence that must not be readable in the file";
    let kept = node.db.write(move |tx| {
        Box::pin(async move {
            on!(tx, conn => diesel::insert_into(settings::table)
                .values((settings::key.eq("test"), settings::value.eq(marker)))
                .execute(conn)
                .await)?;
            Ok::<_, storage::Error>(())
        })
    });
    kept.await.unwrap();
    let plain = create(order(&node, &folder.path().join("plain.codepop-backup"))).await.unwrap();
    let sealed = Order { recipient: Some(identity.recipient()), ..order(&node, folder.path()) };
    let sealed = create(sealed).await.unwrap();
    let holds = |path: &Path| std::fs::read(path).unwrap().windows(marker.len()).any(|part| part == marker.as_bytes());
    assert!(holds(&plain.path) && !holds(&sealed.path));
    assert!(sealed.path.file_name().unwrap().to_str().unwrap().starts_with("test-1000-2"));
    assert!(verify(sealed.path.clone(), None).await.unwrap_err().to_string().contains("--identity"));
    assert!(verify(sealed.path.clone(), Some(Identity::generate().unwrap())).await.is_err());
    let (fresh, author) = (node.fresh().await, successor(&node.db.author().id));
    let order = back(&sealed.path, folder.path(), &fresh.location, &author);
    restore(Restore { identity: Some(Arc::new(identity)), ..order }).await.unwrap();
    let new = Node::on(fresh, author).await;
    let read = new.db.read(|tx| {
        Box::pin(async move {
            let value: String =
                on!(tx, conn => settings::table.find("test").select(settings::value).first(conn).await)?;
            Ok::<_, storage::Error>(value)
        })
    });
    assert_eq!(read.await.unwrap(), marker);
});

on_both!(files_are_never_replaced_unasked_and_old_ones_go, async |node: Node| {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test-1000-1.codepop-backup");
    let made = create(order(&node, &file)).await.unwrap();
    assert_eq!(made.path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(create(order(&node, &file)).await.unwrap_err().to_string().contains("--force"));
    create(Order { force: true, ..order(&node, &file) }).await.unwrap();
    create(order(&node, folder.path())).await.unwrap();
    std::fs::write(folder.path().join("other.txt"), b"").unwrap();
    schedule::drop_old(folder.path(), "test-1000-", 1).unwrap();
    let left = names(folder.path());
    assert!(left.len() == 2 && !left.contains(&"test-1000-1.codepop-backup".to_owned()), "{left:?}");
    // One changed byte in the middle, or one missing at the end.
    let newest = folder.path().join(left.iter().find(|name| name.ends_with(ENDING)).unwrap());
    let mut bytes = std::fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&newest, &bytes).unwrap();
    assert!(verify(newest.clone(), None).await.is_err());
    bytes[middle] ^= 1;
    std::fs::write(&newest, &bytes[..bytes.len() - 1]).unwrap();
    assert!(verify(newest, None).await.is_err());
});
