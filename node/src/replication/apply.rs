//! The table of contents of everything that is replicated: which message merges into which noun. One of the two places
//! where machinery names shop nouns.

use std::{collections::HashMap, sync::OnceLock};

use codepop_proto::{
    accounts as accounts_pb, catalog as catalog_pb, maintenance as maintenance_pb, mesh,
    notifications as notifications_pb, preferences as preferences_pb, reports as reports_pb, roles as roles_pb,
    stores as stores_pb,
};
use codepop_shared::identity::SpiffeId;
use futures::{FutureExt as _, future::BoxFuture};
use sha2::Digest as _;

use super::horizon;
use crate::{
    accounts, audit, catalog,
    journal::{Audience, Error, Event, Hash, Outcome, Replicated, Scope, Stamp, State},
    maintenance,
    mesh::{registry, revocations},
    notifications, preferences, reports,
    storage::{self, Tx},
    stores, support,
};

/// Merges one kind of event.
type Apply =
    for<'a> fn(&'a mut Tx, &'a SpiffeId, &'a Event, &'a Stamp) -> BoxFuture<'a, Result<Outcome, storage::Error>>;

/// Kinds that are never held back, whatever the clock of their origin: what ends something must bite; and an announcement,
/// which says something of its origin alone, must be known, or all that the origin says would be a fault of whoever
/// passes it on.
const NEVER_HELD: &[&str] = &[
    "codepop.mesh.v1.NodeAnnounced",
    "codepop.accounts.v1.SessionEnded",
    "codepop.accounts.v1.SessionsEnded",
    "codepop.accounts.v1.UserDeleted",
    "codepop.accounts.v1.UserStatusChanged",
    "codepop.mesh.v1.CertificateRevoked",
    "codepop.roles.v1.RoleRevoked",
];

/// Kinds whose rows keep no clocks, or are dropped when their time is over: the events stay live.
pub const WITHOUT_CLOCKS: &[&str] = &["codepop.accounts.v1.SessionEnded", "codepop.accounts.v1.LegacySessionKept"];

/// Whether events of this kind are merged whatever the clock of their origin says.
pub fn is_never_held(kind: &str) -> bool {
    NEVER_HELD.contains(&kind)
}

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
    mesh::NodeReplaced,
    mesh::CertificateRevoked,
    accounts_pb::UserRegistered,
    accounts_pb::ProfileChanged,
    accounts_pb::CredentialSet,
    accounts_pb::SessionEnded,
    accounts_pb::SessionsEnded,
    accounts_pb::UserStatusChanged,
    accounts_pb::UserDeleted,
    accounts_pb::LegacySessionKept,
    roles_pb::RoleAssigned,
    roles_pb::RoleRevoked,
    stores_pb::RegionDescribed,
    stores_pb::HubDescribed,
    stores_pb::StoreDescribed,
    stores_pb::LegacyNumbersHeld,
    catalog_pb::DrinkPublished,
    catalog_pb::DrinkWithdrawn,
    catalog_pb::UserDrinkSaved,
    catalog_pb::UserDrinkDeleted,
    catalog_pb::FavoriteAdded,
    catalog_pb::FavoriteRemoved,
    preferences_pb::PreferenceAdded,
    preferences_pb::PreferenceRemoved,
    notifications_pb::ChainNoticePosted,
    notifications_pb::ChainNoticeWithdrawn,
    catalog_pb::DrinkRated,
    maintenance_pb::MachineStateChanged,
    reports_pb::StockReported,
    reports_pb::StoreFiguresReported,
    mesh::HorizonMoved,
}

/// The kinds of events that this program knows, in order.
pub fn kinds() -> Vec<&'static str> {
    let mut kinds: Vec<&str> = table().keys().map(String::as_str).collect();
    kinds.sort_unstable();
    kinds
}

/// Reactions to erased personal data: each noun drops its rows about deleted users; the audit trail
/// keeps its entries and loses their addresses.
pub async fn forget_deleted(tx: &mut Tx) -> Result<(), storage::Error> {
    catalog::forget_deleted(tx).await?;
    preferences::forget_deleted(tx).await?;
    support::forget_deleted(tx).await?;
    audit::forget_deleted(tx).await?;
    notifications::forget_deleted(tx).await
}

/// What the merged rows of one noun in one audience come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The noun.
    pub noun: &'static str,
    /// SHA-256 over the rows in canonical order, local columns left out.
    pub digest: Hash,
    /// How many rows there are.
    pub rows: u64,
}

macro_rules! parts {
    ($tx:expr, $audience:expr, $($noun:literal: $digest:path,)+) => {{
        let mut parts = Vec::new();
        $(
            let mut hasher = sha2::Sha256::new();
            let rows = $digest($tx, $audience, &mut hasher).await?;
            parts.push(Part { noun: $noun, digest: hasher.finalize().into(), rows });
        )+
        parts
    }};
}

/// What the merged rows of an audience come to, noun by noun. Nouns come at the end of the list: it says how digests are
/// computed, with [`VERSION`](super::states::VERSION).
///
/// # Errors
/// The database failed.
pub async fn parts(tx: &mut Tx, audience: &Audience) -> Result<Vec<Part>, storage::Error> {
    Ok(parts!(tx, audience,
        "nodes": registry::digest,
        "accounts": accounts::digest,
        "stores": stores::digest,
        "catalog": catalog::digest,
        "preferences": preferences::digest,
        "notifications": notifications::digest,
        "maintenance": maintenance::digest,
        "reports": reports::digest,
        "revocations": revocations::digest,
        "horizon": horizon::digest,
    ))
}

/// One digest for the rows of all nouns, and how many there are.
pub fn sum(parts: &[Part]) -> (Hash, u64) {
    let mut hasher = sha2::Sha256::new();
    for part in parts {
        hasher.update(part.noun.as_bytes());
        hasher.update([0]);
        hasher.update(part.digest);
    }
    (hasher.finalize().into(), parts.iter().map(|part| part.rows).sum())
}

/// Digest of the merged rows of an audience, and how many rows there are.
///
/// # Errors
/// The database failed.
pub async fn digest(tx: &mut Tx, audience: &Audience) -> Result<(Hash, u64), storage::Error> {
    Ok(sum(&parts(tx, audience).await?))
}

/// As [`apply`], behind a savepoint: what the database refuses to hold is undone and waits in quarantine, and the stream
/// goes on. Two statements more, so for single events and for what failed without it.
pub fn apply_guarded<'a>(
    tx: &'a mut Tx,
    origin: &'a SpiffeId,
    event: &'a Event,
    stamp: &'a Stamp,
) -> BoxFuture<'a, Result<Outcome, storage::Error>> {
    async move {
        let before = tx.signals;
        tx.conn.batch("SAVEPOINT event").await?;
        match apply(tx, origin, event, stamp).await {
            Err(error) if error.is_refusal() => {
                tracing::error!(error = %error, kind = event.header.kind, "an event could not be merged; it waits");
                tx.conn.batch("ROLLBACK TO SAVEPOINT event; RELEASE SAVEPOINT event").await?;
                tx.signals = before;
                Ok(Outcome::withheld(State::Quarantined, "the database refused it"))
            }
            outcome => {
                let outcome = outcome?;
                tx.conn.batch("RELEASE SAVEPOINT event").await?;
                Ok(outcome)
            }
        }
    }
    .boxed()
}

/// Merges an accepted event into the rows, or says why not. Only a failing database is an error. Of what is withheld
/// about a deleted user, the body is not kept.
pub fn apply<'a>(
    tx: &'a mut Tx,
    origin: &'a SpiffeId,
    event: &'a Event,
    stamp: &'a Stamp,
) -> BoxFuture<'a, Result<Outcome, storage::Error>> {
    async move {
        let outcome = dispatch(tx, origin, event, stamp).await?;
        let outcome = horizon::settle(tx, event, stamp, outcome).await?;
        let subject = event.header.subject;
        if outcome.state != State::Applied && subject != 0 && accounts::is_deleted(tx, subject).await? {
            return Ok(outcome.without_body());
        }
        Ok(outcome)
    }
    .boxed()
}

async fn dispatch(tx: &mut Tx, origin: &SpiffeId, event: &Event, stamp: &Stamp) -> Result<Outcome, storage::Error> {
    let header = &event.header;
    if !header.audience.may_be_addressed_by(origin) {
        return Ok(Outcome::withheld(State::Void, "its origin may not address this audience"));
    }
    let Some(apply) = table().get(&header.kind) else {
        return Ok(Outcome::withheld(State::Quarantined, "this version of the program does not know the kind"));
    };
    if tx.clock.is_ahead(header.hlc) && !is_never_held(&header.kind) {
        return Ok(Outcome::withheld(State::Quarantined, CLOCK_AHEAD));
    }
    apply(tx, origin, event, stamp).await
}

/// Whether the origin's certificate, which came before the event, gives it the say of nodes whose place it takes.
async fn is_allowed_in_place(
    tx: &mut Tx,
    origin: &SpiffeId,
    event: &Event,
    scope: &Scope,
) -> Result<bool, storage::Error> {
    let known = registry::find_by_key(tx, event.header.key_id).await?;
    Ok(known.is_some_and(|known| scope.allows_in_place_of(origin, &known.certified.replaces)))
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
        if event.header.subject != 0 && accounts::is_deleted(tx, event.header.subject).await? {
            return Ok(Outcome::erased());
        }
        return withheld(State::Quarantined, "the body is missing");
    };
    let Ok(message) = M::decode(bytes) else {
        return withheld(State::Quarantined, "the body cannot be read");
    };
    if message.subject() != event.header.subject {
        return withheld(State::Void, "the header names another subject than the body");
    }
    let scope = message.scope();
    if !scope.allows(origin) && !is_allowed_in_place(tx, origin, event, &scope).await? {
        return withheld(State::Void, "its origin may not say this");
    }
    // What only some nodes hear would leave the others with other rows for ever.
    if !message.is_for(&event.header.audience) {
        return withheld(State::Void, "this is not for this audience");
    }
    match message.apply(tx, stamp).await {
        Ok(live) => Ok(Outcome::applied(live)),
        Err(Error::Storage(error)) => Err(error),
        Err(Error::Erased) => Ok(Outcome::erased()),
        Err(error) => withheld(State::Quarantined, &error.to_string()),
    }
}
