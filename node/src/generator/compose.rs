//! Composing a drink: pure, with the randomness handed in. Syrups that resemble liked ones, a soda that goes with them,
//! add-ins that go with both.

use std::collections::HashSet;

use rand::{Rng, RngExt as _};

use super::{
    ingredients::{INGREDIENTS, Soda},
    similarity::{ranking, ranking_beside},
};

/// How many of the best fitting are chosen from.
const BEST: usize = 5;

/// What is taken into account.
#[derive(Clone, Debug, Default)]
pub struct Taste {
    /// Names of liked ingredients, in lower case; names that are no ingredient's count for nothing.
    pub likes: Vec<String>,
    /// Names of ingredients that are not to be used.
    pub dislikes: HashSet<String>,
    /// Names of ingredients that are not there: used only where there is nothing else.
    pub missing: HashSet<String>,
}

/// What a drink is composed of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composition {
    /// Two or four syrups; the same may be there twice.
    pub syrups: Vec<&'static str>,
    /// The soda.
    pub soda: &'static str,
    /// Up to two add-ins.
    pub add_ins: Vec<&'static str>,
}

/// Composes a drink; `None` when no syrup is liked, or nothing is left of what may be used.
pub fn compose(taste: &Taste, rng: &mut impl Rng) -> Option<Composition> {
    let syrups = syrups(taste, rng)?;
    let words = tastes(&syrups);
    let soda = soda(taste, &words, rng)?;
    let add_ins = add_ins(taste, &words, soda, rng);
    Some(Composition { syrups, soda: soda.name, add_ins })
}

impl Taste {
    fn allows(&self, name: &str) -> bool {
        !self.dislikes.contains(name)
    }

    /// The liked and allowed among these.
    fn liked<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        names.filter(|name| self.allows(name) && self.likes.iter().any(|like| like == name)).collect()
    }

    /// Those that may be used: of the allowed ones those that are there, or all where none is.
    fn usable<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let allowed: Vec<&str> = names.filter(|name| self.allows(name)).collect();
        let there: Vec<&str> = allowed.iter().copied().filter(|name| !self.missing.contains(*name)).collect();
        if there.is_empty() { allowed } else { there }
    }
}

fn pick<T: Copy>(from: &[T], rng: &mut impl Rng) -> Option<T> {
    if from.is_empty() { None } else { from.get(rng.random_range(0..from.len())).copied() }
}

/// Two picks of liked syrups, and for each different one two of those that resemble it most.
fn syrups(taste: &Taste, rng: &mut impl Rng) -> Option<Vec<&'static str>> {
    let all = &INGREDIENTS.syrups;
    // In the order of the likes, as they count.
    let liked: Vec<_> = (taste.likes.iter().filter(|name| taste.allows(name)))
        .filter_map(|name| all.iter().find(|syrup| syrup.name == name))
        .collect();
    let (one, other) = (pick(&liked, rng)?, pick(&liked, rng)?);
    let seeds = if one == other { vec![one] } else { vec![one, other] };
    let rows: Vec<&[&str]> = all.iter().map(|syrup| syrup.tastes.as_slice()).collect();
    let mut chosen = Vec::with_capacity(4);
    for seed in seeds {
        let ranked = ranking(&rows, &seed.tastes).into_iter().map(|at| all[at].name);
        let best: Vec<&str> = taste.usable(ranked).into_iter().take(BEST).collect();
        chosen.extend([pick(&best, rng)?, pick(&best, rng)?]);
    }
    Some(chosen)
}

/// What these syrups taste of, each word once.
fn tastes(syrups: &[&str]) -> Vec<&'static str> {
    let mut words = Vec::new();
    for name in syrups {
        let tastes = INGREDIENTS.syrups.iter().find(|syrup| syrup.name == *name).map(|syrup| &syrup.tastes);
        for word in tastes.into_iter().flatten() {
            if !words.contains(word) {
                words.push(*word);
            }
        }
    }
    words
}

/// The one liked soda, or the best fitting of several liked ones, or else one of those that fit best.
fn soda(taste: &Taste, words: &[&str], rng: &mut impl Rng) -> Option<&'static Soda> {
    let all = &INGREDIENTS.sodas;
    let liked = taste.liked(all.iter().map(|soda| soda.name));
    let liked: Vec<&str> = liked.into_iter().filter(|name| !taste.missing.contains(*name)).collect();
    let named = |name: &str| all.iter().find(|soda| soda.name == name);
    if let [only] = liked[..] {
        return named(only);
    }
    let rows: Vec<&[&str]> = all.iter().map(|soda| soda.suits.as_slice()).collect();
    let ranked: Vec<&'static str> = ranking_beside(&rows, words).into_iter().map(|at| all[at].name).collect();
    if let Some(best) = ranked.iter().find(|name| liked.contains(*name)) {
        return named(best);
    }
    let best: Vec<&str> = taste.usable(ranked.into_iter()).into_iter().take(BEST).collect();
    named(pick(&best, rng)?)
}

/// None, one or two add-ins.
fn add_ins(taste: &Taste, words: &[&str], soda: &Soda, rng: &mut impl Rng) -> Vec<&'static str> {
    let count = rng.random_range(0..=2_usize);
    if count == 0 {
        return Vec::new();
    }
    let all = &INGREDIENTS.add_ins;
    let liked: Vec<&'static str> = taste.liked(all.iter().map(|add_in| add_in.name));
    let liked: Vec<&'static str> = liked.into_iter().filter(|name| !taste.missing.contains(*name)).collect();
    if let [only] = liked[..] {
        return vec![only];
    }
    let by_syrups: Vec<&[&str]> = all.iter().map(|add_in| add_in.with_syrups.as_slice()).collect();
    let by_sodas: Vec<&[&str]> = all.iter().map(|add_in| add_in.with_sodas.as_slice()).collect();
    let fits_syrups = ranking_beside(&by_syrups, words);
    let fits_soda = ranking_beside(&by_sodas, &soda.kind);
    if liked.is_empty() {
        let both = fits_syrups.into_iter().filter(|at| fits_soda.contains(at)).map(|at| all[at].name);
        let best: Vec<&'static str> = taste.usable(both).into_iter().take(BEST).collect();
        return (0..count).filter_map(|_| pick(&best, rng)).collect();
    }
    if count == 2 && liked.len() == 2 {
        return liked;
    }
    let best = |ranked: Vec<usize>| ranked.into_iter().map(|at| all[at].name).find(|name| liked.contains(name));
    let candidates: Vec<&'static str> = [best(fits_syrups), best(fits_soda)].into_iter().flatten().collect();
    (0..count).filter_map(|_| pick(&candidates, rng)).collect()
}

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
