//! Roles over a chain: given and taken at one node, in force and out of force at all; and what goes on where no hub is to be
//! heard.

use std::time::{Duration, Instant};

use codepop_proto::{
    accounts::{
        GetProfileRequest, SetUserStatusRequest, UserStatus, accounts_service_client::AccountsServiceClient,
        administration_service_client::AdministrationServiceClient,
    },
    notifications::{WatchNotificationsRequest, notifications_service_client::NotificationsServiceClient},
    roles::{
        AssignRoleRequest, AssignRoleResponse, ListRolesRequest, ListUserRolesRequest, RevokeRoleRequest, Role,
        roles_service_client::RolesServiceClient,
    },
};
use codepop_shared::{Code, Failure};
use codepop_tests::harness::{Backend, Builder, Gateway, Mesh, PASSWORD, SPREAD, check, eventually, programs};
use reqwest::Method;
use serde_json::json;
use tonic::{Request, transport::Channel};

/// Within which time what was taken away is refused at every node that can be reached.
const BITES_WITHIN: Duration = Duration::from_secs(2);

/// How long a node believes in regions' and chain's roles without word from a hub, where a test does not wait an hour.
const SILENCE: &str = "3";

/// A call in a user's name.
fn by<M>(token: &str, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// Whether the user of a token may list the roles of a store, or of the chain: what an administrator's role is good for at
/// every node.
async fn may_list(channel: &Channel, token: &str, store_id: Option<&str>) -> Result<(), Code> {
    let asked = ListRolesRequest { store_id: store_id.map(str::to_owned), ..Default::default() };
    let answer = RolesServiceClient::new(channel.clone()).list_roles(by(token, asked)).await;
    answer.map(drop).map_err(|status| Failure::from(&status).code)
}

/// Whether a token is good at a node.
async fn knows(channel: &Channel, token: &str) -> Result<(), Code> {
    let answer = AccountsServiceClient::new(channel.clone()).get_profile(by(token, GetProfileRequest {})).await;
    answer.map(drop).map_err(|status| Failure::from(&status).code)
}

/// A chain with its super admin.
struct Chain {
    mesh: Mesh,
    channels: Vec<Channel>,
    boss: String,
}

impl Chain {
    async fn of(builder: Builder, stores: usize) -> Self {
        let mesh = builder.start().await;
        let boss = mesh.super_admin(&mesh.gateway(&[0]).await).await;
        mesh.settled().await;
        let mut channels = Vec::new();
        for node in 0..=stores {
            channels.push(mesh.channel(node).await);
        }
        Self { mesh, channels, boss }
    }

    fn store(&self, node: usize) -> String {
        self.mesh.nodes[node].id.uuid.to_string()
    }

    fn nodes(&self) -> impl Iterator<Item = usize> {
        0..self.channels.len()
    }

    /// Gives a role of a node's store, at another node.
    async fn assign(&self, at: usize, token: &str, user: i64, role: Role, store: usize) -> AssignRoleResponse {
        let store_id = Some(self.store(store));
        let asked = AssignRoleRequest { user_id: user, role_type: role.into(), store_id, ..Default::default() };
        let roles = RolesServiceClient::new(self.channels[at].clone());
        // Who has just signed up elsewhere may not be known there yet.
        eventually(SPREAD, "the role is given", async || {
            match roles.clone().assign_role(by(token, asked.clone())).await {
                Ok(given) => Ok(given.into_inner()),
                Err(status) if status.code() == tonic::Code::NotFound => Err(status.to_string()),
                Err(status) => panic!("{status}"),
            }
        })
        .await
    }

    /// Takes a role away; answers with when it was asked for.
    async fn revoke(&self, at: usize, token: &str, role_id: &str) -> Instant {
        let asked = RevokeRoleRequest { role_id: role_id.to_owned(), store_id: None };
        let begun = Instant::now();
        let said = RolesServiceClient::new(self.channels[at].clone()).revoke_role(by(token, asked)).await.unwrap();
        assert_eq!(said.into_inner().status, "revoked");
        begun
    }

    /// Somebody who signed up at a store, with a role there that all nodes know. Answers with number, token and assignment.
    async fn administrator(&self, name: &str, store: usize) -> (i64, String, String) {
        let made = self.mesh.sign_up(store, name).await;
        let role = self.assign(0, &self.boss, made.user_id, Role::Admin, store).await.role.unwrap();
        self.mesh.settled().await;
        for node in self.nodes() {
            assert_eq!(may_list(&self.channels[node], &made.token, Some(&self.store(store))).await, Ok(()), "{node}");
        }
        (made.user_id, made.token, role.id)
    }

    /// Asks all nodes again and again until each refuses; none may take longer than it may.
    async fn bites(&self, what: &str, since: Instant, code: Code, ask: impl AsyncFn(&Channel) -> Result<(), Code>) {
        for node in self.nodes() {
            loop {
                // What is answered after the bound was asked before it.
                let asked = since.elapsed();
                match ask(&self.channels[node]).await {
                    Err(refused) => {
                        assert_eq!(refused, code, "{what} at node {node}");
                        println!("{what}: refused at node {node} {} ms after it was asked for", asked.as_millis());
                        break;
                    }
                    Ok(()) => assert!(asked < BITES_WITHIN, "{what} at node {node}: still allowed after {asked:?}"),
                }
            }
        }
    }

    /// What a user's roles are at a node, by its own words.
    async fn roles_at(&self, node: usize, user: i64) -> Vec<String> {
        let asked = by(&self.boss, ListUserRolesRequest { user_id: user });
        let listed = RolesServiceClient::new(self.channels[node].clone()).list_user_roles(asked).await.unwrap();
        listed.into_inner().roles.into_iter().map(|role| role.id).collect()
    }
}

on_both!(
    /// Taken at the hub, at the store, by the operator's key: nobody has it two seconds later, at any node.
    a_revoked_role_is_refused_at_every_node_within_two_seconds,
    |backend: Backend| async move {
        let chain = Chain::of(Builder::with(3).on(backend), 3).await;
        let (store, other) = (chain.store(1), chain.administrator("mia", 1).await);
        let (user, token, first) = chain.administrator("ada", 1).await;
        let since = chain.revoke(0, &chain.boss, &first).await;
        chain.bites("taken at the hub", since, Code::Forbidden, async |node| may_list(node, &token, Some(&store)).await).await;

        let again = chain.assign(1, &other.1, user, Role::Admin, 1).await;
        assert!(!again.existed && again.role.as_ref().unwrap().id != first);
        chain.mesh.settled().await;
        for channel in &chain.channels {
            assert_eq!(may_list(channel, &token, Some(&store)).await, Ok(()));
        }
        let since = chain.revoke(1, &other.1, &again.role.unwrap().id).await;
        chain.bites("taken at the store", since, Code::Forbidden, async |node| may_list(node, &token, Some(&store)).await).await;
        assert_eq!(may_list(&chain.channels[1], &other.1, Some(&store)).await, Ok(()), "others' roles stay");

        // The super admin, by the operator's key alone.
        for channel in &chain.channels {
            assert_eq!(may_list(channel, &chain.boss, None).await, Ok(()));
        }
        let me = by(&chain.boss, GetProfileRequest {});
        let me = AccountsServiceClient::new(chain.channels[0].clone()).get_profile(me).await.unwrap().into_inner();
        let (hub, number) = (format!("https://{}", chain.mesh.nodes[0].address()), me.profile.unwrap().id.to_string());
        let args = ["revoke", "--node", &hub, "--pki", chain.mesh.pki().to_str().unwrap(), "--user", &number];
        let since = Instant::now();
        programs::run("codepop-node", chain.mesh.root(), &args);
        chain.bites("taken by the operator", since, Code::Forbidden, async |node| may_list(node, &chain.boss, None).await).await;
        let repeated = programs::try_run("codepop-node", chain.mesh.root(), &args, &[]);
        assert!(!repeated.status.success(), "there is nothing to take any more");
        chain.mesh.settled().await;
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disabled_account_is_out_everywhere_within_two_seconds_and_its_streams_end() {
    let chain = Chain::of(Builder::with(3), 3).await;
    let (_, admin, _) = chain.administrator("mia", 1).await;
    for (name, status) in [("ada", UserStatus::Locked), ("bob", UserStatus::Disabled)] {
        let made = chain.mesh.sign_up(1, name).await;
        chain.mesh.settled().await;
        for channel in &chain.channels {
            assert_eq!(knows(channel, &made.token).await, Ok(()));
        }
        // It listens at a store that hears of it by two links.
        let mut notices = NotificationsServiceClient::new(chain.channels[3].clone());
        let watch = notices.watch_notifications(by(&made.token, WatchNotificationsRequest::default())).await;
        let mut stream = watch.unwrap().into_inner();
        let ended = tokio::spawn(async move {
            let why = stream.message().await;
            (Instant::now(), why)
        });

        let asked = SetUserStatusRequest { user_id: made.user_id, status: status.into(), reason: None };
        let since = Instant::now();
        let mut administration = AdministrationServiceClient::new(chain.channels[1].clone());
        administration.set_user_status(by(&admin, asked)).await.unwrap();
        chain.bites(name, since, Code::NotAuthenticated, async |node| knows(node, &made.token).await).await;
        let (at, why) = tokio::time::timeout(SPREAD, ended).await.expect("the stream ends").unwrap();
        assert_eq!(Failure::from(&why.unwrap_err()).code, Code::NotAuthenticated);
        assert!(at - since <= BITES_WITHIN, "the stream went on for {:?}", at - since);
        for node in chain.nodes() {
            let refused = chain.mesh.log_in(node, name).await.unwrap_err();
            assert_eq!(Failure::from(&refused).code, Code::LoginFailed, "node {node}");
        }
        let active = SetUserStatusRequest { user_id: made.user_id, status: UserStatus::Active.into(), reason: None };
        administration.set_user_status(by(&admin, active)).await.unwrap();
        chain.mesh.settled().await;
        chain.mesh.log_in(3, name).await.unwrap();
        assert_eq!(knows(&chain.channels[3], &made.token).await, Err(Code::NotAuthenticated), "ended is ended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_revoked_on_one_side_holds_on_the_other_until_it_heals_and_never_after() {
    let mut chain = Chain::of(Builder::with(3), 3).await;
    let store = chain.store(2);
    let (user, token, role) = chain.administrator("ada", 2).await;
    for other in [0, 1, 3] {
        chain.mesh.cut(2, other);
    }
    chain.revoke(0, &chain.boss, &role).await;
    for node in [0, 1, 3] {
        eventually(BITES_WITHIN, "it is refused on the side where it was taken", async || {
            let asked = may_list(&chain.channels[node], &token, Some(&store)).await;
            check(asked == Err(Code::Forbidden), || format!("node {node}: {asked:?}"))
        })
        .await;
    }
    // Nothing can have reached the other side: its own store's staff go on there.
    assert_eq!(may_list(&chain.channels[2], &token, Some(&store)).await, Ok(()));
    for other in [0, 1, 3] {
        chain.mesh.join(2, other);
    }
    chain.mesh.settled().await;
    for round in ["healed", "restarted"] {
        for node in chain.nodes() {
            assert_eq!(
                may_list(&chain.channels[node], &token, Some(&store)).await,
                Err(Code::Forbidden),
                "{round} {node}"
            );
            assert_eq!(chain.roles_at(node, user).await, Vec::<String>::new(), "{round}, node {node}");
        }
        if round == "healed" {
            chain.mesh.kill9(2);
            chain.mesh.start(2).await;
            chain.channels[2] = chain.mesh.channel(2).await;
            chain.mesh.settled().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_here_and_taken_there_at_the_same_time_is_taken_everywhere() {
    let chain = Chain::of(Builder::with(2), 2).await;
    let (_, admin, _) = chain.administrator("mia", 1).await;
    let mut users = Vec::new();
    for name in ["ada", "bob"] {
        let user = chain.mesh.sign_up(1, name).await.user_id;
        let role = chain.assign(1, &admin, user, Role::Manager, 1).await.role.unwrap().id;
        users.push((user, role));
    }
    chain.mesh.settled().await;
    chain.mesh.cut(1, 0);
    chain.mesh.cut(1, 2);
    // Each side does to one what the other side does to the other, without being able to know.
    let [(ada, adas), (bob, bobs)] = &users[..] else { unreachable!() };
    chain.revoke(0, &chain.boss, adas).await;
    let given = chain.assign(1, &admin, *ada, Role::Manager, 1).await;
    assert!(given.existed && given.role.unwrap().id == *adas, "to give what is there makes no second one");
    chain.revoke(1, &admin, bobs).await;
    let given = chain.assign(0, &chain.boss, *bob, Role::Manager, 1).await;
    assert!(given.existed && given.role.unwrap().id == *bobs);
    assert_eq!(chain.roles_at(1, *ada).await, std::slice::from_ref(adas));
    assert_eq!(chain.roles_at(0, *bob).await, std::slice::from_ref(bobs));
    chain.mesh.join(1, 0);
    chain.mesh.join(1, 2);
    chain.mesh.settled().await;
    for node in chain.nodes() {
        for (user, _) in &users {
            assert_eq!(chain.roles_at(node, *user).await, Vec::<String>::new(), "node {node}");
        }
    }

    // Given on both sides, it is one role with two numbers: taking either takes both.
    chain.mesh.cut(1, 0);
    chain.mesh.cut(1, 2);
    let (one, other) = (
        chain.assign(1, &admin, *ada, Role::Manager, 1).await.role.unwrap().id,
        chain.assign(0, &chain.boss, *ada, Role::Manager, 1).await.role.unwrap().id,
    );
    assert_ne!(one, other);
    chain.mesh.join(1, 0);
    chain.mesh.join(1, 2);
    chain.mesh.settled().await;
    assert_eq!(chain.roles_at(2, *ada).await.len(), 2);
    chain.revoke(0, &chain.boss, &one).await;
    chain.mesh.settled().await;
    for node in chain.nodes() {
        assert_eq!(chain.roles_at(node, *ada).await, Vec::<String>::new(), "node {node}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_hub_is_heard_the_store_goes_on_and_the_chains_people_wait() {
    let chain = Chain::of(Builder::with(2).setting("NODE_HUB_SILENCE_MAX", SILENCE), 2).await;
    let store = chain.store(1);
    let (user, admin, _) = chain.administrator("mia", 1).await;
    assert_eq!(may_list(&chain.channels[1], &chain.boss, None).await, Ok(()));
    chain.mesh.cut(1, 0);
    chain.mesh.cut(1, 2);
    for scope in [None, Some(&*store)] {
        eventually(SPREAD, "the super admin is told that a hub is needed", async || {
            let asked = may_list(&chain.channels[1], &chain.boss, scope).await;
            check(asked == Err(Code::HubNeeded), || format!("{asked:?}"))
        })
        .await;
    }
    // The store's own people and its customers notice nothing.
    assert_eq!(may_list(&chain.channels[1], &admin, Some(&store)).await, Ok(()));
    let customer = chain.mesh.sign_up(1, "ada").await;
    assert_eq!(knows(&chain.channels[1], &customer.token).await, Ok(()));
    chain.mesh.log_in(1, "ada").await.unwrap();
    let role = chain.assign(1, &admin, customer.user_id, Role::Manager, 1).await.role.unwrap();
    chain.revoke(1, &admin, &role.id).await;
    // Whoever is still linked to the hub goes on.
    assert_eq!(may_list(&chain.channels[2], &chain.boss, None).await, Ok(()));

    chain.mesh.join(1, 0);
    chain.mesh.join(1, 2);
    eventually(SPREAD, "the super admin works again", async || {
        may_list(&chain.channels[1], &chain.boss, None).await.map_err(|code| format!("{code:?}"))
    })
    .await;
    chain.mesh.settled().await;
    assert_eq!(chain.roles_at(2, user).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_join_by_invitation_at_a_store_and_at_the_hub_through_one_gateway() {
    let mesh = Mesh::with(1).await;
    let gateway = mesh.gateway(&[1, 0]).await;
    let boss = mesh.super_admin(&gateway).await;
    mesh.settled().await;
    let store = mesh.nodes[1].id.uuid.to_string();
    let places = [
        (json!({"role_type": "ADMIN", "store_id": store, "email": "mia@example.org"}), "mia", "MANAGER", false),
        (json!({"role_type": "LOGISTICS_MANAGER", "region_code": "C"}), "leo", "LOGISTICS", true),
    ];
    let mut tokens = Vec::new();
    for (place, name, dashboard, is_hub_born) in places {
        let made = gateway.post("/backend/staff/invitations/", Some(&boss), place.clone()).await.expect(201);
        let (id, code) = (made["invitation"]["id"].clone(), made["code"].as_str().unwrap().to_owned());
        assert_eq!(made["invitation"]["state"], "OPEN");
        let accept = format!("/backend/staff/invitations/{id}/accept/");
        let person = |code: &str| json!({"code": code, "username": name, "password": PASSWORD, "first_name": name});
        gateway.post(&accept, None, person("00000-00000-00000-00000")).await.expect(404);
        let joined = gateway.post(&accept, None, person(&code)).await.expect(201);
        let user = joined["user_id"].as_i64().unwrap();
        assert_eq!(user % 100_000 <= 999, is_hub_born, "{user}");
        gateway.post(&accept, None, person(&code)).await.expect(404);
        mesh.settled().await;

        let body = json!({"username": name, "password": PASSWORD});
        let logged_in = gateway.post("/backend/auth/login/", None, body).await.expect(200);
        assert_eq!((&logged_in["dashboard"], &logged_in["user_role"]), (&json!(dashboard), &place["role_type"]));
        assert_eq!(logged_in["roles"], json!(["ACCOUNT_USER", place["role_type"]]));
        let token = logged_in["token"].as_str().unwrap().to_owned();
        let own = gateway.get(&format!("/backend/users/{user}/roles/"), Some(&token)).await.expect(200);
        assert_eq!(own.as_array().unwrap().len(), 1, "{own}");
        assert_eq!((&own[0]["role_type"], &own[0]["is_active"]), (&place["role_type"], &json!(true)));
        tokens.push((user, token));
    }

    let [(mia, admin), (leo, _)] = &tokens[..] else { unreachable!() };
    an_administrator_gives_and_takes(&gateway, &store, (*mia, admin), (*leo, &boss)).await;
}

/// The store's administrator, by the same doors: gives, is told what is not allowed, and takes.
async fn an_administrator_gives_and_takes(
    gateway: &Gateway,
    store: &str,
    (mia, admin): (i64, &str),
    (leo, boss): (i64, &str),
) {
    let body = json!({"username": "ada", "password": PASSWORD});
    let ada = gateway.post("/backend/auth/register/", None, body).await.expect(201)["user_id"].clone();
    let manager = json!({"user_id": ada, "role_type": "MANAGER", "store_id": store});
    let given = gateway.post("/backend/roles/assign/", Some(admin), manager.clone()).await.expect(201);
    assert_eq!((&given["store"], &given["role_display"]), (&json!(store), &json!("Store Manager")));
    assert_eq!(given["assigned_by"], json!(mia));
    gateway.post("/backend/roles/assign/", Some(admin), manager.clone()).await.expect(200);
    for (body, status, field) in [
        (json!({"user_id": ada, "role_type": "MANAGER"}), 400, Some("store_id")),
        (json!({"user_id": ada, "role_type": "REPAIR_STAFF"}), 400, Some("region_code")),
        (json!({"user_id": ada, "role_type": "KING", "store_id": store}), 400, Some("role_type")),
        (json!({"user_id": ada, "role_type": "REPAIR_STAFF", "region_code": "C"}), 403, None),
        (json!({"user_id": ada, "role_type": "SUPER_ADMIN"}), 403, None),
    ] {
        let answer = gateway.post("/backend/roles/assign/", Some(admin), body.clone()).await.expect(status);
        assert!(field.is_none_or(|field| answer["fields"].get(field).is_some()), "{body}: {answer}");
    }
    // Not even a super admin gives a customer what would reach beyond the store; the way out is said.
    let far = json!({"user_id": ada, "role_type": "REPAIR_STAFF", "region_code": "C"});
    let refused = gateway.post("/backend/roles/assign/", Some(boss), far).await.expect(400);
    assert!(refused["fields"]["user_id"].to_string().contains("/backend/staff/invitations"), "{refused}");
    let second = json!({"user_id": leo, "role_type": "REPAIR_STAFF", "region_code": "C"});
    gateway.post("/backend/roles/assign/", Some(boss), second).await.expect(201);

    let listed = gateway.get(&format!("/backend/roles/?store_id={store}"), Some(admin)).await.expect(200);
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    gateway.get("/backend/roles/", Some(admin)).await.expect(403);
    for _ in 0..2 {
        let body = json!({"role_id": given["id"], "store_id": store});
        let said = gateway.ask(Method::DELETE, "/backend/roles/revoke/", Some(admin), Some(body)).await.expect(200);
        assert_eq!(said, json!({"status": "revoked"}));
    }
    let left = gateway.get(&format!("/backend/roles/?store_id={store}"), Some(admin)).await.expect(200);
    assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
    let locked = json!({"status": "LOCKED", "reason": "Left the shop."});
    let seen = gateway.post(&format!("/backend/users/{ada}/status/"), Some(admin), locked).await.expect(200);
    assert_eq!((&seen["status"], &seen["status_reason"]), (&json!("LOCKED"), &json!("Left the shop.")));
}
