//! The shelves of a store: filled on Mondays, emptied by orders, and never below nothing.

use std::collections::HashMap;

use chrono::{DateTime, Datelike as _, NaiveTime, TimeDelta, Utc, Weekday};

use super::{
    calendar::{self, Span},
    sales::Sale,
};
use crate::{
    inventory::{self, Kind, Reason, vocabulary::fold},
    orders::Status,
    seed::{
        Random,
        goods::{self, Offer},
        network::Site,
    },
};

/// When shelves are filled and counted, in minutes since midnight of the store's own time.
const FILLED: u32 = 5 * 60 + 30;
const COUNTED: u32 = 22 * 60 + 30;

/// Shelves below this share of their level, in percent, are filled on Mondays.
const FILLED_BELOW: i32 = 60;

/// Drinks of the menu whose ingredients a store never lets run low.
const ALWAYS: usize = 3;

/// How many shelves are found low when the store is counted on the last day.
const LOW: (i64, i64) = (3, 7);

/// A change of a quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::seed) struct Move {
    /// Units added; negative for units taken.
    pub(in crate::seed) change: i32,
    /// Why.
    pub(in crate::seed) reason: Reason,
    /// The sale behind it, by its place among the store's.
    pub(in crate::seed) sale: Option<usize>,
    /// When.
    pub(in crate::seed) at: DateTime<Utc>,
}

/// An item and what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::seed) struct Shelf {
    /// What it is.
    pub(in crate::seed) kind: Kind,
    /// Its name.
    pub(in crate::seed) name: &'static str,
    /// At or below this many it runs low.
    pub(in crate::seed) threshold: i32,
    /// The changes, the first one being the first delivery, in order of time.
    pub(in crate::seed) moves: Vec<Move>,
    /// Units after all of them.
    pub(in crate::seed) quantity: i32,
    level: i32,
}

impl Shelf {
    fn new(kind: Kind, name: &'static str, at: DateTime<Utc>) -> Self {
        let (level, threshold) = goods::level(kind);
        let mut shelf = Self { kind, name, threshold, moves: Vec::new(), quantity: 0, level };
        shelf.fill(at);
        shelf
    }

    fn change(&mut self, change: i32, reason: Reason, sale: Option<usize>, at: DateTime<Utc>) {
        if change != 0 {
            self.quantity += change;
            self.moves.push(Move { change, reason, sale, at });
        }
    }

    fn fill(&mut self, at: DateTime<Utc>) {
        self.change(self.level - self.quantity, Reason::Restock, None, at);
    }
}

/// The shelves of a store in a span, given its sales.
pub(in crate::seed) fn shelves(seed: u64, site: &Site, span: Span, sales: &[Sale], menu: &[Offer]) -> Vec<Shelf> {
    let at = |date, minutes: u32| {
        let time = NaiveTime::from_num_seconds_from_midnight_opt(minutes * 60, 0).unwrap_or_default();
        calendar::moment(date, time, site.zone)
    };
    let opened = at(span.first, FILLED);
    let mut shelves: Vec<Shelf> = goods::STOCK
        .iter()
        .flat_map(|(kind, names)| names.iter().map(|name| Shelf::new(*kind, name, opened)))
        .collect();
    let places: HashMap<(Kind, String), usize> =
        shelves.iter().enumerate().map(|(place, shelf)| ((shelf.kind, fold(shelf.name)), place)).collect();
    let mut mondays = span.dates().skip(1).filter(|date| date.weekday() == Weekday::Mon).peekable();
    for (number, sale) in sales.iter().enumerate() {
        while let Some(monday) = mondays.next_if(|monday| at(*monday, FILLED) <= sale.at) {
            let wanting = |shelf: &&mut Shelf| shelf.quantity * 100 < shelf.level * FILLED_BELOW;
            shelves.iter_mut().filter(wanting).for_each(|shelf| shelf.fill(at(monday, FILLED)));
        }
        serve(&mut shelves, &places, sale, number);
    }
    let mut random = Random::new(seed, &format!("shelves of {}", site.number));
    count(&mut random, &mut shelves, menu, at(span.last(), COUNTED));
    shelves
}

/// Takes what an order needs, and gives it back if nothing of it was made. What is not there comes just before.
fn serve(shelves: &mut [Shelf], places: &HashMap<(Kind, String), usize>, sale: &Sale, number: usize) {
    let mut taken: Vec<(usize, i32)> = Vec::new();
    for need in inventory::needs(sale.recipes()) {
        let Some(place) = places.get(&(need.kind, fold(&need.name))) else { continue };
        match taken.iter_mut().find(|(other, _)| other == place) {
            Some((_, units)) => *units += 1,
            None => taken.push((*place, 1)),
        }
    }
    for (place, units) in taken {
        let shelf = &mut shelves[place];
        if shelf.quantity < units {
            shelf.fill(sale.at - TimeDelta::seconds(1));
        }
        shelf.change(-units, Reason::Order, Some(number), sale.at);
        if let (Status::Cancelled, Some(back)) = (sale.status, &sale.back) {
            shelf.change(units, Reason::Returned, Some(number), back.at);
        }
    }
}

/// Finds some shelves low: what was spilt, broken or never written down.
fn count(random: &mut Random, shelves: &mut [Shelf], menu: &[Offer], at: DateTime<Utc>) {
    let always = inventory::needs(menu.iter().take(ALWAYS).map(|offer| &offer.recipe));
    let is_spared = |shelf: &Shelf| {
        shelf.kind == Kind::Physical
            || always.iter().any(|need| need.kind == shelf.kind && fold(&need.name) == fold(shelf.name))
    };
    let spared: Vec<bool> = shelves.iter().map(is_spared).collect();
    let mut may_lack: Vec<&mut Shelf> =
        shelves.iter_mut().zip(spared).filter_map(|(shelf, spared)| (!spared).then_some(shelf)).collect();
    for low in 0..random.between(LOW.0, LOW.1) {
        let place = usize::try_from(random.below(may_lack.len() as u64)).unwrap_or_default();
        let Some(shelf) = may_lack.get_mut(place) else { return };
        // The first one is gone altogether.
        let left = if low == 0 { 0 } else { i32::try_from(random.between(1, shelf.threshold.into())).unwrap_or(0) };
        shelf.change((left - shelf.quantity).min(0), Reason::Correction, None, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{
        network::{Profile, sites},
        trade::sales::sales,
    };

    #[test]
    fn shelves_add_up_and_are_never_below_nothing() {
        let span = Span::ending("2026-10-31".parse().unwrap(), 30).unwrap();
        let menu = goods::menu();
        for site in sites(Profile::Demo).iter().filter(|site| !site.is_hub()) {
            let sales = sales(1, site, span, &[101_003], &menu);
            let shelves = shelves(1, site, span, &sales, &menu);
            assert_eq!(shelves.len(), 84);
            for shelf in &shelves {
                let mut quantity = 0;
                for change in &shelf.moves {
                    quantity += change.change;
                    assert!(quantity >= 0, "{shelf:?}");
                }
                assert_eq!(quantity, shelf.quantity);
            }
            let low = shelves.iter().filter(|shelf| shelf.quantity <= shelf.threshold).count();
            assert!((1..=20).contains(&low), "{low}");
            assert!(shelves.iter().any(|shelf| shelf.quantity == 0));
            let straws = shelves.iter().find(|shelf| shelf.name == "Straws").unwrap();
            let taken: i32 = straws.moves.iter().filter(|m| m.reason == Reason::Order).map(|m| -m.change).sum();
            assert_eq!(usize::try_from(taken).unwrap(), sales.iter().map(|sale| sale.cups.len()).sum::<usize>());
        }
    }
}
