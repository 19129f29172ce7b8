//! From a token to a session: the signature says whose, and of a user this node's own rows say whether still and what for.

use codepop_shared::Failure;

use super::{
    Error,
    error::{internal, invalid_token},
    legacy,
    log_in::find,
    store,
};
use crate::{
    app::{App, Lookup},
    auth::{
        Session, User, issuers,
        token::{self, Claims, Invalid, Unverified},
    },
    clock::Hlc,
    roles,
    storage::{self, Tx},
};

/// The session whose token this is.
///
/// # Errors
/// One and the same for every token that is not good; the database's when it failed.
pub async fn authenticate(app: &App, token: &str) -> Result<Session, Failure> {
    let claims = verify(app, token).await?;
    if claims.is_guest() {
        return Ok(Session { user: None, guest: Some(claims.session) });
    }
    // A session that never was a guest's is its own guest: for what is asked for in another's name or in nobody's.
    let guest = claims.guest.or(Some(claims.session));
    match look(app, &claims).await? {
        Some(user) => Ok(Session { user: Some(user), guest }),
        None => Err(invalid_token()),
    }
}

/// Number of the user whom a token names whose signature holds, whatever has become of the session: for the audit trail
/// alone.
pub async fn whose(app: &App, token: &str) -> Option<i64> {
    verify(app, token).await.ok().filter(|claims| !claims.is_guest()).map(|claims| claims.user)
}

/// A new guest's session: its UUID and its token. Nothing of it is kept here.
///
/// # Errors
/// The token could not be signed.
pub fn begin_guest(app: &App) -> Result<(uuid::Uuid, String), Failure> {
    let claims = Claims::of_guest(app.clock().wall());
    let token = token::issue(app.author(), &claims).map_err(unsigned)?;
    Ok((claims.session, token))
}

/// What the caller is told when a token could not be signed.
pub(super) fn unsigned(error: Invalid) -> Failure {
    tracing::error!(error = %error, "a token could not be signed");
    internal()
}

/// The signature and what it vouches for; of a token of the old system, what was kept of it.
async fn verify(app: &App, token: &str) -> Result<Claims, Failure> {
    if let Some(hash) = legacy::hash_of(token) {
        let now = app.clock().wall();
        let kept = app.read(move |tx| Box::pin(legacy::claims(tx, hash, now))).await.map_err(failed)?;
        return kept.ok_or_else(invalid_token);
    }
    let refused = |why: Invalid| {
        tracing::debug!(reason = %why, "a token was refused");
        invalid_token()
    };
    let token = Unverified::parse(token).map_err(refused)?;
    let key_id = token.key_id;
    let issuer = app.read(move |tx| Box::pin(issuers::find(tx, key_id))).await.map_err(failed)?;
    let Some(issuer) = issuer else {
        tracing::debug!(key.id = %key_id, "a token was refused: no node with its key is known");
        return Err(invalid_token());
    };
    let clock = app.clock();
    token.verify(&issuer, &app.author().id.chain, clock.wall(), clock.reached()).map_err(refused)
}

/// Looks here, then has peers asked once when the user has not arrived.
async fn look(app: &App, claims: &Claims) -> Result<Option<User>, Failure> {
    match state(app, claims).await? {
        State::Good(user) => Ok(Some(*user)),
        State::Ended => Ok(None),
        State::Unknown => {
            if !find(app, Lookup::Number(claims.user)).await {
                return Ok(None);
            }
            match state(app, claims).await? {
                State::Good(user) => Ok(Some(*user)),
                State::Ended | State::Unknown => Ok(None),
            }
        }
    }
}

/// What this node's rows say of a session.
enum State {
    Good(Box<User>),
    Ended,
    Unknown,
}

async fn state(app: &App, claims: &Claims) -> Result<State, Failure> {
    let claims = claims.clone();
    app.read(move |tx| Box::pin(async move { read_state(tx, &claims).await })).await.map_err(failed)
}

async fn read_state(tx: &mut Tx, claims: &Claims) -> Result<State, storage::Error> {
    let Some(row) = store::user(tx, claims.user).await? else { return Ok(State::Unknown) };
    if row.deleted || row.disabled {
        return Ok(State::Ended);
    }
    if !row.is_there() {
        return Ok(State::Unknown);
    }
    let credential = store::credential(tx, row.id).await?;
    let since = credential.map(|credential| Hlc::from_sql(credential.sessions_since)).unwrap_or_default();
    // A generation from the future would outlive every end of all sessions. It is good only as that very end: who logs in
    // after one from a clock far ahead must not be locked out.
    let is_forged = claims.generation != since && tx.clock.is_ahead(claims.generation);
    if claims.generation < since || is_forged || store::ended(tx, row.id, claims.session).await?.is_some() {
        return Ok(State::Ended);
    }
    let grants = roles::in_force(tx, row.id).await?;
    Ok(State::Good(Box::new(User {
        number: row.id,
        session: claims.session,
        expires_at_us: claims.expires_at.timestamp_micros(),
        grants,
    })))
}

fn failed(error: storage::Error) -> Failure {
    Error::from(error).into()
}
