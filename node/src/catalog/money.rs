//! Money: whole cents inside, dollars as a JSON number at the edge.

/// An amount in cents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cents(i64);

/// The dearest drink: a thousand dollars.
const MAX: i64 = 100_000;

impl Cents {
    /// The highest price.
    pub const MAX: Self = Self(MAX);

    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The amount of so many cents, if it is a price: 0 to 100,000.
    pub fn new(cents: i64) -> Option<Self> {
        (0..=MAX).contains(&cents).then_some(Self(cents))
    }

    /// The amount of so many dollars, to the nearest cent.
    ///
    /// # Errors
    /// It is not a number from 0 to 1,000; says so for people.
    pub fn from_dollars(dollars: f64) -> Result<Self, &'static str> {
        let problem = "must be a number from 0 to 1000";
        if !(0.0..=1_000.0).contains(&dollars) {
            return Err(problem);
        }
        // In range, so the cast is exact.
        #[allow(clippy::cast_possible_truncation, reason = "checked just above")]
        Self::new((dollars * 100.0).round() as i64).ok_or(problem)
    }

    /// In cents.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// In dollars; exact to the cent when written with two decimals.
    pub fn dollars(self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "at most 100,000")]
        let cents = self.0 as f64;
        cents / 100.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dollars_become_the_nearest_cents() {
        // 4.35 and 5.99 times 100 are a hair below the whole number.
        for (dollars, cents) in
            [(0.0, 0), (-0.0, 0), (2.0, 200), (5.99, 599), (4.35, 435), (0.005, 1), (1_000.0, 100_000)]
        {
            assert_eq!(Cents::from_dollars(dollars).unwrap().get(), cents, "{dollars}");
        }
        for dollars in [-0.01, 1_000.01, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(Cents::from_dollars(dollars).is_err(), "{dollars}");
        }
    }

    proptest! {
        #[test]
        fn cents_survive_the_edge(cents in 0_i64..=100_000) {
            prop_assert_eq!(Cents::from_dollars(Cents(cents).dollars()).unwrap(), Cents(cents));
        }
    }
}
