//! What a customer's drink costs, whatever a phone says: as much as the drink of the catalogue that it copies, or else by
//! what goes into it. The figures are those that the app shows.

use codepop_shared::number;

use super::{Drink, Recipe, money::Cents};

/// A cup of soda, in cents.
const BASE: i64 = 200;

/// Each syrup and each add-in, in cents.
const EXTRA: i64 = 30;

/// The price of a customer's drink, given the catalogue in order of numbers.
pub fn price(recipe: &Recipe, catalogue: &[Drink]) -> Cents {
    let copied = catalogue.iter().find(|drink| is_copy(recipe, &drink.recipe));
    copied.map_or_else(|| by_ingredients(recipe), |drink| drink.recipe.price)
}

/// What a drink costs whoever orders it now, given the catalogue in order of numbers: also what it is shown with, or no
/// payment would ever fit. A customer's is priced anew, because prices change and another node's word is not money. One that
/// kept its number from the old system keeps its price too, unless that is less than what goes into it costs.
pub fn charged(drink: &Drink, catalogue: &[Drink]) -> Cents {
    if !drink.user_created {
        return drink.recipe.price;
    }
    let today = price(&drink.recipe, catalogue);
    if number::born_at(drink.id).is_some() { today } else { today.max(drink.recipe.price) }
}

fn by_ingredients(recipe: &Recipe) -> Cents {
    let extras = i64::try_from(recipe.syrups.len() + recipe.add_ins.len()).unwrap_or(i64::MAX);
    // A recipe has 40 of them at the most: far from the highest price.
    Cents::new(BASE.saturating_add(EXTRA.saturating_mul(extras))).unwrap_or(Cents::MAX)
}

/// Whether a recipe is that of a drink of the catalogue: same name, same ingredients. Cup and ice are free to choose.
fn is_copy(recipe: &Recipe, original: &Recipe) -> bool {
    let folded = |list: &[String]| {
        let mut folded: Vec<String> = list.iter().map(|name| fold(name)).collect();
        folded.sort_unstable();
        folded
    };
    let same = |ours: &[String], theirs: &[String]| ours.len() == theirs.len() && folded(ours) == folded(theirs);
    fold(&recipe.name) == fold(&original.name)
        && same(&recipe.sodas, &original.sodas)
        && same(&recipe.syrups, &original.syrups)
        && same(&recipe.add_ins, &original.add_ins)
}

/// A name as it is compared: without regard to case and spacing.
fn fold(name: &str) -> String {
    name.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::recipe::{Ice, Size};

    fn recipe(name: &str, [sodas, syrups, add_ins]: [&[&str]; 3], cents: i64) -> Recipe {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Recipe {
            name: name.into(),
            sodas: list(sodas),
            syrups: list(syrups),
            add_ins: list(add_ins),
            price: Cents::new(cents).unwrap(),
            size: Size::DEFAULT,
            ice: Ice::DEFAULT,
        }
    }

    fn catalogue() -> Vec<Drink> {
        let drink = |id, recipe| Drink { id, user_created: false, recipe };
        vec![
            drink(1, recipe("Red  Rizz", [&["Coke", "Sprite"], &["Cherry"], &["Cream"]], 599)),
            drink(2, recipe("Free Water", [&["Water"], &[], &[]], 0)),
        ]
    }

    #[test]
    fn what_goes_in_is_paid_for() {
        let of = |parts| price(&recipe("Drink in User Cart", parts, 1), &catalogue()).get();
        assert_eq!(of([&["Coke"], &[], &[]]), 200);
        assert_eq!(of([&["Coke", "Sprite"], &["Cherry"], &["Cream"]]), 260);
        assert_eq!(of([&["Coke"], &["Cherry", "Cherry"], &["Cream", "Lime", "Mint"]]), 350);
        let many = vec!["x"; 20];
        assert_eq!(of([&many, &many, &many]), 1_400);
    }

    #[test]
    fn a_copy_costs_what_the_original_does() {
        let of = |name, parts| price(&recipe(name, parts, 1), &catalogue()).get();
        assert_eq!(of("red rizz", [&["SPRITE", " coke"], &["cherry"], &["CREAM"]]), 599);
        assert_eq!(of("Free Water", [&["water"], &[], &[]]), 0);
        // Another name, or anything more or less, is another drink.
        assert_eq!(of("Free Water", [&["Coke"], &[], &[]]), 200);
        assert_eq!(of("Free Water", [&["Water"], &["Cherry"], &[]]), 230);
        assert_eq!(of("Red Rizz 2", [&["Coke", "Sprite"], &["Cherry"], &["Cream"]]), 260);
        assert_eq!(of("Red Rizz", [&["Coke", "Coke"], &["Cherry"], &["Cream"]]), 260);
    }

    #[test]
    fn only_drinks_of_old_keep_a_higher_price() {
        let of = |id, user_created, cents| {
            let recipe = recipe("Mine", [&["Coke"], &["Cherry"], &[]], cents);
            charged(&Drink { id, user_created, recipe }, &catalogue()).get()
        };
        for (id, user_created, stored, expected) in [
            (1, false, 100, 100),
            (300_001, true, 599, 230),
            (300_001, true, 1, 230),
            (99_999, true, 599, 599),
            (99_999, true, 1, 230),
            (99_999, true, 200, 230),
        ] {
            assert_eq!(of(id, user_created, stored), expected, "{id} {stored}");
        }
    }

    #[test]
    fn cup_and_ice_are_free_to_choose() {
        let mut copy = recipe("Red Rizz", [&["Coke", "Sprite"], &["Cherry"], &["Cream"]], 1);
        (copy.size, copy.ice) = (Size::Large, Ice::Extra);
        assert_eq!(price(&copy, &catalogue()).get(), 599);
    }
}
