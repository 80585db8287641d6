//! The address of a client, behind proxies too.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::HeaderMap;

/// The address from which a request came; the gateway puts it into the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

/// The address of the client: the peer's, unless that is a trusted proxy; then the last one in `X-Forwarded-For` that
/// is not. What stands before that one is the client's own word and counts for nothing.
#[must_use]
pub fn client_addr(peer: IpAddr, headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer.to_canonical();
    let hops: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for hop in hops.into_iter().rev() {
        if !is_trusted(client) {
            break;
        }
        let Some(address) = hop_address(hop.trim()) else { break };
        client = address.to_canonical();
    }
    client
}

/// Some proxies add a port, and brackets with it.
fn hop_address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    text.parse::<std::net::SocketAddr>().map(|address| address.ip()).ok()
}

/// What counts as one address for limits: of IPv6 the first 64 bits, which one customer of a provider has to itself.
#[must_use]
pub fn limit_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", axum::http::HeaderValue::from_static(value));
        }
        let is_trusted = |address: IpAddr| address.is_loopback() || address.to_string().starts_with("10.");
        client_addr(peer.parse().unwrap(), &headers, is_trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client("203.0.113.9", &["1.1.1.1"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["9.9.9.9, 1.1.1.1"]), "1.1.1.1");
        assert_eq!(client("10.0.0.1", &["9.9.9.9, 1.1.1.1", "10.2.0.1"]), "1.1.1.1");
        assert_eq!(client("::ffff:10.0.0.1", &["1.1.1.1:443"]), "1.1.1.1");
        assert_eq!(client("::1", &["[2001:db8::1]:80"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["10.0.0.2"]), "10.0.0.2");
    }

    #[test]
    fn a_customers_addresses_are_one() {
        let key = |text: &str| limit_key(text.parse().unwrap()).to_string();
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(key("::ffff:1.2.3.4"), "1.2.3.4");
    }
}
