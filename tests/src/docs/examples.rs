//! Examples that are run: fenced blocks marked `sh checked`, with what they must print in a `text` block after them.

use super::Page;

/// One example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Page and line of its first command.
    pub place: String,
    /// What is run.
    pub script: String,
    /// Lines that must be printed, in this order; `…` stands for anything.
    pub expected: Vec<String>,
}

/// The examples of a page.
pub fn examples(page: &Page) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut lines = page.text.lines().enumerate().peekable();
    // Whether only empty lines stand between the last example and here.
    let mut follows = false;
    while let Some((number, line)) = lines.next() {
        let mut block = || {
            let taken = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim_end() != "```");
            taken.collect::<Vec<_>>()
        };
        match line.trim_end() {
            "```sh checked" => {
                let place = format!("{}:{}", page.name, number + 2);
                found.push(Example { place, script: block().join("\n"), expected: Vec::new() });
                follows = true;
            }
            "```text" if follows => {
                let expected = block().into_iter().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
                if let Some(last) = found.last_mut() {
                    last.expected = expected;
                }
                follows = false;
            }
            "" => {}
            other => {
                if other.starts_with("```") {
                    block();
                }
                follows = false;
            }
        }
    }
    found
}

impl Example {
    /// What is missing in what was printed; `None` when all is there.
    pub fn missing(&self, printed: &str) -> Option<&str> {
        let mut lines = printed.lines();
        self.expected.iter().map(String::as_str).find(|wanted| !lines.any(|line| fits(line, wanted)))
    }
}

/// Whether a printed line is as expected, spaces at the ends aside.
fn fits(line: &str, wanted: &str) -> bool {
    let (line, wanted) = (line.trim(), wanted.trim());
    let Some((first, after)) = wanted.split_once('…') else { return line == wanted };
    let (middle, last) = after.rsplit_once('…').unwrap_or(("", after));
    let Some(mut rest) = line.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    middle.split('…').all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_blocks_are_found_with_what_they_print() {
        let text = "a\n```sh checked\necho hi\n```\n\n```text\nhi\n```\n```sh\nrm\n```\n```text\nno\n```\n```sh checked\ntrue\n```\n";
        let page = Page { path: Default::default(), name: "X.md".into(), text: text.into() };
        let found = examples(&page);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].place.as_str(), found[0].script.as_str()), ("X.md:3", "echo hi"));
        assert_eq!(found[0].expected, ["hi"]);
        assert!(found[1].expected.is_empty());
    }

    #[test]
    fn lines_must_come_in_order_and_whole() {
        let example = |expected: &[&str]| Example {
            place: String::new(),
            script: String::new(),
            expected: expected.iter().map(|line| (*line).to_owned()).collect(),
        };
        let printed = "{\n  \"id\": 17,\n  \"name\": \"ada\"\n}";
        for good in [vec!["\"id\": …,", "\"name\": \"ada\""], vec!["…ada…"], vec!["{"], vec![]] {
            assert_eq!(example(&good).missing(printed), None, "{good:?}");
        }
        for bad in [vec!["\"id\""], vec!["\"name\": …", "\"id\": …"], vec!["…bob…"], vec!["… 1,"]] {
            assert!(example(&bad).missing(printed).is_some(), "{bad:?}");
        }
    }
}
