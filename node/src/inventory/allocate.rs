//! Which rows of the stock serve what an order needs: a pure rule. Each need is one unit; several rows may serve it (a drink
//! with lemon is also served by the row `Lemon Lime`), and the rows of one order must not be counted twice.

use std::collections::BTreeMap;

use super::{Item, Kind, vocabulary};

/// One unit that an order needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Need {
    /// What it is.
    pub kind: Kind,
    /// Its name, as the drink spells it.
    pub name: String,
}

/// How many units to take of each row, by the row's number; or the names of what is not there, each once.
pub(super) fn allocate(needs: &[Need], stock: &[Item]) -> Result<BTreeMap<i64, i32>, Vec<String>> {
    let mut left: BTreeMap<i64, i32> = stock.iter().map(|item| (item.id, item.quantity)).collect();
    let mut open: Vec<(&Need, Vec<i64>)> = needs.iter().filter_map(|need| Some((need, rows(need, stock)?))).collect();
    // Those with the fewest rows choose first, so that who could take another row does not take the only one of others.
    let choices = |rows: &[i64]| rows.iter().filter(|row| left.get(row).is_some_and(|units| *units > 0)).count();
    open.sort_by_cached_key(|(_, rows)| choices(rows));
    let mut taken = BTreeMap::new();
    let mut missing: Vec<String> = Vec::new();
    for (need, rows) in open {
        match rows.into_iter().find(|row| left.get(row).is_some_and(|units| *units > 0)) {
            Some(row) => {
                *left.entry(row).or_default() -= 1;
                *taken.entry(row).or_default() += 1;
            }
            None if !missing.contains(&need.name) => missing.push(need.name.clone()),
            None => {}
        }
    }
    if missing.is_empty() { Ok(taken) } else { Err(missing) }
}

/// The rows that can serve a need, its own first. `None` when the store does not keep count of it: only things may be
/// left out, an ingredient without a row is one that is not there.
fn rows(need: &Need, stock: &[Item]) -> Option<Vec<i64>> {
    let keys = vocabulary::stock_keys(&need.name);
    let of = |key: &String| stock.iter().find(|item| item.item_type == need.kind && item.name_key == *key);
    let rows: Vec<i64> = keys.iter().filter_map(of).map(|item| item.id).collect();
    (need.kind != Kind::Physical || !rows.is_empty()).then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::types::Time;

    fn item(id: i64, kind: Kind, name: &str, quantity: i32) -> Item {
        Item {
            id,
            name: name.to_owned(),
            name_key: vocabulary::fold(name),
            item_type: kind,
            quantity,
            threshold: 0,
            updated_at: Time(chrono::DateTime::UNIX_EPOCH),
        }
    }

    fn need(kind: Kind, name: &str) -> Need {
        Need { kind, name: name.to_owned() }
    }

    fn syrups(names: &[&str]) -> Vec<Need> {
        names.iter().map(|name| need(Kind::Syrup, name)).collect()
    }

    #[test]
    fn equal_needs_count_twice() {
        let stock = [item(1, Kind::Syrup, "Vanilla", 2)];
        assert_eq!(allocate(&syrups(&["vanilla", "VANILLA"]), &stock), Ok(BTreeMap::from([(1, 2)])));
        assert_eq!(allocate(&syrups(&["Vanilla"; 3]), &stock), Err(vec!["Vanilla".to_owned()]));
    }

    #[test]
    fn rows_under_another_name_help_out() {
        let stock = [item(1, Kind::Syrup, "Lemon", 1), item(2, Kind::Syrup, "Lemon Lime", 1)];
        assert_eq!(allocate(&syrups(&["lemon lime", "lime"]), &stock), Ok(BTreeMap::from([(1, 1), (2, 1)])));
        assert_eq!(allocate(&syrups(&["lemon", "lemon"]), &stock), Ok(BTreeMap::from([(1, 1), (2, 1)])));
        assert!(allocate(&syrups(&["lime", "lime"]), &stock).is_err());
    }

    #[test]
    fn things_that_nobody_counts_are_there_and_kinds_are_apart() {
        let stock = [item(1, Kind::Soda, "Peach", 5), item(2, Kind::Physical, "Straws", 0)];
        assert_eq!(allocate(&[need(Kind::Physical, "Large Cups")], &stock), Ok(BTreeMap::new()));
        assert_eq!(allocate(&[need(Kind::Physical, "Straws")], &stock), Err(vec!["Straws".to_owned()]));
        assert_eq!(allocate(&syrups(&["Peach"]), &stock), Err(vec!["Peach".to_owned()]));
    }
}
