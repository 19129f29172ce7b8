//! Which run of the program this is, so that a copied data directory is noticed: two runs at one time under one
//! certificate. Whoever sees a second run asks the first whether it is still there, by the name of the second. The signed
//! answer cannot be older than the second run's start, and nobody but the two can make it: who is shown it knows.

use codepop_proto::mesh;
use ed25519_dalek::{Signature, VerifyingKey};
use uuid::Uuid;

use crate::identity::Author;

/// What stands before the signed bytes: nothing else that is signed with the key begins so.
const PURPOSE: &[u8] = b"codepop presence 1\0";

/// The name of a run: a UUID of version 7, so that of two it can be seen which began first.
pub type Instance = Uuid;

/// A name for a run that begins now.
pub fn begin() -> Instance {
    Uuid::now_v7()
}

/// Reads a run's name; none from those who do not say it.
pub fn read(bytes: &[u8]) -> Option<Instance> {
    Uuid::from_slice(bytes).ok().filter(|instance| !instance.is_nil())
}

fn signed_bytes(node: Uuid, instance: Instance, challenge: Instance) -> Vec<u8> {
    [PURPOSE, node.as_bytes(), instance.as_bytes(), challenge.as_bytes()].concat()
}

/// Says that this run is there, to a challenge.
pub fn answer(author: &Author, instance: Instance, challenge: Instance) -> mesh::Presence {
    let signature = author.sign(&signed_bytes(author.id.uuid, instance, challenge));
    mesh::Presence {
        instance: instance.as_bytes().to_vec(),
        challenge: challenge.as_bytes().to_vec(),
        signature: signature.to_vec(),
    }
}

/// The run of `node` that proves by its word that it was there after the run `challenge` began; none when it does not, or
/// when it is that very run.
pub fn proven(presence: &mesh::Presence, node: Uuid, key: &VerifyingKey, challenge: Instance) -> Option<Instance> {
    let (instance, challenged) = (read(&presence.instance)?, read(&presence.challenge)?);
    let signature = Signature::from_slice(&presence.signature).ok()?;
    let is_other = challenged == challenge && instance != challenge;
    let holds = is_other && key.verify_strict(&signed_bytes(node, instance, challenged), &signature).is_ok();
    holds.then_some(instance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn only_the_word_of_another_run_to_the_own_challenge_counts() {
        let (author, stranger) =
            (testing::author(testing::name(1_000, "C")), testing::author(testing::name(1_000, "C")));
        let (node, key) = (author.id.uuid, author.key().verifying_key());
        let (first, second, third) = (begin(), begin(), begin());
        let word = answer(&author, first, second);
        assert_eq!(proven(&word, node, &key, second), Some(first));
        assert_eq!(proven(&word, node, &key, third), None, "another challenge");
        assert_eq!(proven(&answer(&author, second, second), node, &key, second), None, "the very same run");
        assert_eq!(proven(&word, node, &stranger.key().verifying_key(), second), None, "another key");
        assert_eq!(proven(&word, Uuid::now_v7(), &key, second), None, "another node");
        for at in 0..word.signature.len() {
            let mut changed = word.clone();
            changed.signature[at] ^= 1;
            assert_eq!(proven(&changed, node, &key, second), None);
        }
    }
}
