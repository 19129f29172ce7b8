//! Notices on both databases.

use std::time::Duration;

use codepop_proto::{
    notifications::{self as pb, notifications_service_server::NotificationsService},
    roles::Role,
};
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use super::*;
use crate::{
    accounts::{Accounts, NewAccount, Password, UserName},
    auth::{Grant, Permit, Place},
    laws, on_both,
    testing::{self, Node},
};

/// Longest wait for what should come.
const DEADLINE: Duration = Duration::from_secs(20);

const ADA: i64 = 101_000;
const BOB: i64 = 201_000;

fn manager(node: &Node) -> Vec<Grant> {
    vec![Grant { role: Role::Manager, place: Place::Store(node.app.author().id.uuid) }]
}

fn service(node: &Node) -> NotificationsRpc {
    NotificationsRpc::new(node.app.clone(), Feed::start(node.app.clone(), CancellationToken::new()))
}

fn by<M>(user: i64, grants: Vec<Grant>, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(laws::actor(Some(user), grants));
    request
}

fn new(message: &str, user_id: Option<i64>, global: Option<bool>) -> pb::CreateNotificationRequest {
    pb::CreateNotificationRequest { user_id, message: message.into(), r#type: "news".into(), global }
}

fn code(refused: Result<impl std::fmt::Debug, Status>) -> Code {
    Failure::from(&refused.map(drop).unwrap_err()).code
}

async fn say(node: &Node, to: To, message: &'static str) -> i64 {
    node.db.write(move |tx| Box::pin(notify(tx, to, "low_stock", message))).await.unwrap()
}

async fn seen(service: &NotificationsRpc, user: i64, grants: Vec<Grant>) -> Vec<String> {
    let listed = service.list_notifications(by(user, grants, pb::ListNotificationsRequest { user_id: None })).await;
    listed.unwrap().into_inner().notifications.into_iter().map(|notice| notice.message).collect()
}

on_both!(everybody_sees_the_own_and_the_global_ones, async |node: Node| {
    let service = service(&node);
    say(&node, To::User(ADA), "for Ada").await;
    say(&node, To::Everybody, "for all").await;
    say(&node, To::Staff, "for staff").await;
    assert_eq!(seen(&service, ADA, vec![]).await, ["for all", "for Ada"]);
    assert_eq!(seen(&service, BOB, vec![]).await, ["for all"]);
    assert_eq!(seen(&service, BOB, manager(&node)).await, ["for staff", "for all"]);
    let of_ada = by(BOB, manager(&node), pb::ListNotificationsRequest { user_id: Some(ADA) });
    assert_eq!(code(service.list_notifications(of_ada).await), Code::Forbidden);
});

on_both!(another_users_notice_is_not_there, async |node: Node| {
    let service = service(&node);
    let id = say(&node, To::User(ADA), "for Ada").await;
    let staff = say(&node, To::Staff, "for staff").await;
    let get = |user, id| service.get_notification(by(user, vec![], pb::GetNotificationRequest { notification_id: id }));
    let update = |user, id, grants| {
        let change = pb::UpdateNotificationRequest { notification_id: id, message: Some("new".into()), r#type: None };
        service.update_notification(by(user, grants, change))
    };
    let delete = |user, id, grants| {
        service.delete_notification(by(user, grants, pb::DeleteNotificationRequest { notification_id: id }))
    };
    assert_eq!(get(ADA, id).await.unwrap().into_inner().notification.unwrap().user_id, Some(ADA));
    for unseen in [id, staff, 999] {
        assert_eq!(code(get(BOB, unseen).await), Code::NotFound);
        assert_eq!(code(update(BOB, unseen, vec![]).await), Code::NotFound);
        assert_eq!(code(delete(BOB, unseen, vec![]).await), Code::NotFound);
    }
    let changed = update(ADA, id, vec![]).await.unwrap().into_inner().notification.unwrap();
    assert_eq!((changed.message.as_str(), changed.r#type.as_str()), ("new", "low_stock"));
    delete(BOB, id, manager(&node)).await.unwrap();
    assert_eq!(code(delete(ADA, id, vec![]).await), Code::NotFound);
});

on_both!(global_notices_need_the_permission, async |node: Node| {
    let service = service(&node);
    let create = |grants, request| service.create_notification(by(BOB, grants, request));
    assert_eq!(code(create(vec![], new("all", None, Some(true))).await), Code::Forbidden);
    assert_eq!(code(create(vec![], new("you", Some(ADA), None)).await), Code::Forbidden);
    assert_eq!(code(create(manager(&node), new("nobody", Some(ADA), None)).await), Code::Invalid);
    let made = create(manager(&node), new("all", None, Some(true))).await.unwrap().into_inner().notification.unwrap();
    assert!(made.global && made.user_id == Some(BOB));
    let request = || pb::DeleteNotificationRequest { notification_id: made.notification_id };
    assert_eq!(code(service.delete_notification(by(ADA, vec![], request())).await), Code::Forbidden);
    service.delete_notification(by(ADA, manager(&node), request())).await.unwrap();
    let own = create(vec![], new(" to do \n", Some(BOB), None)).await.unwrap().into_inner().notification.unwrap();
    assert_eq!((own.message.as_str(), own.global, own.user_id), ("to do", false, Some(BOB)));
    let wrong = pb::CreateNotificationRequest { message: " ".into(), r#type: "x".repeat(51), ..new("", None, None) };
    let failure = Failure::from(&create(vec![], wrong).await.unwrap_err());
    assert_eq!(failure.fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["Message", "Type"]);
});

on_both!(the_same_key_writes_once, async |node: Node| {
    let service = service(&node);
    let create = |message: &str| {
        let mut request = by(ADA, vec![], new(message, None, None));
        request.metadata_mut().insert("idempotency-key", "k1".parse().unwrap());
        service.create_notification(request)
    };
    let first = create("a").await.unwrap().into_inner();
    assert_eq!(create("a").await.unwrap().into_inner(), first);
    assert_eq!(code(create("b").await), Code::KeyReused);
    assert_eq!(seen(&service, ADA, vec![]).await, ["a"]);
});

on_both!(a_time_range_filters, async |node: Node| {
    let service = service(&node);
    say(&node, To::User(ADA), "now").await;
    let filter = |start: &str, end: &str| {
        let request = pb::FilterNotificationsRequest { start: start.into(), end: end.into() };
        service.filter_notifications(by(ADA, vec![], request))
    };
    let (today, year) = (node.app.clock().wall(), node.app.clock().wall() + chrono::TimeDelta::days(366));
    let date = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d").to_string();
    let found = async |start: &str, end: &str| filter(start, end).await.unwrap().into_inner().notifications.len();
    assert_eq!(found(&date(today), &date(year)).await, 1);
    assert_eq!(found("2020-01-01", "2020-12-31T23:00:00Z").await, 0);
    assert_eq!(found("2020-01-01", "9999-12-31").await, 1);
    for (start, end, named) in [("2026-02-30", "", vec!["start", "end"]), ("2026-03-02", "2026-03-01", vec!["end"])] {
        let failure = Failure::from(&filter(start, end).await.unwrap_err());
        assert_eq!(failure.code, Code::Invalid);
        assert_eq!(failure.fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), named);
    }
});

on_both!(old_notices_are_dropped, async |node: Node| {
    let service = service(&node);
    let old = say(&node, To::Everybody, "old").await;
    say(&node, To::Everybody, "new").await;
    let before = node.app.clock().wall() - KEPT - TimeDelta::days(1);
    node.db
        .write(move |tx| {
            Box::pin(async move {
                use crate::storage::{schema::notices, types::Time};
                use diesel::{ExpressionMethods as _, QueryDsl as _};
                use diesel_async::RunQueryDsl as _;
                crate::on!(tx, conn => diesel::update(notices::table.find(old))
                    .set(notices::at.eq(Time(before)))
                    .execute(conn)
                    .await)
                .map_err(storage::Error::from)
            })
        })
        .await
        .unwrap();
    assert_eq!(node.db.receive(|tx| Box::pin(forget_old(tx))).await.unwrap(), 1);
    assert_eq!(seen(&service, ADA, vec![]).await, ["new"]);
});

#[tokio::test(flavor = "multi_thread")]
async fn hubs_write_to_the_whole_chain() {
    let hub = Node::sqlite_as(testing::name(1, "C")).await;
    let service = service(&hub);
    let chief = || vec![Grant { role: Role::SuperAdmin, place: Place::Chain }];
    let create = |grants, request| service.create_notification(by(100_001, grants, request));
    assert_eq!(code(create(vec![], new("all", None, Some(true))).await), Code::Forbidden);
    assert_eq!(code(create(chief(), new("me", None, None)).await), Code::AskStore);
    let made = create(chief(), new("all", None, Some(true))).await.unwrap().into_inner().notification.unwrap();
    assert_eq!(seen(&service, ADA, vec![]).await, ["all"]);
    let update = pb::UpdateNotificationRequest {
        notification_id: made.notification_id,
        message: Some("all of you".into()),
        r#type: None,
    };
    assert_eq!(code(service.update_notification(by(ADA, vec![], update.clone())).await), Code::Forbidden);
    service.update_notification(by(ADA, chief(), update)).await.unwrap();
    assert_eq!(seen(&service, ADA, vec![]).await, ["all of you"]);
    let delete = pb::DeleteNotificationRequest { notification_id: made.notification_id };
    service.delete_notification(by(ADA, chief(), delete)).await.unwrap();
    assert_eq!(seen(&service, ADA, vec![]).await, [] as [&str; 0]);
}

/// Registers a user; gives number and token.
async fn registered(node: &Node, name: &str) -> (Accounts, i64, String) {
    let accounts = Accounts::new(node.app.clone());
    let new = NewAccount {
        username: UserName::parse(name).unwrap(),
        password: Password::new("correct horse battery".into()).unwrap(),
        first_name: String::new(),
        last_name: String::new(),
        email: String::new(),
        preferred_store: None,
    };
    let made = accounts.register(&Permit::default(), new).await.unwrap();
    (accounts, made.user, made.token)
}

async fn listening(
    node: &Node,
    service: &NotificationsRpc,
    token: &str,
) -> Result<<NotificationsRpc as NotificationsService>::WatchNotificationsStream, Status> {
    let user = crate::accounts::authenticate(&node.app, token).await.unwrap().user.unwrap();
    let mut request = by(user.number, user.grants.clone(), pb::WatchNotificationsRequest {});
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    service.watch_notifications(request).await.map(tonic::Response::into_inner)
}

on_both!(who_listens_gets_what_is_written_until_the_session_ends, async |node: Node| {
    let service = service(&node);
    let (accounts, user, token) = registered(&node, "ada").await;
    let mut stream = listening(&node, &service, &token).await.unwrap();
    say(&node, To::User(BOB), "for Bob").await;
    say(&node, To::Staff, "for staff").await;
    say(&node, To::User(user), "for Ada").await;
    let first = tokio::time::timeout(DEADLINE, stream.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(first.notification.unwrap().message, "for Ada");
    let session = crate::accounts::authenticate(&node.app, &token).await.unwrap().user.unwrap();
    accounts.log_out(&Permit::plain(Some(user)), &session).await.unwrap();
    let last = tokio::time::timeout(DEADLINE, stream.next()).await.unwrap().unwrap();
    assert_eq!(code(last), Code::NotAuthenticated);
    assert!(stream.next().await.is_none());
});

#[tokio::test(flavor = "multi_thread")]
async fn there_are_bounds_on_streams_and_on_slowness() {
    let node = Node::sqlite().await;
    let service = service(&node);
    let (_, user, token) = registered(&node, "ada").await;
    let mut streams = Vec::new();
    for _ in 0..feed::STREAMS_PER_USER_MAX {
        streams.push(listening(&node, &service, &token).await.unwrap());
    }
    assert_eq!(code(listening(&node, &service, &token).await.map(drop)), Code::TooManyAttempts);
    // Nobody reads what comes.
    for _ in 0..40 {
        say(&node, To::User(user), "again").await;
    }
    let mut slow = streams.remove(0);
    let read = async {
        let mut last = None;
        while let Some(said) = slow.next().await {
            last = Some(said.map(drop));
        }
        last.unwrap()
    };
    // A reader who begins before the bound is reached may keep up; then there is more.
    let more = async {
        loop {
            say(&node, To::User(BOB), "other").await;
            tokio::task::yield_now().await;
        }
    };
    let last = tokio::select! {
        last = tokio::time::timeout(DEADLINE, read) => last.unwrap(),
        () = more => unreachable!(),
    };
    assert_eq!(code(last), Code::Overloaded);
    drop((slow, streams));
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while listening(&node, &service, &token).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "places are given back");
        tokio::task::yield_now().await;
    }
}
