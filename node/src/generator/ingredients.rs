//! The ingredients and what goes well together, read from `ingredients.txt` once.

use std::sync::LazyLock;

/// What goes into drinks and what goes with what, embedded.
const TEXT: &str = include_str!("ingredients.txt");

/// Words of taste or of kind.
pub(super) type Words = Vec<&'static str>;

/// A syrup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Syrup {
    /// Its name, in lower case.
    pub(super) name: &'static str,
    /// What it tastes of.
    pub(super) tastes: Words,
}

/// A soda.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Soda {
    /// Its name, in lower case.
    pub(super) name: &'static str,
    /// Its kind.
    pub(super) kind: Words,
    /// What goes with it.
    pub(super) suits: Words,
}

/// An add-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AddIn {
    /// Its name, in lower case.
    pub(super) name: &'static str,
    /// The syrups that it goes with.
    pub(super) with_syrups: Words,
    /// The sodas that it goes with.
    pub(super) with_sodas: Words,
}

/// All ingredients, in the order in which they stand in the file.
#[derive(Debug, Default)]
pub(super) struct Ingredients {
    /// Syrups.
    pub(super) syrups: Vec<Syrup>,
    /// Sodas.
    pub(super) sodas: Vec<Soda>,
    /// Add-ins.
    pub(super) add_ins: Vec<AddIn>,
}

/// The ingredients.
pub(super) static INGREDIENTS: LazyLock<Ingredients> = LazyLock::new(|| {
    let mut read = Ingredients::default();
    TEXT.lines().filter(|line| !line.starts_with('#')).for_each(|line| read.take(line));
    read
});

impl Ingredients {
    fn take(&mut self, line: &'static str) {
        let words = |text: &'static str| text.split_whitespace().collect::<Words>();
        let names = |text: &'static str| text.split(',').map(str::trim);
        match line.split(':').map(str::trim).collect::<Vec<_>>()[..] {
            ["syrup", tastes, list] => {
                self.syrups.extend(names(list).map(|name| Syrup { name, tastes: words(tastes) }));
            }
            ["soda", kind, suits, list] => {
                self.sodas.extend(names(list).map(|name| Soda { name, kind: words(kind), suits: words(suits) }));
            }
            ["add-in", syrups, sodas, list] => {
                let add_in = |name| AddIn { name, with_syrups: words(syrups), with_sodas: words(sodas) };
                self.add_ins.extend(names(list).map(add_in));
            }
            // An empty line; a test counts what was read.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn all_of_the_file_is_read() {
        let Ingredients { syrups, sodas, add_ins } = &*INGREDIENTS;
        assert_eq!((syrups.len(), sodas.len(), add_ins.len()), (48, 19, 12));
        let names: HashSet<_> = (syrups.iter().map(|syrup| syrup.name))
            .chain(sodas.iter().map(|soda| soda.name))
            .chain(add_ins.iter().map(|add_in| add_in.name))
            .collect();
        assert_eq!(names.len(), 79);
        assert!(names.iter().all(|name| name.to_lowercase() == **name && !name.is_empty()));
    }
}
