//! Who is asking: the caller's certificate, the user for whom it speaks, and what that user may do here.

use std::{net::IpAddr, sync::Arc};

use codepop_proto::{contract, options::Permission, roles::Role};
use codepop_shared::{
    Code, Failure,
    identity::{Kind, SpiffeId},
};
use tonic::Request;
use uuid::Uuid;

use super::{Customer, Permit, trail::Trail};

/// Longest code of a region: a longer one is nobody's, and no key of a table.
const REGION_MAX: usize = 10;

/// What the operator, who looks after nodes without being a user, may do by the certificate alone.
pub const OPERATORS: &[Permission] = &[Permission::StatusRead, Permission::ConflictsDecide];

/// Where a role holds, or where something is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The user's own account and things.
    Own,
    /// One store.
    Store(Uuid),
    /// One region.
    Region(String),
    /// The whole chain.
    Chain,
}

impl Place {
    /// Reads the form in which events and rows hold it: `own`, `store:<uuid>`, `region:<code>` or
    /// `chain`.
    pub fn parse(word: &str) -> Option<Self> {
        match word.split_once(':') {
            None if word == "own" => Some(Self::Own),
            None if word == "chain" => Some(Self::Chain),
            Some(("store", uuid)) => Uuid::parse_str(uuid).ok().map(Self::Store),
            Some(("region", code))
                if (1..=REGION_MAX).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
            {
                Some(Self::Region(code.to_owned()))
            }
            _ => None,
        }
    }

    /// The form in which events and rows hold it.
    pub fn word(&self) -> String {
        match self {
            Self::Own => "own".to_owned(),
            Self::Store(uuid) => format!("store:{uuid}"),
            Self::Region(code) => format!("region:{code}"),
            Self::Chain => "chain".to_owned(),
        }
    }
}

/// A role in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// Where it holds.
    pub place: Place,
}

impl Grant {
    /// Whether the role gives `permission` at `at`. Of which region a store is, is known of the answering node alone.
    fn gives(&self, permission: Permission, at: &Place, here: &SpiffeId) -> bool {
        let covers = match (&self.place, at) {
            (Place::Chain, _) => true,
            (Place::Region(code), Place::Store(store)) => *store == here.uuid && *code == here.region,
            (Place::Own, _) => false,
            (own, at) => own == at,
        };
        covers && self.has(permission)
    }

    /// Whether the role has the permission, wherever that is.
    fn has(&self, permission: Permission) -> bool {
        contract::holders(permission).is_some_and(|roles| roles.contains(&self.role))
    }
}

/// The user for whom a call is made, as the token says and this node's own state confirms.
#[derive(Clone, Debug)]
pub struct User {
    /// Number of the user.
    pub number: i64,
    /// The session.
    pub session: Uuid,
    /// When the session's token expires, in microseconds since 1970.
    pub expires_at_us: i64,
    /// Roles in force.
    pub grants: Vec<Grant>,
}

/// What a good token vouches for. One of the two is there at least.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The user, when it is a user's.
    pub user: Option<User>,
    /// The guest's session: of a guest, or of a user who was one before logging in.
    pub guest: Option<Uuid>,
}

/// Who is asking.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The certified caller.
    pub caller: SpiffeId,
    /// The user for whom it speaks, if there is one.
    pub user: Option<User>,
    /// The guest's session: of a guest, or of a user who was one before logging in.
    pub guest: Option<Uuid>,
    /// The client's address, as a gateway says it or as the connection shows it.
    pub client: IpAddr,
    /// Full name of the RPC that is called.
    pub rpc: &'static str,
    /// The answering node.
    pub here: Arc<SpiffeId>,
    /// Whether a hub was heard from lately, within an hour at most (always, at a hub).
    pub hub_heard: bool,
    /// Whether a link to a hub is up (always, at a hub).
    pub hub_linked: bool,
}

impl Actor {
    /// The actor that the server put into the request.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Failure> {
        let actor = request.extensions().get::<Self>().cloned();
        actor.ok_or_else(|| Failure::new(Code::Internal, "Something went wrong at the node; its log has the details."))
    }

    /// The user, who must be logged in.
    pub fn user(&self) -> Result<&User, Failure> {
        self.user.as_ref().ok_or_else(|| {
            Failure::new(
                Code::NotAuthenticated,
                "Authentication credentials were not provided. Log in and send the token.",
            )
        })
    }

    /// The logged-in user, who must be the one named.
    pub fn user_is(&self, number: i64) -> Result<&User, Failure> {
        let user = self.user()?;
        if user.number == number { Ok(user) } else { Err(forbidden()) }
    }

    /// The customer who is asking; without a session, one who owns nothing.
    pub fn customer(&self) -> Customer {
        Customer { user: self.user.as_ref().map(|user| user.number), guest: self.guest }
    }

    /// Whether there is a session, a user's or a guest's.
    pub fn has_session(&self) -> bool {
        self.user.is_some() || self.guest.is_some()
    }

    /// Leave to do something at a place, or why not.
    pub fn may(&self, permission: Permission, at: &Place) -> Result<Permit, Failure> {
        if self.caller.kind == Kind::Operator && OPERATORS.contains(&permission) {
            return Ok(Permit::default());
        }
        let user = self.user()?;
        let fitting = |grant: &&Grant| grant.gives(permission, at, &self.here);
        let local = user.grants.iter().filter(fitting).any(|grant| matches!(grant.place, Place::Store(_)));
        let wide = user.grants.iter().filter(fitting).any(|grant| !matches!(grant.place, Place::Store(_)));
        match (local, wide, self.hub_heard) {
            (true, ..) | (_, true, true) => {
                Ok(Permit { user: Some(user.number), trail: Some(Box::new(self.trail(permission, Some(at.clone())))) })
            }
            (false, true, false) => Err(Failure::new(
                Code::HubNeeded,
                "This node has heard from no hub for too long (an hour at most); until it does, roles for regions and the chain do not hold here.",
            )),
            (false, false, _) => Err(forbidden()),
        }
    }

    /// Refuses whoever has the permission nowhere, before anything is read of the request. Where it is needed decides
    /// [`Actor::may`].
    pub fn may_anywhere(&self, permission: Permission) -> Result<(), Failure> {
        if self.caller.kind == Kind::Operator && OPERATORS.contains(&permission) {
            return Ok(());
        }
        let has = self.user()?.grants.iter().any(|grant| grant.has(permission));
        if has { Ok(()) } else { Err(forbidden()) }
    }

    /// Leave for what anyone may do.
    pub fn public(&self) -> Permit {
        Permit::plain(self.user.as_ref().map(|user| user.number))
    }

    /// Leave for what the contract lets this kind of certificate do, whoever the user is.
    pub fn certified(&self) -> Permit {
        let place = if self.here.kind == Kind::Hub {
            Place::Region(self.here.region.clone())
        } else {
            Place::Store(self.here.uuid)
        };
        let trail = self.trail(Permission::Certificate, Some(place));
        Permit { user: trail.user, trail: Some(Box::new(trail)) }
    }

    /// What is written down when this actor uses a right, or is refused.
    pub fn trail(&self, permission: Permission, place: Option<Place>) -> Trail {
        Trail {
            user: self.user.as_ref().map(|user| user.number),
            caller_kind: self.caller.kind,
            caller: self.caller.uuid,
            client: self.client,
            action: self.rpc,
            permission,
            place,
            target: None,
            detail: None,
        }
    }
}

fn forbidden() -> Failure {
    Failure::new(Code::Forbidden, "You do not have permission to perform this action.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(grants: Vec<Grant>, hub_heard: bool) -> Actor {
        let user = User { number: 100_001, session: Uuid::nil(), expires_at_us: 0, grants };
        let caller = SpiffeId {
            chain: "test".into(),
            kind: Kind::Gateway,
            region: "-".into(),
            number: 0,
            uuid: Uuid::from_u128(1),
        };
        let here = SpiffeId { kind: Kind::Store, region: "C".into(), number: 1_000, ..caller.clone() };
        Actor {
            caller,
            user: Some(user),
            guest: None,
            client: [127, 0, 0, 1].into(),
            rpc: "test",
            here: Arc::new(here),
            hub_heard,
            hub_linked: hub_heard,
        }
    }

    #[test]
    fn a_manager_manages_the_own_store_alone() {
        let (own, other) = (Place::Store(Uuid::from_u128(7)), Place::Store(Uuid::from_u128(8)));
        let manager = actor(vec![Grant { role: Role::Manager, place: own.clone() }], false);
        assert!(manager.may(Permission::InventoryWrite, &own).is_ok());
        assert_eq!(manager.may(Permission::InventoryWrite, &other).unwrap_err().code, Code::Forbidden);
        assert_eq!(manager.may(Permission::CatalogWrite, &own).unwrap_err().code, Code::Forbidden);
    }

    #[test]
    fn a_regions_role_reaches_the_regions_stores() {
        let (here, other) = (Place::Store(Uuid::from_u128(1)), Place::Store(Uuid::from_u128(8)));
        for (code, reaches) in [("C", true), ("D", false)] {
            let grant = Grant { role: Role::RepairStaff, place: Place::Region(code.into()) };
            let staff = actor(vec![grant], true);
            assert_eq!(staff.may(Permission::MachinesWrite, &here).is_ok(), reaches);
            assert_eq!(staff.may(Permission::MachinesWrite, &Place::Region("C".into())).is_ok(), reaches);
            assert!(staff.may(Permission::MachinesWrite, &other).is_err());
            assert!(staff.may(Permission::MachinesWrite, &Place::Chain).is_err());
        }
    }

    #[test]
    fn chain_roles_need_a_hub() {
        let grant = Grant { role: Role::SuperAdmin, place: Place::Chain };
        assert!(actor(vec![grant.clone()], true).may(Permission::CatalogWrite, &Place::Chain).is_ok());
        let refused = actor(vec![grant], false).may(Permission::CatalogWrite, &Place::Chain).unwrap_err();
        assert_eq!(refused.code, Code::HubNeeded);
    }
}
