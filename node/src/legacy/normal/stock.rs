//! The stock: rows that mean the same item become one.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use super::clean;
use crate::{
    inventory::{Kind, vocabulary},
    legacy::rows::{Item, Reason},
};

/// Longest name of an item, in characters.
const NAME_MAX: usize = 100;

/// An item, merged from one or more rows.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::legacy) struct Merged {
    /// The lowest number of its rows.
    pub(in crate::legacy) id: i64,
    pub(in crate::legacy) name: String,
    pub(in crate::legacy) kind: Kind,
    pub(in crate::legacy) quantity: i32,
    pub(in crate::legacy) threshold: i32,
    pub(in crate::legacy) updated: Option<DateTime<Utc>>,
    pub(in crate::legacy) changes: Vec<String>,
    /// The numbers of its other rows.
    pub(in crate::legacy) others: Vec<i64>,
}

/// The items in order of their numbers, and the rows that are none.
pub(in crate::legacy) fn merge(rows: &[Item]) -> (Vec<Merged>, Vec<(i64, Reason)>) {
    let (mut items, mut refused) = (BTreeMap::<i64, Merged>::new(), Vec::new());
    let mut by_key = HashMap::<(&'static str, String), i64>::new();
    for row in rows {
        let item = match item(row) {
            Ok(item) => item,
            Err(reason) => {
                refused.push((row.id, reason));
                continue;
            }
        };
        let key = (item.kind.word(), vocabulary::fold(&item.name));
        match by_key.get(&key).and_then(|id| items.get_mut(id)) {
            None => {
                by_key.insert(key, item.id);
                items.insert(item.id, item);
            }
            Some(first) => {
                first.quantity = first.quantity.saturating_add(item.quantity);
                first.threshold = first.threshold.max(item.threshold);
                first.updated = first.updated.max(item.updated);
                first.others.push(row.id);
            }
        }
    }
    (items.into_values().collect(), refused)
}

fn item(row: &Item) -> Result<Merged, Reason> {
    let mut changes = Vec::new();
    let name = clean(&row.name, NAME_MAX);
    if name.is_empty() {
        return Err("it has no name".to_owned());
    }
    if name != row.name {
        changes.push("the name had spaces around it or characters that cannot be shown".to_owned());
    }
    let kind = kind(&row.kind).ok_or_else(|| format!("its type \"{}\" is none", clean(&row.kind, 50)))?;
    if kind.word() != row.kind {
        changes.push(format!("the type \"{}\" is {}", clean(&row.kind, 50), kind.word()));
    }
    let count = |count: i64, what: &str, changes: &mut Vec<String>| {
        let fitting = count.clamp(0, i64::from(i32::MAX));
        if fitting != count {
            changes.push(format!("the {what} was out of range"));
        }
        i32::try_from(fitting).unwrap_or(i32::MAX)
    };
    Ok(Merged {
        id: row.id,
        name,
        kind,
        quantity: count(row.quantity, "quantity", &mut changes),
        threshold: count(row.threshold, "threshold", &mut changes),
        updated: row.updated,
        changes,
        others: Vec::new(),
    })
}

/// Types as people wrote them: `Physical Item`, `add-in`, `Syrups`.
fn kind(raw: &str) -> Option<Kind> {
    let letters: String = raw.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    match letters.trim_end_matches('s') {
        "soda" => Some(Kind::Soda),
        "syrup" => Some(Kind::Syrup),
        "addin" => Some(Kind::AddIn),
        "physical" | "physicalitem" => Some(Kind::Physical),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, name: &str, kind: &str, quantity: i64) -> Item {
        Item { id, name: name.into(), kind: kind.into(), quantity, threshold: id, updated: None }
    }

    #[test]
    fn rows_that_mean_one_item_are_added_up() {
        let rows = [
            row(1, "Coke", "Soda", 5),
            row(2, " coke ", "soda", 7),
            row(3, "Coke", "Syrup", 1),
            row(4, "Straws", "Physical Item", 9),
            row(5, "Thing", "Gadget", 1),
            row(6, " ", "Soda", 1),
            row(7, "Poweraid", "Soda", 2),
            row(8, "Powerade", "Soda", 2),
        ];
        let (items, refused) = merge(&rows);
        let shown: Vec<_> = items.iter().map(|i| (i.id, i.kind, i.quantity, i.threshold, i.others.clone())).collect();
        assert_eq!(
            shown,
            [
                (1, Kind::Soda, 12, 2, vec![2]),
                (3, Kind::Syrup, 1, 3, vec![]),
                (4, Kind::Physical, 9, 4, vec![]),
                (7, Kind::Soda, 4, 8, vec![8]),
            ]
        );
        assert_eq!(refused.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [5, 6]);
    }

    #[test]
    fn quantities_are_never_negative() {
        let (items, _) = merge(&[row(1, "Coke", "Soda", -5), row(2, "Fanta", "Soda", i64::MAX)]);
        assert_eq!((items[0].quantity, items[1].quantity), (0, i32::MAX));
        assert!(items.iter().all(|item| item.changes.len() == 1));
    }
}
