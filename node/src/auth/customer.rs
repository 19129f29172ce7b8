//! A customer: whose a drink, an order or a payment is. Guests have things too, for as long as their session lasts.

use uuid::Uuid;

/// A customer who is asking: a user, a guest, or a user who was a guest before logging in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Customer {
    /// Number of the user.
    pub user: Option<i64>,
    /// UUID of the guest's session. A user's session keeps that in which it began, so that the cart survives the log-in.
    pub guest: Option<Uuid>,
}

impl Customer {
    /// Whether a thing with this owner is the customer's: a user's thing is that user's alone, a guest's that session's.
    /// What has neither is nobody's.
    pub fn owns(&self, user: Option<i64>, guest: Option<Uuid>) -> bool {
        match (user, guest) {
            (Some(user), _) => self.user == Some(user),
            (None, Some(guest)) => self.guest == Some(guest),
            (None, None) => false,
        }
    }

    /// As whose new things are kept: the user's, or else the guest's.
    pub fn as_owner(&self) -> Self {
        Self { user: self.user, guest: self.guest.filter(|_| self.user.is_none()) }
    }

    /// The same customer without the user: for what was asked for in another's name.
    pub fn as_guest(&self) -> Self {
        Self { user: None, guest: self.guest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_owns_the_own_alone() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let user = Customer { user: Some(7), guest: Some(one) };
        assert!(user.owns(Some(7), None) && user.owns(None, Some(one)));
        assert!(!user.owns(Some(8), Some(one)) && !user.owns(None, Some(other)) && !user.owns(None, None));
        let guest = Customer { user: None, guest: Some(one) };
        assert!(!guest.owns(Some(7), Some(one)) && guest.owns(None, Some(one)));
        assert!(!Customer::default().owns(None, None));
    }
}
