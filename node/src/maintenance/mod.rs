//! The machines that make the drinks: one a store, in one of seven states. Its region knows the state; what happened to it,
//! who changed it and why is kept in a log at the store alone.
//!
//! Reading order: `state.rs` (what the states mean), `events.rs` (how they merge), `store.rs` (rows), this file (operations).

mod events;
mod rpc;
mod state;
mod store;

#[cfg(test)]
mod tests;

use chrono::DateTime;
use codepop_proto::maintenance::{self as pb, MachineStateChanged};
use codepop_shared::{Code, Failure, identity::Kind};
use sha2::Sha256;
use uuid::Uuid;

use self::store::NewEntry;
pub use self::{
    rpc::MaintenanceRpc,
    state::State,
    store::{LogEntry, Machine},
};
use crate::{
    app::{
        App,
        canonical::Canonical,
        edge::{journal_failure, storage_failure, timestamp},
    },
    auth::Permit,
    journal::{self, Audience},
    mesh::replaced,
    storage::{
        self, Tx,
        types::{Id, Time},
    },
    stores,
};

/// Machines of a region that are read at once: more stores than any region has.
const READ_MAX: i64 = 10_000;

/// Entries of a log in one answer.
pub const LOG_MAX: i64 = 200;

/// Why an operation on machines failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No machine of this store has the number; nothing to be done.
    #[error("No machine of this store has the number {0}.")]
    Unknown(i64),
    /// The database failed; try again.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The state could not be said.
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Unknown(_) => Self::new(Code::NotFound, error.to_string()),
            Error::Storage(error) => storage_failure(&error),
            Error::Journal(error) => journal_failure(&error),
        }
    }
}

/// Sets up the machine of this node's store when it has none, once the store has described itself. Nothing at a hub.
///
/// # Errors
/// The database failed.
pub async fn install(tx: &mut Tx) -> Result<(), Error> {
    let own = tx.author.id.uuid;
    if tx.author.id.kind != Kind::Store || !store::of_store(tx, own).await?.is_empty() {
        return Ok(());
    }
    let Some(described) = stores::described(tx, own).await? else { return Ok(()) };
    let before = before(tx).await?;
    if before.is_empty() {
        let machine = Machine {
            store: Id(own),
            id: journal::next_number(tx, "machine").await?,
            serial_number: format!("SR-{}", described.store_number),
            state: State::Normal,
            since: now(tx),
        };
        return say(tx, &machine, "", None, "").await;
    }
    // The machines are the same ones, with their numbers and their log; the store's node is another.
    for machine in before {
        let word = machine.state.word();
        say(tx, &Machine { store: Id(own), ..machine }, word, None, "the store's node was replaced").await?;
    }
    Ok(())
}

/// The machines of the store whose place this node has taken.
async fn before(tx: &mut Tx) -> Result<Vec<Machine>, storage::Error> {
    let author = std::sync::Arc::clone(&tx.author);
    for replaced in &author.certificate.replaces {
        let machines = store::of_store(tx, replaced.uuid).await?;
        if !machines.is_empty() {
            return Ok(machines);
        }
    }
    Ok(Vec::new())
}

/// The machines of this node's store.
///
/// # Errors
/// The database failed.
pub async fn own(tx: &mut Tx) -> Result<Vec<Machine>, storage::Error> {
    let store = tx.author.id.uuid;
    store::of_store(tx, store).await
}

/// All machines of this node's region that are known here, by store and number.
///
/// # Errors
/// The database failed.
pub async fn all(tx: &mut Tx) -> Result<Vec<Machine>, storage::Error> {
    let mut all = store::all(tx, READ_MAX).await?;
    let successors = replaced::successors(tx).await?;
    all.retain(|machine| !successors.is_replaced(machine.store.0));
    Ok(all)
}

/// What happened to a machine of this node's store, newest first.
///
/// # Errors
/// The database failed.
pub async fn log(tx: &mut Tx, machine: i64) -> Result<Vec<LogEntry>, storage::Error> {
    store::log_of(tx, machine, LOG_MAX).await
}

/// Says in the caller's transaction in which state a machine of this node's store is; `user` is who says so. The same state
/// again changes nothing.
///
/// # Errors
/// This store has no such machine, or the database failed.
pub async fn set_state(
    tx: &mut Tx,
    machine: i64,
    state: State,
    user: Option<i64>,
    note: &str,
) -> Result<Machine, Error> {
    let mut machines = own(tx).await?;
    let at = machines.iter().position(|known| known.id == machine).ok_or(Error::Unknown(machine))?;
    let old = machines.swap_remove(at);
    if old.state == state {
        return Ok(old);
    }
    let new = Machine { state, since: now(tx), ..old.clone() };
    say(tx, &new, old.state.word(), user, note).await?;
    Ok(new)
}

/// As [`set_state`], for a user who may.
///
/// # Errors
/// This store has no such machine, or the database failed.
pub async fn change(app: &App, permit: &Permit, machine: i64, state: State, note: String) -> Result<Machine, Error> {
    let user = permit.user;
    app.write(permit, move |tx| Box::pin(async move { set_state(tx, machine, state, user, &note).await })).await
}

async fn say(tx: &mut Tx, machine: &Machine, old: &str, user: Option<i64>, note: &str) -> Result<(), Error> {
    let region = Audience::Region(tx.author.id.region.clone());
    journal::emit(tx, &region, &MachineStateChanged::from(machine)).await?;
    let entry = NewEntry {
        machine_id: machine.id,
        old_state: old.to_owned(),
        new_state: machine.state.word().to_owned(),
        user_id: user,
        note: note.to_owned(),
        at: machine.since,
    };
    Ok(store::log(tx, entry).await?)
}

/// Now, to the microsecond that databases keep.
fn now(tx: &Tx) -> Time {
    Time(DateTime::from_timestamp_micros(tx.clock.wall().timestamp_micros()).unwrap_or_default())
}

/// A machine as the contract has it.
pub fn view(machine: &Machine) -> pb::Machine {
    pb::Machine {
        machine_id: machine.id,
        serial_number: machine.serial_number.clone(),
        store_id: machine.store.0.to_string(),
        status: machine.state.word().to_owned(),
        status_date: Some(timestamp(machine.since.0)),
        is_operational: machine.state.is_operational(),
        is_urgent: machine.state.is_urgent(),
    }
}

/// The machine of a store that matters most to it: the one that is worst off.
pub fn worst<'a>(machines: impl IntoIterator<Item = &'a Machine>, store: Uuid) -> Option<&'a Machine> {
    let severity = |machine: &&Machine| {
        let state = machine.state;
        (!state.is_operational(), state.is_urgent(), state.needs_repair(), std::cmp::Reverse(machine.id))
    };
    machines.into_iter().filter(|machine| machine.store.0 == store).max_by_key(severity)
}

/// Feeds the machines of a region to `hasher` in order of their keys; tells how many there are.
///
/// # Errors
/// The database failed.
pub async fn digest(tx: &mut Tx, audience: &Audience, hasher: &mut Sha256) -> Result<u64, storage::Error> {
    if *audience != Audience::Region(tx.author.id.region.clone()) {
        return Ok(0);
    }
    let machines = all(tx).await?;
    let mut rows = Canonical(hasher);
    rows.table("machines");
    for machine in &machines {
        let row = rows.bytes(machine.store.0.as_bytes()).integer(machine.id).text(&machine.serial_number);
        row.text(machine.state.word()).integer(machine.since.0.timestamp_micros());
    }
    Ok(machines.len() as u64)
}
