//! How well words fit words: the cosine between their counts, compared exactly, without rounding.

use std::cmp::Ordering;

/// A cosine as its square, a fraction. All words of a thing differ, so counts are 0 or 1 and a thing's length is the root
/// of how many words it has.
#[derive(Clone, Copy, Debug)]
struct Fit {
    /// Square of the number of words in common.
    above: usize,
    /// Product of both numbers of words.
    below: usize,
}

impl Fit {
    fn of(one: &[&str], other: &[&str]) -> Self {
        let common = one.iter().filter(|word| other.contains(word)).count();
        Self { above: common * common, below: (one.len() * other.len()).max(1) }
    }

    fn compare(self, other: Self) -> Ordering {
        (self.above * other.below).cmp(&(other.above * self.below))
    }
}

/// The positions of all `rows`, those that fit `words` best first; what fits equally well stays in order.
pub(super) fn ranking(rows: &[&[&str]], words: &[&str]) -> Vec<usize> {
    let mut order: Vec<(usize, Fit)> = rows.iter().map(|row| Fit::of(row, words)).enumerate().collect();
    order.sort_by(|(_, one), (_, other)| other.compare(*one));
    order.into_iter().map(|(at, _)| at).collect()
}

/// As [`ranking`] with the words themselves as one more row at the end, of which the first is left out. That is mostly the
/// words' own row; where a row before it has the very same words, that one is left out instead: so no cola is offered
/// cream, unless somebody likes it.
pub(super) fn ranking_beside(rows: &[&[&str]], words: &[&str]) -> Vec<usize> {
    let mut all = rows.to_vec();
    all.push(words);
    ranking(&all, words).into_iter().skip(1).filter(|at| *at < rows.len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_equals_keep_their_order() {
        let rows: [&[&str]; 4] = [&["a"], &["b", "c"], &["b"], &["c", "b"]];
        assert_eq!(ranking(&rows, &["b", "c"]), [1, 3, 2, 0]);
        assert_eq!(ranking_beside(&rows, &["b", "c"]), [3, 2, 0]);
        assert_eq!(ranking_beside(&rows, &["b", "d"]), [2, 1, 3, 0]);
        assert_eq!(ranking(&[&[]], &[]), [0]);
    }
}
