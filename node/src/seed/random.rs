//! Chance that can be had again: the same seed gives the same numbers, on every machine and with every version of every
//! library (SplitMix64; nothing secret is ever made of it).

use uuid::Uuid;

/// A source of numbers. Each part of the data has one of its own, so that a change of one part leaves the others alone.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The source of a part, which is told by its name.
    pub fn new(seed: u64, part: &str) -> Self {
        // FNV-1a, begun with the seed.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(part.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when there is none below it.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        // The upper half of a product of two 64-bit numbers fits.
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let count = high.saturating_sub(low).saturating_add(1).max(1);
        low.saturating_add_unsigned(self.below(count.unsigned_abs()))
    }

    /// Whether what happens so many times in a hundred happens.
    pub fn percent(&mut self, times: u64) -> bool {
        self.below(100) < times
    }

    /// The place of one of the weights, the heavier the likelier; the first when all are 0.
    pub fn weighted(&mut self, weights: &[u64]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (at, weight) in weights.iter().enumerate() {
            if left < *weight {
                return at;
            }
            left -= weight;
        }
        0
    }

    /// One of several.
    ///
    /// # Panics
    /// There is none to choose from.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let at = self.below(all.len() as u64);
        &all[usize::try_from(at).unwrap_or_default()]
    }

    /// A UUID (version 4, by its form).
    pub fn uuid(&mut self) -> Uuid {
        let bytes = u128::from(self.next()) << 64 | u128::from(self.next());
        uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_and_another_one_another() {
        let some = |seed, part: &str| {
            let mut random = Random::new(seed, part);
            [random.below(1_000_000), random.below(1_000_000), random.below(1_000_000)]
        };
        assert_eq!(some(1, "orders"), some(1, "orders"));
        assert_ne!(some(1, "orders"), some(2, "orders"));
        assert_ne!(some(1, "orders"), some(1, "people"));
        // Written down, so that a change of the rule is noticed: it would change everybody's data.
        assert_eq!(Random::new(1, "orders").uuid().to_string(), "185d7e23-6f77-4ad5-8e7a-de6df2d22f4b");
    }

    #[test]
    fn numbers_keep_to_their_bounds() {
        let mut random = Random::new(7, "bounds");
        let mut seen = [0_u32; 3];
        for _ in 0..3_000 {
            assert!((-2..=2).contains(&random.between(-2, 2)));
            seen[random.weighted(&[0, 1, 3])] += 1;
        }
        assert_eq!(seen[0], 0);
        assert!(seen[2] > 2 * seen[1], "{seen:?}");
        assert_eq!((random.below(0), random.between(5, 5), random.weighted(&[0, 0])), (0, 5, 0));
        assert!(!random.percent(0) && random.percent(100));
    }
}
