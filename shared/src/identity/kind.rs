//! The kinds of callers that the authority certifies.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What the holder of a certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A store's node.
    Store,
    /// A region's supply hub.
    Hub,
    /// A gateway: speaks for users, may do nothing of its own.
    Gateway,
    /// A person who runs the chain.
    Operator,
}

impl Kind {
    /// The word in ids and requests.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Hub => "hub",
            Self::Gateway => "gateway",
            Self::Operator => "operator",
        }
    }

    /// Whether it is a node: a store or a hub.
    pub const fn is_node(self) -> bool {
        matches!(self, Self::Store | Self::Hub)
    }

    /// Whether it signs events, so that its certificate binds an event key. Gateways never do.
    pub const fn signs_events(self) -> bool {
        !matches!(self, Self::Gateway)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        [Self::Store, Self::Hub, Self::Gateway, Self::Operator]
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or("the kind must be store, hub, gateway or operator")
    }
}
