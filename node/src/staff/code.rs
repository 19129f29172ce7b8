//! The secret of an invitation: short enough to be read aloud, too long to be guessed. Its hash alone is kept; a slow one is
//! not needed, because no list of likely codes can be made.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Letters of a code, those of Crockford's base 32: none looks like another.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Letters in a code: 100 bits.
const LENGTH: usize = 20;

/// Letters between two dashes.
const GROUP: usize = 5;

/// Longest text that is looked at: a code with a blank beside every letter.
const TEXT_MAX: usize = 64;

/// A new code.
pub(super) fn new() -> String {
    let random: [u8; LENGTH] = rand::random();
    let mut code = String::with_capacity(LENGTH + LENGTH / GROUP);
    for (index, byte) in random.into_iter().enumerate() {
        if index > 0 && index % GROUP == 0 {
            code.push('-');
        }
        code.push(char::from(LETTERS[usize::from(byte % 32)]));
    }
    code
}

/// What is kept of a code, however it was typed.
pub(super) fn hash(code: &str) -> Vec<u8> {
    let mut hasher = Sha256::new();
    hasher.update(b"codepop invitation\0");
    hasher.update(plain(code).as_bytes());
    hasher.finalize().to_vec()
}

/// Whether a typed code is the one whose hash was kept.
pub(super) fn fits(code: &str, kept: &[u8]) -> bool {
    hash(code).ct_eq(kept).into()
}

/// The letters alone, in upper case, those that were misread put right.
fn plain(code: &str) -> String {
    let letters = code.chars().take(TEXT_MAX).filter(|char| char.is_ascii_alphanumeric());
    letters
        .map(|char| match char.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_fits_however_it_is_typed() {
        let code = new();
        assert_eq!(code.len(), LENGTH + LENGTH / GROUP - 1);
        let kept = hash(&code);
        for typed in [code.clone(), code.to_lowercase(), code.replace('-', " "), code.replace('0', "o")] {
            assert!(fits(&typed, &kept), "{typed}");
        }
        let mut other = code.replace('-', "");
        other.pop();
        for wrong in ["", "0", &other, &new()] {
            assert!(!fits(wrong, &kept), "{wrong}");
        }
        assert_ne!(new(), code);
    }
}
