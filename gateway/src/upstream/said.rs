//! What a node says beside its answer, in metadata: the session and the store that the client is to keep.

use http::{HeaderMap, HeaderValue};

/// Metadata with the client's session, in both directions. In an answer an empty value ends it.
pub(crate) const SESSION: &str = "x-codepop-session";

/// Metadata with the store that the client prefers from now on; empty for none.
const STORE: &str = "x-codepop-store";

/// What a node says beside its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// The token of the session from now on.
    pub(crate) session: Option<HeaderValue>,
    /// The UUID of the preferred store from now on.
    pub(crate) store: Option<HeaderValue>,
}

impl Said {
    /// Takes it out of an answer's metadata, so that no log of the metadata can show a token.
    pub(super) fn take(metadata: &mut HeaderMap) -> Self {
        let mut said = Self { session: metadata.remove(SESSION), store: metadata.remove(STORE) };
        if let Some(session) = &mut said.session {
            session.set_sensitive(true);
        }
        said
    }

    /// This, and what was said before where this says nothing.
    pub(super) fn or(self, earlier: Self) -> Self {
        Self { session: self.session.or(earlier.session), store: self.store.or(earlier.store) }
    }
}
