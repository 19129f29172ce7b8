//! The two halves of an X25519 key: who can read (the identity, secret) and for whom to write (the recipient).

use std::{fmt, str::FromStr};

use curve25519_dalek::montgomery::MontgomeryPoint;

use super::{Error, bech32, random};

/// What a recipient begins with.
const RECIPIENT: &str = "age";

/// What an identity begins with, in lower case.
const IDENTITY: &str = "age-secret-key-";

/// For whom something is sealed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Recipient(pub(super) [u8; 32]);

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode(RECIPIENT, &self.0))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Recipient {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = Error::Key("must be a public key of age (age1…), as `codepop-node backup keygen` makes it");
        bech32::decode(RECIPIENT, text).map(Self).ok_or(wrong)
    }
}

/// Who can open it. Secret: never shown but by [`Identity::secret`].
pub struct Identity([u8; 32]);

impl Identity {
    /// A new one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(random()?))
    }

    /// The public half.
    pub fn recipient(&self) -> Recipient {
        Recipient(MontgomeryPoint::mul_base_clamped(self.0).to_bytes())
    }

    /// The text to keep: whoever has it can read the backups.
    pub fn secret(&self) -> String {
        bech32::encode(IDENTITY, &self.0).to_ascii_uppercase()
    }

    /// Reads a file of identities, with comments as the tool `age-keygen` writes them; the first one counts.
    ///
    /// # Errors
    /// There is none in it.
    pub fn read(text: &str) -> Result<Self, Error> {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        line.ok_or(Error::Key("there is no key in the file"))?.parse()
    }

    pub(super) fn agree(&self, share: [u8; 32]) -> [u8; 32] {
        agree(share, self.0)
    }
}

impl FromStr for Identity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = Error::Key("must be a secret key of age (AGE-SECRET-KEY-1…)");
        bech32::decode(IDENTITY, text).map(Self).ok_or(wrong)
    }
}

/// X25519: what two who each have one secret and the other's public half have in common.
pub(super) fn agree(public: [u8; 32], secret: [u8; 32]) -> [u8; 32] {
    MontgomeryPoint(public).mul_clamped(secret).to_bytes()
}

/// The public half of a secret.
pub(super) fn public(secret: [u8; 32]) -> [u8; 32] {
    MontgomeryPoint::mul_base_clamped(secret).to_bytes()
}
