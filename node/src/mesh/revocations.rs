//! Whose certificates are not good any more: replicated rows, each from an operator's signed word. What counts follows from
//! all of them together ([`codepop_shared::revocation::in_force`]), so that it is the same everywhere.

use std::collections::{BTreeSet, HashMap};

use codepop_proto::{
    journal::SignedEvent,
    mesh::{CertificateRevoked, RevocationReason},
    options::CallerKind,
};
use codepop_shared::revocation::{self, Revocation};
use diesel::{
    ExpressionMethods as _, Insertable, JoinOnDsl as _, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _, upsert::excluded,
};
use diesel_async::RunQueryDsl as _;
use prost::Name as _;
use sha2::Digest as _;
use uuid::Uuid;

use super::registry;
use crate::{
    clock::Hlc,
    journal::{
        Audience, Error, Hash, Replicated, Scope, Stamp, conflicts,
        entries::{self, State},
        sha256,
    },
    on,
    storage::{
        self, Tx,
        schema::{events, revocations, streams},
        types::Id,
    },
};

/// One operator's word about one holder.
#[derive(Clone, Debug, Insertable, Queryable, Selectable)]
#[diesel(table_name = revocations)]
pub struct Revoked {
    holder: Id,
    operator: Id,
    number: i32,
    kind: i16,
    reason: i16,
    at: i64,
    stream: i64,
    seq: i64,
    in_force: bool,
}

impl Revoked {
    /// Whose certificates.
    pub fn holder(&self) -> Uuid {
        self.holder.0
    }

    /// Who says so.
    pub fn operator(&self) -> Uuid {
        self.operator.0
    }

    /// When, in hybrid logical time.
    pub fn at(&self) -> Hlc {
        Hlc::from_sql(self.at)
    }

    /// Whether it counts: its operator was not revoked before.
    pub fn is_in_force(&self) -> bool {
        self.in_force
    }

    /// Whether the holder is a node, so that it speaks the mesh's RPCs.
    pub fn is_node(&self) -> bool {
        // Who is not known may be one.
        !matches!(CallerKind::try_from(i32::from(self.kind)), Ok(CallerKind::Gateway | CallerKind::Operator))
    }

    /// The reason in one word.
    pub fn reason(&self) -> &'static str {
        match RevocationReason::try_from(i32::from(self.reason)) {
            Ok(RevocationReason::Stolen) => "stolen",
            Ok(RevocationReason::Compromised) => "compromised",
            Ok(RevocationReason::Replaced) => "replaced",
            Ok(RevocationReason::Closed) => "closed",
            Ok(RevocationReason::Duplicate) => "duplicate",
            Ok(RevocationReason::Unspecified) | Err(_) => "not stated",
        }
    }
}

impl Replicated for CertificateRevoked {
    fn scope(&self) -> Scope {
        Scope::Certificate
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let holder = Uuid::from_slice(&self.uuid).map_err(|_| Error::Unfit("the holder is not a UUID"))?;
        let number = i32::try_from(self.number).map_err(|_| Error::Unfit("the number is out of range"))?;
        let (kind, reason) = (i16::try_from(self.kind), i16::try_from(self.reason));
        let (Ok(kind), Ok(reason)) = (kind, reason) else { return Err(Error::Unfit("a word that is out of range")) };
        let at = stamp.hlc.to_sql();
        let row = Revoked {
            holder: Id(holder),
            operator: Id(stamp.origin),
            number,
            kind,
            reason,
            at,
            stream: stamp.stream,
            seq: stamp.seq,
            in_force: false,
        };
        let held = word_of(tx, holder, stamp.origin).await?;
        // The first word is the one that counts: saying it again moves nothing.
        if held.is_some_and(|held| (held.at, held.seq) < (at, stamp.seq)) {
            return Ok(0);
        }
        save(tx, &row).await?;
        settle(tx).await?;
        Ok(1)
    }
}

async fn word_of(tx: &mut Tx, holder: Uuid, operator: Uuid) -> Result<Option<Revoked>, storage::Error> {
    Ok(on!(tx, conn => revocations::table
        .find((Id(holder), Id(operator)))
        .select(Revoked::as_select())
        .first(conn)
        .await
        .optional())?)
}

async fn save(tx: &mut Tx, row: &Revoked) -> Result<(), storage::Error> {
    on!(tx, conn => diesel::insert_into(revocations::table)
        .values(row)
        .on_conflict((revocations::holder, revocations::operator))
        .do_update()
        .set((
            revocations::number.eq(excluded(revocations::number)),
            revocations::kind.eq(excluded(revocations::kind)),
            revocations::reason.eq(excluded(revocations::reason)),
            revocations::at.eq(excluded(revocations::at)),
            revocations::stream.eq(excluded(revocations::stream)),
            revocations::seq.eq(excluded(revocations::seq)),
        ))
        .cached()
        .execute(conn)
        .await)?;
    Ok(())
}

/// Finds out anew which rows count, and notes what had been merged before it was known that it is void.
async fn settle(tx: &mut Tx) -> Result<(), storage::Error> {
    let rows = all(tx).await?;
    let words: Vec<Revocation> =
        rows.iter().map(|row| Revocation { holder: row.holder(), by: row.operator(), at: row.at().0 }).collect();
    let ended = revocation::in_force(&words);
    for row in rows {
        let counts = ended.get(&row.holder()) == Some(&row.at().0);
        if counts == row.in_force {
            continue;
        }
        on!(tx, conn => diesel::update(revocations::table.find((row.holder, row.operator)))
            .set(revocations::in_force.eq(counts))
            .cached()
            .execute(conn)
            .await)?;
        if counts {
            note_merged(tx, &row).await?;
        }
    }
    tx.signals.registry = true;
    Ok(())
}

/// What the holder said after its revocation and what came here before it: merged, and not undone.
async fn note_merged(tx: &mut Tx, row: &Revoked) -> Result<(), storage::Error> {
    let late: Vec<(i64, i64)> = on!(tx, conn => events::table
        .inner_join(streams::table.on(streams::id.eq(events::stream)))
        .filter(streams::origin.eq(row.holder))
        .filter(events::hlc.gt(row.at))
        .filter(events::state.eq(State::Applied as i16))
        .filter(events::kind.ne(CertificateRevoked::full_name()))
        .order((events::stream, events::seq))
        .limit(entries::READ_MAX)
        .select((events::stream, events::seq))
        .load(conn)
        .await)?;
    let Some(first) = late.as_slice().first().copied() else { return Ok(()) };
    let detail = format!(
        "{} events or more of {} were merged here that it made after its certificate was revoked ({}); nodes that knew \
         of it before have them as void",
        late.len(),
        row.holder.0,
        row.reason()
    );
    conflicts::note(tx, "after_revocation", detail, Some(first)).await
}

/// All words of all operators, in force or not.
pub async fn all(tx: &mut Tx) -> Result<Vec<Revoked>, storage::Error> {
    Ok(on!(tx, conn => revocations::table
        .order((revocations::holder, revocations::operator))
        .select(Revoked::as_select())
        .load(conn)
        .await)?)
}

/// From when on these holders are revoked; those who are not are left out.
pub async fn ends(tx: &mut Tx, holders: &[Uuid]) -> Result<HashMap<Uuid, Hlc>, storage::Error> {
    let holders: Vec<Id> = holders.iter().map(|holder| Id(*holder)).collect();
    let rows: Vec<(Id, i64)> = on!(tx, conn => revocations::table
        .filter(revocations::holder.eq_any(holders.clone()))
        .filter(revocations::in_force.eq(true))
        .select((revocations::holder, revocations::at))
        .load(conn)
        .await)?;
    Ok(rows.into_iter().map(|(holder, at)| (holder.0, Hlc::from_sql(at))).collect())
}

/// From when on a holder is revoked, if it is.
pub async fn end_of(tx: &mut Tx, holder: Uuid) -> Result<Option<Hlc>, storage::Error> {
    Ok(ends(tx, &[holder]).await?.remove(&holder))
}

/// The signed word by which a holder is revoked, with the announcement of the operator; empty while one of them is not
/// stored here.
pub async fn proof(tx: &mut Tx, holder: Uuid) -> Result<Vec<SignedEvent>, storage::Error> {
    let row: Option<Revoked> = on!(tx, conn => revocations::table
        .filter(revocations::holder.eq(Id(holder)))
        .filter(revocations::in_force.eq(true))
        .select(Revoked::as_select())
        .first(conn)
        .await
        .optional())?;
    let Some(row) = row else { return Ok(Vec::new()) };
    let Some(operator) = registry::find(tx, row.operator()).await? else { return Ok(Vec::new()) };
    let announced = entries::get(tx, operator.announcement.0, operator.announcement.1).await?;
    let said = entries::get(tx, row.stream, row.seq).await?;
    Ok(announced.into_iter().chain(said).collect())
}

/// Signed revocations, and what else there is to know of them.
pub struct Signed {
    /// The words of all operators. One that came ahead of its stream is left out until that has arrived.
    pub words: Vec<SignedEvent>,
    /// The announcements of the operators.
    pub operators: Vec<SignedEvent>,
    /// Whose certificates are not good.
    pub in_force: BTreeSet<Uuid>,
    /// SHA-256 over the words' headers.
    pub digest: Hash,
}

/// All revocations with what proves them.
pub async fn signed(tx: &mut Tx) -> Result<Signed, storage::Error> {
    let rows = all(tx).await?;
    let mut by: BTreeSet<Uuid> = rows.iter().map(Revoked::operator).collect();
    let in_force = rows.iter().filter(|row| row.in_force).map(Revoked::holder).collect();
    let (mut words, mut operators) = (Vec::new(), Vec::new());
    for operator in by.clone() {
        let known = registry::find(tx, operator).await?;
        let (stream, seq) = known.map_or((0, 0), |known| known.announcement);
        match entries::get(tx, stream, seq).await? {
            Some(announced) => operators.push(announced),
            // Nobody could judge its words without it.
            None => {
                by.remove(&operator);
            }
        }
    }
    for row in rows.iter().filter(|row| by.contains(&row.operator())) {
        words.extend(entries::get(tx, row.stream, row.seq).await?);
    }
    let headers: Vec<u8> = words.iter().flat_map(|event: &SignedEvent| event.header.to_vec()).collect();
    Ok(Signed { words, operators, in_force, digest: sha256(&headers) })
}

/// Feeds the revocations into a digest. Returns how many rows there are. What follows from the rows is left out.
pub async fn digest(tx: &mut Tx, audience: &Audience, hasher: &mut sha2::Sha256) -> Result<u64, storage::Error> {
    if *audience != Audience::Everyone {
        return Ok(0);
    }
    let mut rows = all(tx).await?;
    rows.sort_by_key(|row| (row.holder(), row.operator()));
    for row in &rows {
        hasher.update(row.holder().as_bytes());
        hasher.update(row.operator().as_bytes());
        hasher.update(row.at.to_be_bytes());
        hasher.update(row.number.to_be_bytes());
        hasher.update([row.kind.to_be_bytes(), row.reason.to_be_bytes()].concat());
    }
    Ok(rows.len() as u64)
}
