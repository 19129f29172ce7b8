//! Which nodes to ask, in which order. Pure: a table in, candidates out.

use std::sync::Arc;

use codepop_shared::{Code, Failure, number};
use uuid::Uuid;

use super::table::{Home, Node, Table};
use crate::{
    contract::{Target, TargetField},
    json::wire::{self, Raw},
};

/// Nodes that may be tried for one request at the most. One that cannot be dialled costs nothing, so there are more of them
/// than attempts, which `failover.rs` counts.
const CANDIDATES_MAX: usize = 8;

/// Who is to answer a particular request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Any,
    AnyStore,
    AnyHub,
    /// Whoever holds the numbers that were born at no node; the store of this gateway, or the nearest one, while nobody
    /// is known to.
    OldNumbers,
    Store(Uuid),
    Number(u32),
    Region(String),
}

/// Who can answer.
#[derive(Debug)]
pub(crate) enum Choice {
    /// These, best first.
    Candidates(Vec<Arc<Node>>),
    /// Only this one, and it is away.
    Away(Arc<Node>),
    /// Nobody that is known; the sentence says who would be needed.
    Nobody(String),
    /// The one node that could answer does not exist.
    Unknown(String),
}

impl Wanted {
    /// Reads from a request who is to answer it; `chosen` is the store that a header names.
    pub(crate) fn of(target: &Target, message: &[u8], chosen: Option<Uuid>) -> Result<Self, Failure> {
        Ok(match target {
            Target::Any => Self::Any,
            Target::AnyStore => Self::AnyStore,
            Target::ChosenStore => chosen.map_or(Self::AnyStore, Self::Store),
            Target::AnyHub => Self::AnyHub,
            Target::Store(field) => Self::Store(
                Uuid::parse_str(text(field, message))
                    .map_err(|_| Failure::invalid(&field.json, "must be the UUID of a store"))?,
            ),
            Target::Region(field) => match text(field, message) {
                "" => return Err(Failure::invalid(&field.json, "must be the code of a region")),
                code => Self::Region(code.to_owned()),
            },
            Target::Number(field) => {
                let failure = || Failure::invalid(&field.json, "is no number that any store ever gave");
                Self::of_number(whole(field, message)).ok_or_else(failure)?
            }
        })
    }

    /// Who knows of the thing with this number.
    pub(crate) fn of_number(number: i64) -> Option<Self> {
        match number::born_at(number) {
            Some(node) => Some(Self::Number(node)),
            None => (1..number::STRIDE).contains(&number).then_some(Self::OldNumbers),
        }
    }
}

fn text<'m>(field: &TargetField, message: &'m [u8]) -> &'m str {
    match wire::last(message, field.number) {
        Some(Raw::Bytes(bytes)) => std::str::from_utf8(bytes).unwrap_or_default(),
        _ => "",
    }
}

fn whole(field: &TargetField, message: &[u8]) -> i64 {
    match wire::last(message, field.number) {
        Some(Raw::Varint(value)) if field.zigzag => wire::unzigzag(value),
        Some(Raw::Varint(value)) => value as i64,
        _ => 0,
    }
}

/// Who can answer; `preferred` is the store that the caller would like.
pub(crate) fn choose(table: &Table, home: Home, wanted: &Wanted, preferred: Option<Uuid>) -> Choice {
    match wanted {
        Wanted::Any => several(table, preferred, |_| true, "No node of the chain can be reached."),
        Wanted::AnyStore => several(table, preferred, Node::is_store, "No store can be reached."),
        Wanted::AnyHub => several(table, None, Node::is_hub, "No supply hub can be reached."),
        Wanted::Region(code) => {
            let of_region = |node: &Node| node.is_hub() && node.info.region == *code;
            several(table, None, of_region, "The supply hub of the region cannot be reached.")
        }
        Wanted::OldNumbers => match (table.with_old_numbers(), home.store) {
            (Some(node), _) => one(Some(node), ""),
            (None, Some(id)) => one(table.by_id(id), "This gateway's own store is not known."),
            (None, None) => several(table, None, Node::is_store, "No store can be reached."),
        },
        Wanted::Store(id) => one(table.by_id(*id).filter(|node| node.is_store()), "There is no store with this id."),
        Wanted::Number(number) => one(table.by_number(*number), "There is no store that gave this number."),
    }
}

fn one(node: Option<&Arc<Node>>, unknown: &str) -> Choice {
    match node {
        Some(node) if node.link.is_up() => Choice::Candidates(vec![Arc::clone(node)]),
        Some(node) => Choice::Away(Arc::clone(node)),
        None => Choice::Unknown(unknown.to_owned()),
    }
}

fn several(table: &Table, preferred: Option<Uuid>, fits: impl Fn(&Node) -> bool, nobody: &str) -> Choice {
    let usable = |node: &&Arc<Node>| node.link.is_up() && fits(node);
    let mut candidates = Vec::with_capacity(CANDIDATES_MAX);
    candidates.extend(preferred.and_then(|id| table.by_id(id)).filter(usable).cloned());
    let rest = |away: bool| {
        table
            .nodes
            .iter()
            .filter(usable)
            .filter(move |node| node.info.reported_away == away && Some(node.info.id) != preferred)
    };
    let left = CANDIDATES_MAX - candidates.len();
    candidates.extend(rest(false).chain(rest(true)).take(left).cloned());
    if candidates.is_empty() { Choice::Nobody(nobody.to_owned()) } else { Choice::Candidates(candidates) }
}

/// The error for a request whose one node is away or does not exist.
pub(crate) fn unknown(sentence: String, is_settled: bool) -> Failure {
    // Before the first discovery nothing is known, which says nothing about what exists.
    Failure::new(if is_settled { Code::NotFound } else { Code::Unavailable }, sentence)
}
