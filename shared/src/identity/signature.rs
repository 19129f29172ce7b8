//! When bytes count as signed by an event key: one rule for whoever reads events, alone or many at once.
//!
//! RFC 8032 leaves open what is signed at the edges of the curve, so that two checks may disagree, a check of many signatures
//! at once with each single one among them. [ZIP 215](https://zips.z.cash/zip-0215) settles it: all decide alike.

use ed25519_dalek::VerifyingKey;
use ed25519_zebra::{Signature, VerificationKey, VerificationKeyBytes, batch};

/// Bytes, who should have signed them, and the signature.
pub type Signed<'a> = (&'a VerifyingKey, &'a [u8], &'a [u8; 64]);

/// Whether the signature is the key's.
pub fn is_signed((key, message, signature): Signed<'_>) -> bool {
    let key = VerificationKey::try_from(key.to_bytes());
    key.is_ok_and(|key| key.verify(&Signature::from_bytes(signature), message).is_ok())
}

/// Whether each signature is its key's. Says what [`is_signed`] says of each, and costs a fifth: the equations of all are
/// checked as one, each times a random number that nobody can foresee.
pub fn are_signed<'a>(all: impl IntoIterator<Item = Signed<'a>>) -> bool {
    let mut together = batch::Verifier::new();
    for (key, message, signature) in all {
        together.queue((VerificationKeyBytes::from(key.to_bytes()), Signature::from_bytes(signature), message));
    }
    together.verify(rand::rng()).is_ok()
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::{EdwardsPoint, Scalar, constants::EIGHT_TORSION};
    use ed25519_dalek::{Signer as _, SigningKey};
    use sha2::{Digest as _, Sha512};

    use super::*;

    type Case = (Vec<u8>, [u8; 64]);

    fn good(key: &SigningKey) -> Vec<Case> {
        let sign = |text: Vec<u8>| {
            let signature = key.sign(&text).to_bytes();
            (text, signature)
        };
        (0..40).map(|number: u32| sign(number.to_be_bytes().to_vec())).collect()
    }

    fn alone(key: &VerifyingKey, (message, signature): &Case) -> bool {
        is_signed((key, message, signature))
    }

    fn together(key: &VerifyingKey, all: &[Case]) -> bool {
        are_signed(all.iter().map(|(message, signature)| (key, message.as_slice(), signature)))
    }

    /// A signature whose first half is moved by a point of small order: what other rules disagree on.
    fn at_the_edge(key: &SigningKey, message: &[u8], at: usize) -> [u8; 64] {
        let nonce = Scalar::from(1_000_u64 + at as u64);
        let commitment = (EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[at]).compress().to_bytes();
        let said = [&commitment, key.verifying_key().as_bytes(), message].concat();
        let challenge = Scalar::from_bytes_mod_order_wide(&Sha512::digest(said).into());
        let answer = nonce + challenge * key.to_scalar();
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&commitment);
        signature[32..].copy_from_slice(answer.as_bytes());
        signature
    }

    #[test]
    fn a_bad_signature_is_found_wherever_it_stands() {
        let key = SigningKey::from_bytes(&rand::random());
        let (public, good) = (key.verifying_key(), good(&key));
        assert!(together(&public, &good) && together(&public, &[]));
        for (at, byte) in [(0, 0), (17, 31), (39, 40)] {
            let mut all = good.clone();
            all[at].1[byte] ^= 1;
            assert!(!alone(&public, &all[at]) && !together(&public, &all));
        }
        let mut swapped = good.clone();
        (swapped[0].1, swapped[1].1) = (good[1].1, good[0].1);
        assert!(!together(&public, &swapped));
        let other = SigningKey::from_bytes(&rand::random()).verifying_key();
        assert!(!alone(&other, &good[0]) && !together(&other, &good));
    }

    #[test]
    fn alone_and_among_others_a_signature_is_judged_alike() {
        let key = SigningKey::from_bytes(&rand::random());
        let public = key.verifying_key();
        for at in 1..8 {
            let mut all = good(&key);
            all[at].1 = at_the_edge(&key, &all[at].0, at);
            // ZIP 215 takes them. Whoever changed one of the two checks would part nodes from each other.
            assert!(alone(&public, &all[at]), "a point of small order {at}");
            for _ in 0..16 {
                assert!(together(&public, &all), "a point of small order {at}, among others");
            }
        }
    }
}
