//! Drinks, and the names in preferences.

use super::{clean, cleaned, trade};
use crate::{
    catalog::{
        Recipe,
        money::Cents,
        pricing,
        recipe::{Ice, Size, ingredients, name},
    },
    legacy::rows::{Drink, Reason},
};

/// Longest name of a drink or an ingredient, in characters.
const NAME_MAX: usize = 255;

/// What a drink is made of, and what was changed.
pub(in crate::legacy) fn recipe(row: &Drink) -> Result<(Recipe, Vec<String>), Reason> {
    let mut changes = Vec::new();
    let mut shown = cleaned(&row.name, NAME_MAX, "the name", &mut changes);
    if name(&shown).is_err() {
        shown = format!("Drink {}", row.id);
        changes.push("the drink had no name".to_owned());
    }
    let syrups = list(&row.syrups, "syrups", 0, &mut changes)?;
    let sodas = list(&row.sodas, "sodas", 1, &mut changes)?;
    let add_ins = list(&row.add_ins, "add-ins", 0, &mut changes)?;
    let size = size(&row.size, &mut changes);
    let ice = ice(&row.ice, &mut changes);
    let mut recipe = Recipe { name: shown, syrups, sodas, add_ins, price: Cents::default(), size, ice };
    recipe.price = price(row, &recipe, &mut changes);
    Ok((recipe, changes))
}

fn list(raw: &[String], what: &str, min: usize, changes: &mut Vec<String>) -> Result<Vec<String>, Reason> {
    let names: Vec<String> = raw.iter().map(|name| clean(name, NAME_MAX)).filter(|name| !name.is_empty()).collect();
    if names != raw {
        changes.push(format!("the {what} had empty names, or spaces around them"));
    }
    ingredients(&names, min).map_err(|problem| format!("its {what} {problem}"))
}

/// The price that it has; what is none becomes what such a drink costs today.
fn price(row: &Drink, recipe: &Recipe, changes: &mut Vec<String>) -> Cents {
    let cents = trade::cents(&row.price).ok();
    if let Some(price) = cents.and_then(Cents::new) {
        return price;
    }
    let problem = if cents.is_some_and(|cents| cents < 0) { "was negative" } else { "made no sense" };
    changes.push(format!("the price {problem}; it is that of a new drink"));
    pricing::price(recipe, &[])
}

fn size(raw: &str, changes: &mut Vec<String>) -> Size {
    if let Ok(size) = Size::parse(raw) {
        if size.word() != raw {
            changes.push("the size was written in another way".to_owned());
        }
        return size;
    }
    let word = raw.trim().to_ascii_lowercase();
    let size = match word.as_str() {
        "s" | "sm" | "small" | "16" | "16 oz" => Size::Small,
        "m" | "med" | "medium" | "24" | "24 oz" => Size::Medium,
        "l" | "lg" | "large" | "32" | "32 oz" => Size::Large,
        _ => {
            changes.push(format!("the size made no sense; it is {}", Size::DEFAULT.word()));
            return Size::DEFAULT;
        }
    };
    changes.push(format!("the size \"{word}\" is {}", size.word()));
    size
}

fn ice(raw: &str, changes: &mut Vec<String>) -> Ice {
    if let Ok(ice) = Ice::parse(raw) {
        if ice.word() != raw {
            changes.push("the amount of ice was written in another way".to_owned());
        }
        return ice;
    }
    let word = raw.trim().to_ascii_lowercase();
    let ice = match word.as_str() {
        "normal" => Ice::Regular,
        "no" | "without" | "0" => Ice::None,
        "less" | "easy" | "little" => Ice::Light,
        "more" | "much" => Ice::Extra,
        _ => {
            changes.push(format!("the amount of ice made no sense; it is {}", Ice::DEFAULT.word()));
            return Ice::DEFAULT;
        }
    };
    changes.push(format!("the ice \"{word}\" is {}", ice.word()));
    ice
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Drink {
        Drink {
            id: 7,
            name: "Coke Float".into(),
            syrups: vec!["Vanilla".into()],
            sodas: vec!["Coke".into()],
            add_ins: vec!["Cream".into()],
            rating: None,
            price: "5.99".into(),
            size: "24oz".into(),
            ice: "regular".into(),
            user_created: true,
        }
    }

    #[test]
    fn what_fits_is_kept_as_it_is() {
        let (recipe, changes) = recipe(&row()).unwrap();
        assert_eq!((recipe.price.get(), recipe.size, recipe.ice), (599, Size::Medium, Ice::Regular));
        assert_eq!(changes, Vec::<String>::new());
    }

    #[test]
    fn the_words_of_the_old_system_are_known() {
        let mut changes = Vec::new();
        let sizes = [("m", Size::Medium), ("16OZ", Size::Small), ("L", Size::Large), ("", Size::Medium)];
        for (raw, expected) in sizes {
            assert_eq!(size(raw, &mut changes), expected, "{raw}");
        }
        let amounts = [("normal", Ice::Regular), ("No Ice", Ice::None), ("Light", Ice::Light), ("?", Ice::Regular)];
        for (raw, expected) in amounts {
            assert_eq!(ice(raw, &mut changes), expected, "{raw}");
        }
        assert_eq!(changes.len(), 8);
    }

    #[test]
    fn a_price_that_is_none_becomes_that_of_a_new_drink() {
        for bad in ["-4.5", "NaN", "Infinity", "1e300", "5000", "x"] {
            let (recipe, changes) = recipe(&Drink { price: bad.into(), ..row() }).unwrap();
            assert_eq!((recipe.price.get(), changes.len()), (260, 1), "{bad}");
        }
        assert_eq!(recipe(&Drink { price: "4.35".into(), ..row() }).unwrap().0.price.get(), 435);
    }

    #[test]
    fn without_a_soda_it_is_no_drink() {
        assert!(recipe(&Drink { sodas: vec![" ".into()], ..row() }).unwrap_err().contains("sodas"));
        assert!(recipe(&Drink { syrups: vec!["x".into(); 21], ..row() }).unwrap_err().contains("syrups"));
        let (named, changes) = recipe(&Drink { name: "\u{7} ".into(), ..row() }).unwrap();
        assert_eq!((named.name.as_str(), changes.len()), ("Drink 7", 2));
    }
}
