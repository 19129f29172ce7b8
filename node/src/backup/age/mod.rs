//! Encryption of backups for one recipient, in the format of age (age-encryption.org/v1) with X25519 keys: whoever has the
//! tool `age` can make keys and open backups without this program. Made of the primitives that TLS uses here already; the
//! crate `age` would bring three dozen others along.
//!
//! [`Recipient`] and [`Identity`] are the two halves of a key, [`Seal`] writes, [`Open`] reads.

mod bech32;
mod keys;
mod open;
mod seal;

pub use self::{
    keys::{Identity, Recipient},
    open::Open,
    seal::Seal,
};

use ring::{
    aead::{CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    hmac,
};

/// First line of every file.
pub(super) const FIRST_LINE: &str = "age-encryption.org/v1";

/// Plain bytes of a chunk.
const CHUNK: usize = 64 * 1024;

/// Bytes of an authentication tag.
const TAG: usize = 16;

/// Why something can't be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no key.
    #[error("{0}")]
    Key(&'static str),
    /// The file is not of the format, damaged, or for another key.
    #[error("the encrypted file {0}")]
    File(&'static str),
    /// The system has no randomness.
    #[error("the system has no randomness")]
    Random,
    /// It can't be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

/// HKDF with SHA-256.
fn derive(material: &[u8], salt: &[u8], info: &[u8]) -> Result<[u8; 32], Error> {
    let mut key = [0; 32];
    let secret = Salt::new(HKDF_SHA256, salt).extract(material);
    let parts = [info];
    let expanded = secret.expand(&parts, Bytes32).map_err(|_| Error::File("has no key"))?;
    expanded.fill(&mut key).map_err(|_| Error::File("has no key"))?;
    Ok(key)
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, Error> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| Error::File("has no key"))?;
    Ok(LessSafeKey::new(key))
}

/// The key that wraps the file's key for one recipient.
fn wrapping_key(shared: &[u8; 32], share: &[u8; 32], recipient: &[u8; 32]) -> Result<[u8; 32], Error> {
    if *shared == [0; 32] {
        return Err(Error::File("has a key share of low order"));
    }
    derive(shared, &[*share, *recipient].concat(), b"age-encryption.org/v1/X25519")
}

/// The key of the header's authentication.
fn header_key(file_key: &[u8]) -> Result<hmac::Key, Error> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &derive(file_key, &[], b"header")?))
}

fn payload_key(file_key: &[u8], nonce: &[u8; 16]) -> Result<LessSafeKey, Error> {
    cipher(&derive(file_key, nonce, b"payload")?)
}

/// The nonce of a chunk: its number, and whether it is the last one.
fn nonce(number: u64, is_last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[3..11].copy_from_slice(&number.to_be_bytes());
    bytes[11] = u8::from(is_last);
    Nonce::assume_unique_for_key(bytes)
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new().fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn sealed(plain: &[u8], recipient: &Recipient) -> Vec<u8> {
        let mut seal = Seal::begin(Vec::new(), recipient).unwrap();
        // In odd pieces: chunks must not depend on how it is written.
        for piece in plain.chunks(10_007) {
            seal.write_all(piece).unwrap();
        }
        seal.finish().unwrap()
    }

    fn opened(sealed: &[u8], identity: &Identity) -> Result<Vec<u8>, Error> {
        let mut plain = Vec::new();
        Open::begin(sealed, identity)?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_alone() {
        let (identity, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let recipient: Recipient = identity.recipient().to_string().parse().unwrap();
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let plain: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let sealed = sealed(&plain, &recipient);
            assert_eq!(opened(&sealed, &identity).unwrap(), plain, "{length}");
            assert!(opened(&sealed, &other).is_err());
            assert!(opened(&sealed[..sealed.len() - 1], &identity).is_err(), "cut off at {length}");
        }
    }

    #[test]
    fn no_changed_or_missing_byte_goes_unseen() {
        let identity = Identity::generate().unwrap();
        let good = sealed(&[7; CHUNK + 10], &identity.recipient());
        for at in (0..good.len()).step_by(97).chain(0..300) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(opened(&bad, &identity).is_err(), "byte {at}");
        }
        // A whole chunk left out at the end.
        let header = good.len() - (CHUNK + TAG) - (10 + TAG);
        assert!(opened(&good[..header + CHUNK + TAG], &identity).is_err());
    }

    /// What the tool `age` 1.1.1 made of the words "orders and money".
    const OF_THE_TOOL: &str = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBjWllydG10bGdZRng4OXQ0eW9PZHd4Tmh1YlBZVkVuZnRYSDkvQV\
         hMeng0CjE3elFCbkQ5bnkvMURua0JjSWZ1c2ZMbmtzUUJkM3hVSEdQK3AzdytKYzgKLS0tIFdGaHdCekY5NTlxMkx0Z2ZWRC8wd3YzVk43d\
         G92Ymp0YmdSYnB1d2JIQUEKfqx8qza5CQsty+uw6ND8L8T29Klzp+gbRvDKdAW5xHvpsui6tBxCH2L6wlEyBuUg";

    #[test]
    fn keys_and_files_are_those_of_the_tool_age() {
        use base64::Engine as _;
        let key = "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6";
        let identity = Identity::read(&format!("# created: today\n{key}\n")).unwrap();
        let recipient = "age1w3tyke4gev25vaxxsvcgqu4484rf6ejpmavs57p6yz6lhy2sfs5swrvwyn";
        assert_eq!((identity.recipient().to_string().as_str(), identity.secret().as_str()), (recipient, key));
        let file = base64::engine::general_purpose::STANDARD_NO_PAD.decode(OF_THE_TOOL).unwrap();
        assert_eq!(opened(&file, &identity).unwrap(), b"orders and money");
        assert!("age1qqqq".parse::<Recipient>().is_err() && Identity::read("# nothing").is_err());
    }
}
