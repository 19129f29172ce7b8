//! Accounts between nodes, on both databases.

use super::{exchange::carry, *};

/// Two nodes with what each has said brought to the other.
async fn exchange_all(nodes: &[&Node]) {
    for from in nodes {
        for to in nodes {
            carry(from, to).await;
        }
    }
}

async fn equal(nodes: &[&Node], audience: Audience) -> u64 {
    let first = digest_of(&nodes[0].db, audience.clone()).await;
    for node in &nodes[1..] {
        assert_eq!(digest_of(&node.db, audience.clone()).await, first);
    }
    first.0
}

on_both!(two_claims_on_a_name_both_go_on, async |first: Node| {
    let second = Node::sqlite_as(testing::name(1_001, "C")).await;
    let (at_first, at_second) = (quick(&first.app), quick(&second.app));
    let early = register(&at_first, "Ada", "the early secret").await;
    let late = register(&at_second, "ADA", "the late secret").await;
    exchange_all(&[&first, &second]).await;
    assert!(equal(&[&first, &second], Audience::Everyone).await >= 4);

    for accounts in [&at_first, &at_second] {
        let owner = log_in(accounts, "ada", "the early secret").await.unwrap();
        assert_eq!((owner.user, owner.username.as_str(), owner.notice), (early.user, "Ada", None));
        let loser = log_in(accounts, "ada", "the late secret").await.unwrap();
        assert_eq!((loser.user, loser.username.as_str()), (late.user, format!("ADA~{}", late.user).as_str()));
        assert!(loser.notice.unwrap().contains(&loser.username));
        let numbered = log_in(accounts, &loser.username, "the late secret").await.unwrap();
        assert_eq!((numbered.user, numbered.notice), (late.user, None));
        assert!(log_in(accounts, &loser.username, "the early secret").await.is_err());
        let lookup = Lookup::NameKey(name::key("test", "ada"));
        let claims = accounts.app.read(move |tx| Box::pin(async move { account_numbers(tx, &lookup).await })).await;
        let claims = claims.map_err(|error: storage::Error| error).unwrap();
        assert_eq!(claims, [early.user, late.user]);
    }
    // The early claim outlives its account.
    let session = user(&at_first, &early.token).await;
    at_first.delete(&permit(), HOME, &session, typed("the early secret")).await.unwrap();
    exchange_all(&[&first, &second]).await;
    equal(&[&first, &second], Audience::Everyone).await;
    let still = log_in(&at_second, "ada", "the late secret").await.unwrap();
    assert_eq!(still.username, format!("ADA~{}", late.user));
});

on_both!(late_arrivals_about_a_deleted_user_leave_nothing, async |first: Node| {
    let second = Node::sqlite_as(testing::name(1_001, "C")).await;
    let third = Node::sqlite_as(testing::name(1_002, "C")).await;
    let (at_first, at_second) = (quick(&first.app), quick(&second.app));
    let made = register(&at_first, "Ada", "a long secret").await;
    carry(&first, &second).await;
    // At the second node the profile changes; at the first the account is deleted.
    let email = ProfileChanged { user: made.user, email: Some("late@example.com".into()), ..Default::default() };
    say(&second.db, email).await.unwrap();
    let session = user(&at_first, &made.token).await;
    at_first.delete(&permit(), HOME, &session, typed("a long secret")).await.unwrap();
    carry(&second, &first).await;
    carry(&first, &third).await;
    carry(&second, &third).await;
    carry(&first, &second).await;
    equal(&[&first, &second, &third], Audience::Everyone).await;
    for node in [&first, &second, &third] {
        let streams = node.db.read(|tx| Box::pin(streams::all(tx))).await.map_err(|e: storage::Error| e).unwrap();
        for stream in streams {
            for event in events(&node.db, stream.id).await {
                let kept = event.header.kind == "codepop.accounts.v1.UserDeleted";
                assert_eq!(event.message().is_some(), kept, "{}", event.header.kind);
            }
        }
    }
    assert!(log_in(&at_second, "ada", "a long secret").await.is_err());
});

/// Brings everything from another node when asked.
struct Peer(Node, Db);

impl AccountFinder for Peer {
    fn find(&self, _account: Lookup) -> BoxFuture<'_, bool> {
        Box::pin(async {
            exchange::carry_to(&self.0, &self.1).await;
            true
        })
    }
}

on_both!(who_has_not_arrived_is_fetched, async |node: Node| {
    let home = Node::sqlite_as(testing::name(1_001, "C")).await;
    let made = register(&quick(&home.app), "Ada", "a long secret").await;
    let issuer = home.app.author().clone();
    let app = App { finder: Arc::new(Peer(home, node.db.clone())), ..node.app.clone() };
    exchange::announce(&node.db, &issuer).await;
    let accounts = quick(&app);
    assert_eq!(user(&accounts, &made.token).await.number, made.user);
    assert_eq!(log_in(&accounts, "ada", "a long secret").await.unwrap().user, made.user);
});

#[tokio::test]
async fn who_is_unknown_here_logs_in_through_peers() {
    let node = Node::sqlite().await;
    let home = Node::sqlite_as(testing::name(1_001, "C")).await;
    let made = register(&quick(&home.app), "Ada", "a long secret").await;
    let app = App { finder: Arc::new(Peer(home, node.db.clone())), ..node.app.clone() };
    let logged_in = log_in(&quick(&app), &format!("ada~{}", made.user), "a long secret").await.unwrap();
    assert_eq!((logged_in.user, logged_in.username.as_str()), (made.user, "Ada"));
}

on_both!(staff_accounts_stay_with_the_hubs, async |store: Node| {
    let hub = Node::sqlite_as(testing::name(1, "C")).await;
    let other = Node::sqlite_as(testing::name(2, "D")).await;
    let (at_store, at_hub, at_other) = (quick(&store.app), quick(&hub.app), quick(&other.app));
    assert_eq!(at_hub.register(&permit(), new_account("x", "a long secret")).await.unwrap_err().code, Code::AskStore);
    let staff = at_store.create_staff(&permit(), new_account("x", "a long secret")).await.unwrap_err();
    assert_eq!(staff.code, Code::AskHub);

    let number = at_hub.create_staff(&permit(), new_account("root", "a long secret")).await.unwrap();
    let session = log_in(&at_hub, "root", "a long secret").await.unwrap();
    exchange_all(&[&hub, &store, &other]).await;
    equal(&[&hub, &store, &other], Audience::Everyone).await;
    assert_eq!(equal(&[&hub, &other], Audience::Hubs).await, 1);
    assert_eq!(digest_of(&store.db, Audience::Hubs).await.0, 0);
    assert_eq!(log_in(&at_other, "root", "a long secret").await.unwrap().user, number);
    assert_eq!(log_in(&at_store, "root", "a long secret").await.unwrap_err().code, Code::AskHub);

    // The hub's token holds at the store, which may say nothing about its user.
    for node in [&store, &other] {
        exchange::announce(&node.db, hub.app.author()).await;
    }
    let user_at_store = user(&at_store, &session.token).await;
    assert_eq!(at_store.log_out(&permit(), &user_at_store).await.unwrap_err().code, Code::AskHub);
    let changed = at_store.change_profile(&permit(), &user_at_store, Changes::default()).await;
    assert_eq!(changed.unwrap_err().code, Code::AskHub);
    let forged = CredentialSet { user: number, password_hash: "x".into(), ends_sessions: true };
    assert!(matches!(say(&store.db, forged).await, Err(journal::Error::Forbidden { .. })));

    // A new password ends sessions at stores too, without its hash going there.
    let user_at_hub = user(&at_hub, &session.token).await;
    let (current, new) = (typed("a long secret"), typed("a new secret"));
    let token = at_hub.change_password(&permit(), HOME, (&user_at_hub, None), current, new).await.unwrap();
    exchange_all(&[&hub, &store, &other]).await;
    refused(&at_store, &session.token).await;
    refused(&at_other, &session.token).await;
    assert_eq!(user(&at_store, &token).await.number, number);
    equal(&[&hub, &store, &other], Audience::Everyone).await;
    equal(&[&hub, &other], Audience::Hubs).await;
    // What hubs alone see ends no session: stores could not follow.
    let quiet = CredentialSet { user: number, password_hash: "x".into(), ends_sessions: true };
    let said = hub.db.write(move |tx| Box::pin(async move { journal::emit(tx, &Audience::Hubs, &quiet).await }));
    said.await.map_err(|error: journal::Error| error).unwrap();
    equal(&[&hub, &store, &other], Audience::Everyone).await;
    let held = store.db.read(move |tx| Box::pin(store::credential(tx, number))).await;
    assert_eq!(held.map_err(|error: storage::Error| error).unwrap().unwrap().password_hash, "");
});

on_both!(roles_count_where_their_user_shows_a_token, async |node: Node| {
    let accounts = quick(&node.app);
    let made = register(&accounts, "ada", "a long secret").await;
    let place = Place::Store(node.app.author().id.uuid);
    let new = roles::NewAssignment { user: made.user, role: Role::Manager, place: place.clone(), hub: None, by: 0 };
    let given = node.db.write(move |tx| Box::pin(async move { roles::assign(tx, &new).await })).await.unwrap();
    let session = user(&accounts, &made.token).await;
    assert_eq!(session.grants, [crate::auth::Grant { role: Role::Manager, place: place.clone() }]);
    let logged_in = log_in(&accounts, "ada", "a long secret").await.unwrap();
    assert_eq!((roles::word(logged_in.standing.role), logged_in.standing.is_manager), ("MANAGER", true));
    let taken = node.db.write(move |tx| Box::pin(async move { roles::revoke(tx, given, &place, 0).await })).await;
    assert!(taken.unwrap());
    assert_eq!(user(&accounts, &made.token).await.grants, []);
});

on_both!(a_customer_and_staff_may_share_a_name, async |store: Node| {
    let hub = Node::sqlite_as(testing::name(1, "C")).await;
    let (at_store, at_hub) = (quick(&store.app), quick(&hub.app));
    let customer = register(&at_store, "sam", "the customers secret").await.user;
    let staff = at_hub.create_staff(&permit(), new_account("Sam", "the staffs secret")).await.unwrap();
    exchange_all(&[&hub, &store]).await;
    // The store knows the customer's password; for any other it sends to the hub, which knows both.
    assert_eq!(log_in(&at_store, "sam", "the customers secret").await.unwrap().user, customer);
    assert_eq!(log_in(&at_store, "sam", "the staffs secret").await.unwrap_err().code, Code::AskHub);
    assert_eq!(log_in(&at_store, "sam", "wrong").await.unwrap_err().code, Code::AskHub);
    assert_eq!(log_in(&at_hub, "sam", "the customers secret").await.unwrap().user, customer);
    let logged_in = log_in(&at_hub, "sam", "the staffs secret").await.unwrap();
    assert_eq!((logged_in.user, logged_in.username), (staff, format!("Sam~{staff}")));
    assert_eq!(log_in(&at_hub, "sam", "wrong").await.unwrap_err().code, Code::LoginFailed);
});
