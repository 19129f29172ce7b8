//! Who may do what, where. Roles are never in a token: they are looked up here, in the node's own replicated rows, so that
//! taking one away works at once wherever the event has arrived.
//!
//! Reading order: this file, `scope` (which role holds where: pure rules), `give` and `take` (who may), `view` (what is shown),
//! `events` (how they merge), `store` (rows), `rpc` (the gRPC face).

mod digest;
mod error;
mod events;
mod give;
mod rpc;
mod scope;
mod store;
mod take;
mod view;

use codepop_proto::roles::{Role, RoleAssigned, RoleRevoked};
use codepop_shared::number;
use uuid::Uuid;

pub use self::{
    digest::digest,
    error::Error,
    give::{Given, Named, give, may_still_give, named},
    rpc::{People, RolesRpc, place_of},
    scope::{Target, display},
};
use crate::{
    auth::{Grant, Place},
    journal::{self, Audience},
    mesh::replaced::{self, Successors},
    storage::{self, Tx},
};

/// Kinds of events that say nothing personal and stay readable when the user is deleted: what was revoked must stay so.
pub const LASTING_KINDS: &[&str] = &["codepop.roles.v1.RoleAssigned", "codepop.roles.v1.RoleRevoked"];

/// A role to give.
#[derive(Clone, Debug)]
pub struct NewAssignment {
    /// Number of the user who gets it.
    pub user: i64,
    /// The role.
    pub role: Role,
    /// Where it holds.
    pub place: Place,
    /// The hub of a logistics manager.
    pub hub: Option<Uuid>,
    /// Number of the user who gives it; 0 for the operator.
    pub by: i64,
}

/// Gives a role; returns the UUID by which it can be taken away again.
///
/// # Errors
/// [`journal::Error::Forbidden`] when this node may not give it, [`journal::Error::Unfit`] when the user may not have it.
pub async fn assign(tx: &mut Tx, new: &NewAssignment) -> Result<Uuid, journal::Error> {
    if !may_hold(new.user, &new.place) {
        return Err(journal::Error::Unfit("roles for regions and the chain are for accounts born at a hub"));
    }
    let assignment = Uuid::now_v7();
    let message = RoleAssigned {
        assignment: assignment.as_bytes().to_vec(),
        user: new.user,
        role: new.role.into(),
        scope: new.place.word(),
        assigned_by: new.by,
        hub: new.hub.map(|hub| hub.as_bytes().to_vec()).unwrap_or_default(),
    };
    journal::emit(tx, &Audience::Everyone, &message).await?;
    tx.about.is("user", new.user);
    tx.about.says(&format!("gave {} at {}", word(new.role), message.scope));
    Ok(assignment)
}

/// Takes a role away, for ever. False when there is no such role in force.
///
/// # Errors
/// [`journal::Error::Forbidden`] when this node may not take it.
pub async fn revoke(tx: &mut Tx, assignment: Uuid, place: &Place, by: i64) -> Result<bool, journal::Error> {
    let mut row = None;
    for scope in scopes(tx, place).await? {
        if row.is_none() {
            row = store::get(tx, assignment, &scope).await?.filter(|row| !row.revoked);
        }
    }
    let Some(row) = row else { return Ok(false) };
    let message =
        RoleRevoked { assignment: assignment.as_bytes().to_vec(), user: row.user_id, scope: row.scope, revoked_by: by };
    journal::emit(tx, &Audience::Everyone, &message).await?;
    tx.about.is("user", message.user);
    tx.about.says(&format!("took role {assignment} at {}", message.scope));
    Ok(true)
}

/// The roles of a user that are in force.
///
/// # Errors
/// The database failed.
pub async fn in_force(tx: &mut Tx, user: i64) -> Result<Vec<Grant>, storage::Error> {
    let rows = store::in_force(tx, user).await?;
    let successors = successors_for(tx, &rows).await?;
    Ok(rows.iter().filter_map(|row| grant(row, &successors)).collect())
}

/// Who took whose place, as far as it matters for these roles: few users have a role at a store.
async fn successors_for(tx: &mut Tx, rows: &[store::Row]) -> Result<Successors, storage::Error> {
    if rows.iter().any(|row| row.scope.starts_with("store:")) {
        return replaced::successors(tx).await;
    }
    Ok(Successors::default())
}

/// The scopes whose roles hold at a place: a store's, also those of the nodes whose place it took.
async fn scopes(tx: &mut Tx, place: &Place) -> Result<Vec<String>, storage::Error> {
    let mut scopes = vec![place.word()];
    if let Place::Store(store) = place {
        let before = replaced::successors(tx).await?.replaced_by(*store);
        scopes.extend(before.iter().map(|replaced| Place::Store(replaced.uuid).word()));
    }
    Ok(scopes)
}

/// What a row in force gives; nothing when the role does not fit the place or the user. Roles at a store hold at the node
/// that has its place by now.
fn grant(row: &store::Row, successors: &Successors) -> Option<Grant> {
    let role = Role::try_from(i32::from(row.role)).ok()?;
    let place = match Place::parse(&row.scope)? {
        Place::Store(store) => Place::Store(successors.now(store)),
        place => place,
    };
    (may_hold(row.user_id, &place) && scope::fits(role, &place)).then_some(Grant { role, place })
}

/// A role in force at a place, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Number of the user.
    pub user: i64,
    /// The assignment by which it can be taken away.
    pub assignment: Uuid,
    /// The role.
    pub role: Role,
}

/// All roles in force at exactly this place, in order of users.
///
/// # Errors
/// The database failed.
pub async fn in_force_at(tx: &mut Tx, place: &Place) -> Result<Vec<Held>, storage::Error> {
    let mut rows = Vec::new();
    for scope in scopes(tx, place).await? {
        rows.extend(store::in_force_at(tx, &scope).await?);
    }
    rows.sort_by_key(|(user, assignment, _)| (*user, *assignment));
    let held = |(user, assignment, role): (i64, _, i16)| {
        let role = Role::try_from(i32::from(role)).ok()?;
        (may_hold(user, place) && scope::fits(role, place)).then_some(())?;
        Some(Held { user, assignment: Uuid::from(assignment), role })
    };
    Ok(rows.into_iter().filter_map(held).collect())
}

/// A store's key can make tokens and passwords for customers' accounts, so those never carry more than a store's roles.
fn may_hold(user: i64, place: &Place) -> bool {
    matches!(place, Place::Own | Place::Store(_)) || number::is_hub_born(user)
}

/// The word of a role towards clients, for example `SUPER_ADMIN`.
pub fn word(role: Role) -> &'static str {
    let name = role.as_str_name();
    name.strip_prefix("ROLE_").unwrap_or(name)
}

/// What the roles of a user come to, in the words of the log-in answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The most far-reaching role.
    pub role: Role,
    /// Whether the user administers.
    pub is_admin: bool,
    /// Whether the user manages a store.
    pub is_manager: bool,
    /// The words of all roles, that of every customer first.
    pub words: Vec<String>,
    /// Where the most far-reaching role holds.
    pub place: Place,
}

/// What the roles of a user come to.
pub fn standing(grants: &[Grant]) -> Standing {
    let has = |role: Role| grants.iter().any(|grant| grant.role == role);
    // The numbers of the roles do not order them by reach: store staff reach less than regional staff.
    let by_reach =
        [Role::SuperAdmin, Role::LogisticsManager, Role::RepairStaff, Role::Admin, Role::Manager, Role::GeneralUser];
    let reach = |grant: &&Grant| by_reach.iter().position(|role| *role == grant.role).unwrap_or(by_reach.len());
    let farthest = grants.iter().min_by_key(reach).filter(|grant| by_reach.contains(&grant.role));
    Standing {
        role: farthest.map_or(Role::AccountUser, |grant| grant.role),
        place: farthest.map_or(Place::Own, |grant| grant.place.clone()),
        words: words(grants),
        is_admin: has(Role::SuperAdmin) || has(Role::Admin),
        is_manager: has(Role::SuperAdmin) || has(Role::Manager),
    }
}

/// The words of all roles of a user, that of every customer first.
pub fn words(grants: &[Grant]) -> Vec<String> {
    let mut words = vec![word(Role::AccountUser).to_owned()];
    for grant in grants {
        let word = word(grant.role);
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

#[cfg(test)]
mod rpc_tests;
#[cfg(test)]
mod tests;
