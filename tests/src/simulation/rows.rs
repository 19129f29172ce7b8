//! The merged rows of a node, and the product's own merge of fields ([`codepop_node::journal::Merge`]) over them.

use std::collections::{BTreeMap, BTreeSet};

use codepop_node::journal::{Audience, Merge, Stamp, sha256, source, sources};
use uuid::Uuid;

use super::{event::Body, law::Law};

/// The field of a row that says the role was given, or the announcement as a whole.
const WHOLE: u8 = 1;

/// The field that says the role was taken.
const REVOKED: u8 = 2;

/// Which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Id {
    /// A node in the registry.
    Node(Uuid),
    /// A row whose fields merge on their own.
    Item(u32),
    /// A role.
    Role(u32),
}

/// One row.
#[derive(Clone, Debug, Default)]
struct Row {
    clocks: Vec<u8>,
    values: BTreeMap<u8, u64>,
}

/// What became of a merge: fields that the event holds, and the events that lost one.
pub type Merged = (i32, Vec<(i64, i64)>);

/// All rows of a node.
#[derive(Clone, Debug, Default)]
pub struct Rows(BTreeMap<(Audience, Id), Row>);

impl Rows {
    /// Merges one event.
    pub fn apply(&mut self, audience: &Audience, stamp: &Stamp, (body, write): (Body, u64), law: Law) -> Merged {
        let (id, field) = match body {
            Body::Announced => (Id::Node(stamp.origin), WHOLE),
            Body::Set { row, field } => (Id::Item(row), field),
            Body::Granted { row } => (Id::Role(row), WHOLE),
            Body::Revoked { row } => (Id::Role(row), REVOKED),
        };
        let row = self.0.entry((audience.clone(), id)).or_default();
        let clocks = if law == Law::LastArrivalWins { &[][..] } else { &row.clocks };
        let mut merge = Merge::new(clocks, stamp).expect("clocks as this program wrote them");
        if merge.takes(field) {
            row.values.insert(field, write);
        }
        let (clocks, live, superseded) = merge.finish();
        row.clocks = clocks;
        (live, superseded)
    }

    /// Where a node's announcement stands, if it is known.
    pub fn announcement(&self, node: Uuid) -> Option<(i64, i64)> {
        let row = self.0.get(&(Audience::Everyone, Id::Node(node)))?;
        source(&row.clocks, WHOLE).ok().flatten().map(|stamp| (stamp.stream, stamp.seq))
    }

    /// The nodes in the registry.
    pub fn nodes(&self) -> impl Iterator<Item = Uuid> {
        let first = (Audience::Everyone, Id::Node(Uuid::nil()));
        self.0.range(first..).map_while(|((_, id), _)| if let Id::Node(node) = id { Some(*node) } else { None })
    }

    /// The audiences of the rows.
    pub fn audiences(&self) -> impl Iterator<Item = &Audience> {
        self.0.keys().map(|(audience, _)| audience)
    }

    /// The first row of an audience that another node has otherwise, for people.
    pub fn difference(&self, other: &Self, audience: &Audience) -> String {
        let of = |rows: &Self| -> BTreeMap<Id, String> {
            let rows = rows.0.iter().filter(|((of, _), _)| of == audience);
            rows.map(|((_, id), row)| (*id, format!("{:?} from {:?}", row.values, sources(&row.clocks)))).collect()
        };
        let (ours, theirs) = (of(self), of(other));
        let ids: BTreeSet<&Id> = ours.keys().chain(theirs.keys()).collect();
        let values = |shown: Option<&String>| shown.map_or("nothing", String::as_str).to_owned();
        let differs = |id: &&Id| {
            let said = |row: Option<&Row>| row.map(|row| row.values.clone());
            let key = (audience.clone(), **id);
            said(self.0.get(&key)) != said(other.0.get(&key))
        };
        ids.into_iter().find(differs).map_or_else(String::new, |id| {
            format!("{id:?} is {}, expected {}", values(theirs.get(id)), values(ours.get(id)))
        })
    }

    /// Hash of the rows of an audience. A role that was taken says nothing more.
    pub fn digest(&self, audience: &Audience) -> [u8; 32] {
        let mut text = Vec::new();
        for ((_, id), row) in self.0.iter().filter(|((of, _), _)| of == audience) {
            let is_revoked = matches!(id, Id::Role(_)) && row.values.contains_key(&REVOKED);
            let values = if is_revoked { String::from("revoked") } else { format!("{:?}", row.values) };
            text.extend_from_slice(format!("{id:?} {values}\n").as_bytes());
        }
        sha256(&text)
    }
}
