//! Who may do what, where. Roles are never in a token: they are looked up here, in the node's own replicated rows, so that
//! taking one away works at once wherever the event has arrived.
//!
//! Reading order: [`assign`] and [`revoke`], `events` (how they merge), `store` (rows).

mod digest;
mod events;
mod store;

use codepop_proto::roles::{Role, RoleAssigned, RoleRevoked};
use codepop_shared::number;
use uuid::Uuid;

pub use self::digest::digest;
use crate::{
    auth::{Grant, Place},
    journal::{self, Audience},
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
        hub: Vec::new(),
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
    let Some(row) = store::get(tx, assignment, &place.word()).await?.filter(|row| !row.revoked) else {
        return Ok(false);
    };
    let message = RoleRevoked {
        assignment: assignment.as_bytes().to_vec(),
        user: row.user_id,
        scope: place.word(),
        revoked_by: by,
    };
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
    Ok(rows
        .into_iter()
        .filter_map(|(role, scope)| {
            let role = Role::try_from(i32::from(role)).ok().filter(|role| *role != Role::Unspecified)?;
            let place = Place::parse(&scope).filter(|place| may_hold(user, place))?;
            Some(Grant { role, place })
        })
        .collect())
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
    let rows = store::in_force_at(tx, &place.word()).await?;
    let held = |(user, assignment, role): (i64, _, i16)| {
        let role = Role::try_from(i32::from(role)).ok().filter(|_| may_hold(user, place))?;
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
}

/// What the roles of a user come to.
pub fn standing(grants: &[Grant]) -> Standing {
    let has = |role: Role| grants.iter().any(|grant| grant.role == role);
    // The numbers of the roles do not order them by reach: store staff reach less than regional staff.
    let by_reach =
        [Role::SuperAdmin, Role::LogisticsManager, Role::RepairStaff, Role::Admin, Role::Manager, Role::GeneralUser];
    Standing {
        role: by_reach.into_iter().find(|role| has(*role)).unwrap_or(Role::AccountUser),
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
mod tests;
