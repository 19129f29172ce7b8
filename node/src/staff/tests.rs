//! Invitations on both databases.

use codepop_proto::staff::{self as pb, InvitationState, staff_service_server::StaffService as _};
use codepop_shared::{geo, number};
use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use futures::future::join_all;
use tonic::{Request, Status};

use super::*;
use crate::{
    accounts::{Accounts, authenticate},
    auth::{Grant, Permit},
    laws, on, on_both,
    roles::NewAssignment,
    storage::schema::staff_invitations,
    stores,
    testing::{self, Node},
};

const PASSWORD: &str = "violet-harbour-93";

async fn described(node: &Node) -> StaffRpc {
    let described = stores::Described {
        name: "Here".into(),
        place: geo::Place::new(41.74, -111.83).unwrap(),
        api_base_url: "https://127.0.0.1:7101".into(),
        time_zone: None,
        region_name: None,
    };
    stores::describe_self(&node.app, described).await.unwrap();
    StaffRpc::new(node.app.clone(), Accounts::new(node.app.clone()))
}

/// An administrator of the store, or a staff account at the hub.
async fn inviter(node: &Node, rpc: &StaffRpc) -> i64 {
    let account =
        pb::AcceptInvitationRequest { username: "root".into(), password: PASSWORD.into(), ..Default::default() };
    let prepared = rpc.accounts().prepare_here(account.try_into().unwrap()).await.unwrap();
    let permit = Permit::plain(None);
    let user = node.app.write(&permit, |tx| Box::pin(prepared.insert(tx))).await;
    user.map_err(Failure::from).unwrap()
}

async fn appoint(node: &Node, user: i64, place: Place) -> Uuid {
    let new = NewAssignment { user, role: Role::Admin, place, hub: None, by: 0 };
    node.db.write(move |tx| Box::pin(async move { roles::assign(tx, &new).await })).await.unwrap()
}

fn own(node: &Node) -> Place {
    Place::Store(node.app.author().id.uuid)
}

fn by<M>(user: i64, role: Role, place: Place, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(laws::actor(Some(user), vec![Grant { role, place }]));
    request
}

fn guest<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(laws::actor(None, Vec::new()));
    request
}

fn to(role: Role, place: &Place) -> pb::InviteStaffRequest {
    let mut asked = pb::InviteStaffRequest { role_type: role.into(), ..Default::default() };
    match place {
        Place::Store(store) => asked.store_id = Some(store.to_string()),
        Place::Region(code) => asked.region_code = Some(code.clone()),
        Place::Own | Place::Chain => {}
    }
    asked
}

async fn invited(rpc: &StaffRpc, request: Request<pb::InviteStaffRequest>) -> Result<(i64, String), Status> {
    let made = rpc.invite_staff(request).await?.into_inner();
    Ok((made.invitation.unwrap().id, made.code))
}

fn accepting(id: i64, code: &str, name: &str) -> Request<pb::AcceptInvitationRequest> {
    guest(pb::AcceptInvitationRequest {
        invitation_id: id,
        code: code.into(),
        username: name.into(),
        password: PASSWORD.into(),
        first_name: Some("Ada".into()),
        last_name: None,
    })
}

fn code_of<T: std::fmt::Debug>(answer: Result<T, Status>) -> Code {
    Failure::from(&answer.unwrap_err()).code
}

async fn states(rpc: &StaffRpc, request: Request<pb::ListInvitationsRequest>) -> Vec<(i64, InvitationState)> {
    let listed = rpc.list_invitations(request).await.unwrap().into_inner().invitations;
    listed.iter().map(|one| (one.id, one.state())).collect()
}

on_both!(whoever_has_the_code_joins_once, async |node: Node| {
    let (rpc, own) = (described(&node).await, own(&node));
    let admin = inviter(&node, &rpc).await;
    appoint(&node, admin, own.clone()).await;
    let asked = pb::InviteStaffRequest { email: Some("ada@example.org".into()), ..to(Role::Manager, &own) };
    let (id, code) = invited(&rpc, by(admin, Role::Admin, own.clone(), asked)).await.unwrap();
    let wrong = code::new();
    let refused = join_all([
        rpc.accept_invitation(accepting(id, &wrong, "ada")),
        rpc.accept_invitation(accepting(id + 100_000, &code, "ada")),
    ]);
    let refused: Vec<_> = refused.await.into_iter().map(|answer| Failure::from(&answer.unwrap_err())).collect();
    assert_eq!(refused[0], refused[1], "nobody learns whether it is the number or the code");
    assert_eq!(refused[0].code, Code::NotFound);
    // A name that is taken costs no invitation.
    assert_eq!(code_of(rpc.accept_invitation(accepting(id, &code, "ROOT")).await), Code::NameTaken);

    let made = rpc.accept_invitation(accepting(id, &code.to_lowercase(), "ada")).await.unwrap().into_inner();
    let role = made.role.unwrap();
    assert_eq!((role.role_type(), role.user, role.assigned_by), (Role::Manager, made.user_id, Some(admin)));
    let user = authenticate(&node.app, &made.token).await.unwrap().user.unwrap();
    assert_eq!(user.grants, [Grant { role: Role::Manager, place: own.clone() }]);
    let email =
        node.app.read(move |tx| Box::pin(accounts::email(tx, made.user_id))).await.map_err(|e: storage::Error| e);
    assert_eq!(email.unwrap().as_deref(), Some("ada@example.org"));
    assert_eq!(code_of(rpc.accept_invitation(accepting(id, &code, "eve")).await), Code::NotFound);

    let list = || {
        by(
            admin,
            Role::Admin,
            own.clone(),
            pb::ListInvitationsRequest { store_id: Some(node.app.author().id.uuid.to_string()), region_code: None },
        )
    };
    let listed = rpc.list_invitations(list()).await.unwrap().into_inner().invitations.remove(0);
    assert_eq!((listed.state(), listed.user, listed.email), (InvitationState::Accepted, Some(made.user_id), None));
    let withdraw = by(admin, Role::Admin, own.clone(), pb::WithdrawInvitationRequest { invitation_id: id });
    assert_eq!(code_of(rpc.withdraw_invitation(withdraw).await), Code::Conflict);
});

on_both!(who_may_not_give_does_not_invite, async |node: Node| {
    let (rpc, own) = (described(&node).await, own(&node));
    let elsewhere = Place::Store(Uuid::now_v7());
    let ask = |role, place: &Place| invited(&rpc, by(101_000, Role::Admin, own.clone(), to(role, place)));
    assert_eq!(code_of(ask(Role::Manager, &elsewhere).await), Code::Forbidden);
    assert_eq!(code_of(ask(Role::RepairStaff, &Place::Region("C".into())).await), Code::Forbidden);
    assert_eq!(code_of(ask(Role::GeneralUser, &Place::Own).await), Code::Forbidden);
    assert_eq!(code_of(ask(Role::Manager, &Place::Own).await), Code::Invalid);
    assert_eq!(code_of(ask(Role::Unspecified, &own).await), Code::Invalid);
    let manager = by(101_000, Role::Manager, own.clone(), to(Role::Manager, &own));
    assert_eq!(code_of(invited(&rpc, manager).await), Code::Forbidden);
    let chief = |asked| by(number::compose(8, 1).unwrap(), Role::SuperAdmin, Place::Chain, asked);
    assert_eq!(code_of(invited(&rpc, chief(to(Role::GeneralUser, &Place::Own))).await), Code::AskHub);
    assert_eq!(code_of(invited(&rpc, chief(to(Role::AccountUser, &Place::Own))).await), Code::Invalid);
    assert_eq!(code_of(invited(&rpc, chief(to(Role::SuperAdmin, &Place::Own))).await), Code::Forbidden);
    let bad = pb::InviteStaffRequest { email: Some("nowhere".into()), ..to(Role::Manager, &own) };
    assert_eq!(code_of(invited(&rpc, chief(bad)).await), Code::Invalid);

    for _ in 0..OPEN_MAX {
        ask(Role::Manager, &own).await.unwrap();
    }
    assert_eq!(code_of(ask(Role::Manager, &own).await), Code::Conflict);
});

on_both!(an_invitation_lapses, async |node: Node| {
    let (rpc, own) = (described(&node).await, own(&node));
    let admin = inviter(&node, &rpc).await;
    let right = appoint(&node, admin, own.clone()).await;
    let asked = || {
        by(
            admin,
            Role::Admin,
            own.clone(),
            pb::InviteStaffRequest { email: Some("a@b".into()), ..to(Role::Manager, &own) },
        )
    };
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(invited(&rpc, asked()).await.unwrap());
    }
    // The first is taken back, the second expires, and the third is in the name of one who may invite no more.
    let withdraw =
        |user, role, place| by(user, role, place, pb::WithdrawInvitationRequest { invitation_id: made[0].0 });
    let foreign = rpc.withdraw_invitation(withdraw(7, Role::Admin, Place::Store(Uuid::now_v7()))).await;
    assert_eq!(code_of(foreign), Code::Forbidden);
    for _ in 0..2 {
        rpc.withdraw_invitation(withdraw(admin, Role::Admin, own.clone())).await.unwrap();
    }
    let id = made[1].0;
    let expire: Result<(), storage::Error> = node
        .db
        .write(move |tx| {
            Box::pin(async move {
                let past = Time(tx.clock.wall());
                on!(tx, conn => diesel::update(staff_invitations::table.find(id))
                    .set(staff_invitations::expires_at.eq(past))
                    .execute(conn)
                    .await)?;
                forget_old(tx).await
            })
        })
        .await;
    expire.unwrap();
    let list = by(
        admin,
        Role::Admin,
        own.clone(),
        pb::ListInvitationsRequest { store_id: Some(node.app.author().id.uuid.to_string()), region_code: None },
    );
    let expected =
        [(made[2].0, InvitationState::Open), (id, InvitationState::Expired), (made[0].0, InvitationState::Withdrawn)];
    assert_eq!(states(&rpc, list).await, expected);
    let at = own.clone();
    node.db.write(move |tx| Box::pin(async move { roles::revoke(tx, right, &at, 0).await })).await.unwrap();
    let tries = made
        .iter()
        .enumerate()
        .map(|(index, (id, code))| rpc.accept_invitation(accepting(*id, code, ["a", "b", "c"][index])));
    for answer in join_all(tries).await {
        assert_eq!(code_of(answer), Code::NotFound);
    }
    appoint(&node, admin, own.clone()).await;
    rpc.accept_invitation(accepting(made[2].0, &made[2].1, "c")).await.unwrap();
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_makes_accounts_that_can_have_roles_of_regions() {
    let node = Node::sqlite_as(testing::name(1, "C")).await;
    let rpc = described(&node).await;
    let boss = inviter(&node, &rpc).await;
    let chief = |asked| by(boss, Role::SuperAdmin, Place::Chain, asked);
    let region = Place::Region("C".into());
    let (id, code) = invited(&rpc, chief(to(Role::LogisticsManager, &region))).await.unwrap();
    // The inviter must be one in the rows too.
    assert_eq!(code_of(rpc.accept_invitation(accepting(id, &code, "leo")).await), Code::NotFound);
    let message = codepop_proto::roles::RoleAssigned {
        assignment: Uuid::now_v7().as_bytes().to_vec(),
        user: boss,
        role: Role::SuperAdmin.into(),
        scope: "chain".into(),
        ..Default::default()
    };
    let stamp = journal::Stamp { hlc: crate::clock::Hlc(1), origin: Uuid::nil(), stream: 1, seq: 1 };
    let apply = async move |tx: &mut Tx| journal::Replicated::apply(&message, tx, &stamp).await;
    node.db.receive(move |tx| Box::pin(async move { apply(tx).await })).await.unwrap();
    let made = rpc.accept_invitation(accepting(id, &code, "leo")).await.unwrap().into_inner();
    let role = made.role.unwrap();
    assert!(number::is_hub_born(made.user_id));
    assert_eq!(role.supply_hub, Some(node.app.author().id.uuid.to_string()));
    // Staff without a place yet.
    let (id, code) = invited(&rpc, chief(to(Role::GeneralUser, &Place::Own))).await.unwrap();
    let made = rpc.accept_invitation(accepting(id, &code, "mia")).await.unwrap().into_inner();
    assert!(number::is_hub_born(made.user_id));
    assert_eq!(made.role.unwrap().role_type(), Role::GeneralUser);
}
