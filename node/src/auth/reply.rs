//! What an answer tells the gateway beside its message: the session that the client has from now on, and its store. The
//! gateway makes cookies of it, so that a client that knows of none of this keeps both.

use tonic::{Response, metadata::AsciiMetadataValue};
use uuid::Uuid;

/// The metadata with the session's token; empty: the client has no session any more. Gateways send it under the same
/// name when the client brought it as a cookie.
pub const SESSION: &str = "x-codepop-session";

/// The metadata with the UUID of the client's store; empty: it prefers none any more.
pub const STORE: &str = "x-codepop-store";

/// The answer, and the session of `token` from now on.
pub fn begin_session<T>(answer: Response<T>, token: &str) -> Response<T> {
    with(answer, SESSION, token)
}

/// The answer, and no session any more.
pub fn end_session<T>(answer: Response<T>) -> Response<T> {
    with(answer, SESSION, "")
}

/// The answer, and the store at which the client is from now on.
pub fn prefer_store<T>(answer: Response<T>, store: Option<Uuid>) -> Response<T> {
    with(answer, STORE, &store.map(|store| store.to_string()).unwrap_or_default())
}

fn with<T>(mut answer: Response<T>, name: &'static str, value: &str) -> Response<T> {
    // Tokens and UUIDs are plain ASCII.
    if let Ok(value) = AsciiMetadataValue::try_from(value) {
        answer.metadata_mut().insert(name, value);
    }
    answer
}
