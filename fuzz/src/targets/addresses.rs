//! Addresses that decide about access: the origin of a page, the domains of a website, the address of a webhook. The
//! reader of URLs that browsers agree on must see the same host behind each of them.

use std::net::{Ipv4Addr, Ipv6Addr};

use cossistant_server::directory::{DomainPattern, DomainSet, Origin};
use cossistant_server::webhook::{AddressPolicy, check_url};
use url::{Host, Url};

use crate::Target;

/// An input is a text.
pub(crate) const TARGET: Target = Target {
    name: "addresses",
    run,
    seeds,
    words: &[
        "https://",
        "http://",
        "HTTPS://",
        "*.",
        "example.com",
        "localhost",
        ".local",
        "127.0.0.1",
        "0x7f.1",
        "017700000001",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        ":443",
        ":80",
        ":0",
        "@",
        "%2e",
        "。",
        "xn--",
        "%31",
        "\\",
        "#",
        "?",
    ],
    max_bytes: 300,
    change: None,
};

fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(origin) = text.parse::<Origin>() {
        check_origin(text, &origin);
    }
    if let Ok(pattern) = text.parse::<DomainPattern>() {
        assert_eq!(pattern.to_string().parse().as_ref(), Ok(&pattern), "{pattern} is another pattern than {text}");
        check_pattern(&pattern);
    }
    let is_public = check_url(text, AddressPolicy::Public).is_ok();
    if is_public {
        check_target(text);
    }
    assert!(!is_public || check_url(text, AddressPolicy::Any).is_ok(), "what is allowed in public is allowed");
}

/// A browser that names this origin is at that very host and port.
fn check_origin(text: &str, origin: &Origin) {
    // What is no URL, no browser sends: a name that is no punycode, say.
    let Ok(url) = Url::parse(text) else { return };
    assert!(matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none());
    assert!(url.path() == "/" && url.query().is_none() && url.fragment().is_none(), "more than an origin");
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { panic!("no host or port") };
    let allows = |pattern: &str| {
        let mut set = DomainSet::default();
        set.insert(&pattern.parse().expect("the host of a URL is a pattern"));
        set.contains(origin)
    };
    assert!(allows(host) && allows(&format!("{host}:{port}")), "{text} is not of {host}:{port}");
    assert!(!allows(&format!("{host}:{}", if port == 1 { 2 } else { 1 })), "another port is allowed");
    assert!(!allows("other.test") || host == "other.test", "another host is allowed");
}

/// A pattern allows its own host, or what is below it, and nothing that only looks like it.
fn check_pattern(pattern: &DomainPattern) {
    let mut set = DomainSet::default();
    set.insert(pattern);
    let written = pattern.to_string();
    let allows = |origin: &str| origin.parse().is_ok_and(|origin| set.contains(&origin));
    match written.strip_prefix("*.") {
        // A name that is too long with something before it is none.
        Some(below) if below.len() < 240 => {
            assert!(allows(&format!("https://a.b.{below}")) || pattern_has_other_port(&written));
            assert!(!allows(&format!("https://{below}")) && !allows(&format!("https://x{below}")));
        }
        Some(_) => {}
        None => {
            assert!(allows(&format!("https://{written}")) || allows(&format!("http://{written}")));
            assert!(!allows(&format!("https://x.{written}")) && !allows(&format!("https://{written}.evil.test")));
        }
    }
}

fn pattern_has_other_port(pattern: &str) -> bool {
    pattern.rsplit_once(':').is_some_and(|(_, port)| port != "443")
}

/// A webhook that is taken leads to a host of the public internet, as far as the text says.
fn check_target(text: &str) {
    let url = Url::parse(text).expect("what is taken is a URL");
    assert!(matches!(url.scheme(), "http" | "https"));
    assert!(url.username().is_empty() && url.password().is_none());
    assert!(url.port().is_none_or(|port| port >= 1024 || matches!(port, 80 | 443)));
    match url.host() {
        Some(Host::Ipv4(address)) => assert!(is_elsewhere(address), "{address}"),
        Some(Host::Ipv6(address)) => {
            let is_inside = address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unique_local()
                || address.is_unicast_link_local();
            assert!(!is_inside, "{address}");
            assert!(embedded(address).is_none_or(is_elsewhere), "{address}");
        }
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            assert!(name != "localhost" && !name.ends_with(".localhost") && !name.ends_with(".local"), "{name}");
            assert!(name.parse::<Ipv4Addr>().is_err(), "{name} is an address");
        }
        None => panic!("{text} has no host"),
    }
}

fn is_elsewhere(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let is_inside = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || first == 0
        || (first == 100 && second & 0xc0 == 64);
    !is_inside
}

/// The address of the old internet to which a gateway would lead.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let is_translated = address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let [.., a, b, c, d] = address.octets();
    address.to_ipv4_mapped().or(is_translated.then(|| Ipv4Addr::new(a, b, c, d)))
}

fn seeds() -> Vec<Vec<u8>> {
    [
        "https://shop.example",
        "http://shop.example:8080",
        "HTTPS://Shop.Example:443",
        "https://[::1]:3000",
        "http://127.0.0.1",
        "https://evil@shop.example",
        "https://shop.example/",
        "null",
        "shop.example",
        "*.shop.example:8443",
        "localhost",
        "[2001:db8::1]:80",
        "https://hooks.example.com/path?a=b#c",
        "http://10.0.0.1/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://[2606:4700::1111]:8443/hook",
        "https://user:password@example.com/",
        "https://example.com:22/",
        "http://localhost./",
        "https://ⅼocalhost/",
        "http://1。1。1。1/",
        "ftp://example.com/",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
