//! Public numbers: `counter * 100,000 + node number`. The app needs JSON numbers; any gateway can tell from a number
//! alone where it was born, and no two nodes ever make the same one.

/// Distance between two numbers of one node; node numbers are below it.
pub const STRIDE: i64 = 100_000;

/// The highest node number.
pub const NODE_MAX: u32 = 99_999;

/// The highest node number of a hub; stores are above it.
pub const HUB_MAX: u32 = 999;

/// The largest number that JSON readers hold exactly (2^53 - 1).
pub const MAX: i64 = (1 << 53) - 1;

/// The number of a node's `counter`-th thing, if it still fits.
pub fn compose(counter: i64, node: u32) -> Option<i64> {
    let number = counter.checked_mul(STRIDE)?.checked_add(i64::from(node))?;
    (counter >= 1 && (1..=NODE_MAX).contains(&node) && number <= MAX).then_some(number)
}

/// The number of the node where `number` was born. Numbers below 100,000 come from the first imported legacy database
/// and have none.
pub fn born_at(number: i64) -> Option<u32> {
    (number >= STRIDE).then(|| (number % STRIDE).try_into().ok()).flatten().filter(|node| *node >= 1)
}

/// Whether `number` was born at a hub.
pub fn is_hub_born(number: i64) -> bool {
    born_at(number).is_some_and(|node| node <= HUB_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_says_where_it_was_born() {
        assert_eq!(compose(1042, 17), Some(104_200_017));
        assert_eq!(born_at(104_200_017), Some(17));
        assert!(is_hub_born(104_200_017));
        assert!(!is_hub_born(compose(1, 1000).unwrap()));
        assert_eq!(born_at(64), None);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(compose(0, 17), None);
        assert_eq!(compose(1, 100_000), None);
        assert_eq!(compose(MAX / STRIDE + 1, 17), None);
    }
}
