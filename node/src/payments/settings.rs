//! What an operator says about payments.

use std::fmt;

/// Which provider, and what it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Settings {
    /// No money moves.
    #[default]
    Simulated,
    /// Stripe.
    Stripe(StripeSettings),
}

/// What Stripe needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripeSettings {
    /// Key with which this node speaks to Stripe.
    pub secret_key: Secret,
    /// Key with which phones speak to Stripe.
    pub publishable_key: String,
    /// Secret with which Stripe signs its events; without one, none is taken.
    pub webhook_secret: Option<Secret>,
    /// Where Stripe is: `https://host[:port]`, plain `http` on loopback only.
    pub base: String,
}

/// A text that is in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
