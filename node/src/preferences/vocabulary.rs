//! What can be preferred: the ingredients of the drink generator, and two more that stores have.

use std::{collections::HashSet, sync::LazyLock};

/// What goes into drinks; the names stand after the last colon of a line.
const INGREDIENTS: &str = include_str!("../generator/ingredients.txt");

/// What stores have under a name that the generator does not use.
const MORE: &[&str] = &["chocolate", "candy sprinkles"];

static NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lines = INGREDIENTS.lines().filter(|line| !line.starts_with('#'));
    let names = lines.filter_map(|line| line.rsplit_once(':')).flat_map(|(_, names)| names.split(',').map(str::trim));
    names.chain(MORE.iter().copied()).collect()
});

/// A name as it is kept: in lower case with single spaces.
///
/// # Errors
/// It is no ingredient's; what is wrong names it.
pub(super) fn parse(input: &str) -> Result<String, String> {
    let name = input.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ");
    if NAMES.contains(name.as_str()) {
        return Ok(name);
    }
    // Long enough for every name there is; what is longer needs no repeating.
    let shown: String = name.chars().filter(|char| !char.is_control()).take(50).collect();
    Err(format!("\"{shown}\" is not an ingredient that can be preferred"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ingredients_can_be_preferred_and_nothing_else() {
        assert_eq!(NAMES.len(), 81);
        assert_eq!(parse("  Mtn.  DEW "), Ok("mtn. dew".to_owned()));
        assert_eq!(parse("Candy Sprinkles"), Ok("candy sprinkles".to_owned()));
        assert!(parse("Motor OIL").is_err_and(|why| why.contains("motor oil") && why.len() < 100));
        assert!(parse(&"x".repeat(10_000)).is_err_and(|why| why.len() < 200));
        assert!(parse("").is_err());
    }
}
