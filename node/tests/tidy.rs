//! Rules of the house that a compiler does not check: sizes, the one direction of imports, no forgotten marks.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Longest file, in lines; generated tables of columns are longer.
const FILE_LINES_MAX: usize = 600;

/// Longest line, in characters.
const LINE_MAX: usize = 130;

/// Longest function, in lines: a screen.
const FUNCTION_LINES_MAX: usize = 70;

/// Modules of the node from the bottom up. A module may use those above it in this list, never those below.
const LAYERS: &[&[&str]] = &[
    &["clock"],
    &["identity"],
    &["storage"],
    &["backup"],
    &["journal"],
    &["auth"],
    &["audit"],
    &["app"],
    &["mesh"],
    &["stores"],
    &["roles"],
    &["accounts"],
    &["staff"],
    &["catalog"],
    &["preferences"],
    &["notifications"],
    &["inventory"],
    &["payments"],
    &["orders"],
    &["generator"],
    &["receipts"],
    &["support"],
    &["maintenance"],
    &["reports"],
    &["dashboards"],
    &["legacy"],
    &["seed"],
    &["replication"],
    &["server"],
    &["authority"],
    &["config"],
    &["commands"],
];

/// What stands where something is still to be done, written so that this list is not found itself.
const MARKS: &[&str] = &[
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("#[ign", "ore"),
];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for part in ["node", "gateway", "shared", "proto/src", "tests"] {
        collect(&root.join(part), &mut found);
    }
    assert!(found.len() > 100, "the sources were not found");
    found
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

fn complain(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn files_are_small_and_say_what_they_are() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            problems.push(format!("{}: {lines} lines", path.display()));
        }
        if !text.starts_with("//!") {
            problems.push(format!("{}: does not begin with what it is (//!)", path.display()));
        }
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > LINE_MAX && !line.contains('"') {
                problems.push(format!(
                    "{}:{}: a line of {} characters",
                    path.display(),
                    number + 1,
                    line.chars().count()
                ));
            }
        }
    }
    complain(&problems);
}

#[test]
fn functions_fit_a_screen() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let mut open: Option<(usize, usize)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words = line.trim_start();
            let begins = ["fn ", "pub fn ", "async fn ", "pub async fn ", "pub(super) fn ", "pub(super) async fn "]
                .iter()
                .any(|start| words.starts_with(start));
            if begins {
                open = Some((number, indent));
            }
            if let Some((start, depth)) = open
                && words == "}"
                && indent == depth
            {
                if number - start > FUNCTION_LINES_MAX {
                    problems.push(format!("{}:{}: a function of {} lines", path.display(), start + 1, number - start));
                }
                open = None;
            }
        }
    }
    complain(&problems);
}

#[test]
fn imports_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let layer = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let Ok(inside) = path.strip_prefix(&root) else { continue };
        let own = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let Some(level) = layer(&own) else { continue };
        // Tests may look at everything.
        let code = text.split("#[cfg(test)]").next().unwrap();
        if inside.to_string_lossy().contains("test") || inside.to_string_lossy().contains("exchange") {
            continue;
        }
        for used in LAYERS.iter().flat_map(|layer| layer.iter()) {
            let uses = [format!("crate::{used}::"), format!("\n    {used}::"), format!("\n    {used},")]
                .iter()
                .any(|form| used_in(code, form));
            if uses && layer(used).unwrap() > level {
                problems.push(format!("{}: {own} uses {used}, which stands above it", path.display()));
            }
        }
    }
    complain(&problems);
}

/// Whether a form of import occurs within the `use crate::{…}` of a file, or anywhere when it is a whole path.
fn used_in(code: &str, form: &str) -> bool {
    if form.starts_with("crate::") {
        return code.contains(form);
    }
    let Some(start) = code.find("use crate::{") else { return false };
    let end = code[start..].find("\n};").map_or(code.len(), |end| start + end);
    code[start..end].contains(form)
}

/// Diesel prepares inserts and updates anew each time (`storage/cached.rs`): one without it is only slower, which nobody
/// would notice. What has a list of values in it must not be kept.
#[test]
fn what_is_written_is_prepared_once() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let code = text.split("#[cfg(test)]").next().unwrap();
        if path.to_string_lossy().contains("test") || path.ends_with("laws.rs") {
            continue;
        }
        for (at, _) in code.match_indices("on!(") {
            let statement = &code[at..at + closing(&code[at..])];
            let writes = ["diesel::update(", "diesel::insert_into("].iter().any(|word| statement.contains(word));
            if writes && !statement.contains(".cached()") && !statement.contains("eq_any(") {
                let line = code[..at].lines().count();
                problems.push(format!("{}:{line}: `.cached()` is missing", path.display()));
            }
        }
    }
    complain(&problems);
}

/// Where the first bracket of a text is closed.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' if depth == 1 => return at,
            ')' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn nothing_was_left_behind() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        for mark in MARKS {
            if text.contains(mark) {
                problems.push(format!("{}: {mark}", path.display()));
            }
        }
    }
    complain(&problems);
}
