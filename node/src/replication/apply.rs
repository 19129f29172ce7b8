//! The table of contents of everything that is replicated: which message merges into which noun. One of the two places
//! where machinery names shop nouns.

use std::{collections::HashMap, sync::OnceLock};

use codepop_proto::mesh;
use codepop_shared::identity::SpiffeId;
use futures::{FutureExt as _, future::BoxFuture};
use sha2::Digest as _;

use crate::{
    app::Lookup,
    journal::{Audience, Error, Event, Outcome, Replicated, Stamp, State},
    mesh::registry,
    storage::{self, Tx},
};

/// Merges one kind of event.
type Apply =
    for<'a> fn(&'a mut Tx, &'a SpiffeId, &'a Event, &'a Stamp) -> BoxFuture<'a, Result<Outcome, storage::Error>>;

/// Kinds that are never held back, whatever the clock of their origin: what ends something must bite.
const NEVER_HELD: &[&str] = &["codepop.accounts.v1.SessionEnded", "codepop.accounts.v1.UserDeleted"];

/// Why an event from a clock ahead of ours waits.
pub const CLOCK_AHEAD: &str = "its origin's clock is ahead of ours";

macro_rules! table {
    ($($message:ty,)+) => {
        fn table() -> &'static HashMap<String, Apply> {
            static TABLE: OnceLock<HashMap<String, Apply>> = OnceLock::new();
            TABLE.get_or_init(|| {
                let mut table: HashMap<String, Apply> = HashMap::new();
                $(
                    table.insert(
                        <$message as prost::Name>::full_name(),
                        |tx, origin, event, stamp| one::<$message>(tx, origin, event, stamp).boxed(),
                    );
                )+
                table
            })
        }
    };
}

table! {
    mesh::NodeAnnounced,
}

/// The users whom a question for an account may mean.
pub async fn subjects(_tx: &mut Tx, account: &Lookup) -> Result<Vec<i64>, storage::Error> {
    match account {
        Lookup::Number(number) => Ok(vec![*number]),
        Lookup::NameKey(_) => Ok(vec![]),
    }
}

/// Digest of the merged rows of an audience, and how many rows there are.
pub async fn digest(tx: &mut Tx, audience: &Audience) -> Result<([u8; 32], u64), storage::Error> {
    let mut hasher = sha2::Sha256::new();
    let rows = registry::digest(tx, audience, &mut hasher).await?;
    Ok((hasher.finalize().into(), rows))
}

/// Merges an accepted event into the rows, or says why not. Only a failing database is an error.
pub async fn apply(tx: &mut Tx, origin: &SpiffeId, event: &Event, stamp: &Stamp) -> Result<Outcome, storage::Error> {
    let header = &event.header;
    if !header.audience.may_be_addressed_by(origin) {
        return Ok(Outcome::withheld(State::Void, "its origin may not address this audience"));
    }
    let Some(apply) = table().get(&header.kind) else {
        return Ok(Outcome::withheld(State::Quarantined, "this version of the program does not know the kind"));
    };
    if tx.clock.is_ahead(header.hlc) && !NEVER_HELD.contains(&header.kind.as_str()) {
        return Ok(Outcome::withheld(State::Quarantined, CLOCK_AHEAD));
    }
    apply(tx, origin, event, stamp).await
}

async fn one<M: Replicated>(
    tx: &mut Tx,
    origin: &SpiffeId,
    event: &Event,
    stamp: &Stamp,
) -> Result<Outcome, storage::Error> {
    let withheld = |state, reason: &str| Ok(Outcome::withheld(state, reason));
    if event.header.schema_version > M::SCHEMA_VERSION {
        return withheld(State::Quarantined, "this version of the program does not know the schema");
    }
    let Some(bytes) = event.message() else {
        return withheld(State::Quarantined, "the body is missing");
    };
    let Ok(message) = M::decode(bytes) else {
        return withheld(State::Quarantined, "the body cannot be read");
    };
    if message.subject() != event.header.subject {
        return withheld(State::Void, "the header names another subject than the body");
    }
    if !message.scope().allows(origin) {
        return withheld(State::Void, "its origin may not say this");
    }
    match message.apply(tx, stamp).await {
        Ok(live) => Ok(Outcome::applied(live)),
        Err(Error::Storage(error)) => Err(error),
        Err(error) => withheld(State::Quarantined, &error.to_string()),
    }
}
