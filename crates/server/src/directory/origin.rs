//! Where pages may be: origins as browsers send them, and the domains that a website allows.

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The longest host name, in characters.
const MAX_HOST_LENGTH: usize = 253;
/// The longest part of a host name between two dots, in characters.
const MAX_LABEL_LENGTH: usize = 63;

/// The origin of a page as a browser sends it: `scheme://host`, optionally with a port.
///
/// Only `http` and `https` with nothing behind host and port are origins here; `null`, user information, paths and
/// everything else that a browser never sends is refused when it is read. Host names are compared without regard
/// to case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    host: Host,
    port: u16,
}

/// The text is no origin of a web page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be http://host or https://host, optionally with a port")]
pub struct InvalidOrigin;

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidOrigin)?;
        let default_port = if scheme.eq_ignore_ascii_case("https") {
            443
        } else if scheme.eq_ignore_ascii_case("http") {
            80
        } else {
            return Err(InvalidOrigin);
        };
        let (host, port) = split_port(rest).ok_or(InvalidOrigin)?;
        Ok(Self { host: Host::parse(host).ok_or(InvalidOrigin)?, port: port.unwrap_or(default_port) })
    }
}

/// A domain that a website allows: `host` or `*.host`, optionally with `:port`.
///
/// `*.host` stands for everything below the host, at any depth, and not for the host itself. Without a port any
/// port is allowed, with one only that one (the default port of a scheme counts as given). IPv6 addresses stand in
/// brackets. The scheme is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DomainPattern {
    host: Host,
    is_wildcard: bool,
    port: Option<u16>,
}

/// The text is no domain pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be host or *.host, optionally with :port, without a scheme")]
pub struct InvalidDomain;

impl FromStr for DomainPattern {
    type Err = InvalidDomain;

    fn from_str(text: &str) -> Result<Self, InvalidDomain> {
        let (is_wildcard, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        let (host, port) = split_port(rest).ok_or(InvalidDomain)?;
        let host = Host::parse(host).ok_or(InvalidDomain)?;
        if is_wildcard && !matches!(host, Host::Name(_)) {
            return Err(InvalidDomain);
        }
        Ok(Self { host, is_wildcard, port })
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_wildcard {
            f.write_str("*.")?;
        }
        match &self.host {
            Host::Name(name) => f.write_str(name)?,
            Host::V4(address) => write!(f, "{address}")?,
            Host::V6(address) => write!(f, "[{address}]")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Domain patterns, found by host: the cost of a look-up is that of the host's dots, not of the patterns.
#[derive(Debug, Clone, Default)]
pub struct DomainSet {
    exact: HashMap<Host, Ports>,
    below: HashMap<Box<str>, Ports>,
}

impl DomainSet {
    /// Adds a pattern.
    pub fn insert(&mut self, pattern: &DomainPattern) {
        let ports = match &pattern.host {
            Host::Name(name) if pattern.is_wildcard => self.below.entry(name.clone()).or_default(),
            Host::Name(_) | Host::V4(_) | Host::V6(_) => self.exact.entry(pattern.host.clone()).or_default(),
        };
        match pattern.port {
            None => ports.any = true,
            Some(port) if !ports.some.contains(&port) => ports.some.push(port),
            Some(_) => {}
        }
    }

    /// Whether a pattern allows the origin.
    #[must_use]
    pub fn contains(&self, origin: &Origin) -> bool {
        if self.exact.get(&origin.host).is_some_and(|ports| ports.contain(origin.port)) {
            return true;
        }
        let Host::Name(name) = &origin.host else { return false };
        let mut rest: &str = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if self.below.get(parent).is_some_and(|ports| ports.contain(origin.port)) {
                return true;
            }
            rest = parent;
        }
        false
    }
}

#[derive(Debug, Clone, Default)]
struct Ports {
    any: bool,
    some: Vec<u16>,
}

impl Ports {
    fn contain(&self, port: u16) -> bool {
        self.any || self.some.contains(&port)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Host {
    /// In lower case.
    Name(Box<str>),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            return rest.strip_suffix(']')?.parse().ok().map(Self::V6);
        }
        if let Ok(address) = text.parse() {
            return Some(Self::V4(address));
        }
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= MAX_LABEL_LENGTH
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let is_name = text.len() <= MAX_HOST_LENGTH
            && text.split('.').all(is_label)
            && !text.rsplit('.').next().is_some_and(is_number);
        is_name.then(|| Self::Name(text.to_ascii_lowercase().into_boxed_str()))
    }
}

/// Whether browsers read a name whose last part this is as an IPv4 address, written unusually: `127.1`, `0x7f.1`.
fn is_number(last: &str) -> bool {
    let hexadecimal = last.strip_prefix("0x").or(last.strip_prefix("0X"));
    last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Splits `host` or `host:port`; the port has no sign and no leading zero.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let end_of_host = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, rest) = text.split_at(end_of_host);
    if rest.is_empty() {
        return Some((host, None));
    }
    let digits = rest.strip_prefix(':')?;
    if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(|port| (host, Some(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(patterns: &[&str], origin: &str) -> bool {
        let mut set = DomainSet::default();
        for pattern in patterns {
            set.insert(&pattern.parse().expect(pattern));
        }
        origin.parse::<Origin>().is_ok_and(|origin| set.contains(&origin))
    }

    #[test]
    fn a_host_allows_itself_at_any_port() {
        for origin in ["https://example.com", "http://EXAMPLE.com:8080", "HTTPS://Example.Com:443"] {
            assert!(allows(&["Example.com"], origin), "{origin}");
        }
    }

    #[test]
    fn look_alikes_are_refused() {
        for origin in [
            "null",
            "",
            "example.com",
            "https://evil-example.com",
            "https://example.com.evil",
            "https://example.com.",
            "https://sub.example.com",
            "https://example.com@evil.com",
            "https://user:pw@example.com",
            "https://evil.com#example.com",
            "https://evil.com?example.com",
            "https://example.com/",
            "https://example.com/path",
            "https://example.com:",
            "https://example.com:0",
            "https://example.com:443443",
            "https://example.com:+443",
            "https://example.com:0443",
            "https://example.com ",
            " https://example.com",
            "https://example.com\0",
            "https://example.com, https://example.com",
            "https:example.com",
            "https:///example.com",
            "ftp://example.com",
            "file://example.com",
            "https://examplе.com",
            "https://example..com",
            "https://.example.com",
        ] {
            assert!(!allows(&["example.com"], origin), "{origin}");
        }
    }

    #[test]
    fn a_wildcard_is_what_lies_below() {
        for origin in ["https://a.example.com", "https://a.b.example.com:9", "https://A.EXAMPLE.com"] {
            assert!(allows(&["*.example.com"], origin), "{origin}");
        }
        for origin in
            ["https://example.com", "https://aexample.com", "https://a.example.com.evil", "https://.example.com"]
        {
            assert!(!allows(&["*.example.com"], origin), "{origin}");
        }
    }

    #[test]
    fn a_port_is_exact() {
        assert!(allows(&["example.com:8443"], "https://example.com:8443"));
        assert!(allows(&["example.com:443"], "https://example.com"));
        assert!(allows(&["example.com:80"], "http://example.com"));
        assert!(!allows(&["example.com:443"], "http://example.com"));
        assert!(!allows(&["example.com:8443"], "https://example.com"));
        assert!(allows(&["*.example.com:81", "*.example.com:82"], "http://x.example.com:82"));
        assert!(!allows(&["*.example.com:81"], "http://x.example.com:83"));
    }

    #[test]
    fn addresses_are_compared_as_addresses() {
        assert!(allows(&["[::1]"], "http://[::1]:5173"));
        assert!(allows(&["[0:0::1]:90"], "http://[::1]:90"));
        assert!(!allows(&["[::1]:90"], "http://[::1]:91"));
        assert!(allows(&["127.0.0.1"], "http://127.0.0.1:3000"));
        for origin in ["http://127.0.0.1.evil.com", "http://127.1", "http://[::2]", "http://::1", "http://[::1"] {
            assert!(!allows(&["127.0.0.1", "[::1]"], origin), "{origin}");
        }
    }

    #[test]
    fn patterns_are_checked_and_written_back() {
        for text in [
            "",
            "*",
            "*.",
            "https://example.com",
            "exa mple.com",
            "a..b",
            "*.*.com",
            "*.127.0.0.1",
            "*.[::1]",
            "::1",
            "example.com/",
            "example.com:",
            "example.com:99999",
            "ex*.com",
            "münchen.de",
        ] {
            assert!(text.parse::<DomainPattern>().is_err(), "{text}");
        }
        for text in ["example.com", "*.example.com:8080", "[::1]:3000", "127.0.0.1", "localhost", "xn--mnchen-3ya.de"] {
            assert_eq!(text.parse::<DomainPattern>().expect(text).to_string(), text);
        }
    }
}
