//! Taking a role away.

use codepop_proto::roles::Role;
use codepop_shared::{Code, Failure, identity::Kind, number};
use uuid::Uuid;

use super::{Error, error::ask_hub, grant, revoke, scope, scopes, store, successors_for};
use crate::{
    auth::{Grant, Place},
    storage::{self, Tx},
    stores,
};

/// What is known of an assignment: nearly always one role. A thief of a store's keys can say the same number of a role at that
/// store; it is another one.
pub(super) async fn known(tx: &mut Tx, assignment: Uuid) -> Result<Vec<(store::Row, Grant)>, storage::Error> {
    let rows = store::of_id(tx, assignment).await?;
    let successors = successors_for(tx, &rows).await?;
    Ok(rows.into_iter().filter_map(|row| grant(&row, &successors).map(|grant| (row, grant))).collect())
}

/// Takes the assignment away at these places, with its twins: the same role given at two nodes that could not see each other.
///
/// # Errors
/// None of it can be taken away by this caller or at this node; says why of the first.
pub(super) async fn take(tx: &mut Tx, assignment: Uuid, places: &[Place], by: i64) -> Result<(), Error> {
    let mut why = None;
    let mut done = false;
    for (row, Grant { role, place }) in known(tx, assignment).await? {
        if !places.contains(&place) {
            continue;
        }
        match takeable(tx, &row, role, &place, by) {
            Ok(()) => done = true,
            Err(failure) => {
                why = why.or(Some(failure));
                continue;
            }
        }
        if row.revoked {
            continue;
        }
        let (twins, scopes) = (store::in_force(tx, row.user_id).await?, scopes(tx, &place).await?);
        for twin in twins.into_iter().filter(|twin| scopes.contains(&twin.scope) && twin.role == row.role) {
            revoke(tx, twin.id.0, &place, by).await?;
        }
    }
    match why {
        Some(failure) if !done => Err(failure.into()),
        _ => Ok(()),
    }
}

/// Whether this node may say that the role is taken away, and the caller that it is the caller's own.
fn takeable(tx: &Tx, row: &store::Row, role: Role, place: &Place, by: i64) -> Result<(), Failure> {
    let is_store = tx.author.id.kind == Kind::Store;
    match place {
        Place::Chain => return Err(scope::for_operator("takes", "revoke")),
        Place::Region(_) if is_store => return Err(ask_hub()),
        Place::Own if is_store && number::is_hub_born(row.user_id) => return Err(ask_hub()),
        Place::Store(store) if is_store && !stores::is_here(tx, *store) => {
            let detail = "Roles of a store are taken away at its own node or at a supply hub.";
            return Err(Failure::new(Code::AskStore, detail));
        }
        Place::Store(_) | Place::Region(_) | Place::Own => {}
    }
    if row.user_id == by && role == Role::Admin && !row.revoked {
        return Err(Failure::invalid("role_id", "is your own; another administrator can take it from you"));
    }
    Ok(())
}
