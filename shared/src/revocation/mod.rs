//! Which revocations count. Pure: every node and gateway that has the same signed revocations comes to the same result,
//! in whatever order they arrived.

use std::collections::HashMap;

use uuid::Uuid;

/// One operator's word that a holder's certificates are not good any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Whose certificates.
    pub holder: Uuid,
    /// The operator who says so.
    pub by: Uuid,
    /// When, in hybrid logical time.
    pub at: u64,
}

/// From when on holders are revoked: the earliest revocation of each that counts. One counts unless its operator had
/// been revoked before: so a stolen operator's key revokes nobody from then on, and of two operators who revoke each
/// other the earlier one stays.
pub fn in_force(all: &[Revocation]) -> HashMap<Uuid, u64> {
    let mut ordered = all.to_vec();
    ordered.sort_by_key(|one| (one.at, one.by, one.holder));
    let mut ended = HashMap::<Uuid, u64>::new();
    for one in ordered {
        let counts = ended.get(&one.by).is_none_or(|end| one.at <= *end);
        if counts {
            ended.entry(one.holder).or_insert(one.at);
        }
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(by: u128, holder: u128, at: u64) -> Revocation {
        Revocation { holder: Uuid::from_u128(holder), by: Uuid::from_u128(by), at }
    }

    #[test]
    fn the_order_of_arrival_changes_nothing() {
        let all = [one(1, 2, 10), one(2, 1, 11), one(2, 7, 9), one(1, 7, 12), one(2, 8, 15), one(3, 3, 20)];
        let expected = HashMap::from([
            (Uuid::from_u128(2), 10),
            (Uuid::from_u128(7), 9),
            // Operator 2 was revoked before it could say so of operator 1 and of node 8.
            (Uuid::from_u128(3), 20),
        ]);
        let mut turned = all;
        for _ in 0..all.len() {
            turned.rotate_left(1);
            assert_eq!(in_force(&turned), expected);
            turned.reverse();
            assert_eq!(in_force(&turned), expected);
        }
    }

    #[test]
    fn one_moment_is_not_later() {
        let ended = in_force(&[one(2, 1, 5), one(1, 2, 5)]);
        assert_eq!(ended.len(), 2, "neither was revoked before it spoke");
    }
}
