//! How long drinks take to make: a pure rule (requirement 5.42).

use crate::catalog::Recipe;

/// How much work an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complexity {
    /// One drink of at most three components.
    Simple,
    /// At most two drinks of at most six components together.
    Medium,
    /// More.
    Complex,
}

impl Complexity {
    /// That of drinks made together.
    pub fn of<'a>(drinks: impl IntoIterator<Item = &'a Recipe>) -> Self {
        let parts = |drink: &Recipe| drink.sodas.len() + drink.syrups.len() + drink.add_ins.len();
        let (drinks, parts) =
            drinks.into_iter().fold((0_usize, 0_usize), |(count, sum), drink| (count + 1, sum + parts(drink)));
        match (drinks, parts) {
            (0..=1, 0..=3) => Self::Simple,
            (0..=2, 0..=6) => Self::Medium,
            _ => Self::Complex,
        }
    }

    /// Reads the word of the contract.
    ///
    /// # Errors
    /// It is none; says which there are.
    pub fn parse(word: &str) -> Result<Self, &'static str> {
        match word.trim().to_ascii_lowercase().as_str() {
            "simple" => Ok(Self::Simple),
            "medium" => Ok(Self::Medium),
            "complex" => Ok(Self::Complex),
            _ => Err("must be simple, medium or complex"),
        }
    }

    /// Minutes of preparation.
    pub const fn minutes(self) -> i32 {
        match self {
            Self::Simple => 2,
            Self::Medium => 3,
            Self::Complex => 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{
        money::Cents,
        recipe::{Ice, Size},
    };

    fn drink(parts: usize) -> Recipe {
        Recipe {
            name: "Float".into(),
            syrups: vec!["Vanilla".into(); parts - 1],
            sodas: vec!["Coke".into()],
            add_ins: Vec::new(),
            price: Cents::new(200).unwrap(),
            size: Size::Medium,
            ice: Ice::Regular,
        }
    }

    #[test]
    fn more_drinks_and_more_parts_take_longer() {
        let minutes = |parts: &[usize]| {
            let drinks: Vec<Recipe> = parts.iter().map(|parts| drink(*parts)).collect();
            Complexity::of(&drinks).minutes()
        };
        assert_eq!([minutes(&[3]), minutes(&[4]), minutes(&[6]), minutes(&[7])], [2, 3, 3, 5]);
        assert_eq!([minutes(&[1, 1]), minutes(&[3, 3]), minutes(&[3, 4]), minutes(&[1, 1, 1])], [3, 3, 5, 5]);
    }
}
