//! Giving, taking and listing roles by RPC, on both databases.

use std::sync::Arc;

use codepop_proto::roles::{self as pb, roles_service_server::RolesService as _};
use codepop_shared::{Code, Failure, geo, number};
use futures::future::BoxFuture;
use tonic::{Request, Status};

use super::{rpc::People, *};
use crate::{
    laws, on_both, stores,
    testing::{self, Node},
};

const ADA: i64 = 101_000;
const ADMIN: i64 = 201_000;

fn chief() -> i64 {
    number::compose(1, 1).unwrap()
}

/// Everyone with a small number is there.
struct Small;

impl People for Small {
    fn is_there<'a>(&'a self, _tx: &'a mut Tx, user: i64) -> BoxFuture<'a, Result<bool, storage::Error>> {
        Box::pin(std::future::ready(Ok(user < 10_000_000)))
    }
}

async fn described(node: &Node) -> RolesRpc {
    let described = stores::Described {
        name: "Here".into(),
        place: geo::Place::new(41.74, -111.83).unwrap(),
        api_base_url: "https://127.0.0.1:7101".into(),
        time_zone: None,
        region_name: None,
    };
    stores::describe_self(&node.app, described).await.unwrap();
    RolesRpc::new(node.app.clone(), Arc::new(Small))
}

fn own(node: &Node) -> Place {
    Place::Store(node.app.author().id.uuid)
}

fn by<M>(user: i64, role: Role, place: Place, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(laws::actor(Some(user), vec![Grant { role, place }]));
    request
}

fn chain<M>(message: M) -> Request<M> {
    by(chief(), Role::SuperAdmin, Place::Chain, message)
}

fn wanted(user: i64, role: Role, place: &Place) -> pb::AssignRoleRequest {
    let mut wanted = pb::AssignRoleRequest { user_id: user, role_type: role.into(), ..Default::default() };
    match place {
        Place::Store(store) => wanted.store_id = Some(store.to_string()),
        Place::Region(code) => wanted.region_code = Some(code.clone()),
        Place::Own | Place::Chain => {}
    }
    wanted
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> Failure {
    Failure::from(&answer.unwrap_err())
}

async fn assign(rpc: &RolesRpc, request: Request<pb::AssignRoleRequest>) -> Result<pb::AssignRoleResponse, Status> {
    rpc.assign_role(request).await.map(tonic::Response::into_inner)
}

async fn take(rpc: &RolesRpc, request: Request<pb::RevokeRoleRequest>) -> Result<String, Status> {
    rpc.revoke_role(request).await.map(|answer| answer.into_inner().status)
}

fn revoke(id: &str) -> pb::RevokeRoleRequest {
    pb::RevokeRoleRequest { role_id: id.to_owned(), store_id: None }
}

on_both!(a_stores_administrator_gives_the_stores_roles_alone, async |node: Node| {
    let (rpc, own) = (described(&node).await, own(&node));
    let ask = |wanted| by(ADMIN, Role::Admin, own.clone(), wanted);
    let given = assign(&rpc, ask(wanted(ADA, Role::Manager, &own))).await.unwrap();
    let role = given.role.unwrap();
    assert_eq!((given.existed, role.user, role.role_type(), role.is_active), (false, ADA, Role::Manager, true));
    assert_eq!((role.role_display.as_str(), role.store_name.as_deref()), ("Store Manager", Some("Here")));
    assert_eq!(
        (role.store.as_deref(), role.region, role.assigned_by),
        (wanted(ADA, Role::Manager, &own).store_id.as_deref(), None, Some(ADMIN))
    );
    let again = assign(&rpc, ask(wanted(ADA, Role::Manager, &own))).await.unwrap();
    assert_eq!((again.existed, again.role.unwrap().id), (true, role.id));

    let elsewhere = Place::Store(Uuid::now_v7());
    for (wanted, code) in [
        (wanted(ADA, Role::Admin, &elsewhere), Code::Forbidden),
        (wanted(ADA, Role::RepairStaff, &Place::Region("C".into())), Code::Forbidden),
        (wanted(ADA, Role::SuperAdmin, &Place::Chain), Code::Forbidden),
        (wanted(ADA, Role::SuperAdmin, &own), Code::Forbidden),
        (wanted(ADA, Role::GeneralUser, &Place::Own), Code::Forbidden),
        (wanted(ADA, Role::Manager, &Place::Own), Code::Invalid),
        (wanted(ADA, Role::RepairStaff, &own), Code::Invalid),
        (wanted(99_000_000, Role::Manager, &own), Code::NotFound),
    ] {
        assert_eq!(refused(assign(&rpc, ask(wanted.clone())).await).code, code, "{wanted:?}");
    }
    // Managers give nothing, whatever is wrong with what they ask.
    let manager = by(ADA, Role::Manager, own.clone(), wanted(0, Role::Unspecified, &own));
    assert_eq!(refused(assign(&rpc, manager).await).code, Code::Forbidden);
});

on_both!(a_store_sends_for_the_hub_what_is_the_hubs, async |node: Node| {
    let rpc = described(&node).await;
    let region = Place::Region("C".into());
    let asked = assign(&rpc, chain(wanted(chief(), Role::RepairStaff, &region))).await;
    assert_eq!(refused(asked).code, Code::AskHub);
    let unknown = refused(assign(&rpc, chain(wanted(ADA, Role::Manager, &Place::Store(Uuid::now_v7())))).await);
    assert_eq!((unknown.code, unknown.fields[0].0.as_str()), (Code::Invalid, "store_id"));
    assert_eq!(refused(assign(&rpc, chain(wanted(chief(), Role::GeneralUser, &Place::Own))).await).code, Code::AskHub);
    // The stores' own customers are the stores' own.
    assign(&rpc, chain(wanted(ADA, Role::GeneralUser, &Place::Own))).await.unwrap();
    let mut silent = chain(wanted(ADA, Role::Manager, &own(&node)));
    silent.extensions_mut().get_mut::<crate::auth::Actor>().unwrap().hub_heard = false;
    assert_eq!(refused(assign(&rpc, silent).await).code, Code::HubNeeded);
});

async fn regions_have_rules(hub: Node) {
    let rpc = described(&hub).await;
    let (here, staff) = (hub.app.author().id.uuid.to_string(), number::compose(7, 1).unwrap());
    let region = Place::Region("C".into());
    let fields = async |wanted: pb::AssignRoleRequest| {
        let refused = refused(assign(&rpc, chain(wanted)).await);
        assert_eq!(refused.code, Code::Invalid, "{refused}");
        (refused.fields[0].0.clone(), refused.detail)
    };
    let store_born = fields(wanted(ADA, Role::RepairStaff, &region)).await;
    assert_eq!(store_born.0, "user_id");
    assert!(store_born.1.contains("/backend/staff/invitations"), "it says the way out: {}", store_born.1);
    assert_eq!(fields(wanted(staff, Role::RepairStaff, &Place::Region("Z".into()))).await.0, "region_code");
    let other_hub = pb::AssignRoleRequest {
        supply_hub_id: Some(Uuid::now_v7().to_string()),
        ..wanted(staff, Role::LogisticsManager, &region)
    };
    assert_eq!(fields(other_hub).await.0, "supply_hub_id");

    let given = assign(&rpc, chain(wanted(staff, Role::LogisticsManager, &region))).await.unwrap().role.unwrap();
    assert_eq!((given.supply_hub.as_deref(), given.region.as_deref()), (Some(here.as_str()), Some("C")));
    assert!(given.supply_hub_name.is_some() && given.region_name.is_some() && given.store.is_none());
    let named = pb::AssignRoleRequest { supply_hub_id: Some(here), ..wanted(staff, Role::LogisticsManager, &region) };
    assert!(assign(&rpc, chain(named)).await.unwrap().existed);
    assign(&rpc, chain(wanted(staff, Role::RepairStaff, &region))).await.unwrap();
    let refused = refused(assign(&rpc, chain(wanted(staff, Role::SuperAdmin, &Place::Chain))).await);
    assert!(refused.code == Code::Forbidden && refused.detail.contains("codepop-node grant"), "{refused}");
    let grants = hub.app.read(move |tx| Box::pin(in_force(tx, staff))).await.map_err(|e: storage::Error| e).unwrap();
    assert_eq!(grants.iter().map(|grant| grant.role).collect::<Vec<_>>(), [Role::LogisticsManager, Role::RepairStaff]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn regions_have_rules_on_sqlite() {
    regions_have_rules(Node::sqlite_as(testing::name(1, "C")).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn regions_have_rules_on_postgres() {
    regions_have_rules(Node::postgres_as(testing::name(1, "C")).await).await;
}

on_both!(what_is_taken_is_taken_for_ever_with_its_twins, async |node: Node| {
    let (rpc, own) = (described(&node).await, own(&node));
    let role = assign(&rpc, chain(wanted(ADA, Role::Manager, &own))).await.unwrap().role.unwrap();
    // Given at another node at the same time.
    let twin = NewAssignment { user: ADA, role: Role::Manager, place: own.clone(), hub: None, by: 0 };
    node.db.write(move |tx| Box::pin(async move { crate::roles::assign(tx, &twin).await })).await.unwrap();
    let admin = |message| by(ADMIN, Role::Admin, own.clone(), message);
    let stranger = by(ADMIN, Role::Admin, Place::Store(Uuid::now_v7()), revoke(&role.id));
    assert_eq!(refused(take(&rpc, stranger).await).code, Code::Forbidden);
    assert_eq!(refused(take(&rpc, by(ADA, Role::Manager, own.clone(), revoke(&role.id))).await).code, Code::Forbidden);
    assert_eq!(refused(take(&rpc, admin(revoke("seven"))).await).code, Code::Invalid);
    assert_eq!(refused(take(&rpc, admin(revoke(&Uuid::now_v7().to_string()))).await).code, Code::NotFound);
    let foreign = pb::RevokeRoleRequest { store_id: Some(Uuid::now_v7().to_string()), ..revoke("seven") };
    assert_eq!(refused(take(&rpc, admin(foreign)).await).code, Code::Forbidden, "who may not learns nothing");
    for _ in 0..2 {
        assert_eq!(take(&rpc, admin(revoke(&role.id))).await.unwrap(), "revoked");
    }
    let held = node.app.read(|tx| Box::pin(in_force(tx, ADA))).await.map_err(|e: storage::Error| e).unwrap();
    assert_eq!(held, []);
    let anew = assign(&rpc, chain(wanted(ADA, Role::Manager, &own))).await.unwrap();
    assert!(!anew.existed && anew.role.unwrap().id != role.id);

    let mine = assign(&rpc, chain(wanted(ADMIN, Role::Admin, &own))).await.unwrap().role.unwrap();
    assert_eq!(refused(take(&rpc, admin(revoke(&mine.id))).await).fields[0].0, "role_id");
    assert_eq!(take(&rpc, chain(revoke(&mine.id))).await.unwrap(), "revoked");
    // The chain's own are the operator's.
    let scope = "chain".to_owned();
    let boss = RoleAssigned {
        assignment: Uuid::now_v7().as_bytes().to_vec(),
        user: chief(),
        role: Role::SuperAdmin.into(),
        scope,
        ..Default::default()
    };
    let id = Uuid::from_slice(&boss.assignment).unwrap().to_string();
    let stamp = journal::Stamp { hlc: crate::clock::Hlc(1), origin: Uuid::nil(), stream: 1, seq: 1 };
    let apply = async move |tx: &mut Tx| journal::Replicated::apply(&boss, tx, &stamp).await;
    node.db.receive(move |tx| Box::pin(async move { apply(tx).await })).await.unwrap();
    let refused = refused(take(&rpc, chain(revoke(&id))).await);
    assert!(refused.code == Code::Forbidden && refused.detail.contains("codepop-node revoke"), "{refused}");
});

on_both!(everyone_sees_what_they_decide_on, async |node: Node| {
    let (rpc, own) = (described(&node).await, own(&node));
    assign(&rpc, chain(wanted(ADA, Role::Manager, &own))).await.unwrap();
    assign(&rpc, chain(wanted(ADA, Role::GeneralUser, &Place::Own))).await.unwrap();
    let of = |user_id| pb::ListUserRolesRequest { user_id };
    let seen = async |request| rpc.list_user_roles(request).await.map(|answer| answer.into_inner().roles.len());
    assert_eq!(seen(by(ADA, Role::GeneralUser, Place::Own, of(ADA))).await.unwrap(), 2);
    assert_eq!(seen(by(ADMIN, Role::Admin, own.clone(), of(ADA))).await.unwrap(), 1);
    assert_eq!(seen(chain(of(ADA))).await.unwrap(), 2);
    let elsewhere = Place::Store(Uuid::now_v7());
    assert_eq!(seen(by(ADMIN, Role::Admin, elsewhere.clone(), of(ADA))).await.unwrap(), 0);
    assert_eq!(refused(seen(by(ADMIN, Role::Manager, own.clone(), of(ADA))).await).code, Code::Forbidden);
    assert_eq!(refused(seen(chain(of(99_000_000))).await).code, Code::NotFound);

    let list = async |request| rpc.list_roles(request).await.map(|answer| answer.into_inner().roles);
    let at = |place: &Place| match place {
        Place::Store(store) => pb::ListRolesRequest { store_id: Some(store.to_string()), ..Default::default() },
        _ => pb::ListRolesRequest::default(),
    };
    let roles = list(by(ADMIN, Role::Admin, own.clone(), at(&own))).await.unwrap();
    assert_eq!(roles.iter().map(|role| role.role_type()).collect::<Vec<_>>(), [Role::Manager]);
    assert_eq!(refused(list(by(ADMIN, Role::Admin, own.clone(), at(&elsewhere))).await).code, Code::Forbidden);
    assert_eq!(refused(list(by(ADMIN, Role::Admin, own.clone(), at(&Place::Chain))).await).code, Code::Forbidden);
    let first = list(chain(pb::ListRolesRequest { limit: Some(1), ..Default::default() })).await.unwrap();
    let after = Some(first[0].id.clone());
    let second = list(chain(pb::ListRolesRequest { after, ..Default::default() })).await.unwrap();
    assert_eq!((first.len(), second.len()), (1, 1));
    let both = pb::ListRolesRequest { region_code: Some("C".into()), ..at(&own) };
    assert_eq!(refused(list(chain(both)).await).fields[0].0, "region_code");
    for limit in [0, 1_001] {
        let bad = pb::ListRolesRequest { limit: Some(limit), ..Default::default() };
        assert_eq!(refused(list(chain(bad)).await).fields[0].0, "limit");
    }
});
