//! Proxies in front of the gateway, and what they say of their clients.

use std::net::IpAddr;

use http::HeaderMap;

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

    /// Whether the address is one of them.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
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

    /// Whether a trusted proxy says that the client came to it over TLS.
    pub(crate) fn is_tls(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        let said = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
        // The first word is that of the proxy nearest to the client.
        let scheme = said.and_then(|said| said.split(',').next()).unwrap_or_default().trim();
        scheme.eq_ignore_ascii_case("https") && self.contains(peer)
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
    use http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::try_from(value).unwrap())])
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

    #[test]
    fn schemes_are_believed_from_proxies_only() {
        let proxies = TrustedProxies::parse("10.0.0.1").unwrap();
        let (trusted, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let said = |text| headers("x-forwarded-proto", text);
        assert!(proxies.is_tls(trusted, &said("https")) && proxies.is_tls(trusted, &said("HTTPS, http")));
        assert!(!proxies.is_tls(other, &said("https")));
        assert!(!proxies.is_tls(trusted, &said("http")) && !proxies.is_tls(trusted, &HeaderMap::new()));
    }
}
