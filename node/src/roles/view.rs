//! What is shown of roles: with the names of their places, as far as they are known here.

use std::collections::HashMap;

use codepop_proto::roles::UserRole;
use uuid::Uuid;

use super::{display, grant, store::Row, successors_for};
use crate::{
    app::edge::timestamp,
    auth::Place,
    storage::{Error, Tx},
    stores,
};

/// Names that were looked up already.
#[derive(Default)]
pub(super) struct Names {
    stores: HashMap<Uuid, Option<String>>,
    regions: HashMap<String, Option<String>>,
    hubs: HashMap<Uuid, Option<String>>,
}

impl Names {
    async fn store(&mut self, tx: &mut Tx, id: Uuid) -> Result<Option<String>, Error> {
        if let Some(known) = self.stores.get(&id) {
            return Ok(known.clone());
        }
        let name = stores::described(tx, id).await?.map(|store| store.name);
        self.stores.insert(id, name.clone());
        Ok(name)
    }

    async fn region(&mut self, tx: &mut Tx, code: &str) -> Result<Option<String>, Error> {
        if let Some(known) = self.regions.get(code) {
            return Ok(known.clone());
        }
        let name = stores::region(tx, code).await?.map(|region| region.name);
        self.regions.insert(code.to_owned(), name.clone());
        Ok(name)
    }

    async fn hub(&mut self, tx: &mut Tx, region: &str, id: Uuid) -> Result<Option<String>, Error> {
        if let Some(known) = self.hubs.get(&id) {
            return Ok(known.clone());
        }
        let hubs = stores::hubs_of_region(tx, region).await?;
        let name = hubs.into_iter().find(|hub| hub.id.0 == id).map(|hub| hub.name);
        self.hubs.insert(id, name.clone());
        Ok(name)
    }
}

/// A role for clients; nothing for a row that gives none.
pub(super) async fn view(tx: &mut Tx, row: &Row, names: &mut Names) -> Result<Option<UserRole>, Error> {
    let successors = successors_for(tx, std::slice::from_ref(row)).await?;
    let Some(granted) = grant(row, &successors) else { return Ok(None) };
    let mut shown = UserRole {
        id: row.id.0.to_string(),
        user: row.user_id,
        role_type: granted.role.into(),
        role_display: display(granted.role).to_owned(),
        is_active: !row.revoked,
        assigned_by: Some(row.assigned_by).filter(|by| *by != 0),
        assigned_at: Some(timestamp(row.assigned_at.0)),
        ..UserRole::default()
    };
    match granted.place {
        Place::Store(id) => {
            shown.store = Some(id.to_string());
            shown.store_name = names.store(tx, id).await?;
        }
        Place::Region(code) => {
            shown.region_name = names.region(tx, &code).await?;
            if let Some(hub) = row.hub {
                shown.supply_hub = Some(hub.0.to_string());
                shown.supply_hub_name = names.hub(tx, &code, hub.0).await?;
            }
            shown.region = Some(code);
        }
        Place::Own | Place::Chain => {}
    }
    Ok(Some(shown))
}

/// Several of them.
pub(super) async fn views(tx: &mut Tx, rows: &[Row]) -> Result<Vec<UserRole>, Error> {
    let mut names = Names::default();
    let mut shown = Vec::with_capacity(rows.len());
    for row in rows {
        shown.extend(view(tx, row, &mut names).await?);
    }
    Ok(shown)
}
