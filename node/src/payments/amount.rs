//! Money of an order: whole cents inside, dollars as a JSON number at the edge.

/// The dearest order, in cents: ten thousand dollars.
const MAX: i64 = 1_000_000;

/// What an order costs, in cents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i64);

impl Amount {
    /// The least that providers take, in cents: Stripe's bound for dollars.
    pub(super) const LEAST: Self = Self(50);

    /// The amount of so many cents, if an order can cost that: 0 to 1,000,000.
    pub fn new(cents: i64) -> Option<Self> {
        (0..=MAX).contains(&cents).then_some(Self(cents))
    }

    /// The amount of so many dollars, to the nearest cent.
    ///
    /// # Errors
    /// It is not a number from 0 to 10,000; says so for people.
    pub fn from_dollars(dollars: f64) -> Result<Self, &'static str> {
        let problem = "must be a number from 0 to 10000";
        if !(0.0..=10_000.0).contains(&dollars) {
            return Err(problem);
        }
        #[allow(clippy::cast_possible_truncation, reason = "checked just above")]
        Self::new((dollars * 100.0).round() as i64).ok_or(problem)
    }

    /// In cents.
    pub const fn cents(self) -> i64 {
        self.0
    }
}

/// Cents in dollars; exact to the cent when written with two decimals, for sums below 90 trillion dollars.
pub(super) fn dollars(cents: i64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "sums of a store stay far below 2^53 cents")]
    let cents = cents as f64;
    cents / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_become_the_nearest_cents() {
        // 2.30 and 4.10 times 100 are a hair below the whole number.
        for (amount, cents) in [(0.0, 0), (2.3, 230), (4.1, 410), (0.005, 1), (10_000.0, MAX)] {
            assert_eq!(Amount::from_dollars(amount).unwrap().cents(), cents, "{amount}");
        }
        for amount in [-0.01, 10_000.01, f64::NAN, f64::INFINITY] {
            assert!(Amount::from_dollars(amount).is_err(), "{amount}");
        }
        assert!(Amount::new(-1).is_none() && Amount::new(MAX + 1).is_none());
        assert_eq!(dollars(-435).to_string(), "-4.35");
    }
}
