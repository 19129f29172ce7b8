//! People with rights, and callers with certificates, made without going through the doors that a test tries: the operator's
//! key says who has which role, and the nodes' own keys sign tokens.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use codepop_node::{
    auth::token::{self, Claims},
    clock::{Clock, Hlc},
    identity::{Author, Expected, NodeIdentity, OperatorIdentity},
    journal::{Audience, Draft, Event, Hash},
};
use codepop_proto::{
    operator::{
        CreateStaffAccountRequest, GetStreamRequest, SubmitEventsRequest,
        operator_service_client::OperatorServiceClient,
    },
    roles::{Role, RoleAssigned},
};
use codepop_shared::tls::{Credentials, TlsFiles};
use prost::{Message as _, Name as _};
use tonic::transport::Channel;
use uuid::Uuid;

use super::{Mesh, PASSWORD, operator::dial, programs::run};

/// Whose certificate calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A gateway's.
    Gateway,
    /// The operator's.
    Operator,
    /// A node's own, by its number in the mesh.
    Node(usize),
}

/// So many hours before now.
pub fn hours_ago(hours: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::hours(hours)
}

impl Mesh {
    /// A connection to a node, past its proxy, with somebody's certificate.
    ///
    /// # Panics
    /// The node does not answer.
    pub async fn dial_as(&self, caller: Caller, node: usize) -> Channel {
        let credentials = match caller {
            Caller::Operator => self.operator().credentials().clone(),
            Caller::Gateway => self.gateway_credentials(),
            Caller::Node(number) => self.identity(number).credentials,
        };
        dial(&credentials, self.nodes[node].address()).await.unwrap()
    }

    fn identity(&self, node: usize) -> NodeIdentity {
        NodeIdentity::load(&self.nodes[node].dir, &Expected::default()).unwrap()
    }

    /// The certificate of a gateway that does not run, made once.
    fn gateway_credentials(&self) -> Credentials {
        let dir = self.root().join("gateway-of-nobody");
        if !dir.exists() {
            run("codepop-gateway", self.root(), &["init", "--data-dir", dir.to_str().unwrap()]);
            let (request, pki) = (dir.join("request.json"), self.pki().to_str().unwrap());
            run("codepop-node", self.root(), &["pki", "issue", request.to_str().unwrap(), "--dir", pki]);
        }
        TlsFiles::in_folder(&dir.join("pki")).load().unwrap()
    }

    /// An account that is born at the hub; its number.
    ///
    /// # Panics
    /// The hub refuses.
    pub async fn hub_account(&self, username: &str) -> i64 {
        let request = CreateStaffAccountRequest {
            username: username.to_owned(),
            password: PASSWORD.to_owned(),
            ..CreateStaffAccountRequest::default()
        };
        let mut hub = OperatorServiceClient::new(self.channel(0).await);
        hub.create_staff_account(request).await.unwrap().into_inner().user_id
    }

    /// Gives roles with the operator's key, at the hub: user, role and where it holds. The operator must have announced
    /// itself before ([`Mesh::super_admin`] does).
    ///
    /// # Panics
    /// The hub does not take them.
    pub async fn give(&self, roles: &[(i64, Role, String)]) {
        let author = OperatorIdentity::load(self.pki()).unwrap().author();
        let clock = Clock::new(author.id.uuid);
        let mut hub = OperatorServiceClient::new(self.channel(0).await);
        let audience = Audience::Everyone.to_string();
        let stream = hub.get_stream(GetStreamRequest { audience }).await.unwrap().into_inner();
        let (mut head, mut hash) = (stream.seq, Hash::try_from(stream.head.as_slice()).ok());
        let mut events = Vec::new();
        for (user, role, scope) in roles {
            let assigned = RoleAssigned {
                assignment: Uuid::now_v7().as_bytes().to_vec(),
                user: *user,
                role: (*role).into(),
                scope: scope.clone(),
                ..RoleAssigned::default()
            };
            let draft = Draft {
                audience: &Audience::Everyone,
                seq: head + 1,
                previous: hash,
                hlc: clock.tick(),
                schema_version: 1,
                kind: &RoleAssigned::full_name(),
                subject: *user,
                message: &assigned.encode_to_vec(),
            };
            let event = Event::sign(&author, draft);
            (head, hash) = (event.header.seq, Some(event.hash()));
            events.push(event.into_signed());
        }
        let taken = hub.submit_events(SubmitEventsRequest { events }).await.unwrap().into_inner();
        assert_eq!(taken.accepted as usize, roles.len());
    }

    /// A node's own hand.
    ///
    /// # Panics
    /// The node's files are not there.
    pub fn author(&self, node: usize) -> Author {
        self.identity(node).author()
    }
}

/// A token of a new session, signed by a node: of a user, or with 0 of a guest. It began at `since` and is good for so long.
///
/// # Panics
/// The key does not sign.
pub fn session(author: &Author, user: i64, since: DateTime<Utc>, good: Duration) -> String {
    let claims = Claims { expires_at: since + good, ..Claims::new(user, None, Hlc(0), since) };
    token::issue(author, &claims).unwrap()
}
