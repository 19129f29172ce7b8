//! Who may call what, as the contract says: each RPC names the kinds of callers and the permission in its options. An
//! RPC that does not is refused. Here too the caller and the customer become the [`Actor`] that the features see.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
    time::Duration,
};

use chrono::Utc;
use codepop_proto::{
    contract,
    options::{Access, CallerKind, Permission},
};
use codepop_shared::{
    Code, Failure,
    identity::{Kind, NO_REGION, SpiffeId},
    tls::{PeerInfo, Trust},
};
use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::{Status, body::Body};
use tower::{Layer, Service};
use uuid::Uuid;

use super::session;
use crate::{
    audit::{Refusal, Refusals},
    auth::{Actor, Session, Trail, User},
    mesh::links::Links,
};

/// Health and reflection are not part of the contract's own packages: they are open to every certified caller.
const STANDARD_SERVICES: &[&str] = &["/grpc.health.v1.", "/grpc.reflection.v1.", "/grpc.reflection.v1alpha."];

/// The one RPC by which a refused node is shown what proves it.
const TOLD_BY: &str = "/codepop.mesh.v1.MeshService/Register";

/// Checks the tokens of sessions. Implemented by the accounts.
pub trait Authenticator: Send + Sync + 'static {
    /// The session of a token, or why it is not good.
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Session, Failure>>;

    /// Number of the user whom a token names whose signature holds, whatever has become of the session: for the audit
    /// trail alone.
    fn whose<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Option<i64>>;

    /// A new guest's session and its token.
    fn begin_guest(&self) -> Result<(Uuid, String), Failure>;
}

/// What the check needs.
#[derive(Clone)]
pub struct Gate {
    /// Checks tokens.
    pub authenticator: Arc<dyn Authenticator>,
    /// Knows who is refused.
    pub trust: Trust,
    /// Knows when a hub was heard.
    pub links: Links,
    /// Who this node is.
    pub me: Arc<SpiffeId>,
    /// Takes down who was refused.
    pub refusals: Refusals,
    /// How long roles for regions and the chain hold without word from a hub.
    pub hub_silence_max: Duration,
}

/// Who may call each RPC, by path.
static ACCESS: LazyLock<HashMap<&str, (&str, &Access)>> = LazyLock::new(|| {
    let named = |rpc: &'static contract::Rpc| Some((rpc.path.as_str(), (rpc.name(), rpc.access.as_ref()?)));
    contract::rpcs().iter().filter_map(named).collect()
});

/// Whether there is such an RPC, by its path without the leading slash.
pub(super) fn is_known(path: &str) -> bool {
    let path = format!("/{path}");
    ACCESS.contains_key(path.as_str()) || STANDARD_SERVICES.iter().any(|service| path.starts_with(service))
}

impl Gate {
    /// Lets a call in; returns what its answer is to tell of the session.
    async fn check(&self, path: &str, parts: &mut http::request::Parts) -> Result<session::Tell, Failure> {
        let info = parts.extensions.get::<PeerInfo>();
        let caller = caller(info)?;
        // Its connections are cut; what was under way gets no further.
        let refusal = info.and_then(|info| self.trust.refusal_of(info.certified.as_ref()?));
        if let Some(refusal) = refusal.filter(|_| path != TOLD_BY) {
            return Err(Failure::new(Code::Forbidden, refusal.why));
        }
        if STANDARD_SERVICES.iter().any(|service| path.starts_with(service)) {
            return Ok(session::Tell::Nothing);
        }
        let (rpc, access) = *ACCESS.get(path).ok_or_else(|| Failure::new(Code::NotFound, "There is no such RPC."))?;
        if !access.callers().any(|kind| kind == caller_kind(caller.kind)) {
            return Err(Failure::new(
                Code::Forbidden,
                format!("This RPC is not for the certificate of a {}.", caller.kind),
            ));
        }
        let client = client(&caller, info, &parts.headers);
        if access.permission() == Permission::Unspecified {
            return Err(Failure::new(Code::Forbidden, "This RPC is not open to anybody."));
        }
        let session = session::of(&*self.authenticator, access, caller.kind, &parts.headers).await;
        let (Session { user, guest }, tell) = match session {
            Ok(session) => session,
            Err(failure) => {
                self.note_bad_token(rpc, access, (caller, client), parts, failure.code).await;
                return Err(failure);
            }
        };
        match access.permission() {
            Permission::Self_ if user.is_none() => return Err(not_authenticated()),
            Permission::Customer if user.is_none() && guest.is_none() => return Err(not_authenticated()),
            _ => {}
        }
        let actor = self.actor(rpc, (caller, client), (user, guest));
        parts.extensions.insert(actor.clone());
        if contract::holders(access.permission()).is_some() {
            actor.may_anywhere(access.permission())?;
        }
        Ok(tell)
    }

    fn actor(&self, rpc: &'static str, from: (SpiffeId, IpAddr), session: (Option<User>, Option<Uuid>)) -> Actor {
        let ((caller, client), (user, guest)) = (from, session);
        let hub_heard = self.links.hub_heard().is_some_and(|heard| Utc::now() - heard < self.silence());
        let here = Arc::clone(&self.me);
        let hub_linked = self.links.has_hub();
        Actor { caller, user, guest, client, rpc, here, hub_heard, hub_linked }
    }

    /// Takes down a known user who was refused, by the gate or by the handler.
    fn note(&self, actor: &Actor, code: Code) {
        let path = format!("/{}", actor.rpc);
        let Some((_, access)) = ACCESS.get(path.as_str()).filter(|_| actor.user.is_some()) else { return };
        let permission = access.permission();
        self.refusals.note(Refusal { trail: actor.trail(permission, None), code });
    }

    /// The same for a token that is no longer good, where it was used for a right that not everybody has.
    async fn note_bad_token(
        &self,
        rpc: &'static str,
        access: &Access,
        from: (SpiffeId, IpAddr),
        parts: &http::request::Parts,
        code: Code,
    ) {
        if code != Code::NotAuthenticated || contract::holders(access.permission()).is_none() {
            return;
        }
        let Ok(token) = session::token(&parts.headers) else { return };
        let Some(number) = self.authenticator.whose(&token).await else { return };
        let trail =
            Trail { user: Some(number), ..self.actor(rpc, from, (None, None)).trail(access.permission(), None) };
        self.refusals.note(Refusal { trail, code });
    }

    fn silence(&self) -> chrono::TimeDelta {
        chrono::TimeDelta::from_std(self.hub_silence_max).unwrap_or_default()
    }
}

fn not_authenticated() -> Failure {
    Failure::new(Code::NotAuthenticated, "Authentication credentials were not provided. Log in and send the token.")
}

/// The caller's certified name. Without TLS (`--insecure`, loopback only) everyone is a gateway.
fn caller(info: Option<&PeerInfo>) -> Result<SpiffeId, Failure> {
    let info = info.ok_or_else(|| Failure::new(Code::NotAuthenticated, "The connection is not known."))?;
    Ok(match &info.certified {
        Some(certified) => certified.id.clone(),
        None => SpiffeId {
            chain: "insecure".to_owned(),
            kind: Kind::Gateway,
            region: NO_REGION.to_owned(),
            number: 0,
            uuid: Uuid::nil(),
        },
    })
}

fn caller_kind(kind: Kind) -> CallerKind {
    match kind {
        Kind::Store => CallerKind::Store,
        Kind::Hub => CallerKind::Hub,
        Kind::Gateway => CallerKind::Gateway,
        Kind::Operator => CallerKind::Operator,
    }
}

/// The client's address: what a gateway says of its client, otherwise what the connection shows.
fn client(caller: &SpiffeId, info: Option<&PeerInfo>, headers: &http::HeaderMap) -> IpAddr {
    let said = headers.get("x-codepop-client").and_then(|value| value.to_str().ok()?.parse().ok());
    let seen = info.map_or(IpAddr::from([0, 0, 0, 0]), |info| info.address.ip());
    if caller.kind == Kind::Gateway { said.unwrap_or(seen) } else { seen }
}

/// Puts a [`Gate`] before every service.
#[derive(Clone)]
pub struct GateLayer(pub Gate);

impl<S> Layer<S> for GateLayer {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { inner, gate: self.0.clone() }
    }
}

/// A service behind a [`Gate`].
#[derive(Clone)]
pub struct Gated<S> {
    inner: S,
    gate: Gate,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone takes the place of the service that was polled ready.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let gate = self.gate.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let path = parts.uri.path().to_owned();
            let checked = gate.check(&path, &mut parts).await;
            let actor = parts.extensions.get::<Actor>().cloned();
            let answer = match checked {
                Ok(tell) => {
                    let mut answer = inner.call(Request::from_parts(parts, body)).await?;
                    tell.put(answer.headers_mut());
                    answer
                }
                Err(failure) => Status::from(failure).into_http(),
            };
            if let (Some(actor), Some(code)) = (actor, refusal(answer.headers())) {
                gate.note(&actor, code);
            }
            Ok(answer)
        })
    }
}

/// The code of an answer that refuses: failures have their status in the headers, before any message.
fn refusal(headers: &http::HeaderMap) -> Option<Code> {
    let status = Status::from_header_map(headers)?;
    let code = Failure::from(&status).code;
    matches!(code, Code::Forbidden | Code::HubNeeded).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rpc_says_who_may_call_it() {
        assert!(contract::rpcs().len() > 20);
        for rpc in contract::rpcs() {
            let access = rpc.access.as_ref().unwrap_or_else(|| panic!("{} has no access", rpc.path));
            assert!(!access.callers.is_empty(), "{} names no callers", rpc.path);
            assert_ne!(access.permission(), Permission::Unspecified, "{} names no permission", rpc.path);
        }
    }

    #[test]
    fn the_mesh_is_for_nodes_alone() {
        for rpc in contract::rpcs().iter().filter(|rpc| rpc.path.contains(".mesh.")) {
            let mut callers = rpc.access.iter().flat_map(Access::callers);
            assert!(callers.all(|kind| matches!(kind, CallerKind::Store | CallerKind::Hub)), "{}", rpc.path);
        }
    }

    #[test]
    fn every_permission_has_its_row_in_the_table() {
        use Permission::{Certificate, Customer, Public, Self_, Unspecified};
        let all = (0..100).filter_map(|number| Permission::try_from(number).ok());
        for permission in all.filter(|one| ![Unspecified, Public, Certificate, Self_, Customer].contains(one)) {
            let roles = contract::holders(permission).unwrap_or_else(|| panic!("{permission:?} is nobody's"));
            assert!(roles.contains(&codepop_proto::roles::Role::SuperAdmin), "{permission:?}");
        }
    }
}
