//! Nodes whose place others have taken: replicated rows, each from the event by which a node with a certificate for it
//! began. A node's UUID and number are those of one life of one database; what was asked of an earlier life is asked of
//! the one that took its place.

use std::collections::HashMap;

use codepop_proto::mesh::NodeReplaced;
use codepop_shared::identity::{Certified, Replaced};
use diesel::{
    AsChangeset, ExpressionMethods as _, Insertable, OptionalExtension as _, QueryDsl as _, Queryable, Selectable,
    SelectableHelper as _,
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::{
    app::canonical::Canonical,
    clock::Hlc,
    journal::{self, Audience, Error, Field, Merge, Replicated, Scope, Stamp, Stream, conflicts, emit},
    on,
    storage::{self, Tx, schema::replacements, types::Id},
};

/// When a node took a place.
const TAKEN: Field = 1;

/// The kind of entry in the conflict list that says that a replaced node goes on.
const STILL_RUNS: &str = "replaced_node_runs";

#[derive(Clone, Debug, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = replacements, primary_key(replaced, replaced_by))]
struct Row {
    replaced: Id,
    replaced_by: Id,
    number: i32,
    hlc: i64,
    clocks: Vec<u8>,
}

/// Who took whose place, of the whole chain: a handful of rows.
#[derive(Clone, Debug, Default)]
pub struct Successors {
    /// Of each replaced node who has its place directly, and its number.
    by: HashMap<Uuid, (Uuid, u32)>,
}

impl Successors {
    fn of(rows: &[Row]) -> Self {
        let claims = |replaced: Id, by: Id| rows.iter().any(|row| row.replaced == replaced && row.replaced_by == by);
        let mut by: HashMap<Uuid, (Uuid, u32)> = HashMap::new();
        let mut ordered: Vec<&Row> = rows.iter().collect();
        ordered.sort_by_key(|row| (Hlc::from_sql(row.hlc), row.replaced_by));
        for row in ordered {
            // Whose place was taken by another one that claims the same has stepped back.
            let has_stepped_back =
                rows.iter().any(|other| other.replaced == row.replaced_by && claims(row.replaced, other.replaced_by));
            if !has_stepped_back {
                by.entry(row.replaced.0).or_insert((row.replaced_by.0, row.number.unsigned_abs()));
            }
        }
        Self { by }
    }

    /// Whether nobody was replaced.
    pub fn is_empty(&self) -> bool {
        self.by.is_empty()
    }

    /// The node that has a node's place by now: itself, unless it was replaced.
    pub fn now(&self, node: Uuid) -> Uuid {
        let mut now = node;
        // Certificates that go round in circles would be the authority's mistake; it must not hang every node.
        for _ in 0..=self.by.len() {
            match self.by.get(&now) {
                Some((next, _)) => now = *next,
                None => return now,
            }
        }
        node
    }

    /// Whether another one has its place.
    pub fn is_replaced(&self, node: Uuid) -> bool {
        self.now(node) != node
    }

    /// The node that has the place of the node of a number by now, if that one was replaced.
    pub fn of_number(&self, number: u32) -> Option<Uuid> {
        let (node, _) = self.by.iter().find(|(_, (_, replaced))| *replaced == number)?;
        Some(self.now(*node)).filter(|now| now != node)
    }

    /// The nodes whose place a node has by now, and their numbers.
    pub fn replaced_by(&self, node: Uuid) -> Vec<Replaced> {
        let had = self.by.iter().filter(|(old, _)| **old != node && self.now(**old) == node);
        let mut had: Vec<_> = had.map(|(uuid, (_, number))| Replaced { number: *number, uuid: *uuid }).collect();
        had.sort();
        had
    }
}

/// Who took whose place.
///
/// # Errors
/// The database failed.
pub async fn successors(tx: &mut Tx) -> Result<Successors, storage::Error> {
    Ok(Successors::of(&rows(tx).await?))
}

async fn rows(tx: &mut Tx) -> Result<Vec<Row>, storage::Error> {
    Ok(on!(tx, conn => replacements::table.select(Row::as_select()).load(conn).await)?)
}

impl Replicated for NodeReplaced {
    fn scope(&self) -> Scope {
        Scope::Node(Certified::parse(&self.certificate).map_or(Uuid::nil(), |certified| certified.id.uuid))
    }

    async fn apply(&self, tx: &mut Tx, stamp: &Stamp) -> Result<i32, Error> {
        let certified = Certified::verify(&self.certificate, &tx.author.ca)
            .map_err(|_| Error::Unfit("the certificate is not one of this chain's authority"))?;
        if certified.replaces.is_empty() {
            return Err(Error::Unfit("the certificate names nobody whose place is taken"));
        }
        let mut live = 0;
        for replaced in &certified.replaces {
            live += put(tx, replaced, certified.id.uuid, stamp).await?;
        }
        tx.signals.registry = true;
        Ok(live)
    }
}

async fn put(tx: &mut Tx, replaced: &Replaced, by: Uuid, stamp: &Stamp) -> Result<i32, Error> {
    let key = (Id(replaced.uuid), Id(by));
    let clocks: Option<Vec<u8>> = on!(tx, conn => replacements::table
        .find(key)
        .select(replacements::clocks)
        .first(conn)
        .await
        .optional())
    .map_err(storage::Error::from)?;
    let mut merge = Merge::new(&clocks.unwrap_or_default(), stamp)?;
    if !merge.takes(TAKEN) {
        return Ok(0);
    }
    let (clocks, live) = merge.settle(tx).await?;
    let number = i32::try_from(replaced.number).map_err(|_| Error::Unfit("a number is out of range"))?;
    let row = Row { replaced: key.0, replaced_by: key.1, number, hlc: stamp.hlc.to_sql(), clocks };
    on!(tx, conn => diesel::insert_into(replacements::table)
        .values(&row)
        .on_conflict((replacements::replaced, replacements::replaced_by))
        .do_update()
        .set(&row)
        .cached()
        .execute(conn)
        .await)
    .map_err(storage::Error::from)?;
    Ok(live)
}

/// Says that this node takes the place of those whom its certificate names, unless that was said. Tells whether it did.
///
/// # Errors
/// The database failed.
pub async fn take_place(tx: &mut Tx) -> Result<bool, Error> {
    let (own, certificate) = (tx.author.id.uuid, std::sync::Arc::clone(&tx.author.certificate));
    let said: Vec<Uuid> =
        rows(tx).await?.iter().filter(|row| row.replaced_by.0 == own).map(|row| row.replaced.0).collect();
    if certificate.replaces.iter().all(|replaced| said.contains(&replaced.uuid)) {
        return Ok(false);
    }
    emit(tx, &Audience::Everyone, &NodeReplaced { certificate: certificate.der.clone() }).await?;
    Ok(true)
}

/// The event by which a node's place was taken: where it stands in the journal, and by whom.
///
/// # Errors
/// The database failed.
pub async fn taken_by(tx: &mut Tx, node: Uuid) -> Result<Option<(Uuid, Stamp)>, storage::Error> {
    let all = rows(tx).await?;
    let Some((by, _)) = Successors::of(&all).by.get(&node).copied() else { return Ok(None) };
    let row = all.iter().find(|row| row.replaced.0 == node && row.replaced_by.0 == by);
    Ok(match row {
        Some(row) => journal::source(&row.clocks, TAKEN)?.map(|stamp| (by, stamp)),
        None => None,
    })
}

/// Notes, once a node, that one whose place was taken goes on.
///
/// # Errors
/// The database failed.
pub async fn note_still_runs(tx: &mut Tx, node: Uuid) -> Result<(), storage::Error> {
    let Some((by, stamp)) = taken_by(tx, node).await? else { return Ok(()) };
    if conflicts::is_noted(tx, STILL_RUNS, stamp.stream).await? {
        return Ok(());
    }
    let detail = format!(
        "node {node} still runs, although node {by} has taken its place: it is not linked any more; stop it, and look \
         there for what was sold since"
    );
    conflicts::note(tx, STILL_RUNS, detail, Some((stamp.stream, stamp.seq))).await
}

/// Notes, once a stream, that a replaced node spoke after its place was taken. What it said is honestly signed and some
/// node has taken it, so every node takes it: else there would be two truths. `latest`: when it spoke last.
///
/// # Errors
/// The database failed.
pub async fn note_late(tx: &mut Tx, stream: &Stream, latest: Hlc) -> Result<(), storage::Error> {
    let taken: Option<i64> = on!(tx, conn => replacements::table
        .filter(replacements::replaced.eq(Id(stream.origin)))
        .select(diesel::dsl::min(replacements::hlc))
        .first(conn)
        .await)?;
    let is_late = taken.is_some_and(|taken| Hlc::from_sql(taken) < latest);
    if !is_late || conflicts::is_noted(tx, "replaced_node_spoke", stream.id).await? {
        return Ok(());
    }
    let detail = format!(
        "node {} went on after its place was taken: events after {} for {} are kept and merged as it signed them; its \
         orders and money since are on its own disk alone",
        stream.origin, stream.head, stream.audience
    );
    conflicts::note(tx, "replaced_node_spoke", detail, Some((stream.id, stream.head.cast_signed()))).await
}

/// Feeds who took whose place into a digest. Returns how many rows there are.
///
/// # Errors
/// The database failed.
pub async fn digest(tx: &mut Tx, audience: &Audience, hasher: &mut sha2::Sha256) -> Result<u64, storage::Error> {
    if *audience != Audience::Everyone {
        return Ok(0);
    }
    let mut all = rows(tx).await?;
    // Nodes that do not know of replacements yet compute the same as long as there are none.
    if all.is_empty() {
        return Ok(0);
    }
    all.sort_by_key(|row| (row.replaced, row.replaced_by));
    let mut fed = Canonical(hasher);
    fed.table("replacements");
    for row in &all {
        fed.bytes(row.replaced.0.as_bytes())
            .bytes(row.replaced_by.0.as_bytes())
            .integer(row.number.into())
            .integer(row.hlc);
    }
    Ok(all.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(replaced: u128, by: u128, hlc: i64) -> Row {
        let id = |id: u128| Id(Uuid::from_u128(id));
        Row { replaced: id(replaced), replaced_by: id(by), number: 1000 + replaced as i32, hlc, clocks: Vec::new() }
    }

    #[test]
    fn places_are_passed_on() {
        let id = Uuid::from_u128;
        // 2 took the place of 1, 3 that of 2 and so of 1.
        let rows = [row(1, 2, 10), row(2, 3, 20), row(1, 3, 20)];
        for rows in [rows.to_vec(), rows.iter().rev().cloned().collect()] {
            let successors = Successors::of(&rows);
            assert_eq!([1, 2, 3, 4].map(|node| successors.now(id(node))), [3, 3, 3, 4].map(id));
            assert_eq!(successors.of_number(1001), Some(id(3)));
            assert_eq!(successors.of_number(1003), None);
            assert!(successors.is_replaced(id(2)) && !successors.is_replaced(id(3)));
            let had: Vec<u32> = successors.replaced_by(id(3)).iter().map(|had| had.number).collect();
            assert_eq!(had, [1001, 1002]);
        }
        let rivals = Successors::of(&[row(1, 3, 20), row(1, 2, 10)]);
        assert_eq!(rivals.now(id(1)), id(2), "of two that take one place the earlier has it");
        let circle = Successors::of(&[row(1, 2, 10), row(2, 1, 20)]);
        assert_eq!(circle.now(id(1)), id(1));
        assert!(Successors::of(&[]).is_empty());
    }
}
