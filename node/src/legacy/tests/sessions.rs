//! What people notice: passwords, names, phones that stay logged in, roles, and leaving for good.

use std::net::{IpAddr, Ipv4Addr};

use codepop_proto::accounts::{SessionsEnded, UserDeleted};
use codepop_shared::{Code, Failure};

use super::{
    old::{Old, PASSWORD, TOKEN},
    *,
};
use crate::{
    accounts::{Accounts, LoggedIn, Password, authenticate},
    auth::{Customer, Permit, Place},
    journal::Audience,
    roles,
    storage::schema::{credentials, favorites, legacy_tokens},
};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

async fn log_in(accounts: &Accounts, name: &str) -> Result<LoggedIn, Failure> {
    accounts.log_in(HOME, Customer::default(), name, Password::to_check(PASSWORD.to_owned())).await
}

async fn sample(node: &Node) -> Accounts {
    run(node, Old::sample(1).file().source(), Options::default()).await;
    Accounts::new(node.app.clone())
}

on_both!(passwords_keep_working_and_are_hashed_anew, async |node: Node| {
    let accounts = sample(&node).await;
    let hash = || async {
        let hash: String = ask!(node, conn => credentials::table
            .find(3_i64)
            .select(credentials::password_hash)
            .first(conn)
            .await);
        hash
    };
    assert!(hash().await.starts_with("pbkdf2_sha256$"));
    let ada = log_in(&accounts, "Ada").await.unwrap();
    assert_eq!((ada.user, ada.first_name.as_str()), (3, "李"));
    assert!(hash().await.starts_with("$argon2id$"));
    assert_eq!(log_in(&accounts, "ada~4").await.unwrap().user, 4);
    assert_eq!(log_in(&accounts, "BOB-X").await.unwrap().user, 5);
    for nobody in ["unusable", "argon", "gone"] {
        assert_eq!(log_in(&accounts, nobody).await.unwrap_err().code, Code::LoginFailed, "{nobody}");
    }
    let (boss, staff) = (log_in(&accounts, "super").await.unwrap(), log_in(&accounts, "staff").await.unwrap());
    assert!(boss.standing.is_admin && !staff.standing.is_admin && staff.standing.is_manager);
    let grants = node.db.read(|tx| Box::pin(roles::in_force(tx, 1))).await.unwrap();
    assert_eq!(grants[0].place, Place::Store(node.db.author().id.uuid));
});

on_both!(a_phone_stays_logged_in_until_it_logs_out, async |node: Node| {
    let accounts = sample(&node).await;
    let user = authenticate(&node.app, TOKEN).await.unwrap().user.unwrap();
    assert_eq!(user.number, 3);
    let kept: Vec<Vec<u8>> =
        ask!(node, conn => legacy_tokens::table.select(legacy_tokens::token_hash).load(conn).await);
    assert!(kept.len() == 1 && kept[0] != TOKEN.as_bytes());
    for other in ["1111b09199c62bcf9418ad846dd0e4bbdfc6ee4b", "0000b09199c62bcf9418ad846dd0e4bbdfc6ee4b"] {
        assert!(authenticate(&node.app, other).await.is_err(), "{other}");
    }
    accounts.log_out(&Permit::default(), &user).await.unwrap();
    assert!(authenticate(&node.app, TOKEN).await.is_err());
    // The next run does not log it in again.
    run(&node, Old::sample(1).file().source(), Options::default()).await;
    assert!(authenticate(&node.app, TOKEN).await.is_err());
});

on_both!(ending_all_sessions_ends_those_of_the_old_system, async |node: Node| {
    sample(&node).await;
    node.db
        .write(|tx| Box::pin(async move { journal::emit(tx, &Audience::Everyone, &SessionsEnded { user: 3 }).await }))
        .await
        .unwrap();
    assert!(authenticate(&node.app, TOKEN).await.is_err());
});

on_both!(who_was_deleted_here_does_not_come_back, async |node: Node| {
    sample(&node).await;
    node.db
        .write(|tx| {
            Box::pin(async move {
                let deleted = UserDeleted { user: 3, ..UserDeleted::default() };
                journal::emit(tx, &Audience::Everyone, &deleted).await?;
                crate::catalog::forget_deleted(tx).await?;
                Ok::<_, journal::Error>(())
            })
        })
        .await
        .unwrap();
    let mut more = Old::sample(1);
    more.add(super::super::table::Table::Favorites, &["9", "3", "3"]);
    let report = run(&node, more.file().source(), Options::default()).await;
    assert_eq!(report.tally(Entity::Users).imported, 0);
    assert!(report.tally(Entity::Favorites).reasons.contains_key("its user was deleted here"), "{report}");
    let left: i64 = ask!(node, conn => favorites::table.count().get_result(conn).await);
    let tokens: i64 = ask!(node, conn => legacy_tokens::table.count().get_result(conn).await);
    assert_eq!((left, tokens), (0, 0));
});
