//! Whose a drink is: who may see it, and who may change it.

use codepop_shared::number;
use uuid::Uuid;

use crate::{auth::Customer, storage::types::Id};

/// Whose a drink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The chain: people with the permission to change the catalogue.
    Chain,
    /// A user, by number.
    User(i64),
    /// A guest, by the session.
    Guest(Uuid),
    /// Nobody knows: it was brought over from the old system, which did not say.
    Unknown,
}

impl Owner {
    /// The owner of what a customer makes.
    pub fn of(customer: &Customer) -> Self {
        match (customer.user, customer.guest) {
            (Some(user), _) => Self::User(user),
            (None, Some(guest)) => Self::Guest(guest),
            (None, None) => Self::Unknown,
        }
    }

    /// As rows have it.
    pub(super) fn of_row(owner: i64, guest: Option<Id>) -> Self {
        match (owner, guest) {
            (0, Some(Id(guest))) => Self::Guest(guest),
            (0, None) => Self::Unknown,
            (user, _) => Self::User(user),
        }
    }

    /// Number of the user, as events and rows have it; 0 for none.
    pub(super) const fn number(self) -> i64 {
        match self {
            Self::User(number) => number,
            Self::Guest(_) | Self::Unknown | Self::Chain => 0,
        }
    }

    /// The guest's session.
    pub(super) const fn guest(self) -> Option<Uuid> {
        match self {
            Self::Guest(guest) => Some(guest),
            Self::User(_) | Self::Unknown | Self::Chain => None,
        }
    }

    /// Whether the drink is the customer's own, to change and remove.
    pub fn is(self, customer: &Customer) -> bool {
        customer.owns(Some(self.number()).filter(|number| *number != 0), self.guest())
    }

    /// Whether the customer may see the drink `id`, which is not of the catalogue: the own ones, and those of the first
    /// import of which nobody knows whose they are.
    pub(super) fn shows(self, id: i64, customer: &Customer) -> bool {
        self.is(customer) || (self == Self::Unknown && number::born_at(id).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_is_seen_and_changed_and_the_unknown_of_old_seen() {
        let guest = Uuid::from_u128(7);
        let (ann, visitor) =
            (Customer { user: Some(1), guest: Some(guest) }, Customer { user: None, guest: Some(guest) });
        for (owner, by_ann, by_visitor) in [
            (Owner::User(1), true, false),
            (Owner::User(2), false, false),
            (Owner::Guest(guest), true, true),
            (Owner::Guest(Uuid::nil()), false, false),
            (Owner::Unknown, false, false),
            (Owner::Chain, false, false),
        ] {
            assert_eq!((owner.is(&ann), owner.is(&visitor)), (by_ann, by_visitor), "{owner:?}");
            assert!(!owner.is(&Customer::default()), "{owner:?}");
            assert_eq!(owner.shows(300_001, &ann), by_ann, "{owner:?}");
        }
        assert!(Owner::Unknown.shows(64, &visitor) && Owner::Unknown.shows(64, &Customer::default()));
        assert!(!Owner::User(1).shows(64, &visitor));
        assert_eq!((Owner::of(&ann), Owner::of(&visitor)), (Owner::User(1), Owner::Guest(guest)));
    }
}
