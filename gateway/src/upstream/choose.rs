//! Which nodes to ask, in which order. Pure: a table in, candidates out.

use std::sync::Arc;

use codepop_shared::{Code, Failure, number};
use uuid::Uuid;

use super::table::{Home, Node, Table};
use crate::{
    contract::{Rpc, Target, TargetField},
    json::wire::{self, Raw},
};

/// Nodes that may be tried for one request at the most. One that cannot be dialled costs nothing, so there are more of them
/// than attempts, which `failover.rs` counts.
const CANDIDATES_MAX: usize = 8;

/// Of them, hubs that come after stores.
const HUBS_KEPT: usize = 2;

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
    /// This one; hubs after it.
    OrHub(Box<Wanted>),
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
    pub(crate) fn of(rpc: &Rpc, message: &[u8], chosen: Option<Uuid>) -> Result<Self, Failure> {
        if !rpc.or_hub {
            return Self::of_target(&rpc.target, message, chosen);
        }
        let is_empty = match &rpc.target {
            Target::Store(field) | Target::Region(field) => text(field, message).is_empty(),
            Target::Number(field) => whole(field, message) == 0,
            _ => false,
        };
        Ok(match is_empty {
            true => Self::AnyHub,
            false => Self::OrHub(Box::new(Self::of_target(&rpc.target, message, chosen)?)),
        })
    }

    fn of_target(target: &Target, message: &[u8], chosen: Option<Uuid>) -> Result<Self, Failure> {
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
        Wanted::OrHub(first) => or_hubs(choose(table, home, first, preferred), table),
    }
}

/// Hubs after whoever is meant, and instead of whoever is away or not known here.
fn or_hubs(choice: Choice, table: &Table) -> Choice {
    let Choice::Candidates(hubs) = several(table, None, Node::is_hub, "") else { return choice };
    let mut candidates = match choice {
        Choice::Candidates(candidates) => candidates,
        Choice::Away(_) | Choice::Nobody(_) | Choice::Unknown(_) => Vec::new(),
    };
    // Room is kept for hubs: that all stores fail is when they are needed.
    candidates.truncate(CANDIDATES_MAX - HUBS_KEPT.min(hubs.len()));
    let left = CANDIDATES_MAX - candidates.len();
    let more: Vec<_> =
        hubs.into_iter().filter(|hub| candidates.iter().all(|node| node.info.id != hub.info.id)).collect();
    candidates.extend(more.into_iter().take(left));
    Choice::Candidates(candidates)
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
