//! The gRPC face of machines.

use codepop_proto::{
    maintenance::{self as pb, maintenance_service_server::MaintenanceService},
    options::Permission,
};
use codepop_shared::Failure;
use tonic::{Request, Response, Status, async_trait};

use super::State;
use crate::{
    app::{App, edge::Problems},
    auth::{Actor, Place},
};

/// Longest note, in characters, as the contract says.
const NOTE_MAX: usize = 1_000;

/// Serves `MaintenanceService`.
pub struct MaintenanceRpc {
    app: App,
}

impl MaintenanceRpc {
    /// The service.
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

#[async_trait]
impl MaintenanceService for MaintenanceRpc {
    async fn update_machine_status(
        &self,
        request: Request<pb::UpdateMachineStatusRequest>,
    ) -> Result<Response<pb::UpdateMachineStatusResponse>, Status> {
        let here = Place::Store(self.app.author().id.uuid);
        let permit = Actor::of(&request)?.may(Permission::MachinesWrite, &here)?;
        let request = request.into_inner();
        let (state, note) = read(&request)?;
        let permit = permit.about("machine", request.machine_id).detail(state.word());
        let changed = super::change(&self.app, &permit, request.machine_id, state, note).await;
        let machine = changed.map_err(Failure::from)?;
        Ok(Response::new(pb::UpdateMachineStatusResponse { machine: Some(super::view(&machine)) }))
    }
}

fn read(request: &pb::UpdateMachineStatusRequest) -> Result<(State, String), Failure> {
    let mut problems = Problems::default();
    let words = || State::ALL.iter().map(|state| state.word()).collect::<Vec<_>>().join(", ");
    let state = State::parse(&request.status);
    if state.is_none() {
        problems.add("status", format!("must be one of {}", words()));
    }
    let note = request.note.trim();
    // Line breaks are allowed, what databases cannot hold is not.
    if note.chars().count() > NOTE_MAX || note.chars().any(|c| c.is_control() && c != '\n') {
        problems.add("note", format!("must have at most {NOTE_MAX} characters and no control characters"));
    }
    problems.finish()?;
    Ok((state.ok_or_else(|| Failure::invalid("status", "must be given"))?, note.to_owned()))
}
