//! What a password must be like. No rules of composition: length and not being common are what counts (OWASP ASVS 6.2).

use std::{collections::HashSet, sync::LazyLock};

/// Shortest password, in characters.
const LENGTH_MIN: usize = 8;

/// Longest password, in characters: long enough for every phrase and every generator.
const LENGTH_MAX: usize = 128;

/// Longest input that is hashed when a password is checked, in bytes; old accounts may have longer ones than new ones may.
const CHECKED_MAX: usize = 4_096;

/// The most common passwords of at least [`LENGTH_MIN`] characters, in lower case, one a line.
static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("../../data/common_passwords.txt").lines().collect());

/// A password as typed. Not shown by anything.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// A password to be checked against a hash. One too long to be anybody's becomes one that fits nobody.
    pub fn to_check(input: String) -> Self {
        if input.len() > CHECKED_MAX { Self(String::new()) } else { Self(input) }
    }

    /// A new password.
    ///
    /// # Errors
    /// What is wrong with it, for the one who chose it.
    pub fn new(input: String) -> Result<Self, &'static str> {
        let length = input.chars().take(LENGTH_MAX + 1).count();
        if length < LENGTH_MIN {
            return Err("must have at least 8 characters");
        }
        if length > LENGTH_MAX {
            return Err("must have at most 128 characters");
        }
        if COMMON.contains(input.to_lowercase().as_str()) {
            return Err("is one of the most common passwords; choose another one");
        }
        Ok(Self(input))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let longest = "ä".repeat(128);
        for good in ["correct horse", "........", "密码密码密码密码", &longest] {
            assert!(Password::new(good.to_owned()).is_ok(), "{good}");
        }
        let too_long = "ä".repeat(129);
        for bad in ["", "seven77", "Password1", "12345678", "ILoveYou123", &too_long] {
            assert!(Password::new(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_list_is_what_it_should_be() {
        assert_eq!(COMMON.len(), 3_000);
        assert!(COMMON.iter().all(|word| word.chars().count() >= LENGTH_MIN && *word == word.to_lowercase()));
    }
}
