//! The generator's golden values, and what holds for every drink.

use std::collections::BTreeSet;

use rand::{SeedableRng as _, rngs::StdRng};

use super::*;

/// Drinks tried for a taste: every choice of five comes up many times.
const TRIES: u64 = 400;

fn likes(names: &[&str]) -> Taste {
    Taste { likes: names.iter().map(|name| (*name).to_owned()).collect(), ..Taste::default() }
}

fn drinks(taste: &Taste) -> impl Iterator<Item = Composition> {
    (0..TRIES).map(move |seed| compose(taste, &mut StdRng::seed_from_u64(seed)).unwrap())
}

/// All syrups that ever come out.
fn syrups_for(taste: &Taste) -> BTreeSet<&'static str> {
    drinks(taste).flat_map(|drink| drink.syrups).collect()
}

/// The five sodas that fit what these words taste of.
fn sodas_for(words: &str) -> Vec<&'static str> {
    let all = &INGREDIENTS.sodas;
    let rows: Vec<&[&str]> = all.iter().map(|soda| soda.suits.as_slice()).collect();
    let words: Vec<&str> = words.split(' ').collect();
    ranking_beside(&rows, &words).into_iter().take(BEST).map(|at| all[at].name).collect()
}

#[test]
fn five_syrups_resemble_each() {
    let tropical = ["pineapple", "passion fruit", "mango", "guava", "banana"];
    let berry = ["strawberry", "raspberry", "blackberry", "pomegranate", "cranberry"];
    let other = ["peach", "watermelon", "green apple", "pear", "cherry"];
    let citrus = ["orange", "blood orange", "grapefruit", "sweetened lime", "lemon"];
    let dessert = ["vanilla", "cupcake", "salted caramel", "chocolate milano", "cinnamon"];
    let candy = ["blue raspberry", "blue curacao", "bubble gum", "cotton candy", "sour"];
    let cool_herbal = ["mojito", "cucumber", "blue raspberry", "blue curacao", "bubble gum"];
    let spice = ["pumpkin spice", "peppermint", "irish cream", "gingerbread", "butterbrew mix"];
    let golden: &[(&[&str], [&str; 5])] = &[
        (&["coconut"], ["coconut", "pineapple", "passion fruit", "mango", "guava"]),
        (&tropical, tropical),
        (&["huckleberry", "kiwi", "grape", "cranberry", "strawberry"], berry),
        (&other, other),
        (&["lime", "lemon", "orange"], citrus),
        (&["butterscotch", "hazelnut", "vanilla", "white chocolate"], dessert),
        (&["cotton candy", "blue raspberry"], candy),
        (&["sour"], candy),
        (&["mojito", "cucumber"], cool_herbal),
        (&["lavender"], ["lavender", "vanilla", "cupcake", "salted caramel", "chocolate milano"]),
        (&["gingerbread", "irish cream"], spice),
    ];
    for (seeds, expected) in golden {
        for seed in *seeds {
            assert_eq!(syrups_for(&likes(&[seed])), expected.iter().copied().collect(), "{seed}");
        }
    }
}

#[test]
fn five_sodas_go_with_each() {
    for place in ["tropical", "berry", "other", "citrus"] {
        let expected = ["rootbeer", "powerade", "sprite", "sprite zero", "fanta"];
        assert_eq!(sodas_for(&format!("fruit {place} cool")), expected);
    }
    for warm in ["dessert warm", "spice warm"] {
        let expected = ["dr. pepper", "diet dr. pepper", "dr. pepper zero", "dr pepper cream soda", "coke"];
        assert_eq!(sodas_for(warm), expected);
    }
    assert_eq!(sodas_for("candy cool"), ["sprite", "sprite zero", "fanta", "big red", "mtn. dew"]);
    for herbal in ["herbal cool", "herbal warm"] {
        let expected = ["mtn. dew", "diet mtn. dew", "lemonade", "light lemonade", "dr. pepper"];
        assert_eq!(sodas_for(herbal), expected);
    }
}

#[test]
fn every_drink_has_its_shape() {
    let everything: Vec<&str> = (INGREDIENTS.syrups.iter().map(|syrup| syrup.name))
        .chain(INGREDIENTS.sodas.iter().map(|soda| soda.name))
        .chain(INGREDIENTS.add_ins.iter().map(|add_in| add_in.name))
        .collect();
    for taste in [likes(&["mango"]), likes(&["vanilla", "sour", "lime"]), likes(&everything)] {
        let (mut two, mut four) = (0, 0);
        for drink in drinks(&taste) {
            match drink.syrups.len() {
                2 => two += 1,
                4 => four += 1,
                other => panic!("{other} syrups"),
            }
            assert!(drink.add_ins.len() <= 2, "{drink:?}");
            let known = |name: &&str| everything.contains(name);
            assert!(drink.syrups.iter().all(known) && known(&drink.soda) && drink.add_ins.iter().all(known));
        }
        assert!(two > 0 && (four > 0) == (taste.likes.len() > 1));
    }
}

#[test]
fn one_liked_soda_or_add_in_is_the_one() {
    let taste = likes(&["mango", "pepsi", "sprinkles", "motor oil"]);
    assert!(drinks(&taste).all(|drink| drink.soda == "pepsi"));
    let add_ins: BTreeSet<_> = drinks(&taste).map(|drink| drink.add_ins).collect();
    assert_eq!(add_ins, [vec![], vec!["sprinkles"]].into());
    // Of several, the one that goes best with the syrups.
    assert!(drinks(&likes(&["mango", "pepsi", "fanta", "coke"])).all(|drink| drink.soda == "fanta"));
    assert!(drinks(&likes(&["vanilla", "pepsi", "fanta", "coke"])).all(|drink| drink.soda == "coke"));
}

#[test]
fn two_liked_add_ins_come_together_or_alone() {
    let taste = likes(&["mango", "mango puree", "whip"]);
    let found: BTreeSet<_> = drinks(&taste).map(|drink| drink.add_ins).collect();
    assert!(found.contains(&vec![]) && found.contains(&vec!["whip", "mango puree"]));
    assert!(found.iter().all(|add_ins| add_ins.iter().all(|name| ["whip", "mango puree"].contains(name))));
}

#[test]
fn cola_gets_cream_only_from_who_likes_it() {
    let add_ins = |taste: &Taste| drinks(taste).flat_map(|drink| drink.add_ins).collect::<BTreeSet<_>>();
    let offered = add_ins(&likes(&["vanilla", "coke"]));
    let expected = ["candy", "coconut cream", "french vanilla creamer", "sprinkles", "whip"];
    assert_eq!(offered, expected.into());
    assert_eq!(add_ins(&likes(&["vanilla", "coke", "cream"])), ["cream"].into());
    assert!(add_ins(&likes(&["vanilla", "sprite"])).contains("cream"));
}

#[test]
fn the_disliked_is_never_used() {
    let taste = Taste {
        dislikes: ["mango", "powerade", "mango puree"].map(str::to_owned).into(),
        ..likes(&["mango", "guava", "banana"])
    };
    for drink in drinks(&taste) {
        assert!(
            !drink.syrups.contains(&"mango") && drink.soda != "powerade" && !drink.add_ins.contains(&"mango puree")
        );
    }
    let nothing = Taste { dislikes: ["mango".to_owned()].into(), ..likes(&["mango"]) };
    assert_eq!(compose(&nothing, &mut StdRng::seed_from_u64(1)), None);
    assert_eq!(compose(&likes(&["coke", "whip"]), &mut StdRng::seed_from_u64(1)), None);
    assert_eq!(compose(&Taste::default(), &mut StdRng::seed_from_u64(1)), None);
}

#[test]
fn what_is_not_there_is_avoided_where_there_is_else() {
    let out = ["mango", "rootbeer", "powerade", "pepsi", "mango puree"];
    let taste = Taste { missing: out.map(str::to_owned).into(), ..likes(&["mango", "pepsi"]) };
    for drink in drinks(&taste) {
        assert!(!drink.syrups.iter().chain(&drink.add_ins).chain([&drink.soda]).any(|name| out.contains(name)));
    }
    let sodas: HashSet<String> = INGREDIENTS.sodas.iter().map(|soda| soda.name.to_owned()).collect();
    let empty = Taste { missing: sodas, ..likes(&["mango"]) };
    assert_eq!(drinks(&empty).map(|drink| drink.soda).collect::<BTreeSet<_>>().len(), 5);
}

#[test]
fn a_seed_gives_the_same_drink_again() {
    let taste = likes(&["mango", "vanilla"]);
    let with = |seed| compose(&taste, &mut StdRng::seed_from_u64(seed));
    assert_eq!(with(7), with(7));
    assert!((0..20).any(|seed| with(seed) != with(7)));
}
