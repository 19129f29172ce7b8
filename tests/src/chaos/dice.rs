//! Randomness that one number decides: the same seed, the same throws, on every machine and with every version of every
//! library (SplitMix64).

use std::time::Duration;

/// A sequence of throws. A clone goes on alike.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of a seed.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence of its own, for something that runs beside this.
    pub fn split(&mut self) -> Self {
        Self(self.throw())
    }

    /// The next number.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.throw() % end
    }

    /// One of so many things.
    pub fn pick(&mut self, of: usize) -> usize {
        usize::try_from(self.below(of as u64)).unwrap()
    }

    /// True once in so many throws.
    pub fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    /// A time of less than so many milliseconds.
    pub fn millis(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_sequence() {
        let throws = |seed| {
            let mut dice = Dice::of(seed);
            [dice.throw(), dice.throw()]
        };
        // The figures of SplitMix64's authors for the seed 0.
        assert_eq!(throws(0), [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
        assert_ne!(throws(1), throws(2));
        let mut dice = Dice::of(7);
        assert!((0..1_000).all(|_| dice.below(3) < 3 && dice.pick(5) < 5));
    }
}
