//! What must hold once the nodes are left alone again, as their databases say it.

use std::collections::{BTreeMap, BTreeSet};

use super::Acknowledged;
use crate::harness::Mesh;

/// Streams whose events are not all there, one after the other, above what compaction has dropped.
const GAPS: &str = "SELECT s.audience || ' ' || CAST(s.head_seq AS TEXT) AS word FROM streams s WHERE \
     s.head_seq - s.floor_seq <> (SELECT count(*) FROM events e WHERE e.stream = s.id AND e.seq > s.floor_seq) \
     OR s.head_seq <> (SELECT coalesce(max(e.seq), 0) FROM events e WHERE e.stream = s.id)";

/// Rows whose numbers and names were told to writers.
const DRINKS: &str = "SELECT CAST(id AS TEXT) || ' ' || name AS word FROM user_drinks";
const ACCOUNTS: &str = "SELECT CAST(id AS TEXT) || ' ' || username AS word FROM users";

/// Proves that every node holds what was acknowledged, once, and that nobody has anything to complain about.
///
/// # Panics
/// It does not.
pub async fn prove(mesh: &mut Mesh, acknowledged: &Acknowledged) {
    for node in 0..mesh.nodes.len() {
        let complaints: Vec<String> = mesh.conflicts(node).await.into_iter().map(|c| c.kind + ": " + &c.detail).collect();
        assert!(complaints.is_empty(), "node {node} has something to complain about: {complaints:?}");
        assert_eq!(mesh.health(node).await.status, "healthy", "node {node}");
    }
    for node in 0..mesh.nodes.len() {
        mesh.stop(node).await;
        let log = std::fs::read_to_string(mesh.nodes[node].dir.with_extension("log")).unwrap();
        assert!(!log.contains("panicked"), "node {node} panicked: {log}");
        assert_eq!(mesh.nodes[node].rows(GAPS).await, Vec::<String>::new(), "node {node} has gaps in its journal");
        holds(node, &mesh.nodes[node].rows(DRINKS).await, &acknowledged.drinks);
        holds(node, &mesh.nodes[node].rows(ACCOUNTS).await, &acknowledged.accounts);
    }
}

/// Proves that these drinks are at every node, and that no journal has gaps. Stops all nodes.
///
/// # Panics
/// They are not.
pub async fn held_by_all(mesh: &mut Mesh, drinks: &[i64]) {
    for node in 0..mesh.nodes.len() {
        mesh.stop(node).await;
        assert_eq!(mesh.nodes[node].rows(GAPS).await, Vec::<String>::new(), "node {node} has gaps in its journal");
        let rows = mesh.nodes[node].rows(DRINKS).await;
        let held: BTreeSet<&str> = rows.iter().filter_map(|row| Some(row.split_once(' ')?.0)).collect();
        let lost: Vec<_> = drinks.iter().filter(|drink| !held.contains(drink.to_string().as_str())).collect();
        assert!(lost.is_empty(), "{lost:?} are not at node {node}: {rows:?}");
    }
}

/// Everything acknowledged is among the rows, with the number that was told, and nothing is there twice.
fn holds(node: usize, rows: &[String], acknowledged: &[(i64, String)]) {
    let mut by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in rows {
        let (number, name) = row.split_once(' ').unwrap();
        by_name.entry(name).or_default().insert(number);
    }
    for (name, numbers) in &by_name {
        assert_eq!(numbers.len(), 1, "{name} is at node {node} more than once: {numbers:?}");
    }
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|(number, name)| {
            by_name.get(name.as_str()).is_none_or(|numbers| !numbers.contains(number.to_string().as_str()))
        })
        .collect();
    assert!(lost.is_empty(), "{} of {} are not at node {node}: {lost:?}", lost.len(), acknowledged.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_held() {
        holds(0, &["1 a".to_owned(), "2 b".to_owned()], &[(2, "b".to_owned())]);
    }

    #[test]
    #[should_panic(expected = "1 of 1 are not at node 0")]
    fn what_is_missing_is_noticed() {
        holds(0, &["1 a".to_owned()], &[(2, "a".to_owned())]);
    }

    #[test]
    #[should_panic(expected = "more than once")]
    fn what_is_there_twice_is_noticed() {
        holds(0, &["1 a".to_owned(), "2 a".to_owned()], &[]);
    }
}
