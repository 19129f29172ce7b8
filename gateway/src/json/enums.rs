//! Enum words: the value's name without the name of its type (`NODE_TYPE_STORE` is `STORE`).

use std::collections::HashMap;

use prost_reflect::EnumDescriptor;

/// An enum type with its words.
#[derive(Debug)]
pub(crate) struct Words {
    by_word: HashMap<Box<str>, i32>,
    /// Sorted by number; the words stand in quotes, ready to be written.
    by_number: Vec<(i32, Box<str>)>,
    /// The words a caller may choose from, for messages and for the OpenAPI page.
    pub(crate) allowed: Vec<Box<str>>,
}

impl Words {
    pub(crate) fn new(descriptor: &EnumDescriptor) -> Self {
        let prefix = upper_snake(descriptor.name()) + "_";
        let mut words = Self { by_word: HashMap::new(), by_number: Vec::new(), allowed: Vec::new() };
        for value in descriptor.values() {
            let word: Box<str> = value.name().strip_prefix(&prefix).unwrap_or(value.name()).into();
            if !words.by_number.iter().any(|(number, _)| *number == value.number()) {
                words.by_number.push((value.number(), format!("\"{word}\"").into()));
            }
            words.allowed.push(word.clone());
            words.by_word.insert(word, value.number());
        }
        words.by_number.sort_by_key(|(number, _)| *number);
        words
    }

    pub(crate) fn number(&self, word: &str) -> Option<i32> {
        self.by_word.get(word).copied()
    }

    /// The word in quotes.
    pub(crate) fn quoted(&self, number: i32) -> Option<&str> {
        let at = self.by_number.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(&self.by_number[at].1)
    }

    /// What to say about a word that is none of these.
    pub(crate) fn problem(&self) -> String {
        let words: Vec<&str> = self.allowed.iter().map(|word| &**word).filter(|word| *word != "UNSPECIFIED").collect();
        format!("must be one of {}", words.join(", "))
    }
}

/// `NodeType` becomes `NODE_TYPE`, `HTTPStatus` becomes `HTTP_STATUS`.
fn upper_snake(camel: &str) -> String {
    let chars: Vec<char> = camel.chars().collect();
    let mut snake = String::with_capacity(camel.len() + 4);
    for (at, c) in chars.iter().enumerate() {
        let after_lower = at > 0 && !chars[at - 1].is_uppercase();
        let before_lower = at > 0 && chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_lower || before_lower) {
            snake.push('_');
        }
        snake.extend(c.to_uppercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_become_prefixes() {
        assert_eq!(upper_snake("NodeType"), "NODE_TYPE");
        assert_eq!(upper_snake("HTTPStatus"), "HTTP_STATUS");
        assert_eq!(upper_snake("Kind"), "KIND");
    }
}
