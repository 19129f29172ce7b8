//! What stores have on their shelves, under the names of the chain's first stock list, and what is on the menu.

use crate::{
    catalog::{
        Recipe,
        money::Cents,
        recipe::{Ice, Size},
    },
    inventory::Kind,
};

/// How much of a kind is kept: so many units after a delivery, and the threshold at which it runs low.
pub(super) const fn level(kind: Kind) -> (i32, i32) {
    match kind {
        Kind::Soda => (160, 30),
        Kind::Syrup => (60, 12),
        Kind::AddIn => (80, 15),
        Kind::Physical => (300, 60),
    }
}

/// Everything that a store has, by kind: the 84 items of the first stock list, as it spells them.
pub(super) const STOCK: &[(Kind, &[&str])] =
    &[(Kind::Soda, SODAS), (Kind::Syrup, SYRUPS), (Kind::AddIn, ADD_INS), (Kind::Physical, THINGS)];

const SODAS: &[&str] = &[
    "Mtn. Dew",
    "Diet Mtn. Dew",
    "Dr. Pepper",
    "Diet Dr. Pepper",
    "Dr. Pepper Zero",
    "Dr Pepper Cream Soda",
    "Sprite",
    "Sprite Zero",
    "Coke",
    "Diet Coke",
    "Coke Zero",
    "Pepsi",
    "Diet Pepsi",
    "Rootbeer",
    "Fanta",
    "Big Red",
    "Powerade",
    "Lemonade",
    "Light Lemonade",
];

const SYRUPS: &[&str] = &[
    "Coconut",
    "Pineapple",
    "Strawberry",
    "Raspberry",
    "Blackberry",
    "Blue Curacao",
    "Passion Fruit",
    "Vanilla",
    "Pomegranate",
    "Peach",
    "Grapefruit",
    "Green Apple",
    "Pear",
    "Cherry",
    "Cupcake",
    "Orange",
    "Blood Orange",
    "Mango",
    "Cranberry",
    "Blue Raspberry",
    "Grape",
    "Sour",
    "Kiwi",
    "Chocolate",
    "Milano",
    "Huckleberry",
    "Sweetened Lime",
    "Mojito",
    "Lemon Lime",
    "Cinnamon",
    "Watermelon",
    "Guava",
    "Banana",
    "Lavender",
    "Cucumber",
    "Salted Caramel",
    "Choc Chip Cookie Dough",
    "Brown Sugar Cinnamon",
    "Hazelnut",
    "Pumpkin Spice",
    "Peppermint",
    "Irish Cream",
    "Gingerbread",
    "White Chocolate",
    "Butterscotch",
    "Bubble Gum",
    "Cotton Candy",
    "Butterbrew Mix",
];

const ADD_INS: &[&str] = &[
    "Cream",
    "Coconut Cream",
    "Whip",
    "Lemon Wedge",
    "Lime Wedge",
    "French Vanilla Creamer",
    "Candy Sprinkles",
    "Strawberry Puree",
    "Peach Puree",
    "Mango Puree",
    "Raspberry Puree",
];

const THINGS: &[&str] = &["Large Cups", "Med Cups", "Small Cups", "Large Lids", "Small Lids", "Straws"];

/// A drink of the menu: name, sodas, syrups, add-ins, price in cents, and how much it is liked.
type Entry = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str], i64, u64);

const MENU: &[Entry] = &[
    ("Aggie Blue", &["Sprite"], &["Blue Raspberry"], &[], 350, 20),
    ("Old Main", &["Dr. Pepper"], &["Vanilla"], &["Cream"], 375, 18),
    ("Dirty Dr. P", &["Dr. Pepper"], &["Coconut"], &["Lime Wedge"], 349, 16),
    ("Logan Canyon", &["Mtn. Dew"], &["Peach", "Raspberry"], &[], 399, 12),
    ("Cherry Peak", &["Coke"], &["Cherry", "Vanilla"], &["Cream"], 425, 11),
    ("Bear Lake", &["Lemonade"], &["Raspberry"], &["Raspberry Puree"], 449, 10),
    ("Diet Dirty", &["Diet Coke"], &["Coconut"], &["Lime Wedge"], 349, 10),
    ("Root of It All", &["Rootbeer"], &["Butterscotch"], &["Whip"], 425, 7),
    ("Sunny Spring", &["Sprite Zero"], &["Strawberry", "Mango"], &["Mango Puree"], 449, 6),
    ("Tropic Pass", &["Fanta"], &["Pineapple", "Passion Fruit"], &["Coconut Cream"], 475, 5),
    ("Half Day", &["Light Lemonade", "Powerade"], &["Watermelon"], &["Lemon Wedge"], 399, 4),
    ("Cookie Jar", &["Dr Pepper Cream Soda"], &["Choc Chip Cookie Dough"], &["French Vanilla Creamer"], 475, 4),
    ("Party Bus", &["Big Red"], &["Cotton Candy"], &["Whip", "Candy Sprinkles"], 450, 3),
    ("Sleigh Ride", &["Coke Zero"], &["Peppermint", "White Chocolate"], &["Cream"], 450, 2),
];

/// A drink of the menu.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Offer {
    /// The drink.
    pub(super) recipe: Recipe,
    /// How much it is liked, compared with the others.
    pub(super) weight: u64,
}

/// The menu, in the order in which it is published.
pub(super) fn menu() -> Vec<Offer> {
    let offer = |(name, sodas, syrups, add_ins, cents, weight): &Entry| Offer {
        recipe: Recipe { price: Cents::new(*cents).unwrap_or_default(), ..recipe(name, sodas, syrups, add_ins) },
        weight: *weight,
    };
    MENU.iter().map(offer).collect()
}

/// A drink in the usual cup, of these ingredients, without a price.
pub(super) fn recipe(name: &str, sodas: &[&str], syrups: &[&str], add_ins: &[&str]) -> Recipe {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Recipe {
        name: name.to_owned(),
        sodas: list(sodas),
        syrups: list(syrups),
        add_ins: list(add_ins),
        price: Cents::ZERO,
        size: Size::DEFAULT,
        ice: Ice::DEFAULT,
    }
}

/// The names of a kind.
pub(super) fn names(kind: Kind) -> &'static [&'static str] {
    STOCK.iter().find(|(other, _)| *other == kind).map_or(&[], |(_, names)| names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{needs, vocabulary::fold};

    #[test]
    fn the_list_is_the_first_stores() {
        let counts: Vec<usize> = STOCK.iter().map(|(_, names)| names.len()).collect();
        assert_eq!(counts, [19, 48, 11, 6]);
    }

    #[test]
    fn everything_on_the_menu_is_on_the_shelves() {
        for offer in menu() {
            assert!(offer.recipe.price.get() >= 300, "{}", offer.recipe.name);
            for need in needs([&offer.recipe]) {
                let there = names(need.kind).iter().any(|name| fold(name) == fold(&need.name));
                assert!(there, "{}: {}", offer.recipe.name, need.name);
            }
        }
    }
}
