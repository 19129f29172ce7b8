//! Giving a role: what was asked for is looked up, and said if this node may say it.

use codepop_proto::{
    contract,
    options::Permission,
    roles::{Role, UserRole},
};
use codepop_shared::{Code, Failure, identity::Kind, number};
use uuid::Uuid;

use super::{Error, NewAssignment, Target, assign, error::ask_hub, in_force, may_hold, scope, scopes, store, view};
use crate::{
    auth::Place,
    storage::{self, Tx},
    stores,
};

/// Roles that one user may have: nobody works in more places, and a check reads them all.
const ROLES_MAX: usize = 50;

/// A role to give, of which is known that it makes sense, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The role.
    pub role: Role,
    /// Where it is to hold.
    pub place: Place,
    /// The hub of a logistics manager.
    pub hub: Option<Uuid>,
}

/// What a request names, found in the rows. The caller has asked for leave at [`Target::asked_at`].
///
/// # Errors
/// The role does not fit the place, there is no such place, or another node decides on it.
pub async fn named(tx: &mut Tx, target: &Target) -> Result<Named, Error> {
    let (role, place, hub) = target.checked()?;
    let hub = match &place {
        Place::Store(store) => {
            known_store(tx, *store).await?;
            None
        }
        Place::Region(code) => {
            if tx.author.id.kind != Kind::Hub {
                return Err(ask_hub().into());
            }
            if stores::region(tx, code).await?.is_none() {
                return Err(Failure::invalid("region_code", "there is no region of this code").into());
            }
            if role == Role::LogisticsManager { Some(hub_of(tx, code, hub).await?) } else { None }
        }
        Place::Own => None,
        Place::Chain => return Err(scope::for_operator("gives", "grant").into()),
    };
    Ok(Named { role, place, hub })
}

async fn known_store(tx: &mut Tx, id: Uuid) -> Result<(), Error> {
    if stores::described(tx, id).await?.is_none() {
        return Err(Failure::invalid("store_id", "no store has this id").into());
    }
    if tx.author.id.kind == Kind::Hub || stores::is_here(tx, id) {
        return Ok(());
    }
    Err(Failure::new(Code::AskStore, "Roles of a store are given at its own node or at a supply hub.").into())
}

/// The hub of a region: the one that was named, or the one that there is.
async fn hub_of(tx: &mut Tx, region: &str, named: Option<Uuid>) -> Result<Uuid, Error> {
    let hubs = stores::hubs_of_region(tx, region).await?;
    let hub = match named {
        Some(named) => hubs.iter().find(|hub| hub.id.0 == named),
        None => hubs.first(),
    };
    match (hub, named) {
        (Some(hub), _) => Ok(hub.id.0),
        (None, Some(_)) => Err(Failure::invalid("supply_hub_id", "is not the supply hub of this region").into()),
        (None, None) => Err(Failure::invalid("region_code", "this region has no supply hub").into()),
    }
}

/// A role given.
#[derive(Clone, Debug)]
pub struct Given {
    /// The role for clients.
    pub shown: Option<UserRole>,
    /// Whether the user had it already.
    pub existed: bool,
}

/// Gives a role, unless the user has it already.
///
/// # Errors
/// The account may not have such a role, has too many, or another node decides on it.
pub async fn give(tx: &mut Tx, user: i64, named: &Named, by: i64) -> Result<Given, Error> {
    let (row, existed) = find_or_give(tx, user, named, by).await?;
    Ok(Given { shown: view::view(tx, &row, &mut view::Names::default()).await?, existed })
}

async fn find_or_give(tx: &mut Tx, user: i64, named: &Named, by: i64) -> Result<(store::Row, bool), Error> {
    let Named { role, place, hub } = named;
    if !may_hold(user, place) {
        return Err(born_at_a_store().into());
    }
    if *place == Place::Own && number::is_hub_born(user) && tx.author.id.kind != Kind::Hub {
        return Err(ask_hub().into());
    }
    let (word, scopes) = (place.word(), scopes(tx, place).await?);
    let rows = store::in_force(tx, user).await?;
    let number = i16::try_from(i32::from(*role)).unwrap_or_default();
    if let Some(row) = rows.iter().find(|row| scopes.contains(&row.scope) && row.role == number) {
        return Ok((row.clone(), true));
    }
    if rows.len() >= ROLES_MAX {
        let detail = format!("This user has {ROLES_MAX} roles, the most that there can be. Take one away first.");
        return Err(Failure::new(Code::Conflict, detail).into());
    }
    let new = NewAssignment { user, role: *role, place: place.clone(), hub: *hub, by };
    let assignment = assign(tx, &new).await?;
    let row = store::get(tx, assignment, &word).await?;
    let row = row.ok_or_else(|| storage::Error::Damaged("a role that was just given is not there".to_owned()))?;
    Ok((row, false))
}

/// Why an account of a store has no role of a region, and what to do.
fn born_at_a_store() -> Failure {
    let problem = "this account was made at a store; roles of regions are for staff accounts that a supply hub keeps: \
                   invite the person at a hub (POST /backend/staff/invitations)";
    Failure::invalid("user_id", problem)
}

/// Whether a user may give roles at a place by now: what was promised in the user's name lapses with the right to promise.
///
/// # Errors
/// The database failed.
pub async fn may_still_give(tx: &mut Tx, user: i64, place: &Place) -> Result<bool, storage::Error> {
    let holders = contract::holders(Permission::RolesAssign).unwrap_or_default();
    let grants = in_force(tx, user).await?;
    Ok(grants
        .iter()
        .any(|grant| holders.contains(&grant.role) && (grant.place == Place::Chain || grant.place == *place)))
}
