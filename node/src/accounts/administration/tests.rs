//! Administration on both databases.

use std::net::IpAddr;

use codepop_proto::accounts::{self as pb, administration_service_server::AdministrationService as Service};
use tonic::{Request, Status};
use uuid::Uuid;

use super::*;
use crate::{
    accounts::{NewAccount, authenticate},
    auth::Grant,
    laws, on_both,
    testing::{self, Node},
};

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

async fn register(accounts: &Accounts, name: &str) -> crate::accounts::Registered {
    let new = NewAccount {
        username: UserName::parse(name).unwrap(),
        password: Password::new("correct horse battery".into()).unwrap(),
        first_name: "Ada".into(),
        last_name: String::new(),
        email: String::new(),
        preferred_store: None,
    };
    accounts.register(&Permit::default(), new).await.unwrap()
}

/// A request of a user with the roles in force.
async fn by<M>(node: &Node, user: i64, message: M) -> Request<M> {
    let grants = node.app.read(move |tx| Box::pin(roles::in_force(tx, user))).await.unwrap();
    let mut request = Request::new(message);
    request.extensions_mut().insert(laws::actor(Some(user), grants));
    request
}

async fn appoint(node: &Node, user: i64, role: Role, place: Place) {
    let new = NewAssignment { user, role, place, hub: None, by: 0 };
    node.db.write(move |tx| Box::pin(async move { roles::assign(tx, &new).await })).await.unwrap();
}

fn own(node: &Node) -> Place {
    Place::Store(node.app.author().id.uuid)
}

fn unchanged() -> pb::UserEdits {
    let word = || UNCHANGED.to_owned();
    pb::UserEdits { username: word(), first_name: word(), last_name: word(), password: word(), role: word() }
}

const UNCHANGED: &str = "unchanged";

async fn edit(
    node: &Node,
    accounts: &Accounts,
    admin: i64,
    user: i64,
    edits: pb::UserEdits,
) -> Result<String, Failure> {
    let request = by(node, admin, pb::EditUserRequest { user_id: user, edits: Some(edits) }).await;
    Service::edit_user(accounts, request).await.map(|said| said.into_inner().message).map_err(|s| Failure::from(&s))
}

async fn remove(node: &Node, accounts: &Accounts, admin: i64, user: i64) -> Result<String, Failure> {
    let request = by(node, admin, pb::RemoveUserRequest { user_id: user }).await;
    Service::remove_user(accounts, request).await.map(|said| said.into_inner().message).map_err(|s| Failure::from(&s))
}

async fn list(node: &Node, accounts: &Accounts, admin: i64) -> Result<Vec<pb::AdministeredUser>, Status> {
    let request = by(node, admin, pb::ListUsersRequest::default()).await;
    Ok(Service::list_users(accounts, request).await?.into_inner().users)
}

on_both!(an_administrator_keeps_the_stores_accounts, async |node: Node| {
    let accounts = Accounts::new(node.app.clone());
    let (admin, ada) = (register(&accounts, "root").await.user, register(&accounts, "ada").await);
    let refused = list(&node, &accounts, admin).await.unwrap_err();
    assert_eq!(Failure::from(&refused).code, Code::Forbidden);
    appoint(&node, admin, Role::Admin, own(&node)).await;
    let flags = async || {
        let users = list(&node, &accounts, admin).await.unwrap();
        users.into_iter().map(|user| (user.username, user.is_staff, user.is_superuser)).collect::<Vec<_>>()
    };
    assert_eq!(flags().await, [("root".to_owned(), false, true), ("ada".to_owned(), false, false)]);

    let edits = pb::UserEdits { first_name: "Augusta".into(), username: "lady".into(), ..unchanged() };
    assert_eq!(edit(&node, &accounts, admin, ada.user, edits).await.unwrap(), "User lady was changed.");
    for (word, expected) in [("staff", (true, false)), ("admin", (false, true)), ("user", (false, false))] {
        let edits = pb::UserEdits { role: word.into(), ..unchanged() };
        edit(&node, &accounts, admin, ada.user, edits).await.unwrap();
        let lady = flags().await.pop().unwrap();
        assert_eq!((lady.1, lady.2), expected, "{word}");
    }
    let edits = pb::UserEdits { password: "another long secret".into(), ..Default::default() };
    edit(&node, &accounts, admin, ada.user, edits).await.unwrap();
    assert!(authenticate(&node.app, &ada.token).await.is_err());
    let again = accounts
        .log_in(HOME, Default::default(), "lady", Password::to_check("another long secret".into()))
        .await
        .unwrap();
    assert_eq!((again.user, again.first_name.as_str()), (ada.user, "Augusta"));

    assert_eq!(remove(&node, &accounts, admin, admin).await.unwrap_err().code, Code::Forbidden);
    assert_eq!(remove(&node, &accounts, admin, ada.user).await.unwrap(), "User lady was deleted.");
    assert_eq!(remove(&node, &accounts, admin, ada.user).await.unwrap_err().code, Code::NotFound);
    assert_eq!(flags().await.len(), 1);
});

on_both!(what_is_wrong_is_named, async |node: Node| {
    let accounts = Accounts::new(node.app.clone());
    let (admin, ada) = (register(&accounts, "root").await.user, register(&accounts, "ada").await.user);
    appoint(&node, admin, Role::Admin, own(&node)).await;
    let edits = pb::UserEdits {
        username: "a~b".into(),
        first_name: "a\nb".into(),
        last_name: "x".repeat(151),
        password: "password".into(),
        role: "king".into(),
    };
    let refused = edit(&node, &accounts, admin, ada, edits).await.unwrap_err();
    let fields: Vec<&str> = refused.fields.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!((refused.code, fields), (Code::Invalid, vec!["username", "firstName", "lastName", "password", "role"]));
    let taken = pb::UserEdits { username: "ROOT".into(), ..unchanged() };
    assert_eq!(edit(&node, &accounts, admin, ada, taken).await.unwrap_err().code, Code::NameTaken);
    let own_role = pb::UserEdits { role: "user".into(), ..unchanged() };
    assert_eq!(edit(&node, &accounts, admin, admin, own_role).await.unwrap_err().fields[0].0, "role");
    let request = by(&node, admin, pb::ListUsersRequest { after: None, limit: Some(0) }).await;
    assert_eq!(Failure::from(&Service::list_users(&accounts, request).await.unwrap_err()).code, Code::Invalid);
});

on_both!(accounts_that_reach_farther_are_not_the_stores, async |node: Node| {
    let accounts = Accounts::new(node.app.clone());
    let admin = register(&accounts, "root").await.user;
    appoint(&node, admin, Role::Admin, own(&node)).await;
    let elsewhere = Place::Store(Uuid::now_v7());
    let busy = register(&accounts, "busy").await.user;
    // Roles of other stores come from other nodes.
    let hub = Node::sqlite_as(testing::name(1, "C")).await;
    let message = codepop_proto::roles::RoleAssigned {
        assignment: Uuid::now_v7().as_bytes().to_vec(),
        user: busy,
        role: Role::Manager.into(),
        scope: elsewhere.word(),
        assigned_by: 0,
        hub: Vec::new(),
    };
    let stamp = journal::Stamp { hlc: hub.app.clock().tick(), origin: Uuid::nil(), stream: 1, seq: 1 };
    let apply = async move |tx: &mut Tx| journal::Replicated::apply(&message, tx, &stamp).await;
    node.db.receive(move |tx| Box::pin(async move { apply(tx).await })).await.unwrap();
    let rename = || pb::UserEdits { first_name: "Eve".into(), ..unchanged() };
    assert_eq!(edit(&node, &accounts, admin, busy, rename()).await.unwrap_err().code, Code::Forbidden);
    assert_eq!(remove(&node, &accounts, admin, busy).await.unwrap_err().code, Code::Forbidden);

    // Made at another store: a role here may be given and taken, the rest is not ours.
    let guest = codepop_proto::accounts::UserRegistered {
        user: number::compose(1, 1_001).unwrap(),
        username: "afar".into(),
        created_at_us: 1,
        ..Default::default()
    };
    let afar = guest.user;
    let stamp = journal::Stamp { hlc: hub.app.clock().tick(), origin: Uuid::nil(), stream: 1, seq: 2 };
    let apply = async move |tx: &mut Tx| journal::Replicated::apply(&guest, tx, &stamp).await;
    node.db.receive(move |tx| Box::pin(async move { apply(tx).await })).await.unwrap();
    assert_eq!(edit(&node, &accounts, admin, afar, rename()).await.unwrap_err().code, Code::Forbidden);
    let seen = async || list(&node, &accounts, admin).await.unwrap().iter().any(|user| user.id == afar);
    assert!(!seen().await);
    edit(&node, &accounts, admin, afar, pb::UserEdits { role: "staff".into(), ..unchanged() }).await.unwrap();
    assert!(seen().await);
    assert_eq!(remove(&node, &accounts, admin, afar).await.unwrap_err().code, Code::Forbidden);

    // Brought over from the old system: theirs who hold the numbers, whoever said the name last.
    for (user, origin) in [(7, node.app.author().id.uuid), (8, Uuid::now_v7())] {
        let imported = codepop_proto::accounts::UserRegistered {
            user,
            username: format!("imported {user}"),
            created_at_us: 1,
            ..Default::default()
        };
        let stamp = journal::Stamp { hlc: hub.app.clock().tick(), origin, stream: 1, seq: 10 + user };
        let apply = async move |tx: &mut Tx| journal::Replicated::apply(&imported, tx, &stamp).await;
        node.db.receive(move |tx| Box::pin(async move { apply(tx).await })).await.unwrap();
    }
    let ours = async || {
        let listed = list(&node, &accounts, admin).await.unwrap();
        let mut ours = Vec::new();
        for user in [7, 8] {
            let edits = pb::UserEdits { first_name: Uuid::now_v7().to_string(), ..unchanged() };
            let edited = edit(&node, &accounts, admin, user, edits).await.is_ok();
            ours.push((listed.iter().any(|seen| seen.id == user), edited));
        }
        ours
    };
    assert_eq!(ours().await, [(false, false); 2]);
    assert_eq!(remove(&node, &accounts, admin, 7).await.unwrap_err().code, Code::Forbidden);
    assert!(node.db.write(|tx| Box::pin(crate::stores::claim_legacy_numbers(tx))).await.unwrap());
    assert_eq!(ours().await, [(true, true); 2]);
    remove(&node, &accounts, admin, 7).await.unwrap();
    let earlier = codepop_proto::stores::LegacyNumbersHeld { store_id: Uuid::now_v7().to_string() };
    let stamp = journal::Stamp { hlc: crate::clock::Hlc(1), origin: Uuid::nil(), stream: 2, seq: 1 };
    let apply = async move |tx: &mut Tx| journal::Replicated::apply(&earlier, tx, &stamp).await;
    node.db.receive(move |tx| Box::pin(async move { apply(tx).await })).await.unwrap();
    assert_eq!(ours().await, [(false, false); 2]);

    // Kept by the hubs: not even by the chain's own administrators at a store.
    let chief = number::compose(9, 1).unwrap();
    let born = codepop_proto::accounts::UserRegistered {
        user: chief,
        username: "chief".into(),
        created_at_us: 1,
        ..Default::default()
    };
    let stamp = journal::Stamp { hlc: hub.app.clock().tick(), origin: Uuid::nil(), stream: 1, seq: 3 };
    let apply = async move |tx: &mut Tx| journal::Replicated::apply(&born, tx, &stamp).await;
    node.db.receive(move |tx| Box::pin(async move { apply(tx).await })).await.unwrap();
    assert_eq!(remove(&node, &accounts, admin, chief).await.unwrap_err().code, Code::Forbidden);
    let super_admin = || {
        let mut request = Request::new(pb::RemoveUserRequest { user_id: chief });
        let grants = vec![Grant { role: Role::SuperAdmin, place: Place::Chain }];
        request.extensions_mut().insert(laws::actor(Some(number::compose(8, 1).unwrap()), grants));
        request
    };
    let refused = Service::remove_user(&accounts, super_admin()).await.unwrap_err();
    assert_eq!(Failure::from(&refused).code, Code::AskHub);
    let mut request = Request::new(pb::ListUsersRequest::default());
    request.extensions_mut().insert(super_admin().extensions().get::<Actor>().unwrap().clone());
    let all = Service::list_users(&accounts, request).await.unwrap().into_inner().users;
    assert_eq!(
        all.iter().map(|user| user.username.as_str()).collect::<Vec<_>>(),
        ["imported 8", "root", "afar", "busy", "chief"]
    );
});

async fn set_status(
    accounts: &Accounts,
    request: Request<pb::SetUserStatusRequest>,
) -> Result<(UserStatus, Option<String>), Failure> {
    let answer = Service::set_user_status(accounts, request).await.map_err(|status| Failure::from(&status))?;
    let user = answer.into_inner().user.unwrap();
    Ok((user.status(), user.status_reason))
}

fn status(user: i64, status: UserStatus) -> pb::SetUserStatusRequest {
    pb::SetUserStatusRequest { user_id: user, status: status.into(), reason: Some(" Shared the password. ".into()) }
}

on_both!(whoever_is_held_is_out_until_readmitted, async |node: Node| {
    let accounts = Accounts::new(node.app.clone());
    let (admin, ada) = (register(&accounts, "root").await.user, register(&accounts, "ada").await);
    appoint(&node, admin, Role::Admin, own(&node)).await;
    let by_admin = async |message| by(&node, admin, message).await;
    let password = || Password::to_check("correct horse battery".into());
    for held in [UserStatus::Locked, UserStatus::Disabled] {
        let said = set_status(&accounts, by_admin(status(ada.user, held)).await).await.unwrap();
        assert_eq!(said, (held, Some("Shared the password.".into())));
        // Once more changes nothing.
        let said = set_status(&accounts, by_admin(status(ada.user, held)).await).await.unwrap();
        assert_eq!(said.0, held);
        assert!(authenticate(&node.app, &ada.token).await.is_err());
        let listed = list(&node, &accounts, admin).await.unwrap();
        assert_eq!(listed[1].status(), held);
    }
    let refused = accounts.log_in(HOME, Default::default(), "ada", password()).await.unwrap_err();
    assert_eq!(refused.code, Code::LoginFailed);
    let said = set_status(&accounts, by_admin(status(ada.user, UserStatus::Active)).await).await.unwrap();
    assert_eq!(said, (UserStatus::Active, None));
    assert!(authenticate(&node.app, &ada.token).await.is_err(), "the old sessions have ended");
    accounts.log_in(HOME, Default::default(), "ada", password()).await.unwrap();

    for (user, wanted, code) in [
        (admin, UserStatus::Locked, Code::Forbidden),
        (ada.user, UserStatus::Unspecified, Code::Invalid),
        (99_999_000, UserStatus::Locked, Code::NotFound),
    ] {
        let refused = set_status(&accounts, by_admin(status(user, wanted)).await).await.unwrap_err();
        assert_eq!(refused.code, code, "{user} {wanted:?}");
    }
    let long = pb::SetUserStatusRequest { reason: Some("x".repeat(501)), ..status(ada.user, UserStatus::Locked) };
    let refused = set_status(&accounts, by_admin(long).await).await.unwrap_err();
    assert_eq!(refused.fields[0].0, "reason");
});

on_both!(what_a_super_admin_disabled_only_a_super_admin_readmits, async |node: Node| {
    let accounts = Accounts::new(node.app.clone());
    let (admin, ada) = (register(&accounts, "root").await.user, register(&accounts, "ada").await.user);
    appoint(&node, admin, Role::Admin, own(&node)).await;
    let chief = |message| {
        let mut request = Request::new(message);
        let grants = vec![Grant { role: Role::SuperAdmin, place: Place::Chain }];
        request.extensions_mut().insert(laws::actor(Some(number::compose(8, 1).unwrap()), grants));
        request
    };
    let by_admin = async |wanted| {
        let request = by(&node, admin, status(ada, wanted)).await;
        set_status(&accounts, request).await.map_err(|failure| failure.code)
    };
    set_status(&accounts, chief(status(ada, UserStatus::Disabled))).await.unwrap();
    for wanted in [UserStatus::Active, UserStatus::Locked, UserStatus::Disabled] {
        assert_eq!(by_admin(wanted).await, Err(Code::Forbidden), "{wanted:?}");
    }
    set_status(&accounts, chief(status(ada, UserStatus::Locked))).await.unwrap();
    by_admin(UserStatus::Active).await.unwrap();

    // Somebody else's customer, even with a role here.
    let afar = number::compose(1, 1_001).unwrap();
    let born = codepop_proto::accounts::UserRegistered {
        user: afar,
        username: "afar".into(),
        created_at_us: 1,
        ..Default::default()
    };
    let stamp = journal::Stamp { hlc: crate::clock::Hlc(1), origin: Uuid::nil(), stream: 1, seq: 1 };
    let apply = async move |tx: &mut Tx| journal::Replicated::apply(&born, tx, &stamp).await;
    node.db.receive(move |tx| Box::pin(async move { apply(tx).await })).await.unwrap();
    appoint(&node, afar, Role::Manager, own(&node)).await;
    let request = by(&node, admin, status(afar, UserStatus::Locked)).await;
    assert_eq!(set_status(&accounts, request).await.unwrap_err().code, Code::Forbidden);
    set_status(&accounts, chief(status(afar, UserStatus::Locked))).await.unwrap();
});
