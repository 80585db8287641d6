//! Where a webhook may lead: an attacker who names an address must not reach what only the server can reach.
//!
//! A name is looked up at every attempt, every address that it has is checked, and one of those very addresses is
//! connected to. There is no second look-up between check and connection, so a name that changes its mind gains
//! nothing. A connection that turns out to lead to the machine itself is closed before anything is said.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Which addresses webhooks may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Those of the public internet, at ports of web servers.
    Public,
    /// All: for development, and for networks in which everybody is trusted.
    Any,
}

/// Why an address of a webhook is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedUrl {
    /// It is no URL of http or https.
    #[error("must be an http or https URL")]
    Form,
    /// It carries credentials, which would stand in every list.
    #[error("must not have a user name or password")]
    Credentials,
    /// The port is one of something else.
    #[error("must have the port 80, 443, or one from 1024 on")]
    Port,
    /// It leads to an address that is not of the public internet.
    #[error("must not lead to a private address")]
    Private,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) is_tls: bool,
    pub(super) host: Host<String>,
    pub(super) port: u16,
    /// The `Host` of the request.
    pub(super) authority: String,
    /// Path and query.
    pub(super) path: String,
}

/// Checks the address of a webhook as far as it can be without looking its name up.
///
/// # Errors
/// [`RefusedUrl`].
pub fn check_url(text: &str, policy: AddressPolicy) -> Result<(), RefusedUrl> {
    Target::parse(text, policy).map(|_| ())
}

impl Target {
    pub(super) fn parse(text: &str, policy: AddressPolicy) -> Result<Self, RefusedUrl> {
        let url = Url::parse(text).map_err(|_| RefusedUrl::Form)?;
        let is_tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(RefusedUrl::Form),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RefusedUrl::Credentials);
        }
        let host = url.host().ok_or(RefusedUrl::Form)?.to_owned();
        let port = url.port_or_known_default().filter(|port| *port != 0).ok_or(RefusedUrl::Port)?;
        match policy {
            AddressPolicy::Any => {}
            AddressPolicy::Public => {
                if !matches!(port, 80 | 443 | 1024..) {
                    return Err(RefusedUrl::Port);
                }
                let is_private = match &host {
                    Host::Ipv4(address) => !is_public(IpAddr::V4(*address)),
                    Host::Ipv6(address) => !is_public(IpAddr::V6(*address)),
                    Host::Domain(name) => is_local_name(name),
                };
                if is_private {
                    return Err(RefusedUrl::Private);
                }
            }
        }
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self { is_tls, host, port, authority, path })
    }
}

impl AddressPolicy {
    /// Whether all of a name's addresses may be connected to: one that may not makes the whole name suspicious.
    pub(super) fn allows(self, addresses: &[IpAddr]) -> bool {
        match self {
            Self::Any => true,
            Self::Public => addresses.iter().all(|address| is_public(*address)),
        }
    }

    /// Whether a connection may be used that was made from one address to another. Only the machine itself is reached
    /// from the address that is asked for: its own address is public, and what listens there may be open to nobody
    /// outside, since no firewall stands in between.
    pub(super) fn allows_connection(self, from: IpAddr, to: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Public => from.to_canonical() != to.to_canonical(),
        }
    }
}

/// Names that no public server answers to.
fn is_local_name(name: &str) -> bool {
    const SUFFIXES: [&str; 4] = ["localhost", "local", "internal", "home.arpa"];
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    SUFFIXES
        .iter()
        .any(|suffix| name.strip_suffix(suffix).is_some_and(|before| before.is_empty() || before.ends_with('.')))
}

/// Whether an address is one of the public internet, by the registries of special-purpose addresses.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    const SPECIAL: [(u32, u32); 15] = [
        (v4(0, 0, 0, 0), 8),       // this network
        (v4(10, 0, 0, 0), 8),      // private
        (v4(100, 64, 0, 0), 10),   // shared by customers of a provider
        (v4(127, 0, 0, 0), 8),     // loopback
        (v4(169, 254, 0, 0), 16),  // link-local; the metadata of clouds
        (v4(172, 16, 0, 0), 12),   // private
        (v4(192, 0, 0, 0), 24),    // protocols
        (v4(192, 0, 2, 0), 24),    // documentation
        (v4(192, 88, 99, 0), 24),  // relays of 6to4
        (v4(192, 168, 0, 0), 16),  // private
        (v4(198, 18, 0, 0), 15),   // benchmarks
        (v4(198, 51, 100, 0), 24), // documentation
        (v4(203, 0, 113, 0), 24),  // documentation
        (v4(224, 0, 0, 0), 4),     // multicast
        (v4(240, 0, 0, 0), 4),     // reserved, broadcast
    ];
    let address = u32::from(address);
    !SPECIAL.iter().any(|(network, bits)| (address ^ network) >> (32 - bits) == 0)
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let segments = address.segments();
    // What a translator makes of an IPv4 address leads to that address.
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let octets = address.octets();
        return is_public_v4(Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]));
    }
    // Only this eighth of all addresses is given to networks; loopback, link-local, unique local, multicast, and the
    // forms that carry an IPv4 address lie outside.
    let is_global = segments[0] & 0xe000 == 0x2000;
    let is_special = match segments[0] {
        0x2001 => segments[1] < 0x200 || segments[1] == 0xdb8, // protocols, Teredo; documentation
        0x2002 => true,                                        // 6to4
        0x3fff => segments[1] < 0x1000,                        // documentation
        _ => false,
    };
    is_global && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_not_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "feb0::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn addresses_that_are_public() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn one_private_address_spoils_a_name() {
        let addresses: Vec<IpAddr> = ["1.1.1.1", "127.0.0.1"].iter().map(|text| text.parse().unwrap()).collect();
        assert!(!AddressPolicy::Public.allows(&addresses));
        assert!(AddressPolicy::Public.allows(&addresses[..1]));
        assert!(AddressPolicy::Any.allows(&addresses));
    }

    #[test]
    fn the_machine_itself_is_not_connected_to() {
        for (from, to, is_allowed) in [
            ("192.0.1.7", "1.1.1.1", true),
            ("1.1.1.1", "1.1.1.1", false),
            ("::ffff:1.1.1.1", "1.1.1.1", false),
            ("2606:4700::1111", "2606:4700::1111", false),
            ("2606:4700::1112", "2606:4700::1111", true),
        ] {
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            assert_eq!(AddressPolicy::Public.allows_connection(from, to), is_allowed, "{from} {to}");
            assert!(AddressPolicy::Any.allows_connection(from, to));
        }
    }

    #[test]
    fn addresses_are_refused_however_they_are_written() {
        use RefusedUrl::{Credentials, Form, Port, Private};
        for (url, why) in [
            ("", Form),
            ("hook", Form),
            ("ftp://example.com/", Form),
            ("file:///etc/passwd", Form),
            ("gopher://127.0.0.1/", Form),
            ("javascript:alert(1)", Form),
            ("http://", Form),
            ("https://user@example.com/", Credentials),
            ("https://user:secret@example.com/", Credentials),
            ("https://:secret@example.com/", Credentials),
            ("http://example.com:22/", Port),
            ("http://example.com:25/", Port),
            ("http://example.com:0/", Port),
            ("http://127.0.0.1/", Private),
            ("http://127.1/", Private),
            ("http://2130706433/", Private),
            ("http://0x7f000001/", Private),
            ("http://0177.0.0.1/", Private),
            ("http://0/", Private),
            ("http://127.0.0.1./", Private),
            ("http://①②⑦.0.0.1/", Private),
            ("http://localhost/", Private),
            ("http://LOCALHOST./", Private),
            ("http://a.localhost:8080/", Private),
            ("http://printer.local/", Private),
            ("http://metadata.google.internal/", Private),
            ("http://169.254.169.254/latest/meta-data/", Private),
            ("http://[::1]/", Private),
            ("http://[::ffff:127.0.0.1]/", Private),
            ("http://[::ffff:7f00:1]/", Private),
            ("http://[fd00::1]/", Private),
            ("http://[fe80::1]/", Private),
        ] {
            assert_eq!(check_url(url, AddressPolicy::Public), Err(why), "{url}");
        }
        for url in ["https://example.com/hook?a=b", "http://example.com:8080/", "https://1.1.1.1/", "https://locale/"] {
            assert_eq!(check_url(url, AddressPolicy::Public), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_allowed_for_development() {
        for url in ["http://127.0.0.1:9/", "http://localhost:22/", "http://[::1]:80/x"] {
            assert_eq!(check_url(url, AddressPolicy::Any), Ok(()), "{url}");
        }
        for (url, why) in [("ftp://127.0.0.1/", RefusedUrl::Form), ("http://u:p@127.0.0.1/", RefusedUrl::Credentials)] {
            assert_eq!(check_url(url, AddressPolicy::Any), Err(why), "{url}");
        }
    }

    #[test]
    fn a_target_is_read_from_its_url() {
        let target = Target::parse("https://Example.com:8443/a%20b?c=d#e", AddressPolicy::Public).unwrap();
        assert_eq!((target.is_tls, target.port), (true, 8443));
        assert_eq!((target.authority.as_str(), target.path.as_str()), ("example.com:8443", "/a%20b?c=d"));
        let target = Target::parse("http://[::1]", AddressPolicy::Any).unwrap();
        assert_eq!((target.authority.as_str(), target.path.as_str(), target.port), ("[::1]", "/", 80));
    }
}
