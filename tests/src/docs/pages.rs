//! Blocks of a page that are made: everything between `<!-- generated: … -->` and `<!-- end -->`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{contract, schema};

const OPEN: &str = "<!-- generated: ";
const CLOSE: &str = "<!-- end -->";

/// A page of the documentation.
#[derive(Clone, Debug)]
pub struct Page {
    /// Where it is.
    pub path: PathBuf,
    /// Its name, for example `API_STORES.md`.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// All pages, the README among them, in order of names.
///
/// # Panics
/// They cannot be read.
pub fn read() -> Vec<Page> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = folder.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    paths.push(root.join("README.md"));
    paths.sort();
    let page = |path: PathBuf| Page {
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        text: fs::read_to_string(&path).unwrap(),
        path,
    };
    paths.into_iter().map(page).collect()
}

/// The page's text with its blocks made anew.
///
/// # Errors
/// A block does not end, or asks for something that cannot be made.
pub fn filled(page: &Page) -> Result<String, String> {
    let mut made = String::new();
    let mut rest = page.text.as_str();
    while let Some((before, after)) = rest.split_once(OPEN) {
        let wrong = |what: &str| format!("{}: {what}", page.name);
        let (order, after) = after.split_once(" -->\n").ok_or_else(|| wrong("a block's first line has no end"))?;
        let (_, after) = after.split_once(CLOSE).ok_or_else(|| wrong(&format!("the block {order:?} has no end")))?;
        let block = block(order).map_err(|what| wrong(&what))?;
        made += &format!("{before}{OPEN}{order} -->\n\n{}\n\n{CLOSE}", block.trim_end());
        rest = after;
    }
    Ok(made + rest)
}

/// What stands between the two marks.
fn block(order: &str) -> Result<String, String> {
    let mut words = order.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let words: Vec<&str> = words.collect();
    match kind {
        "routes" => contract::routes(&words),
        "rpcs" => contract::rpcs(&words),
        "events" => Ok(contract::events()),
        "permissions" => Ok(contract::permissions()),
        "schema" => schema::diagram(&words),
        _ => Err(format!("there is no kind of block {kind:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        Page { path: PathBuf::new(), name: "X.md".into(), text: text.into() }
    }

    #[test]
    fn blocks_are_replaced_and_the_rest_stays() {
        let made = filled(&page("a\n<!-- generated: permissions -->\nold\n<!-- end -->\nz\n")).unwrap();
        assert!(made.starts_with("a\n<!-- generated: permissions -->\n\n| ") && made.ends_with("<!-- end -->\nz\n"));
        assert!(!made.contains("old"));
        assert_eq!(filled(&page(&made)).unwrap(), made);
    }

    #[test]
    fn what_cannot_be_made_is_said() {
        for text in
            ["<!-- generated: wishes -->\n<!-- end -->", "<!-- generated: permissions -->\n", "<!-- generated: x"]
        {
            assert!(filled(&page(text)).unwrap_err().starts_with("X.md: "), "{text}");
        }
        assert!(filled(&page("<!-- generated: routes nowhere -->\n<!-- end -->")).is_err());
        assert!(filled(&page("<!-- generated: schema nothing -->\n<!-- end -->")).is_err());
    }
}
