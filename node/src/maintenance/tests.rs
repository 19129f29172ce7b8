//! Machines on both databases.

use codepop_proto::{maintenance::maintenance_service_server::MaintenanceService as _, roles::Role};
use codepop_shared::geo;
use tonic::{Request, Status};

use super::*;
use crate::{
    auth::{Actor, Grant, Place},
    laws, on_both,
    testing::{Node, name},
};

const REPAIRER: i64 = 100_003;

async fn described(node: &Node) {
    let described = stores::Described {
        name: "Main Street".into(),
        place: geo::Place::new(41.737, -111.8338).unwrap(),
        api_base_url: "https://127.0.0.1:7101".into(),
        time_zone: None,
        region_name: None,
    };
    stores::describe_self(&node.app, described).await.unwrap();
}

async fn installed(node: &Node) -> Vec<Machine> {
    node.db.write(|tx| Box::pin(install(tx))).await.unwrap();
    node.app.read(|tx| Box::pin(own(tx))).await.map_err(|error: storage::Error| error).unwrap()
}

fn by(node: &Node, region: &str, machine_id: i64, status: &str, note: &str) -> Request<pb::UpdateMachineStatusRequest> {
    let grant = Grant { role: Role::RepairStaff, place: Place::Region(region.into()) };
    let here = node.app.author().id.clone().into();
    let actor = Actor { here, ..laws::actor(Some(REPAIRER), vec![grant]) };
    let (status, note) = (status.into(), note.into());
    let mut request = Request::new(pb::UpdateMachineStatusRequest { machine_id, status, note });
    request.extensions_mut().insert(actor);
    request
}

fn refused(answer: Result<impl std::fmt::Debug, Status>) -> Code {
    Failure::from(&answer.map(drop).unwrap_err()).code
}

on_both!(a_store_has_one_machine_from_its_first_start_on, async |node: Node| {
    assert_eq!(installed(&node).await, [], "not before it knows its number");
    described(&node).await;
    let first = installed(&node).await;
    assert_eq!((first.len(), first[0].id, first[0].state), (1, 101_000, State::Normal));
    assert_eq!(first[0].serial_number, "SR-C-1000");
    assert_eq!(installed(&node).await, first, "nor another one");
    let log = node.app.read(|tx| Box::pin(log(tx, 101_000))).await.map_err(|error: storage::Error| error).unwrap();
    assert_eq!((log.len(), log[0].old_state.as_str(), log[0].new_state.as_str()), (1, "", "normal"));
});

on_both!(repair_staff_of_the_region_change_it_and_nobody_else, async |node: Node| {
    described(&node).await;
    let machine = installed(&node).await.remove(0);
    let rpc = MaintenanceRpc::new(node.app.clone());
    let refusals = [
        (by(&node, "D", machine.id, "error", ""), Code::Forbidden),
        (by(&node, "D", machine.id, "nonsense", ""), Code::Forbidden),
        (by(&node, "C", machine.id, "broken", ""), Code::Invalid),
        (by(&node, "C", machine.id, "error", "\0"), Code::Invalid),
        (by(&node, "C", machine.id, "error", &"x".repeat(1_001)), Code::Invalid),
        (by(&node, "C", 201_000, "error", ""), Code::NotFound),
    ];
    for (request, code) in refusals {
        let asked = format!("{:?}", request.get_ref());
        assert_eq!(refused(rpc.update_machine_status(request).await), code, "{asked}");
    }
    for _ in 0..2 {
        let changed = rpc.update_machine_status(by(&node, "C", machine.id, "out-of-order", " leaks ")).await.unwrap();
        let changed = changed.into_inner().machine.unwrap();
        assert!(changed.status == "out-of-order" && changed.is_urgent && !changed.is_operational);
    }
    let log = node.app.read(move |tx| Box::pin(log(tx, machine.id))).await;
    let log = log.map_err(|error: storage::Error| error).unwrap();
    assert_eq!(log.len(), 2, "the same state again is no change");
    assert_eq!((log[0].note.as_str(), log[0].user_id, log[0].old_state.as_str()), ("leaks", Some(REPAIRER), "normal"));
});

#[tokio::test]
async fn a_hub_has_no_machine() {
    let hub = Node::sqlite_as(name(3, "C")).await;
    assert_eq!(installed(&hub).await, []);
}

#[test]
fn the_worst_machine_counts() {
    let store = Uuid::from_u128(1);
    let machine = |id, state| Machine {
        store: Id(store),
        id,
        serial_number: "SR-1".into(),
        state,
        since: Time(DateTime::UNIX_EPOCH),
    };
    let all = [machine(1, State::Normal), machine(2, State::OutOfOrder), machine(3, State::Error)];
    assert_eq!(worst(&all, store).map(|machine| machine.id), Some(2));
    assert_eq!(worst(&all, Uuid::nil()), None);
}
