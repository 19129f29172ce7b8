//! Every RPC of the contract, tried by everybody: each role at the own place, at a foreign one and at none, guests, bad tokens
//! of every sort, and every kind of certificate. What must come of it is computed from the contract alone, so that an RPC
//! that is new cannot be forgotten, and a handler that forgets to ask is found.
//!
//! A call says no more than where it is to be answered; so whoever may do something is told what is missing, and whoever
//! may not must be told that, and nothing else.

use std::{collections::HashMap, fmt, time::Duration};

use codepop_node::{
    auth::{OPERATORS, Place},
    identity::Author,
};
use codepop_proto::{
    DESCRIPTORS,
    accounts::UserStatusChanged,
    contract::{self, Rpc},
    options::{Access, CallerKind, Permission, route::Target},
    roles::Role,
};
use codepop_shared::{identity::Kind, number};
use codepop_tests::harness::{
    Builder, Caller, Mesh, Saying, Spec, Stranger, call, eventually, hours_ago, session, store,
};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind as FieldKind, Value};
use tonic::{Code, transport::Channel};

/// The hub, the store that is the own one, and the foreign one.
const HUB: usize = 0;
const OWN: usize = 1;
const FOREIGN: usize = 2;

/// Life of a token that is good for the test.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Time for roles to be known at every node.
const SPREAD: Duration = Duration::from_secs(20);

/// What must come of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Neither 401 nor 403: the handler looks at the rest of the request.
    Allowed,
    /// 401.
    LogIn,
    /// 403.
    Forbidden,
    /// 403, or the handler looks: the place is in what the request is about, and it is about nothing.
    ByObject,
}

impl Verdict {
    fn allows(self, code: Code) -> bool {
        match code {
            Code::Unauthenticated => self == Self::LogIn,
            Code::PermissionDenied => matches!(self, Self::Forbidden | Self::ByObject),
            // Nobody serves it, or it breaks: wrong whoever asks.
            Code::Unimplemented | Code::Internal | Code::Unknown => false,
            _ => matches!(self, Self::Allowed | Self::ByObject),
        }
    }
}

/// What is in somebody's hand.
#[derive(Clone, Debug)]
enum Token {
    None,
    /// No longer good, or never was.
    Bad(String),
    /// A guest's session.
    Guest,
    /// A user's, by number; each call is a session of its own, because some end it.
    User(i64),
}

/// Somebody who calls.
#[derive(Clone, Debug)]
struct Person {
    name: String,
    token: Token,
    grants: Vec<(Role, Place)>,
}

impl Person {
    fn new(name: impl Into<String>, token: Token) -> Self {
        Self { name: name.into(), token, grants: Vec::new() }
    }
}

/// One way to call an RPC.
#[derive(Clone, Debug)]
struct Way {
    /// The node that is asked.
    node: usize,
    /// The field that says where, and what it says.
    field: Option<(String, String)>,
    /// Where the right is needed; `None` when that depends on what the request is about.
    place: Option<Place>,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value) = self.field.clone().unwrap_or_default();
        write!(f, "node {} {name}={value}", self.node)
    }
}

struct Matrix {
    mesh: Mesh,
    pool: DescriptorPool,
    channels: HashMap<(String, usize), Channel>,
    authors: [Author; 2],
    /// Number of the super admin.
    boss: i64,
    wrong: Vec<String>,
    cells: usize,
}

fn kind_of(caller: Caller) -> CallerKind {
    match caller {
        Caller::Gateway => CallerKind::Gateway,
        Caller::Operator => CallerKind::Operator,
        Caller::Node(HUB) => CallerKind::Hub,
        Caller::Node(_) => CallerKind::Store,
    }
}

/// The certificate with which people's calls come: a gateway's, where those may call.
fn usual_caller(access: &Access) -> Caller {
    let may = |caller: &Caller| access.callers().any(|kind| kind == kind_of(*caller));
    let all = [Caller::Gateway, Caller::Operator, Caller::Node(HUB), Caller::Node(FOREIGN)];
    all.into_iter().find(may).expect("every RPC names its callers")
}

impl Matrix {
    fn store(&self, node: usize) -> Place {
        Place::Store(self.mesh.nodes[node].id.uuid)
    }

    /// The ways to call an RPC, as its route says.
    fn ways(&self, rpc: &Rpc) -> Vec<Way> {
        let route = rpc.route.clone().unwrap_or_default();
        let uuid = |node: usize| self.mesh.nodes[node].id.uuid.to_string();
        let way = |node, field: Option<(&str, String)>, place| Way {
            node,
            field: field.map(|(name, value)| (name.to_owned(), value)),
            place,
        };
        let mut ways = match &route.target {
            None | Some(Target::AnyStore(_) | Target::ChosenStore(_)) => vec![way(OWN, None, Some(self.store(OWN)))],
            Some(Target::StoreField(field)) => vec![
                way(OWN, Some((field, uuid(OWN))), Some(self.store(OWN))),
                way(OWN, Some((field, uuid(FOREIGN))), Some(self.store(FOREIGN))),
            ],
            Some(Target::NumberField(field)) => {
                let number = number::compose(999_999, self.mesh.nodes[OWN].id.number).unwrap();
                vec![way(OWN, Some((field, number.to_string())), Some(self.store(OWN)))]
            }
            Some(Target::RegionField(field)) => ["C", "D"]
                .map(|code| way(HUB, Some((field, code.to_owned())), Some(Place::Region(code.to_owned()))))
                .to_vec(),
            Some(Target::AnyHub(_)) => vec![way(HUB, None, None)],
        };
        if route.or_hub {
            if let Some(Target::StoreField(field)) = &route.target {
                ways.push(way(HUB, Some((field, uuid(OWN))), Some(self.store(OWN))));
            }
            ways.push(way(HUB, None, None));
        }
        ways
    }

    /// What must come of it, from the contract alone.
    fn verdict(&self, access: &Access, way: &Way, caller: Caller, person: &Person) -> Verdict {
        if !access.callers().any(|kind| kind == kind_of(caller)) {
            return Verdict::Forbidden;
        }
        if matches!(person.token, Token::Bad(_)) && !access.lenient {
            return Verdict::LogIn;
        }
        let user = matches!(person.token, Token::User(_));
        let permission = access.permission();
        let Some(holders) = contract::holders(permission) else {
            let enough = match permission {
                Permission::Public | Permission::Certificate => true,
                Permission::Self_ => user,
                Permission::Customer => user || matches!(person.token, Token::Guest) || access.begins_session,
                _ => panic!("{permission:?} has no holders"),
            };
            return if enough { Verdict::Allowed } else { Verdict::LogIn };
        };
        // The operator looks after nodes without being a user.
        if caller == Caller::Operator && OPERATORS.contains(&permission) {
            return Verdict::Allowed;
        }
        if !user {
            return Verdict::LogIn;
        }
        let mut held = person.grants.iter().filter(|(role, _)| holders.contains(role)).peekable();
        if held.peek().is_none() {
            return Verdict::Forbidden;
        }
        let Some(at) = &way.place else {
            let everywhere = held.any(|(_, place)| *place == Place::Chain);
            return if everywhere { Verdict::Allowed } else { Verdict::ByObject };
        };
        if held.any(|(_, place)| self.covers(place, at, way.node)) { Verdict::Allowed } else { Verdict::Forbidden }
    }

    /// Whether what holds at one place holds at another, as the answering node can know.
    fn covers(&self, held: &Place, at: &Place, answering: usize) -> bool {
        let here = &self.mesh.nodes[answering].id;
        match (held, at) {
            (Place::Chain, _) => true,
            (Place::Region(code), Place::Store(store)) => *store == here.uuid && *code == here.region,
            (held, at) => held == at,
        }
    }

    /// The request: empty but for where it goes, and whose it is where it is about the caller.
    fn message(&self, rpc: &Rpc, access: &Access, way: &Way, caller: Caller, person: &Person) -> Vec<u8> {
        let descriptor = self.pool.get_message_by_name(&rpc.input).unwrap();
        let mut message = DynamicMessage::new(descriptor.clone());
        let mut fill = |name: &str, text: &str| {
            let Some(field) = descriptor.get_field_by_name(name) else { return };
            let value = match field.kind() {
                FieldKind::String => Value::String(text.to_owned()),
                FieldKind::Int64 => Value::I64(text.parse().unwrap()),
                FieldKind::Enum(words) => Value::EnumNumber(words.get_value_by_name(text).unwrap().number()),
                kind => panic!("{}.{name} is of the kind {kind:?}", rpc.input),
            };
            message.set_field(&field, value);
        };
        if let (Token::User(number), None) = (&person.token, contract::holders(access.permission())) {
            fill("user_id", &number.to_string());
        }
        if access.permission() == Permission::Certificate {
            // Who calls in its own name, or in that of somebody who may.
            if let Caller::Node(node) = caller {
                let id = &self.mesh.nodes[node].id;
                fill("node_id", &id.uuid.to_string());
                fill("region", &id.region);
                fill("node_type", if id.kind == Kind::Hub { "NODE_TYPE_SUPPLY_HUB" } else { "NODE_TYPE_STORE" });
            }
            fill("on_behalf_of", &self.boss.to_string());
        }
        if let Some((name, text)) = &way.field {
            fill(name, text);
        }
        message.encode_to_vec()
    }

    fn token(&self, person: &Person) -> Option<String> {
        let now = hours_ago(0);
        match &person.token {
            Token::None => None,
            Token::Bad(token) => Some(token.clone()),
            Token::Guest => Some(session(&self.authors[OWN], 0, now, DAY)),
            Token::User(number) => {
                let node = if number::is_hub_born(*number) { HUB } else { OWN };
                Some(session(&self.authors[node], *number, now, DAY))
            }
        }
    }

    async fn channel(&mut self, caller: Caller, node: usize) -> Channel {
        let key = (format!("{caller:?}"), node);
        if !self.channels.contains_key(&key) {
            self.channels.insert(key.clone(), self.mesh.dial_as(caller, node).await);
        }
        self.channels[&key].clone()
    }

    async fn cell(&mut self, rpc: &Rpc, access: &Access, way: &Way, caller: Caller, person: &Person) {
        let expected = self.verdict(access, way, caller, person);
        let (message, token) = (self.message(rpc, access, way, caller, person), self.token(person));
        let channel = self.channel(caller, way.node).await;
        let status = call(channel, &rpc.path, token.as_deref(), message).await;
        self.cells += 1;
        if !expected.allows(status.code()) {
            let (name, code, says) = (&person.name, status.code(), status.message());
            self.wrong.push(format!(
                "{} ({:?}), {way}, {caller:?}, {name}: must be {expected:?}, is {code:?}: {says}",
                rpc.name(),
                access.permission()
            ));
        }
    }
}

/// A hub with two stores of its region, and people of every role. Region D has nobody but those who work for it.
async fn make() -> (Matrix, Vec<Person>) {
    let hub = Spec { name: "hub".into(), kind: "SUPPLY_HUB", region: "C", place: (41.74, -111.83), seeds: vec![] };
    let mesh = Builder::of(vec![hub, store(1, vec![0]), store(2, vec![0])]).start().await;
    let gateway = mesh.gateway(&[1, 0]).await;
    mesh.super_admin(&gateway).await;
    let (one, two) = (mesh.nodes[OWN].id.uuid, mesh.nodes[FOREIGN].id.uuid);
    let stores = [format!("store:{one}"), format!("store:{two}")];
    let regions = ["region:C".to_owned(), "region:D".to_owned()];
    let mut people = Vec::new();
    let mut roles = Vec::new();
    for role in (1..100).filter_map(|number| Role::try_from(number).ok()) {
        let scopes = match role {
            Role::SuperAdmin => vec!["chain".to_owned()],
            Role::LogisticsManager | Role::RepairStaff => regions.to_vec(),
            _ => stores.to_vec(),
        };
        for (number, scope) in scopes.into_iter().enumerate() {
            let name = format!("{} {}", role.as_str_name(), scope.split(['-', ' ']).next().unwrap_or_default());
            let user = mesh.hub_account(&format!("{}{number}", role.as_str_name().to_lowercase())).await;
            let grants = vec![(role, Place::parse(&scope).unwrap())];
            people.push(Person { grants, ..Person::new(name, Token::User(user)) });
            roles.push((user, role, scope));
        }
    }
    mesh.give(&roles).await;
    let Some(Token::User(boss)) = people.last().map(|person| person.token.clone()) else { panic!("{people:?}") };
    people.extend(without_rights(&mesh, boss).await);
    mesh.settled().await;
    let authors = [mesh.author(HUB), mesh.author(OWN)];
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let matrix = Matrix { mesh, pool, channels: HashMap::new(), authors, boss, wrong: Vec::new(), cells: 0 };
    (matrix, people)
}

/// Everybody whose token gives nothing, whatever it names.
async fn without_rights(mesh: &Mesh, boss: i64) -> Vec<Person> {
    let (hub, store) = (mesh.author(HUB), mesh.author(OWN));
    let now = hours_ago(0);
    let customer = mesh.sign_up(OWN, "cora").await.user_id;
    let disabled = mesh.sign_up(OWN, "dora").await.user_id;
    mesh.give(&[(disabled, Role::Admin, format!("store:{}", mesh.nodes[OWN].id.uuid))]).await;
    disable(mesh, disabled).await;
    let ended = session(&store, customer, now, DAY);
    let logged_out = call(
        mesh.dial_as(Caller::Gateway, OWN).await,
        "/codepop.accounts.v1.AccountsService/LogOut",
        Some(&ended),
        Vec::new(),
    );
    assert_eq!(logged_out.await.code(), Code::Ok);
    let bad = |name: &str, token: String| Person::new(name, Token::Bad(token));
    vec![
        Person::new("a customer", Token::User(customer)),
        Person::new("a guest", Token::Guest),
        Person::new("nobody", Token::None),
        bad("a broken token", "v4.public.rubbish".to_owned()),
        bad("an expired token of a super admin", session(&hub, boss, hours_ago(200), DAY)),
        bad("a super admin's token that a store signed", session(&store, boss, now, DAY)),
        bad("a token that is good for too long", session(&hub, boss, now, DAY * 365)),
        bad("a token of a session that ended", ended),
        bad("a token of a disabled administrator", session(&store, disabled, now, DAY)),
    ]
}

/// Disables a customer's account, in the name of another store.
async fn disable(mesh: &Mesh, user: i64) {
    let mut stranger = Stranger::store(mesh, "stranger", "C");
    let disabled = UserStatusChanged { user, disabled: true, ..UserStatusChanged::default() };
    let event = stranger.say(&Saying::of(&disabled, user));
    let mut talk = stranger.session(mesh, OWN, Vec::new()).await;
    talk.send(vec![stranger.announcement.clone(), event]).await;
    talk.acknowledged(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rpc_is_open_to_exactly_those_whom_the_contract_names() {
    let (mut matrix, people) = make().await;
    let boss = people.iter().find(|person| person.grants.iter().any(|(role, _)| *role == Role::SuperAdmin)).unwrap();
    // The roles have arrived: the last one given is good at the store.
    let probe = contract::rpcs().iter().find(|rpc| rpc.path.ends_with("/ListUsers")).unwrap();
    eventually(SPREAD, "the roles are known at the store", async || {
        let channel = matrix.mesh.dial_as(Caller::Gateway, OWN).await;
        let status = call(channel, &probe.path, matrix.token(boss).as_deref(), Vec::new()).await;
        if status.code() == Code::Ok { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    assert_eq!(matrix.mesh.nodes[HUB].id.kind, Kind::Hub);
    let nobody = Person::new("nobody", Token::None);
    for rpc in contract::rpcs() {
        let access = rpc.access.as_ref().unwrap_or_else(|| panic!("{} does not say who may call it", rpc.path));
        for way in matrix.ways(rpc) {
            for person in &people {
                matrix.cell(rpc, access, &way, usual_caller(access), person).await;
            }
            for caller in [Caller::Gateway, Caller::Operator, Caller::Node(HUB), Caller::Node(FOREIGN)] {
                for person in [&nobody, boss] {
                    matrix.cell(rpc, access, &way, caller, person).await;
                }
            }
        }
    }
    let (wrong, cells) = (&matrix.wrong, matrix.cells);
    println!("{cells} cells, {} wrong", wrong.len());
    assert!(cells >= 20 * contract::rpcs().len(), "{cells} cells");
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
