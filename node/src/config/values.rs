//! The rules for single values: text in, typed value or what is allowed out.

use std::{fmt, net::SocketAddr, ops::RangeInclusive, time::Duration};

use codepop_shared::{
    identity::{Kind, NO_REGION},
    tls::Connector,
};
use http::Uri;
use uuid::Uuid;

/// Most hub addresses to begin with; the rest is learnt.
const HUBS_MAX: usize = 16;

/// Which database.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// `<data dir>/node.db`.
    Sqlite,
    /// A PostgreSQL server; the address may hold a password.
    Postgres(String),
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "Sqlite",
            Self::Postgres(_) => "Postgres",
        })
    }
}

/// `NODE_ID`.
///
/// # Errors
/// What is allowed.
pub fn node_id(text: &str) -> Result<Uuid, &'static str> {
    let uuid = Uuid::parse_str(text).map_err(|_| {
        "must be a UUID like 01890a5d-ac96-774b-bcce-b302099a8057, because names can collide; leave it unset and `init` \
         makes one"
    })?;
    if uuid.is_nil() { Err("must not be the nil UUID") } else { Ok(uuid) }
}

/// `NODE_TYPE`.
///
/// # Errors
/// What is allowed.
pub fn node_type(text: &str) -> Result<Kind, &'static str> {
    match text.to_ascii_uppercase().as_str() {
        "STORE" => Ok(Kind::Store),
        "SUPPLY_HUB" => Ok(Kind::Hub),
        _ => Err("must be STORE or SUPPLY_HUB"),
    }
}

/// `NODE_DISPLAY_NAME`.
///
/// # Errors
/// What is allowed.
pub fn display_name(text: &str) -> Result<String, &'static str> {
    let name = text.trim();
    if (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        Ok(name.to_owned())
    } else {
        Err("must be 1 to 200 printable characters")
    }
}

/// `SUPPLY_HUB_REGION`.
///
/// # Errors
/// What is allowed.
pub fn region(text: &str) -> Result<String, &'static str> {
    let fits = (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits && text != NO_REGION { Ok(text.to_owned()) } else { Err("must be 1 to 10 letters or digits") }
}

/// `NODE_LATITUDE`.
///
/// # Errors
/// What is allowed.
pub fn latitude(text: &str) -> Result<f64, &'static str> {
    degrees(text, -90.0..=90.0).ok_or("must be a number from -90 to 90")
}

/// `NODE_LONGITUDE`.
///
/// # Errors
/// What is allowed.
pub fn longitude(text: &str) -> Result<f64, &'static str> {
    degrees(text, -180.0..=180.0).ok_or("must be a number from -180 to 180")
}

fn degrees(text: &str, range: RangeInclusive<f64>) -> Option<f64> {
    text.trim().parse().ok().filter(|degrees| range.contains(degrees))
}

/// An address of a node: `https://host:port`, or `http://` on loopback for `--insecure`.
///
/// # Errors
/// What is allowed.
pub fn node_url(text: &str) -> Result<String, &'static str> {
    const ALLOWED: &str = "must be https://host:port (http:// only on loopback, for --insecure)";
    let url: Uri = text.parse().map_err(|_| ALLOWED)?;
    let plain = url.scheme_str() == Some("http");
    let fits = if plain {
        Connector::plain().endpoint(text).is_ok()
    } else {
        url.scheme_str() == Some("https") && has_host_and_port_alone(&url)
    };
    if fits { Ok(text.trim_end_matches('/').to_owned()) } else { Err(ALLOWED) }
}

fn has_host_and_port_alone(url: &Uri) -> bool {
    let port = url.port_u16().is_some_and(|port| port != 0);
    let user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
    port && !user && url.host().is_some_and(|host| !host.is_empty()) && url.path() == "/" && url.query().is_none()
}

/// `SUPPLY_HUB_URL`.
///
/// # Errors
/// What is allowed.
pub fn hub_urls(text: &str) -> Result<Vec<String>, String> {
    let urls = text.split(',').map(str::trim).filter(|url| !url.is_empty());
    let urls: Vec<String> =
        urls.map(node_url).collect::<Result<_, _>>().map_err(|allowed| format!("each {allowed}"))?;
    if urls.len() > HUBS_MAX {
        return Err(format!("must be at most {HUBS_MAX} addresses"));
    }
    Ok(urls)
}

/// `DATABASE_URL`. The value itself must never be shown: see [`database_shown`].
///
/// # Errors
/// What is allowed.
pub fn database(text: &str) -> Result<Database, &'static str> {
    const ALLOWED: &str =
        "must be postgres://user:password@host:port/database, or unset for SQLite in the data directory";
    let known = text.starts_with("postgres://") || text.starts_with("postgresql://");
    if known && text.parse::<tokio_postgres::Config>().is_ok() {
        Ok(Database::Postgres(text.to_owned()))
    } else {
        Err(ALLOWED)
    }
}

/// What of a database's address may be shown: the scheme alone, because a wrong address is one in which nobody can say
/// where the password is.
pub fn database_shown(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, _)) if scheme.len() <= 16 && scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            format!("{scheme}://…")
        }
        _ => "…".to_owned(),
    }
}

/// An address to listen on.
///
/// # Errors
/// What is allowed.
pub fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be ip:port, for example 127.0.0.1:7101 or [::]:7101")
}

/// A whole number.
///
/// # Errors
/// What is allowed.
pub fn whole(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let allowed = || format!("must be a whole number from {} to {}", range.start(), range.end());
    text.trim().parse().ok().filter(|number| range.contains(number)).ok_or_else(allowed)
}

/// A time in whole milliseconds.
///
/// # Errors
/// What is allowed.
pub fn millis(text: &str, range: RangeInclusive<u64>) -> Result<Duration, String> {
    let found = text.trim().parse().ok().filter(|ms| range.contains(ms));
    let allowed = || format!("must be a whole number of milliseconds from {} to {}", range.start(), range.end());
    found.map(Duration::from_millis).ok_or_else(allowed)
}

/// A distance.
///
/// # Errors
/// What is allowed.
pub fn miles(text: &str) -> Result<f64, &'static str> {
    text.trim().parse().ok().filter(|miles| (0.0..=25_000.0).contains(miles)).ok_or("must be miles from 0 to 25000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "postgres://u:hunter2@host:5432/db",
            "postgres://u:hun/ter2@x@host/db?password=hunter2",
            "u:hunter2@host",
            "mysql://u:hunter2@host",
        ] {
            let shown = database_shown(url);
            assert!(!shown.contains("hunter2") && !format!("{:?}", database(url)).contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn addresses_of_nodes() {
        for good in ["https://10.0.0.1:7101", "https://store-1.example.org:7101/", "https://[::1]:1", "http://[::1]:1"]
        {
            assert!(node_url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "10.0.0.1:7101",
            "https://10.0.0.1",
            "https://10.0.0.1:0",
            "https://10.0.0.1:70000",
            "https://:7101",
            "http://192.168.1.100:8001",
            "https://u:p@h:1",
            "https://h:1/backend",
            "https://h:1?x=1",
            "ftp://h:1",
        ] {
            assert!(node_url(bad).is_err(), "{bad}");
        }
        assert_eq!(hub_urls("https://a:1, https://b:2,").unwrap(), ["https://a:1", "https://b:2"]);
        assert!(hub_urls("https://a:1,b").is_err());
        assert!(hub_urls(&"https://a:1,".repeat(17)).is_err());
    }

    #[test]
    fn degrees_are_finite_and_in_range() {
        assert_eq!((latitude("0.0"), longitude("-180")), (Ok(0.0), Ok(-180.0)));
        for bad in ["", "abc", "NaN", "inf", "90.01", "1,5"] {
            assert!(latitude(bad).is_err(), "{bad}");
        }
    }
}
