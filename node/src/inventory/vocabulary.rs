//! Names of ingredients: the app, the drink generator and the stock list spell some of them differently, and people type
//! as they like. Names are compared folded; some stand for the same bottle or jar under another name.

use crate::catalog::recipe::Size;

/// Spelling mistakes of the app's list. They are corrected wherever a name is folded.
const TYPOS: &[(&str, &str)] = &[("poweraid", "powerade"), ("coconot cream", "coconut cream")];

/// Names of the app and the generator, each with the row that the first stock list has in its place.
const ALIASES: &[(&str, &str)] = &[
    // The stock list split the one syrup into two rows, Chocolate and Milano. Plain chocolate is a syrup of its own, in
    // drinks of the catalogue too; so the row that is left stands for it.
    ("chocolate milano", "milano"),
    // The stock has one bottle for both.
    ("lemon", "lemon lime"),
    ("lime", "lemon lime"),
    // And one jar for these two.
    ("candy", "candy sprinkles"),
    ("sprinkles", "candy sprinkles"),
];

/// Cup, lid and straw of a drink, as the first stock list names them. It has two lids for three cups: the larger two share
/// one.
pub const fn things(size: Size) -> [&'static str; 3] {
    match size {
        Size::Small => ["Small Cups", "Small Lids", "Straws"],
        Size::Medium => ["Med Cups", "Large Lids", "Straws"],
        Size::Large => ["Large Cups", "Large Lids", "Straws"],
    }
}

/// A name for comparison: lower case, single spaces, without the known spelling mistakes.
pub fn fold(name: &str) -> String {
    let words: Vec<String> = name.split_whitespace().map(str::to_lowercase).collect();
    let folded = words.join(" ");
    match TYPOS.iter().find(|(typo, _)| *typo == folded) {
        Some((_, right)) => (*right).to_owned(),
        None => folded,
    }
}

/// The keys of the stock rows that can serve an ingredient: its own first, then what else stands for it. A drink that
/// asks for what the stock list calls by one name is served by the app's names for it too.
pub fn stock_keys(ingredient: &str) -> Vec<String> {
    let own = fold(ingredient);
    let others = ALIASES.iter().filter_map(|(app, stock)| match own.as_str() {
        name if name == *app => Some((*stock).to_owned()),
        name if name == *stock => Some((*app).to_owned()),
        _ => None,
    });
    let others: Vec<String> = others.collect();
    std::iter::once(own).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded() {
        assert_eq!(fold("  Mtn.   DEW\t"), "mtn. dew");
        assert_eq!(fold("Poweraid"), "powerade");
        assert_eq!(fold("COCONOT  cream"), "coconut cream");
        assert_eq!(fold("Éclair"), "éclair");
    }

    #[test]
    fn the_apps_seven_names_find_their_rows() {
        // Every name of the app's list that the first stock list does not have.
        let rows = [
            ("chocolate milano", "milano"),
            ("lemon", "lemon lime"),
            ("lime", "lemon lime"),
            ("candy", "candy sprinkles"),
            ("sprinkles", "candy sprinkles"),
            ("poweraid", "powerade"),
            ("coconot cream", "coconut cream"),
        ];
        for (app, stock) in rows {
            assert!(stock_keys(app).contains(&stock.to_owned()), "{app}");
        }
    }

    #[test]
    fn the_own_name_comes_first_and_nothing_else_is_mixed_up() {
        assert_eq!(stock_keys("Lemon"), ["lemon", "lemon lime"]);
        assert_eq!(stock_keys("Lemon Lime"), ["lemon lime", "lemon", "lime"]);
        assert_eq!(stock_keys("Chocolate"), ["chocolate"]);
        assert_eq!(stock_keys("Lemonade"), ["lemonade"]);
    }
}
