//! How the machines of a region stand.

use codepop_proto::dashboards as pb;

use super::region::{Known, count};
use crate::{
    app::App,
    maintenance::{self, Machine},
};

/// The view of those who repair in the region.
pub(super) fn dashboard(app: &App, known: &Known) -> pb::GetRepairDashboardResponse {
    let mut machines: Vec<&Machine> =
        known.machines.iter().filter(|machine| known.store(machine.store.0).is_some()).collect();
    // Those for which somebody must come first; among them, those that have waited longest.
    machines.sort_by_key(|machine| {
        let state = machine.state;
        (!state.is_urgent(), !state.needs_repair(), machine.since, machine.id)
    });
    let silent = known.stores.iter().filter(|store| {
        !app.sightings.is_linked(store.id.0) || maintenance::worst(&known.machines, store.id.0).is_none()
    });
    let summary = pb::RepairSummary {
        total_machines: count(machines.len()),
        needs_repair: count(machines.iter().filter(|machine| machine.state.needs_repair()).count()),
        scheduled_repairs: 0,
    };
    let not_answered = silent.map(|store| {
        let machine = maintenance::worst(&known.machines, store.id.0);
        super::region::not_answered(store, machine.map(|machine| machine.since.0))
    });
    pb::GetRepairDashboardResponse {
        region: Some(known.region_view()),
        stores: known.stores.iter().map(|store| known.store_view(app, store)).collect(),
        machines: machines.iter().map(|machine| maintenance::view(machine)).collect(),
        repair_schedule: Vec::new(),
        repair_history: Vec::new(),
        summary: Some(summary),
        not_answered: not_answered.collect(),
    }
}
