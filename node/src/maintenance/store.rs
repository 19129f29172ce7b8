//! Rows of machines and of their log.

use diesel::{
    AsChangeset, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use super::State;
use crate::{
    on,
    storage::{
        Error, Tx,
        schema::{machine_log, machines},
        types::{Id, Time},
    },
};

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, AsChangeset, Insertable, Queryable, Selectable)]
#[diesel(table_name = machines, primary_key(store, id))]
pub struct Machine {
    /// UUID of its store.
    pub store: Id,
    /// Its number.
    pub id: i64,
    /// Its serial number.
    pub serial_number: String,
    /// How it stands.
    #[diesel(serialize_as = String, deserialize_as = String)]
    pub state: State,
    /// Since when.
    pub since: Time,
}

/// A change of a machine's state.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = machine_log)]
pub struct LogEntry {
    /// Its number in the log.
    pub id: i64,
    /// Number of the machine.
    pub machine_id: i64,
    /// How it stood before; empty for the first entry.
    pub old_state: String,
    /// How it stood then.
    pub new_state: String,
    /// Who changed it, if a user did.
    pub user_id: Option<i64>,
    /// What is to be remembered.
    pub note: String,
    /// When.
    pub at: Time,
}

/// A new entry of the log.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = machine_log)]
pub(super) struct NewEntry {
    pub(super) machine_id: i64,
    pub(super) old_state: String,
    pub(super) new_state: String,
    pub(super) user_id: Option<i64>,
    pub(super) note: String,
    pub(super) at: Time,
}

/// Field clocks of a machine; empty when it is not known.
pub(super) async fn clocks(tx: &mut Tx, store: Id, id: i64) -> Result<Vec<u8>, Error> {
    let clocks: Option<Vec<u8>> =
        on!(tx, conn => machines::table.find((store, id)).select(machines::clocks).first(conn).await.optional())?;
    Ok(clocks.unwrap_or_default())
}

/// Keeps a machine with its clocks.
pub(super) async fn put(tx: &mut Tx, machine: &Machine, clocks: &[u8]) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(machines::table)
        .values((machine.clone(), machines::clocks.eq(clocks)))
        .on_conflict((machines::store, machines::id))
        .do_update()
        .set((machine.clone(), machines::clocks.eq(clocks)))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// The machines of a store, by number.
pub(super) async fn of_store(tx: &mut Tx, store: Uuid) -> Result<Vec<Machine>, Error> {
    Ok(on!(tx, conn => machines::table
        .filter(machines::store.eq(Id(store)))
        .order(machines::id)
        .select(Machine::as_select())
        .load(conn)
        .await)?)
}

/// All machines that are known, by store and number.
pub(super) async fn all(tx: &mut Tx, limit: i64) -> Result<Vec<Machine>, Error> {
    Ok(on!(tx, conn => machines::table
        .order((machines::store, machines::id))
        .limit(limit)
        .select(Machine::as_select())
        .load(conn)
        .await)?)
}

/// Writes an entry into the log.
pub(super) async fn log(tx: &mut Tx, entry: NewEntry) -> Result<(), Error> {
    on!(tx, conn => diesel::insert_into(machine_log::table).values(entry).cached().execute(conn).await)?;
    Ok(())
}

/// What happened to a machine, newest first.
pub(super) async fn log_of(tx: &mut Tx, machine: i64, limit: i64) -> Result<Vec<LogEntry>, Error> {
    Ok(on!(tx, conn => machine_log::table
        .filter(machine_log::machine_id.eq(machine))
        .order(machine_log::id.desc())
        .limit(limit)
        .select(LogEntry::as_select())
        .load(conn)
        .await)?)
}
