//! Whose session a call belongs to, and what its answer tells the gateway of it. A client sends its token as a header,
//! or its cookie, which the gateway passes on under a name of its own: a bad header is refused, a bad cookie is none, for
//! nobody chose to send it.

use codepop_proto::options::Access;
use codepop_shared::{Code, Failure, identity::Kind};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use super::access::Authenticator;
use crate::auth::{Session, reply};

/// What the answer tells of the session, unless the handler tells something itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tell {
    /// Nothing new.
    Nothing,
    /// The client's own token: it came as a header, and is to be a cookie too.
    Keep(String),
    /// The token of a guest's session that begins with this call, if the call succeeds.
    Begin(String),
}

impl Tell {
    /// Writes it into the headers of the answer.
    pub(super) fn put(self, answer: &mut HeaderMap) {
        let token = match self {
            Self::Nothing => return,
            Self::Keep(token) => token,
            // A call that failed made nothing that would need an owner.
            Self::Begin(_) if failed(answer) => return,
            Self::Begin(token) => token,
        };
        if !answer.contains_key(reply::SESSION)
            && let Ok(value) = HeaderValue::try_from(token)
        {
            answer.insert(reply::SESSION, value);
        }
    }
}

/// Whether the answer is a failure: those have their status in the headers, before any message.
fn failed(answer: &HeaderMap) -> bool {
    answer.get("grpc-status").is_some_and(|status| status != "0")
}

/// The session of a call, a new guest's where the contract begins one.
///
/// # Errors
/// The header's token is not good, or the database failed, which must not make a guest of a user.
pub(super) async fn of(
    authenticator: &dyn Authenticator,
    access: &Access,
    caller: Kind,
    headers: &HeaderMap,
) -> Result<(Session, Tell), Failure> {
    let found = if headers.contains_key(AUTHORIZATION) {
        by_header(authenticator, access.lenient, headers).await?
    } else if matches!(caller, Kind::Gateway | Kind::Operator) {
        by_cookie(authenticator, headers).await?.map(|session| (session, Tell::Nothing))
    } else {
        None
    };
    match found {
        Some(found) => Ok(found),
        None if access.begins_session => {
            let (guest, token) = authenticator.begin_guest()?;
            Ok((Session { user: None, guest: Some(guest) }, Tell::Begin(token)))
        }
        None => Ok((Session::default(), Tell::Nothing)),
    }
}

async fn by_header(
    authenticator: &dyn Authenticator,
    lenient: bool,
    headers: &HeaderMap,
) -> Result<Option<(Session, Tell)>, Failure> {
    let checked = async {
        let token = token(headers)?;
        let session = authenticator.authenticate(&token).await?;
        Ok((session, Tell::Keep(token)))
    };
    match checked.await {
        Err(failure) if lenient => none_if_bad(failure),
        checked => checked.map(Some),
    }
}

async fn by_cookie(authenticator: &dyn Authenticator, headers: &HeaderMap) -> Result<Option<Session>, Failure> {
    let Some(token) = headers.get(reply::SESSION).and_then(|value| value.to_str().ok()) else { return Ok(None) };
    match authenticator.authenticate(token.trim()).await {
        Err(failure) => none_if_bad(failure),
        session => session.map(Some),
    }
}

fn none_if_bad<T>(failure: Failure) -> Result<Option<T>, Failure> {
    if failure.code == Code::NotAuthenticated { Ok(None) } else { Err(failure) }
}

/// The token of the header.
pub(super) fn token(headers: &HeaderMap) -> Result<String, Failure> {
    let invalid = || Failure::new(Code::NotAuthenticated, "Invalid token.");
    let text = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(invalid)?;
    let (scheme, token) = text.split_once(' ').ok_or_else(invalid)?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    if known { Ok(token.trim().to_owned()) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use uuid::Uuid;

    use super::*;
    use crate::auth::User;

    const GUEST: Uuid = Uuid::from_u128(7);

    /// Knows the token `user` and the token `guest`; fails at `down`.
    struct Known;

    impl Authenticator for Known {
        fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Session, Failure>> {
            let user = User { number: 101_000, session: Uuid::nil(), expires_at_us: 0, grants: Vec::new() };
            let session = match token {
                "user" => Ok(Session { user: Some(user), guest: None }),
                "guest" => Ok(Session { user: None, guest: Some(GUEST) }),
                "down" => Err(Failure::new(Code::StorageUnavailable, "The database is away.")),
                _ => Err(Failure::new(Code::NotAuthenticated, "Invalid token.")),
            };
            Box::pin(std::future::ready(session))
        }

        fn whose<'a>(&'a self, _token: &'a str) -> BoxFuture<'a, Option<i64>> {
            Box::pin(std::future::ready(None))
        }

        fn begin_guest(&self) -> Result<(Uuid, String), Failure> {
            Ok((Uuid::from_u128(9), "new".to_owned()))
        }
    }

    fn headers(authorization: Option<&'static str>, cookie: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        authorization.map(|value| headers.insert(AUTHORIZATION, HeaderValue::from_static(value)));
        cookie.map(|value| headers.insert(reply::SESSION, HeaderValue::from_static(value)));
        headers
    }

    /// The user, the guest and what is told.
    type Found = Result<(Option<i64>, Option<Uuid>, Tell), Code>;

    async fn asked(access: Access, authorization: Option<&'static str>, cookie: Option<&'static str>) -> Found {
        let headers = headers(authorization, cookie);
        let found = of(&Known, &access, Kind::Gateway, &headers).await.map_err(|failure| failure.code)?;
        let (session, tell) = found;
        Ok((session.user.map(|user| user.number), session.guest, tell))
    }

    #[tokio::test]
    async fn a_bad_header_is_refused_and_a_bad_cookie_is_none() {
        let (strict, lenient) = (Access::default(), Access { lenient: true, ..Access::default() });
        let keep = |token: &str| Tell::Keep(token.to_owned());
        assert_eq!(asked(strict.clone(), Some("Token user"), None).await, Ok((Some(101_000), None, keep("user"))));
        assert_eq!(asked(strict.clone(), Some("bearer guest"), None).await, Ok((None, Some(GUEST), keep("guest"))));
        assert_eq!(asked(strict.clone(), None, Some("user")).await, Ok((Some(101_000), None, Tell::Nothing)));
        assert_eq!(asked(strict.clone(), None, None).await, Ok((None, None, Tell::Nothing)));
        for bad in ["Token old", "Basic user", "user", "Token"] {
            // Whoever sends a header means it: the cookie does not stand in.
            assert_eq!(asked(strict.clone(), Some(bad), Some("user")).await, Err(Code::NotAuthenticated), "{bad}");
            assert_eq!(asked(lenient.clone(), Some(bad), Some("user")).await, Ok((None, None, Tell::Nothing)), "{bad}");
        }
        assert_eq!(asked(strict.clone(), None, Some("old")).await, Ok((None, None, Tell::Nothing)));
        for cookie in [(Some("Token down"), None), (None, Some("down"))] {
            assert_eq!(asked(lenient.clone(), cookie.0, cookie.1).await, Err(Code::StorageUnavailable));
        }
        // Stores and hubs pass no cookies on.
        let found = of(&Known, &strict, Kind::Store, &headers(None, Some("user"))).await.unwrap();
        assert!(found.0.user.is_none());
    }

    #[tokio::test]
    async fn a_session_begins_only_where_there_is_none() {
        let access = Access { begins_session: true, ..Access::default() };
        let begun = Ok((None, Some(Uuid::from_u128(9)), Tell::Begin("new".to_owned())));
        assert_eq!(asked(access.clone(), None, None).await, begun);
        assert_eq!(asked(access.clone(), None, Some("old")).await, begun);
        assert_eq!(asked(access.clone(), None, Some("guest")).await, Ok((None, Some(GUEST), Tell::Nothing)));
        assert_eq!(asked(access.clone(), None, Some("down")).await, Err(Code::StorageUnavailable));
        assert_eq!(asked(access, Some("Token old"), None).await, Err(Code::NotAuthenticated));
    }

    #[test]
    fn the_handler_has_the_last_word() {
        let put = |tell: Tell, answer: &[(&'static str, &'static str)]| {
            let pairs = answer
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
            let mut answer: HeaderMap = pairs.collect();
            tell.put(&mut answer);
            answer.get(reply::SESSION).map(|value| value.to_str().unwrap().to_owned())
        };
        let (keep, begin) = (Tell::Keep("mine".into()), Tell::Begin("new".into()));
        assert_eq!(put(keep.clone(), &[]).as_deref(), Some("mine"));
        assert_eq!(put(keep.clone(), &[("grpc-status", "5")]).as_deref(), Some("mine"));
        assert_eq!(put(keep, &[(reply::SESSION, "")]).as_deref(), Some(""));
        assert_eq!(put(begin.clone(), &[]).as_deref(), Some("new"));
        assert_eq!(put(begin.clone(), &[("grpc-status", "0")]).as_deref(), Some("new"));
        assert_eq!(put(begin, &[("grpc-status", "5")]), None);
        assert_eq!(put(Tell::Nothing, &[]), None);
    }
}
