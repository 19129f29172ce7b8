//! User names: what is allowed, when two are the same, and how an account is called whose name an earlier one claimed.

use caseless::Caseless as _;
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

/// Longest name, in characters.
pub const NAME_MAX: usize = 150;

/// Longest input that is looked at, in bytes: a name of 150 characters has 600 at the most; the rest forgives spaces.
const INPUT_MAX: usize = 2_048;

/// Stands between a name and the number of an account that does not own the plain name.
const MARK: char = '~';

/// The key of a name: equal for all spellings of the same name.
pub type NameKey = [u8; 32];

/// A new user name, as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(String);

impl UserName {
    /// Brings a name to its form, or says what is wrong with it.
    ///
    /// # Errors
    /// What is wrong, for the one who chose it.
    pub fn parse(input: &str) -> Result<Self, &'static str> {
        if input.len() > INPUT_MAX {
            return Err("must have at most 150 characters");
        }
        let name = normal(input);
        if name.is_empty() {
            return Err("must not be empty");
        }
        if name.chars().count() > NAME_MAX {
            return Err("must have at most 150 characters");
        }
        if name.chars().any(is_unseen) {
            return Err("must not contain control characters");
        }
        if name.contains(MARK) {
            return Err("must not contain ~");
        }
        Ok(Self(name))
    }

    /// A name for an account that has none.
    pub fn numbered(user: i64) -> Self {
        Self(format!("user-{user}"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Compatibility forms (full width, ligatures) are one with the plain ones.
fn normal(input: &str) -> String {
    let whole: String = input.nfkc().collect();
    whole.trim().to_owned()
}

/// Control characters, and those that are not seen or turn the direction of others: names differing in nothing else would
/// look the same.
fn is_unseen(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(char, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

/// The key of a name in a chain. A hash, so that it can outlive the name of a deleted account.
pub(super) fn key(chain: &str, name: &str) -> NameKey {
    let folded: String = normal(name).chars().default_case_fold().nfkc().collect();
    let mut hasher = Sha256::new();
    hasher.update(chain.as_bytes());
    hasher.update([0]);
    hasher.update(folded.as_bytes());
    hasher.finalize().into()
}

/// How an account is called whose plain name belongs to an earlier claim.
pub(super) fn numbered(name: &str, user: i64) -> String {
    format!("{name}{MARK}{user}")
}

/// Who wants to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sought {
    /// The key of the name.
    pub(super) key: NameKey,
    /// The number, when the name came with one.
    pub(super) user: Option<i64>,
}

impl Sought {
    /// Reads what was typed. Whatever it is, it is somebody or nobody, never an error: errors would tell names apart.
    pub(super) fn read(chain: &str, input: &str) -> Self {
        if input.len() > INPUT_MAX {
            return Self { key: Sha256::digest(input.as_bytes()).into(), user: Some(0) };
        }
        let name = normal(input);
        match name.rsplit_once(MARK) {
            None => Self { key: key(chain, &name), user: None },
            Some((name, number)) => Self { key: key(chain, name), user: Some(number.parse().unwrap_or(0)) },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rules() {
        for good in ["a", " Ada ", "jo.o'neil+1@example.com", "用户", "Zoë", &"x".repeat(150)] {
            assert!(UserName::parse(good).is_ok(), "{good}");
        }
        let long = "x".repeat(151);
        let longer = " ".repeat(3_000);
        for bad in ["", "   ", "a~b", "a\u{7}b", "a\u{0}b", "a\u{202e}b", "a\u{200b}b", &long, &longer] {
            assert!(UserName::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(UserName::parse("  Ada\u{3000}").unwrap().as_str(), "Ada");
    }

    #[test]
    fn spellings_of_one_name_share_a_key() {
        let ada = key("c", "ada");
        for same in ["ADA", " Ada ", "ａｄａ"] {
            assert_eq!(key("c", same), ada, "{same}");
        }
        assert_eq!(key("c", "STRASSE"), key("c", "straße"));
        assert_eq!(key("c", "Zoe\u{308}"), key("c", "zoë"));
        for other in ["ad a", "àda", "adа"] {
            assert_ne!(key("c", other), ada, "{other}");
        }
        assert_ne!(key("d", "ada"), ada);
    }

    #[test]
    fn a_number_says_which() {
        let plain = Sought::read("c", "Ada");
        let numbered = Sought::read("c", "ada~101000");
        assert_eq!((plain.user, numbered.user), (None, Some(101_000)));
        assert_eq!(plain.key, numbered.key);
        assert_eq!(Sought::read("c", "ada~x").user, Some(0));
    }

    proptest! {
        #[test]
        fn the_stored_name_has_the_key_of_what_was_typed(input in "\\PC{1,40}") {
            if let Ok(name) = UserName::parse(&input) {
                prop_assert_eq!(key("c", name.as_str()), key("c", &input));
                prop_assert_eq!(UserName::parse(name.as_str()), Ok(name));
            }
        }
    }
}
