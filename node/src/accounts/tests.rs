//! Accounts on both databases, at one node and between nodes.

use std::{net::IpAddr, sync::Arc, time::Duration};

use codepop_proto::{
    accounts::{CredentialSet, ProfileChanged, SessionEnded, UserDeleted, UserRegistered, UserStatusChanged},
    roles::Role,
};
use codepop_shared::{Code, Failure};
use futures::future::{BoxFuture, join_all};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use super::{exchange::carry, gate::Gate, hashing::Hashing, *};
use crate::{
    app::{AccountFinder, Lookup},
    auth::{Permit, Place, User, token},
    clock::Hlc,
    journal::{self, Audience, Event, entries, streams},
    on_both, roles,
    storage::Db,
    testing::{self, Node},
};

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// Long enough for hashing on a busy machine, short enough to wait for.
const FAILURE_TIME: Duration = Duration::from_millis(1_500);

fn permit() -> Permit {
    Permit { user: None }
}

fn quick(app: &App) -> Accounts {
    Accounts { app: app.clone(), hashing: Hashing::new(), gate: Gate::new(FAILURE_TIME) }
}

fn new_account(username: &str, password: &str) -> NewAccount {
    NewAccount {
        username: UserName::parse(username).unwrap(),
        password: typed(password),
        first_name: "Ada".into(),
        last_name: "Lovelace".into(),
        email: format!("{}@example.com", username.to_lowercase()),
        preferred_store: None,
    }
}

fn typed(password: &str) -> Password {
    Password::to_check(password.to_owned())
}

async fn register(accounts: &Accounts, username: &str, password: &str) -> Registered {
    accounts.register(&permit(), new_account(username, password)).await.unwrap()
}

async fn log_in(accounts: &Accounts, username: &str, password: &str) -> Result<LoggedIn, Failure> {
    accounts.log_in(HOME, username, typed(password)).await
}

async fn user(accounts: &Accounts, token: &str) -> User {
    authenticate(&accounts.app, token).await.unwrap()
}

async fn refused(accounts: &Accounts, token: &str) {
    let failure = authenticate(&accounts.app, token).await.unwrap_err();
    assert_eq!((failure.code, failure.detail.as_str()), (Code::NotAuthenticated, "Invalid token."));
}

/// Says something in the node's name, as an operation would.
async fn say<M: journal::Replicated + 'static>(db: &Db, message: M) -> Result<journal::Stamp, journal::Error> {
    db.write(|tx| Box::pin(async move { journal::emit(tx, &Audience::Everyone, &message).await })).await
}

async fn digest_of(db: &Db, audience: Audience) -> (u64, String) {
    let read = db.read_consistent(|tx| {
        Box::pin(async move {
            let mut hasher = Sha256::new();
            let rows = digest(tx, &audience, &mut hasher).await?;
            Ok((rows, hex::encode(<[u8; 32]>::from(hasher.finalize()))))
        })
    });
    read.await.map_err(|error: storage::Error| error).unwrap()
}

async fn events(db: &Db, stream: i64) -> Vec<Event> {
    let read = db.read(|tx| Box::pin(entries::after(tx, stream, 0))).await.map_err(|error: storage::Error| error);
    read.unwrap().into_iter().map(|event| Event::parse(event).unwrap()).collect()
}

// === one node ===

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
        accounts.change_password(&permit(), HOME, &session, typed(current), typed(new)).await
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
    let profile = accounts.change_profile(&permit(), &session, changes.clone()).await.unwrap();
    assert_eq!((profile.username.as_str(), profile.first_name.as_str(), profile.email.as_str()), ("Ada L", "Ada", ""));
    assert_eq!(profile.preferred_store, Some(store));
    // Saying the same again says nothing.
    let before = events(&node.db, 1).await.len();
    assert_eq!(accounts.change_profile(&permit(), &session, changes).await.unwrap(), profile);
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
    say(&node.db, UserStatusChanged { user: made.user, disabled: true }).await.unwrap();
    refused(&accounts, &made.token).await;
    assert_eq!(log_in(&accounts, "ada", "a long secret").await.unwrap_err().code, Code::LoginFailed);
    say(&node.db, UserStatusChanged { user: made.user, disabled: false }).await.unwrap();
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
    let elsewhere = accounts.log_in([192, 0, 2, 2].into(), "ada", typed("a long secret")).await;
    elsewhere.unwrap();
});

/// Answers after a while, like peers that do not know the account.
struct Slow(Duration);

impl AccountFinder for Slow {
    fn find(&self, _account: Lookup) -> BoxFuture<'_, bool> {
        Box::pin(async {
            tokio::time::sleep(self.0).await;
            false
        })
    }
}

on_both!(failures_take_the_same_time, async |node: Node| {
    let app = App { finder: Arc::new(Slow(Duration::from_millis(700))), ..node.app.clone() };
    let accounts = quick(&app);
    for name in ["known", "disabled", "deleted", "django"] {
        let made = register(&accounts, name, "a long secret").await;
        match name {
            "disabled" => drop(say(&node.db, UserStatusChanged { user: made.user, disabled: true }).await.unwrap()),
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
        assert!(took >= FAILURE_TIME && took < FAILURE_TIME + Duration::from_millis(400), "{took:?}");
    }
    let start = Instant::now();
    log_in(&accounts, "known", "a long secret").await.unwrap();
    assert!(start.elapsed() < FAILURE_TIME);
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
    let foreign = token::issue(&stranger, &token::Claims::new(made.user, Hlc(0), now)).unwrap();
    refused(&accounts, &foreign).await;
    let nobody = token::issue(node.app.author(), &token::Claims::new(901_000, Hlc(0), now)).unwrap();
    refused(&accounts, &nobody).await;
    // Once its certificate is here, it is believed.
    exchange::announce(&node.db, &stranger).await;
    assert_eq!(user(&accounts, &foreign).await.number, made.user);
    // A session from before the last end of all sessions.
    say(&node.db, codepop_proto::accounts::SessionsEnded { user: made.user }).await.unwrap();
    refused(&accounts, &made.token).await;
    refused(&accounts, &foreign).await;
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
    let nul = ProfileChanged { user: 101_000, email: Some("a\0b".into()), ..ProfileChanged::default() };
    assert!(matches!(say(&node.db, nul).await, Err(journal::Error::Unfit(_))));
    let registered = |created_at_us| UserRegistered { user: 101_000, created_at_us, ..UserRegistered::default() };
    for us in [0, -1, i64::MAX] {
        assert!(matches!(say(&node.db, registered(us)).await, Err(journal::Error::Unfit(_))), "{us}");
    }
    let long = CredentialSet { user: 101_000, password_hash: "x".repeat(513), ends_sessions: false };
    assert!(matches!(say(&node.db, long).await, Err(journal::Error::Unfit(_))));
    let claim = UserDeleted { user: 101_000, name_key: vec![1], name_hlc: 0, name_origin: vec![0; 16] };
    assert!(matches!(say(&node.db, claim).await, Err(journal::Error::Unfit(_))));
});

// === between nodes ===

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
        let claims = account_numbers(&accounts.app, Lookup::NameKey(name::key("test", "ada"))).await.unwrap();
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
    let token = at_hub.change_password(&permit(), HOME, &user_at_hub, current, new).await.unwrap();
    exchange_all(&[&hub, &store, &other]).await;
    refused(&at_store, &session.token).await;
    refused(&at_other, &session.token).await;
    assert_eq!(user(&at_store, &token).await.number, number);
    equal(&[&hub, &store, &other], Audience::Everyone).await;
    equal(&[&hub, &other], Audience::Hubs).await;
    let held = store.db.read(move |tx| Box::pin(store::credential(tx, number))).await;
    assert_eq!(held.map_err(|error: storage::Error| error).unwrap().unwrap().password_hash, "");
});

on_both!(roles_count_where_their_user_shows_a_token, async |node: Node| {
    let accounts = quick(&node.app);
    let made = register(&accounts, "ada", "a long secret").await;
    let place = Place::Store(node.app.author().id.uuid);
    let new = roles::NewAssignment { user: made.user, role: Role::Manager, place: place.clone(), by: 0 };
    let given = node.db.write(move |tx| Box::pin(async move { roles::assign(tx, &new).await })).await.unwrap();
    let session = user(&accounts, &made.token).await;
    assert_eq!(session.grants, [crate::auth::Grant { role: Role::Manager, place: place.clone() }]);
    let logged_in = log_in(&accounts, "ada", "a long secret").await.unwrap();
    assert_eq!((roles::word(logged_in.standing.role), logged_in.standing.is_manager), ("MANAGER", true));
    let taken = node.db.write(move |tx| Box::pin(async move { roles::revoke(tx, given, &place, 0).await })).await;
    assert!(taken.unwrap());
    assert_eq!(user(&accounts, &made.token).await.grants, []);
});

// === what is on the disk ===

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
