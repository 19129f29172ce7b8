//! What a request's headers say: who asks, by which id, how long the answer may take, and which store is preferred.

use std::{net::IpAddr, time::Duration};

use codepop_shared::{Code, Failure};
use http::{HeaderMap, HeaderValue, header};
use uuid::Uuid;

/// Longest request id that is taken over.
const REQUEST_ID_MAX: usize = 128;

/// How long an answer may take unless the client asks for less.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// The header with a request's id, in and out, and to the node.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// The header, or cookie, with the store that the client would like.
const PREFERRED_STORE: &str = "x-codepop-store";

/// The client's id for the request, or a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let fits = |id: &&HeaderValue| {
        (1..=REQUEST_ID_MAX).contains(&id.len()) && id.as_bytes().iter().all(|byte| (0x21..=0x7e).contains(byte))
    };
    let made = || HeaderValue::try_from(Uuid::now_v7().to_string()).unwrap_or(HeaderValue::from_static("-"));
    headers.get(REQUEST_ID).filter(fits).cloned().unwrap_or_else(made)
}

/// The client's credentials as nodes take them; none for the words that the app sends when nobody is logged in.
pub(crate) fn authorization(headers: &HeaderMap) -> Result<Option<HeaderValue>, Failure> {
    let wrong = |detail: &str| Failure::new(Code::NotAuthenticated, detail);
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(wrong("The header Authorization may be sent once only."));
    }
    let text = value.to_str().map_err(|_| wrong("The header Authorization holds characters that are not allowed."))?;
    let (scheme, token) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let token = token.trim();
    if scheme.is_empty() {
        return Ok(None);
    }
    if !scheme.eq_ignore_ascii_case("token") && !scheme.eq_ignore_ascii_case("bearer") {
        return Err(wrong("The header Authorization must be \"Token …\" or \"Bearer …\"."));
    }
    if matches!(token, "" | "null" | "undefined") {
        return Ok(None);
    }
    if token.contains(char::is_whitespace) {
        return Err(wrong("A token holds no spaces."));
    }
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| wrong("The header Authorization holds characters that are not allowed."))?;
    bearer.set_sensitive(true);
    Ok(Some(bearer))
}

/// How long the answer may take: ten seconds, or less if the client says so.
pub(crate) fn deadline(headers: &HeaderMap) -> Result<Duration, Failure> {
    let Some(value) = headers.get("x-request-timeout") else { return Ok(DEADLINE) };
    let seconds = value.to_str().ok().and_then(|text| text.trim().parse::<f64>().ok());
    match seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0) {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds.min(DEADLINE.as_secs_f64()))),
        None => Err(Failure::invalid("X-Request-Timeout", "must be a number of seconds above 0")),
    }
}

/// The store that the client would like to answer, by header or cookie.
pub(crate) fn preferred_store(headers: &HeaderMap) -> Option<Uuid> {
    let by_header = headers.get(PREFERRED_STORE).and_then(|value| value.to_str().ok());
    by_header.or_else(|| cookie(headers, PREFERRED_STORE)).and_then(|text| Uuid::parse_str(text.trim()).ok())
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

/// Addresses whose word about their clients is believed: single ones and networks.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<(IpAddr, u8)>);

impl TrustedProxies {
    /// Reads a list like `10.0.0.1, 192.168.0.0/16`.
    ///
    /// # Errors
    ///
    /// Names the first entry that is no address.
    pub fn parse(list: &str) -> Result<Self, String> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(network).collect::<Result<_, _>>().map(Self)
    }

    fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(network, bits)| shares_prefix(*network, address, *bits))
    }

    /// The client's address: the connection's, or what trusted proxies say it is.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let said: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(','))
            .collect();
        // From the last: each trusted proxy vouches for the address before its own.
        for hop in said.iter().rev() {
            if !self.contains(client) {
                break;
            }
            match hop.trim().parse::<IpAddr>() {
                Ok(address) => client = address.to_canonical(),
                Err(_) => break,
            }
        }
        client
    }
}

fn network(entry: &str) -> Result<(IpAddr, u8), String> {
    let problem = || format!("{entry:?} is no address like 10.0.0.1 or 10.0.0.0/8");
    let (address, bits) = entry.split_once('/').map_or((entry, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().map_err(|_| problem())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Ok(longest), str::parse).map_err(|_| problem())?;
    if bits <= longest { Ok((address, bits)) } else { Err(problem()) }
}

fn shares_prefix(network: IpAddr, address: IpAddr, bits: u8) -> bool {
    let differ = |a: u128, b: u128, width: u32| (a ^ b).checked_shr(width - u32::from(bits)).unwrap_or(0) != 0;
    match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => !differ(u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => !differ(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::try_from(value).unwrap())])
    }

    #[test]
    fn tokens_are_understood() {
        for text in ["Token abc", "token abc", "BEARER abc", "Bearer  abc "] {
            let value = authorization(&headers("authorization", text)).unwrap();
            assert_eq!(value.unwrap(), "Bearer abc", "{text}");
        }
        for text in ["Token null", "Token undefined", "Token", "Bearer ", ""] {
            assert_eq!(authorization(&headers("authorization", text)).unwrap(), None, "{text}");
        }
        for text in ["Basic abc", "abc", "Token a b"] {
            let failure = authorization(&headers("authorization", text)).unwrap_err();
            assert_eq!(failure.code, Code::NotAuthenticated, "{text}");
        }
    }

    #[test]
    fn request_ids_are_checked() {
        assert_eq!(request_id(&headers(REQUEST_ID, "my-id:1")), "my-id:1");
        for bad in ["a b".to_owned(), "x".repeat(129), String::new(), "\u{e9}".to_owned()] {
            let id = request_id(&headers(REQUEST_ID, &bad));
            assert!(Uuid::parse_str(id.to_str().unwrap()).is_ok(), "{bad}");
        }
    }

    #[test]
    fn timeouts_only_shorten() {
        assert_eq!(deadline(&HeaderMap::new()).unwrap(), DEADLINE);
        assert_eq!(deadline(&headers("x-request-timeout", "0.25")).unwrap(), Duration::from_millis(250));
        assert_eq!(deadline(&headers("x-request-timeout", "1e300")).unwrap(), DEADLINE);
        for bad in ["0", "-1", "NaN", "soon", "inf"] {
            assert!(deadline(&headers("x-request-timeout", bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_preferred_store_is_header_or_cookie() {
        let id = Uuid::now_v7();
        assert_eq!(preferred_store(&headers("x-codepop-store", &id.to_string())), Some(id));
        assert_eq!(preferred_store(&headers("cookie", &format!("a=b; X-CodePop-Store={id}"))), Some(id));
        assert_eq!(preferred_store(&headers("x-codepop-store", "logan")), None);
    }

    #[test]
    fn forwarded_addresses_are_believed_from_proxies_only() {
        let proxies = TrustedProxies::parse("10.0.0.0/8, ::1").unwrap();
        let said = headers("x-forwarded-for", "6.6.6.6, 9.9.9.9, 10.1.1.1");
        let client = |peer: &str| proxies.client(peer.parse().unwrap(), &said).to_string();
        assert_eq!(client("10.0.0.1"), "9.9.9.9");
        assert_eq!(client("::ffff:10.0.0.1"), "9.9.9.9");
        assert_eq!(client("::1"), "9.9.9.9");
        assert_eq!(client("11.0.0.1"), "11.0.0.1");
        assert_eq!(TrustedProxies::default().client("10.0.0.1".parse().unwrap(), &said).to_string(), "10.0.0.1");
        for bad in ["10.0.0", "10.0.0.0/33", "x", "::/129", "10.0.0.0/"] {
            assert!(TrustedProxies::parse(bad).is_err(), "{bad}");
        }
    }
}
