//! Session tokens: PASETO v4.public, signed with the event key of the node where the session began, checked by any node
//! without asking anyone. A user's token says who and since when; what the user may do is looked up where it is shown. A
//! guest's says only which session it is.

use chrono::{DateTime, TimeDelta, Utc};
use codepop_shared::{
    identity::{KeyId, Kind},
    number,
};
use pasetors::{
    Public,
    keys::{AsymmetricPublicKey, AsymmetricSecretKey},
    token::UntrustedToken,
    version4::{PublicToken, V4},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::issuers::Issuer;
use crate::{clock::Hlc, identity::Author};

/// How long a token is good: the app has no way to renew one.
pub const LIFETIME: TimeDelta = TimeDelta::days(180);

/// How far the clock of an issuer may be ahead of ours: as far as that of a peer whose events are believed.
const AHEAD_MAX: TimeDelta = TimeDelta::seconds(30);

/// Longest token that is looked at, in bytes; real ones have about 450.
const TOKEN_MAX: usize = 1_024;

/// Why a token is not good. For the log alone: callers learn only that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It is not of the form that nodes make.
    #[error("not a token of the chain's form")]
    Malformed,
    /// The signature is not that of the key it names.
    #[error("the signature does not hold")]
    Signature,
    /// It names another issuer or chain than its key belongs to.
    #[error("issuer or chain do not fit the key")]
    Foreign,
    /// It has expired.
    #[error("expired")]
    Expired,
    /// It is from the future, or good for longer than tokens are.
    #[error("its times make no sense")]
    Times,
    /// The key's holder may not speak for this user.
    #[error("its issuer may not log this user in")]
    Authority,
}

/// The user of a guest's token: nobody has this number.
const NOBODY: i64 = 0;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Number of the user; 0 in a guest's.
    pub user: i64,
    /// The session.
    pub session: Uuid,
    /// The guest's session in which the user logged in: what was put into the cart before stays the own.
    pub guest: Option<Uuid>,
    /// When it was made.
    pub issued_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
    /// The user's `sessions_since` when it was made: a later one ends it.
    pub generation: Hlc,
}

impl Claims {
    /// A new session of a user, from `now` on.
    pub fn new(user: i64, guest: Option<Uuid>, generation: Hlc, now: DateTime<Utc>) -> Self {
        // Events keep microseconds, so the token does too.
        let now = DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now);
        Self { user, session: Uuid::now_v7(), guest, issued_at: now, expires_at: now + LIFETIME, generation }
    }

    /// A new session of a guest, from `now` on. Nothing ends it but time: nobody else could tell whose it is.
    pub fn of_guest(now: DateTime<Utc>) -> Self {
        Self::new(NOBODY, None, Hlc(0), now)
    }

    /// Whether the session is a guest's.
    pub const fn is_guest(&self) -> bool {
        self.user == NOBODY
    }
}

/// The signed form. Unknown claims are passed over, so that newer nodes may add some.
#[derive(Serialize, Deserialize)]
struct Payload {
    iss: Uuid,
    aud: String,
    sub: i64,
    jti: Uuid,
    iat: DateTime<Utc>,
    exp: DateTime<Utc>,
    #[serde(rename = "gen")]
    generation: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guest: Option<Uuid>,
}

/// Makes a token.
///
/// # Errors
/// [`Invalid::Malformed`] when the key does not sign, which a sound key always does.
pub fn issue(author: &Author, claims: &Claims) -> Result<String, Invalid> {
    let payload = Payload {
        iss: author.id.uuid,
        aud: author.id.chain.clone(),
        sub: claims.user,
        jti: claims.session,
        iat: claims.issued_at,
        exp: claims.expires_at,
        generation: claims.generation.0,
        guest: claims.guest,
    };
    let message = serde_json::to_vec(&payload).map_err(|_| Invalid::Malformed)?;
    let key = AsymmetricSecretKey::<V4>::from(&author.key().to_keypair_bytes()).map_err(|_| Invalid::Malformed)?;
    let footer = author.key_id.to_string();
    PublicToken::sign(&key, &message, Some(footer.as_bytes()), Some(author.id.chain.as_bytes()))
        .map_err(|_| Invalid::Malformed)
}

/// A token whose signature was not checked yet. Nothing in it is believed but the name of the key to check it with.
pub struct Unverified {
    token: UntrustedToken<Public, V4>,
    /// The key that is said to have signed it.
    pub key_id: KeyId,
}

impl Unverified {
    /// Reads the outer form.
    ///
    /// # Errors
    /// [`Invalid::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() > TOKEN_MAX {
            return Err(Invalid::Malformed);
        }
        let token = UntrustedToken::<Public, V4>::try_from(text).map_err(|_| Invalid::Malformed)?;
        let mut key_id = [0; 16];
        hex::decode_to_slice(token.untrusted_footer(), &mut key_id).map_err(|_| Invalid::Malformed)?;
        Ok(Self { token, key_id: KeyId(key_id) })
    }

    /// Checks everything that can be checked without the database. `now` is what the wall clock shows, `reached` the latest
    /// time that this node has seen ([`Clock::reached`](crate::clock::Clock::reached)): where a clock was set back, the
    /// sessions from before go on.
    ///
    /// # Errors
    /// Why the token is not good.
    pub fn verify(
        self,
        issuer: &Issuer,
        chain: &str,
        now: DateTime<Utc>,
        reached: DateTime<Utc>,
    ) -> Result<Claims, Invalid> {
        let key = AsymmetricPublicKey::<V4>::from(issuer.key.as_bytes()).map_err(|_| Invalid::Signature)?;
        let trusted =
            PublicToken::verify(&key, &self.token, None, Some(chain.as_bytes())).map_err(|_| Invalid::Signature)?;
        let payload: Payload = serde_json::from_str(trusted.payload()).map_err(|_| Invalid::Malformed)?;
        if payload.iss != issuer.uuid || payload.aud != chain {
            return Err(Invalid::Foreign);
        }
        if payload.exp <= now {
            return Err(Invalid::Expired);
        }
        if payload.iat > reached + AHEAD_MAX || payload.exp - payload.iat > LIFETIME {
            return Err(Invalid::Times);
        }
        let may = match issuer.kind {
            Kind::Hub => true,
            Kind::Store => !number::is_hub_born(payload.sub),
            Kind::Gateway | Kind::Operator => false,
        };
        if !may {
            return Err(Invalid::Authority);
        }
        Ok(Claims {
            user: payload.sub,
            session: payload.jti,
            issued_at: payload.iat,
            expires_at: payload.exp,
            generation: Hlc(payload.generation),
            guest: payload.guest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const STORE_BORN: i64 = 101_000;
    const HUB_BORN: i64 = 100_001;

    fn issuer(author: &Author) -> Issuer {
        Issuer { uuid: author.id.uuid, kind: author.id.kind, key: author.key().verifying_key() }
    }

    fn check(token: &str, author: &Author, now: DateTime<Utc>) -> Result<Claims, Invalid> {
        Unverified::parse(token)?.verify(&issuer(author), "test", now, now)
    }

    fn store() -> Author {
        testing::author(testing::name(1_000, "C"))
    }

    #[test]
    fn what_was_issued_is_read_back() {
        let (author, now) = (store(), Utc::now());
        let claims = Claims::new(STORE_BORN, Some(Uuid::new_v4()), Hlc(u64::MAX / 2), now);
        let token = issue(&author, &claims).unwrap();
        assert!(token.len() < TOKEN_MAX / 2, "{}", token.len());
        assert_eq!(Unverified::parse(&token).unwrap().key_id, author.key_id);
        assert_eq!(check(&token, &author, now), Ok(claims));
    }

    #[test]
    fn any_node_makes_guests_sessions() {
        let now = Utc::now();
        for author in [store(), testing::author(testing::name(1, "C"))] {
            let claims = Claims::of_guest(now);
            assert!(claims.is_guest() && !Claims::new(STORE_BORN, None, Hlc(0), now).is_guest());
            assert_eq!(check(&issue(&author, &claims).unwrap(), &author, now), Ok(claims.clone()));
            assert_ne!(claims.session, Claims::of_guest(now).session);
        }
    }

    #[test]
    fn times_are_kept_to() {
        let (author, now) = (store(), Utc::now());
        let token = issue(&author, &Claims::new(STORE_BORN, None, Hlc(0), now)).unwrap();
        assert!(check(&token, &author, now + LIFETIME - TimeDelta::seconds(1)).is_ok());
        assert_eq!(check(&token, &author, now + LIFETIME), Err(Invalid::Expired));
        assert_eq!(check(&token, &author, now - TimeDelta::minutes(1)), Err(Invalid::Times));
        let mut long = Claims::new(STORE_BORN, None, Hlc(0), now);
        long.expires_at += TimeDelta::seconds(1);
        assert_eq!(check(&issue(&author, &long).unwrap(), &author, now), Err(Invalid::Times));
    }

    #[test]
    fn a_store_speaks_for_customers_only() {
        let (store, hub, now) = (store(), testing::author(testing::name(1, "C")), Utc::now());
        let claims = Claims::new(HUB_BORN, None, Hlc(0), now);
        assert_eq!(check(&issue(&store, &claims).unwrap(), &store, now), Err(Invalid::Authority));
        assert!(check(&issue(&hub, &claims).unwrap(), &hub, now).is_ok());
    }

    #[test]
    fn another_key_issuer_or_chain_is_refused() {
        let (author, other, now) = (store(), store(), Utc::now());
        let token = issue(&author, &Claims::new(STORE_BORN, None, Hlc(0), now)).unwrap();
        assert_eq!(check(&token, &other, now), Err(Invalid::Signature));
        let borrowed = Issuer { uuid: Uuid::nil(), ..issuer(&author) };
        let parsed = Unverified::parse(&token).unwrap();
        assert_eq!(parsed.verify(&borrowed, "test", now, now), Err(Invalid::Foreign));
        let parsed = Unverified::parse(&token).unwrap();
        assert_eq!(parsed.verify(&issuer(&author), "other", now, now), Err(Invalid::Signature));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let (author, now) = (store(), Utc::now());
        let token = issue(&author, &Claims::new(STORE_BORN, None, Hlc(0), now)).unwrap();
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // Only the key's name may change unnoticed here: it decides which key is looked for.
            let renamed = Unverified::parse(&changed).is_ok_and(|token| token.key_id != author.key_id);
            assert!(renamed || check(&changed, &author, now).is_err(), "byte {at}");
        }
        for junk in ["", "v4.public.", "v4.local.AAAA", "Token", &"A".repeat(5_000), "v4.public.AAAA.AAAA"] {
            assert!(Unverified::parse(junk).is_err());
        }
    }
}
