//! Leave that was given, and what is written down of its use.

use std::{fmt::Display, net::IpAddr};

use codepop_proto::options::Permission;
use codepop_shared::identity::Kind;
use uuid::Uuid;

use super::Place;

/// Proof that leave was asked and given. The write door wants to see it, and writes down the use of a right that not
/// everybody has.
#[derive(Clone, Debug, Default)]
pub struct Permit {
    /// Number of the user who has it, if a user is involved.
    pub user: Option<i64>,
    /// What is written down of its use; nothing of what everybody may do.
    pub trail: Option<Box<Trail>>,
}

impl Permit {
    /// Leave for what a user does with the own things, or the node by itself: leaves no trail.
    pub const fn plain(user: Option<i64>) -> Self {
        Self { user, trail: None }
    }

    /// Says what is done something to: a kind of thing and its number or UUID, never a name.
    #[must_use]
    pub fn about(mut self, kind: &'static str, id: impl Display) -> Self {
        if let Some(trail) = &mut self.trail {
            trail.target = Some(format!("{kind}:{id}"));
        }
        self
    }

    /// Says more about what is done, in words of the program, never of a person.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        if let Some(trail) = &mut self.trail {
            trail.detail = Some(detail.into());
        }
        self
    }
}

/// What is written down of the use of a right.
#[derive(Clone, Debug)]
pub struct Trail {
    /// Number of the user; none where a certificate alone decides.
    pub user: Option<i64>,
    /// Kind of the certificate that called.
    pub caller_kind: Kind,
    /// UUID of its holder.
    pub caller: Uuid,
    /// The client's address.
    pub client: IpAddr,
    /// Full name of the RPC.
    pub action: &'static str,
    /// The right.
    pub permission: Permission,
    /// Where it was used; none when a refusal came before that was known.
    pub place: Option<Place>,
    /// What it was done to.
    pub target: Option<String>,
    /// More about it.
    pub detail: Option<String>,
}

/// The word of a permission, for example `USERS_MANAGE`.
pub fn permission_word(permission: Permission) -> &'static str {
    let name = permission.as_str_name();
    name.strip_prefix("PERMISSION_").unwrap_or(name)
}
