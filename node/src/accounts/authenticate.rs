//! From a token to a user: the signature says who, this node's own rows say whether still and what for.

use codepop_shared::Failure;

use super::{Error, error::invalid_token, legacy, log_in::find, store};
use crate::{
    app::{App, Lookup},
    auth::{
        User, issuers,
        token::{Claims, Invalid, Unverified},
    },
    clock::Hlc,
    roles,
    storage::{self, Tx},
};

/// The user whose token this is.
///
/// # Errors
/// One and the same for every token that is not good; the database's when it failed.
pub async fn authenticate(app: &App, token: &str) -> Result<User, Failure> {
    let claims = verify(app, token).await?;
    if let Some(user) = look(app, &claims).await? {
        return Ok(user);
    }
    Err(invalid_token())
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
    token.verify(&issuer, &app.author().id.chain, app.clock().wall()).map_err(refused)
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
    let since = store::credential(tx, row.id).await?.map(|credential| Hlc::from_sql(credential.sessions_since));
    if since.is_some_and(|since| claims.generation < since) || store::ended(tx, row.id, claims.session).await?.is_some()
    {
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
