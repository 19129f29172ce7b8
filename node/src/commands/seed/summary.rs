//! What a run says at its end: a table of what was made, and where to go from there.

use std::{fmt::Write as _, path::Path};

use super::{
    folder::{AUTHORITY, Made, NODES_FILE},
    password::PASSWORD_FILE,
};
use crate::seed::{Contents, dollars};

/// What is said.
pub(super) fn text(dir: &Path, made: &Made, all: &[Contents], digest: &str) -> String {
    let mut text = format!("A chain with test data: {made}.\n\n");
    let heads = ["node", "name", "machine", "users", "items", "low", "orders", "sold", "given back", "revenue"]
        .map(str::to_owned);
    let mut rows: Vec<[String; 10]> = all.iter().map(row).collect();
    rows.push(total(all));
    rows.insert(0, heads);
    let widths: Vec<usize> =
        (0..rows[0].len()).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    // Writing into a string does not fail.
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, width))| if at < 3 { format!("{cell:<width$}") } else { format!("{cell:>width$}") })
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    let dir = dir.display();
    let _ = write!(
        text,
        "\ndigest    {digest}\n\
         accounts  superadmin, logistics_<region>, repair_<region>, admin_001, manager_001 …, general_user, user1 to user10\n\
         password  of all of them: {dir}/{PASSWORD_FILE}\n\
         nodes     {dir}/{NODES_FILE}; each folder has a file env that says how to start it\n\
         operator  {dir}/{AUTHORITY}\n"
    );
    text
}

fn row(contents: &Contents) -> [String; 10] {
    let (sold, back) = (contents.sold(), contents.given_back());
    [
        contents.site.code.clone(),
        contents.site.name.clone(),
        contents.machines.first().map(|machine| machine.state.word().to_owned()).unwrap_or_default(),
        contents.people.len().to_string(),
        contents.stock.len().to_string(),
        contents.low().to_string(),
        contents.orders.len().to_string(),
        dollars(sold),
        dollars(back),
        dollars(sold - back),
    ]
}

fn total(all: &[Contents]) -> [String; 10] {
    let sum = |of: fn(&Contents) -> usize| all.iter().map(of).sum::<usize>().to_string();
    let (sold, back) = (all.iter().map(Contents::sold).sum::<i64>(), all.iter().map(Contents::given_back).sum::<i64>());
    [
        "all".to_owned(),
        format!("{} nodes", all.len()),
        String::new(),
        sum(|contents| contents.people.len()),
        sum(|contents| contents.stock.len()),
        sum(Contents::low),
        sum(|contents| contents.orders.len()),
        dollars(sold),
        dollars(back),
        dollars(sold - back),
    ]
}
