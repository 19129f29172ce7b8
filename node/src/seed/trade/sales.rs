//! The orders of a store.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::calendar::{self, Span};
use crate::{
    catalog::{
        Recipe, pricing,
        recipe::{Ice, Size},
    },
    inventory::Kind,
    orders::{Status, preparation::Complexity},
    seed::{
        Random,
        goods::{self, Offer},
        network::Site,
    },
};

/// Combinations of a locker: five digits.
const COMBINATIONS: u64 = 100_000;

/// How likely an order has one, two or three drinks.
const DRINKS: [u64; 3] = [55, 30, 15];

/// How likely cups are small, medium or large, and ice is none, light, regular or extra.
const SIZES: [u64; 3] = [2, 5, 3];
const ICES: [u64; 4] = [1, 2, 6, 1];

/// Orders in a hundred that are of guests, composed by the customer, and for a later time.
const GUESTS: u64 = 20;
const COMPOSED: u64 = 25;
const LATER: u64 = 15;

/// Orders in a thousand that are cancelled, never picked up, and complained about.
const ENDS: [u64; 4] = [40, 10, 20, 930];

/// A drink of an order.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::seed) struct Cup {
    /// Its place on the menu; `None` when the customer composed it.
    pub(in crate::seed) offer: Option<usize>,
    /// What it is made of.
    pub(in crate::seed) recipe: Recipe,
}

/// Money that was given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::seed) struct GivenBack {
    /// UUID of the refund.
    pub(in crate::seed) id: Uuid,
    /// How much, in cents.
    pub(in crate::seed) cents: i64,
    /// Why.
    pub(in crate::seed) why: &'static str,
    /// When.
    pub(in crate::seed) at: DateTime<Utc>,
}

/// An order, paid, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::seed) struct Sale {
    /// When it was placed.
    pub(in crate::seed) at: DateTime<Utc>,
    /// Number of the customer; `None` for guests.
    pub(in crate::seed) customer: Option<i64>,
    /// The drinks.
    pub(in crate::seed) cups: Vec<Cup>,
    /// When the customer wanted it.
    pub(in crate::seed) pickup: Option<DateTime<Utc>>,
    /// How it ended.
    pub(in crate::seed) status: Status,
    /// Minutes of preparation.
    pub(in crate::seed) minutes: i32,
    /// When preparation began.
    pub(in crate::seed) begins: DateTime<Utc>,
    /// Combination of the locker.
    pub(in crate::seed) locker: String,
    /// UUID of the payment.
    pub(in crate::seed) payment: Uuid,
    /// What was given back.
    pub(in crate::seed) back: Option<GivenBack>,
}

impl Sale {
    /// What it cost, in cents.
    pub(in crate::seed) fn cents(&self) -> i64 {
        self.cups.iter().map(|cup| cup.recipe.price.get()).sum()
    }

    /// What it is made of.
    pub(in crate::seed) fn recipes(&self) -> impl Iterator<Item = &Recipe> {
        self.cups.iter().map(|cup| &cup.recipe)
    }

    /// When it was ready.
    pub(in crate::seed) fn ready(&self) -> DateTime<Utc> {
        self.begins + TimeDelta::minutes(self.minutes.into())
    }
}

/// The orders of a store in a span, in order of time.
pub(in crate::seed) fn sales(seed: u64, site: &Site, span: Span, customers: &[i64], menu: &[Offer]) -> Vec<Sale> {
    let mut random = Random::new(seed, &format!("sales of {}", site.number));
    let usual = calendar::usual(&mut random);
    let mut sales = Vec::new();
    for date in span.dates() {
        for at in calendar::times(&mut random, usual, date, site.zone) {
            sales.push(sale(&mut random, at, customers, menu));
        }
    }
    sales
}

fn sale(random: &mut Random, at: DateTime<Utc>, customers: &[i64], menu: &[Offer]) -> Sale {
    let customer = (!random.percent(GUESTS) && !customers.is_empty()).then(|| *random.one_of(customers));
    let cups: Vec<Cup> = (0..=random.weighted(&DRINKS)).map(|_| cup(random, menu)).collect();
    let minutes = Complexity::of(cups.iter().map(|cup| &cup.recipe)).minutes();
    let pickup = random.percent(LATER).then(|| at + TimeDelta::minutes(random.between(20, 60)));
    let begins = pickup.map_or(at, |pickup| pickup - TimeDelta::minutes(minutes.into()));
    let mut sale = Sale {
        at,
        customer,
        cups,
        pickup,
        status: Status::Completed,
        minutes,
        begins,
        locker: format!("{:05}", random.below(COMBINATIONS)),
        payment: random.uuid(),
        back: None,
    };
    match random.weighted(&ENDS) {
        0 => {
            sale.status = Status::Cancelled;
            let (cents, at) = (sale.cents(), at + TimeDelta::seconds(random.between(20, 100)));
            sale.back = Some(GivenBack { id: random.uuid(), cents, why: "The order was cancelled.", at });
        }
        1 => sale.status = Status::Expired,
        2 => {
            let cents = random.one_of(&sale.cups).recipe.price.get();
            let at = sale.ready() + TimeDelta::minutes(random.between(10, 90));
            sale.back = Some(GivenBack { id: random.uuid(), cents, why: "The drink was wrong.", at });
        }
        _ => {}
    }
    sale
}

fn cup(random: &mut Random, menu: &[Offer]) -> Cup {
    let weights: Vec<u64> = menu.iter().map(|offer| offer.weight).collect();
    let offer = random.weighted(&weights);
    let (offer, mut recipe) = match menu.get(offer) {
        Some(found) if !random.percent(COMPOSED) => (Some(offer), found.recipe.clone()),
        _ => (None, composed(random)),
    };
    recipe.size = [Size::Small, Size::Medium, Size::Large][random.weighted(&SIZES)];
    recipe.ice = [Ice::None, Ice::Light, Ice::Regular, Ice::Extra][random.weighted(&ICES)];
    Cup { offer, recipe }
}

/// A drink that a customer put together.
fn composed(random: &mut Random) -> Recipe {
    let soda = *random.one_of(goods::names(Kind::Soda));
    let mut several = |kind: Kind, count: usize| {
        let mut chosen: Vec<&str> = Vec::new();
        for _ in 0..count {
            let name = *random.one_of(goods::names(kind));
            if !chosen.contains(&name) {
                chosen.push(name);
            }
        }
        chosen
    };
    let syrups = several(Kind::Syrup, 2);
    let add_ins = several(Kind::AddIn, 1);
    let name = format!("{} {soda}", syrups.first().copied().unwrap_or("Plain"));
    let mut recipe = goods::recipe(&name, &[soda], &syrups, if random.percent(50) { &add_ins } else { &[] });
    recipe.price = pricing::price(&recipe, &[]);
    recipe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::network::{Profile, sites};

    fn month(seed: u64) -> Vec<Sale> {
        let site = sites(Profile::Demo).remove(1);
        let span = Span::ending("2026-10-31".parse().unwrap(), 30).unwrap();
        sales(seed, &site, span, &[101_003, 201_003], &goods::menu())
    }

    #[test]
    fn the_same_seed_sells_the_same() {
        assert_eq!(month(1), month(1));
        assert_ne!(month(1), month(2));
    }

    #[test]
    fn a_month_has_everything_that_happens_in_a_store() {
        let sales = month(1);
        assert!((150..=450).contains(&sales.len()), "{}", sales.len());
        assert!(sales.is_sorted_by_key(|sale| sale.at));
        assert!(sales.iter().all(|sale| (1..=3).contains(&sale.cups.len()) && sale.cents() >= 200));
        let some = |holds: fn(&Sale) -> bool| sales.iter().any(holds);
        assert!(some(|sale| sale.status == Status::Cancelled) && some(|sale| sale.status == Status::Expired));
        assert!(some(|sale| sale.customer.is_none()) && some(|sale| sale.pickup.is_some()));
        assert!(some(|sale| sale.status == Status::Completed && sale.back.is_some()));
        assert!(some(|sale| sale.cups.iter().any(|cup| cup.offer.is_none())));
        for sale in &sales {
            let back = sale.back.as_ref();
            assert!(back.is_none_or(|back| back.cents <= sale.cents() && back.at > sale.at), "{sale:?}");
            assert_eq!(
                sale.status == Status::Cancelled,
                back.is_some_and(|back| back.cents == sale.cents() && back.why.contains("cancelled"))
            );
        }
    }
}
