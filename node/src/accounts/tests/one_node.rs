//! Accounts at one node, on both databases.

use super::*;

on_both!(sign_up_then_log_in, async |node: Node| {
    let accounts = quick(&node.app);
    let made = register(&accounts, "Ada", "a long secret").await;
    assert_eq!((made.user, made.username.as_str(), made.first_name.as_str()), (101_000, "Ada", "Ada"));
    assert_eq!(user(&accounts, &made.token).await.number, made.user);

    let again = log_in(&accounts, "  aDA ", "a long secret").await.unwrap();
    assert_eq!((again.user, again.username.as_str(), again.notice), (made.user, "Ada", None));
    assert_ne!(again.token, made.token);
    assert_eq!(roles::word(again.standing.role), "ACCOUNT_USER");
    assert!(!again.standing.is_admin && !again.standing.is_manager);
    assert_eq!(log_in(&accounts, "ada", "a long Secret").await.unwrap_err().code, Code::LoginFailed);

    let taken = accounts.register(&permit(), new_account("ADA", "another secret")).await.unwrap_err();
    assert_eq!(taken.code, Code::NameTaken);
    let profile = accounts.profile(&user(&accounts, &again.token).await).await.unwrap();
    assert_eq!(
        (profile.email.as_str(), profile.source, profile.is_replicated),
        ("ada@example.com", Some(1_000), false)
    );
    assert_eq!(profile.roles, ["ACCOUNT_USER"]);
});

on_both!(without_a_first_name_the_user_name_stands_in, async |node: Node| {
    let accounts = quick(&node.app);
    let new = NewAccount { first_name: String::new(), ..new_account("Ada", "a long secret") };
    accounts.register(&permit(), new).await.unwrap();
    assert_eq!(log_in(&accounts, "ada", "a long secret").await.unwrap().first_name, "Ada");
});

on_both!(logging_out_ends_one_session, async |node: Node| {
    let accounts = quick(&node.app);
    let made = register(&accounts, "ada", "a long secret").await;
    let other = log_in(&accounts, "ada", "a long secret").await.unwrap();
    let session = user(&accounts, &made.token).await;
    accounts.log_out(&permit(), &session).await.unwrap();
    accounts.log_out(&permit(), &session).await.unwrap();
    refused(&accounts, &made.token).await;
    user(&accounts, &other.token).await;
});

on_both!(nobody_ends_the_session_of_another_user, async |node: Node| {
    let accounts = quick(&node.app);
    let made = register(&accounts, "ada", "a long secret").await;
    let session = user(&accounts, &made.token).await;
    let message = SessionEnded {
        user: 201_000,
        session: session.session.as_bytes().to_vec(),
        expires_at_us: session.expires_at_us,
    };
    say(&node.db, message).await.unwrap();
    user(&accounts, &made.token).await;
});

on_both!(a_new_password_ends_all_sessions, async |node: Node| {
    let accounts = quick(&node.app);
    let made = register(&accounts, "ada", "a long secret").await;
    let session = user(&accounts, &made.token).await;
    let change = async |current: &str, new: &str| {
        accounts.change_password(&permit(), HOME, (&session, None), typed(current), typed(new)).await
    };
    assert_eq!(change("wrong", "a new secret").await.unwrap_err().code, Code::LoginFailed);
    user(&accounts, &made.token).await;
    let token = change("a long secret", "a new secret").await.unwrap();
    refused(&accounts, &made.token).await;
    assert_eq!(user(&accounts, &token).await.number, made.user);
    assert_eq!(log_in(&accounts, "ada", "a long secret").await.unwrap_err().code, Code::LoginFailed);
    let later = log_in(&accounts, "ada", "a new secret").await.unwrap();
    user(&accounts, &later.token).await;
});

on_both!(profiles_change_field_by_field, async |node: Node| {
    let accounts = quick(&node.app);
    register(&accounts, "grace", "a long secret").await;
    let made = register(&accounts, "ada", "a long secret").await;
    let session = user(&accounts, &made.token).await;
    let store = Uuid::now_v7();
    let changes = Changes {
        username: Some(UserName::parse("Ada L").unwrap()),
        email: Some(String::new()),
        preferred_store: Some(Some(store)),
        ..Changes::default()
    };
    let (profile, moved) = accounts.change_profile(&permit(), &session, changes.clone()).await.unwrap();
    assert!(moved);
    assert_eq!((profile.username.as_str(), profile.first_name.as_str(), profile.email.as_str()), ("Ada L", "Ada", ""));
    assert_eq!(profile.preferred_store, Some(store));
    // Saying the same again says nothing.
    let before = events(&node.db, 1).await.len();
    assert_eq!(accounts.change_profile(&permit(), &session, changes).await.unwrap(), (profile, false));
    assert_eq!(events(&node.db, 1).await.len(), before);

    let taken = Changes { username: Some(UserName::parse("GRACE").unwrap()), ..Changes::default() };
    assert_eq!(accounts.change_profile(&permit(), &session, taken).await.unwrap_err().code, Code::NameTaken);
    // The old name is free again.
    register(&accounts, "ada", "a long secret").await;
});

on_both!(a_deleted_account_is_gone, async |node: Node| {
    let accounts = quick(&node.app);
    let made = register(&accounts, "ada", "a long secret").await;
    let session = user(&accounts, &made.token).await;
    let wrong = accounts.delete(&permit(), HOME, &session, typed("wrong")).await.unwrap_err();
    assert_eq!(wrong.code, Code::LoginFailed);
    accounts.delete(&permit(), HOME, &session, typed("a long secret")).await.unwrap();

    refused(&accounts, &made.token).await;
    assert_eq!(log_in(&accounts, "ada", "a long secret").await.unwrap_err().code, Code::LoginFailed);
    let taken = accounts.register(&permit(), new_account("ada", "a long secret")).await.unwrap_err();
    assert_eq!(taken.code, Code::NameTaken);
    let events = events(&node.db, 1).await;
    let readable: Vec<&str> =
        events.iter().filter(|event| event.message().is_some()).map(|event| event.header.kind.as_str()).collect();
    assert_eq!(readable, ["codepop.accounts.v1.UserDeleted"]);
    // Nothing can be said about it any more.
    let email = ProfileChanged { user: made.user, email: Some("ada@example.com".into()), ..ProfileChanged::default() };
    assert!(matches!(say(&node.db, email).await, Err(journal::Error::Erased)));
});

on_both!(disabling_ends_sessions_for_good, async |node: Node| {
    let accounts = quick(&node.app);
    let made = register(&accounts, "ada", "a long secret").await;
    say(&node.db, UserStatusChanged { user: made.user, disabled: true, ..Default::default() }).await.unwrap();
    refused(&accounts, &made.token).await;
    assert_eq!(log_in(&accounts, "ada", "a long secret").await.unwrap_err().code, Code::LoginFailed);
    say(&node.db, UserStatusChanged { user: made.user, disabled: false, ..Default::default() }).await.unwrap();
    refused(&accounts, &made.token).await;
    let later = log_in(&accounts, "ada", "a long secret").await.unwrap();
    user(&accounts, &later.token).await;
});

on_both!(hashes_of_django_are_replaced_at_the_next_log_in, async |node: Node| {
    let accounts = quick(&node.app);
    let made = register(&accounts, "ada", "a long secret").await;
    let django = hashing::tests::django("legacy", 1_000);
    let set = CredentialSet { user: made.user, password_hash: django.clone(), ends_sessions: false };
    say(&node.db, set).await.unwrap();
    assert_eq!(log_in(&accounts, "ada", "Legacy").await.unwrap_err().code, Code::LoginFailed);
    log_in(&accounts, "ada", "legacy").await.unwrap();
    let number = made.user;
    let held = node.db.read(move |tx| Box::pin(store::credential(tx, number))).await;
    let held = held.map_err(|error: storage::Error| error).unwrap().unwrap();
    assert!(held.password_hash.starts_with("$argon2id$"), "{}", held.password_hash);
    log_in(&accounts, "ada", "legacy").await.unwrap();
    // The same password: no session ends.
    user(&accounts, &made.token).await;
});

on_both!(guessing_slows_down_at_one_address, async |node: Node| {
    let accounts = Accounts { gate: Gate::new(Duration::from_millis(500)), ..quick(&node.app) };
    register(&accounts, "ada", "a long secret").await;
    let guesses = (0..6).map(|_| log_in(&accounts, "ADA", "wrong"));
    for guess in join_all(guesses).await {
        assert!(matches!(guess.unwrap_err().code, Code::LoginFailed | Code::Overloaded));
    }
    // Overloaded ones do not count; make sure that six failed.
    let mut last = log_in(&accounts, "ada", "wrong").await.unwrap_err();
    for _ in 0..20 {
        if last.code == Code::TooManyAttempts {
            break;
        }
        last = log_in(&accounts, "ada", "wrong").await.unwrap_err();
    }
    assert_eq!(last.code, Code::TooManyAttempts);
    assert!(last.retry_after.is_some_and(|wait| (1..=60).contains(&wait.as_secs())));
    let elsewhere = accounts.log_in([192, 0, 2, 2].into(), Customer::default(), "ada", typed("a long secret")).await;
    elsewhere.unwrap();
});

/// Never answers, like peers that are stuck.
struct Stuck;

impl AccountFinder for Stuck {
    fn find(&self, _account: Lookup) -> BoxFuture<'_, bool> {
        Box::pin(std::future::pending())
    }
}

on_both!(failures_take_the_same_time, async |node: Node| {
    let app = App { finder: Arc::new(Stuck), ..node.app.clone() };
    // As long as in earnest: hashing takes its time on a machine that runs other tests.
    let accounts = Accounts::new(app);
    for name in ["known", "disabled", "deleted", "django"] {
        let made = register(&accounts, name, "a long secret").await;
        match name {
            "disabled" => {
                let disabled = UserStatusChanged { user: made.user, disabled: true, ..Default::default() };
                say(&node.db, disabled).await.unwrap();
            }
            "deleted" => {
                let session = user(&accounts, &made.token).await;
                accounts.delete(&permit(), HOME, &session, typed("a long secret")).await.unwrap();
            }
            "django" => {
                let password_hash = hashing::tests::django("legacy", 100_000);
                let set = CredentialSet { user: made.user, password_hash, ends_sessions: false };
                say(&node.db, set).await.unwrap();
            }
            _ => {}
        }
    }
    let long = "x".repeat(100_000);
    let tries = [
        ("unknown", "a long secret"),
        ("known", "wrong"),
        ("disabled", "a long secret"),
        ("deleted", "a long secret"),
        ("django", "wrong"),
        ("known~7", "a long secret"),
        (&long, &long),
    ];
    let timed = tries.map(|(name, password)| {
        let accounts = &accounts;
        async move {
            let start = Instant::now();
            let failure = log_in(accounts, name, password).await.unwrap_err();
            (start.elapsed(), failure)
        }
    });
    for (took, failure) in join_all(timed).await {
        assert_eq!(failure, error::login_failed());
        assert!(took >= FAILURE_TIME && took < FAILURE_TIME + Duration::from_millis(500), "{took:?}");
    }
    let start = Instant::now();
    log_in(&accounts, "known", "a long secret").await.unwrap();
    assert!(start.elapsed() < FAILURE_TIME);
});

on_both!(a_user_whom_nobody_knows_has_no_good_token, async |node: Node| {
    let accounts = quick(&App { finder: Arc::new(Stuck), ..node.app.clone() });
    let now = node.app.clock().wall();
    let nobody = token::issue(node.app.author(), &token::Claims::new(901_000, None, Hlc(0), now)).unwrap();
    let start = Instant::now();
    refused(&accounts, &nobody).await;
    assert!(start.elapsed() < FAILURE_TIME);
});

on_both!(what_is_settled_as_erased_loses_its_body, async |node: Node| {
    let said = ProfileChanged { user: 101_000, email: Some("ada@example.com".into()), ..ProfileChanged::default() };
    let stamp = say(&node.db, said).await.unwrap();
    let settle = |outcome: journal::Outcome| {
        node.db.write(move |tx| Box::pin(async move { entries::settle(tx, stamp.stream, stamp.seq, &outcome).await }))
    };
    let waiting = journal::Outcome::withheld(journal::State::Quarantined, "waits");
    settle(waiting.clone()).await.map_err(|error: storage::Error| error).unwrap();
    assert!(events(&node.db, stamp.stream).await[0].message().is_some());
    settle(waiting.without_body()).await.map_err(|error: storage::Error| error).unwrap();
    assert!(events(&node.db, stamp.stream).await[0].message().is_none());
    // Once it is known that the user is deleted, it waits no longer.
    let counts =
        async || node.db.read(|tx| Box::pin(entries::counts(tx))).await.map_err(|e: storage::Error| e).unwrap();
    assert_eq!(counts().await, (1, 1, 0));
    say(&node.db, UserDeleted { user: 101_000, ..UserDeleted::default() }).await.unwrap();
    assert_eq!(counts().await, (2, 0, 0));
});

on_both!(tokens_are_held_against_the_rows, async |node: Node| {
    let accounts = quick(&node.app);
    let made = register(&accounts, "ada", "a long secret").await;
    for junk in ["", "x", "v4.public.x", &format!("{}A", made.token), &made.token.replace("v4.public.", "v4.local.")] {
        refused(&accounts, junk).await;
    }
    // A token of a node that is not known here, and one of a user who is not.
    let stranger = testing::author(testing::name(1_001, "C"));
    let now = node.app.clock().wall();
    let foreign = token::issue(&stranger, &token::Claims::new(made.user, None, Hlc(0), now)).unwrap();
    refused(&accounts, &foreign).await;
    let nobody = token::issue(node.app.author(), &token::Claims::new(901_000, None, Hlc(0), now)).unwrap();
    refused(&accounts, &nobody).await;
    // Once its certificate is here, it is believed.
    exchange::announce(&node.db, &stranger).await;
    assert_eq!(user(&accounts, &foreign).await.number, made.user);
    // A session from before the last end of all sessions.
    say(&node.db, codepop_proto::accounts::SessionsEnded { user: made.user }).await.unwrap();
    refused(&accounts, &made.token).await;
    refused(&accounts, &foreign).await;
});

on_both!(sessions_from_the_future_are_none, async |node: Node| {
    let accounts = quick(&node.app);
    let made = register(&accounts, "ada", "a long secret").await;
    let (user_number, now) = (made.user, node.app.clock().wall());
    let ahead = Hlc(node.app.clock().tick().0 + (3_600 << 32));
    let token =
        |generation| token::issue(node.app.author(), &token::Claims::new(user_number, None, generation, now)).unwrap();
    refused(&accounts, &token(ahead)).await;
    // An end of all sessions by a node whose clock is far ahead ends them, and locks nobody out.
    let stamp = journal::Stamp { hlc: ahead, origin: Uuid::from_u128(7), stream: 99, seq: 1 };
    let ended = async move |tx: &mut crate::storage::Tx| {
        let message = codepop_proto::accounts::SessionsEnded { user: user_number };
        journal::Replicated::apply(&message, tx, &stamp).await
    };
    node.db.receive(move |tx| Box::pin(async move { ended(tx).await })).await.unwrap();
    refused(&accounts, &made.token).await;
    refused(&accounts, &token(Hlc(ahead.0 + 1))).await;
    let later = log_in(&accounts, "ada", "a long secret").await.unwrap();
    user(&accounts, &later.token).await;
});

on_both!(a_log_in_takes_the_guests_session_along, async |node: Node| {
    let accounts = quick(&node.app);
    let made = register(&accounts, "ada", "a long secret").await;
    let other = register(&accounts, "bob", "a long secret").await;
    let (guest, token) = begin_guest(&node.app).unwrap();
    let session = authenticate(&node.app, &token).await.unwrap();
    assert!(session.user.is_none() && session.guest == Some(guest));
    let log_in = async |before: Customer| {
        let password = typed("a long secret");
        let token = accounts.log_in(HOME, before, "ada", password).await.unwrap().token;
        let session = authenticate(&node.app, &token).await.unwrap();
        assert_eq!(session.user.unwrap().number, made.user);
        session.guest
    };
    assert_eq!(log_in(Customer { user: None, guest: Some(guest) }).await, Some(guest));
    assert_eq!(log_in(Customer { user: Some(made.user), guest: Some(guest) }).await, Some(guest));
    // Otherwise a session is its own guest.
    for before in [Customer { user: Some(other.user), guest: Some(guest) }, Customer::default()] {
        assert!(log_in(before).await.is_some_and(|own| own != guest));
    }
});

on_both!(expired_records_of_sessions_go, async |node: Node| {
    let end = async |expires_at_us: i64| {
        let session = Uuid::now_v7().as_bytes().to_vec();
        say(&node.db, SessionEnded { user: 101_000, session, expires_at_us }).await.unwrap();
    };
    let now = node.app.clock().wall().timestamp_micros();
    end(now - 1).await;
    end(now + 3_600_000_000).await;
    let (rows, _) = digest_of(&node.db, Audience::Everyone).await;
    assert_eq!(rows, 1);
    let gone = node.db.write(|tx| Box::pin(forget_expired_sessions(tx))).await;
    assert_eq!(gone.map_err(|error: storage::Error| error).unwrap(), 1);
});

on_both!(what_fits_no_database_is_refused_alike, async |node: Node| {
    let unfit = |result: Result<journal::Stamp, journal::Error>| {
        assert!(matches!(result, Err(journal::Error::Unfit(_))), "{result:?}");
    };
    let nul = ProfileChanged { user: 101_000, email: Some("a\0b".into()), ..ProfileChanged::default() };
    unfit(say(&node.db, nul).await);
    for created_at_us in [0, -1, i64::MAX] {
        unfit(say(&node.db, UserRegistered { user: 101_000, created_at_us, ..UserRegistered::default() }).await);
    }
    unfit(say(&node.db, CredentialSet { user: 101_000, password_hash: "x".repeat(513), ends_sessions: false }).await);
    let (name_key, name_origin) = (vec![1], vec![0; 16]);
    unfit(say(&node.db, UserDeleted { user: 101_000, name_key, name_hlc: 0, name_origin }).await);
});
