//! How values are written: one reader for flags, environment and file.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use cossistant_protocol::Timestamp;

use crate::auth::Secret;
use crate::directory::SigningAlgorithm;

/// A type of values of the configuration.
pub(super) trait Value: Sized {
    /// What stands for a value in `--help`.
    const FORM: &'static str;
    /// What is allowed, for the one who wrote something else.
    const ALLOWED: &'static str;

    /// Reads a text; `None` when it is not allowed.
    fn read(text: &str) -> Option<Self>;

    /// The value as it may be shown, which [`Value::read`] reads again; of a secret only its length, which it does not.
    fn show(&self) -> String;
}

/// An optional value is unset by the empty text.
impl<T: Value> Value for Option<T> {
    const FORM: &'static str = T::FORM;
    const ALLOWED: &'static str = T::ALLOWED;

    fn read(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { T::read(text).map(Some) }
    }

    fn show(&self) -> String {
        self.as_ref().map(T::show).unwrap_or_default()
    }
}

impl Value for bool {
    const FORM: &'static str = "";
    const ALLOWED: &'static str = "true or false";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for u64 {
    const FORM: &'static str = "N";
    const ALLOWED: &'static str = "a whole number from 0, such as 1000 or 1_000";

    fn read(text: &str) -> Option<Self> {
        // `parse` would take a sign.
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        text.replace('_', "").parse().ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for usize {
    const FORM: &'static str = <u64 as Value>::FORM;
    const ALLOWED: &'static str = <u64 as Value>::ALLOWED;

    fn read(text: &str) -> Option<Self> {
        <u64 as Value>::read(text)?.try_into().ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A rate.
impl Value for f64 {
    const FORM: &'static str = "N";
    const ALLOWED: &'static str = "a number from 0, such as 10 or 0.5";

    fn read(text: &str) -> Option<Self> {
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        text.replace('_', "").parse().ok().filter(|number: &Self| number.is_finite())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Duration {
    const FORM: &'static str = "DURATION";
    const ALLOWED: &'static str = "a whole number with a unit: 500ms, 30s, 2m, 1h or 7d";

    fn read(text: &str) -> Option<Self> {
        let end_of_number = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(end_of_number);
        let ms_each = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(ms_each).map(Self::from_millis)
    }

    fn show(&self) -> String {
        Shown(*self).to_string()
    }
}

impl Value for SocketAddr {
    const FORM: &'static str = "ADDR";
    const ALLOWED: &'static str = "an address with a port, such as 127.0.0.1:8787, [::1]:8787 or localhost:0";

    fn read(text: &str) -> Option<Self> {
        match text.strip_prefix("localhost:") {
            Some(port) => Some(Self::from((Ipv4Addr::LOCALHOST, port.parse().ok()?))),
            None => text.parse().ok(),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    const FORM: &'static str = "PATH";
    const ALLOWED: &'static str = "a path";

    fn read(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.into())
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for String {
    const FORM: &'static str = "TEXT";
    const ALLOWED: &'static str = "a text";

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn show(&self) -> String {
        without_credentials(self)
    }
}

impl Value for Secret {
    const FORM: &'static str = "SECRET";
    const ALLOWED: &'static str = "a text";

    fn read(text: &str) -> Option<Self> {
        Some(Self::new(text))
    }

    fn show(&self) -> String {
        format!("a secret of {} bytes", self.expose().len())
    }
}

impl Value for SigningAlgorithm {
    const FORM: &'static str = "ALG";
    const ALLOWED: &'static str = "one of HS256, RS256, ES256, EdDSA";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Timestamp {
    const FORM: &'static str = "TIME";
    const ALLOWED: &'static str = "a UTC time, such as 2026-12-31T00:00:00Z";

    fn read(text: &str) -> Option<Self> {
        // Whoever writes it by hand leaves the milliseconds out.
        let whole = text.strip_suffix('Z').filter(|text| !text.contains('.'));
        whole.map_or_else(|| text.parse().ok(), |text| format!("{text}.000Z").parse().ok())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A duration as the configuration writes it, in the largest unit that fits.
pub(super) struct Shown(pub(super) Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
        match units.iter().find(|(each, _)| ms > 0 && ms.is_multiple_of(*each)) {
            Some((each, unit)) => write!(f, "{}{unit}", ms / each),
            None => write!(f, "{ms}ms"),
        }
    }
}

/// An address may carry the name, the password or the query by which it is let in; any other text is shown as it is.
fn without_credentials(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else { return text.to_owned() };
    // A name without a password may be a token, so the two are hidden as one.
    let is_somebodys = !url.username().is_empty() || url.password().is_some();
    if is_somebodys && (url.set_password(None).is_err() || url.set_username("hidden").is_err()) {
        return "an address that is not shown".to_owned();
    }
    if url.query().is_some() {
        url.set_query(Some("hidden"));
    }
    url.to_string()
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

impl Value for LogFormat {
    const FORM: &'static str = "FORMAT";
    const ALLOWED: &'static str = "text or json";

    fn read(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
        .to_owned()
    }
}

/// From which weight on log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Somebody must act.
    Error,
    /// Something is not as it should be.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The name, as a log filter has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Value for LogLevel {
    const FORM: &'static str = "LEVEL";
    const ALLOWED: &'static str = "one of error, warn, info, debug, trace";

    fn read(text: &str) -> Option<Self> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace].into_iter().find(|level| level.as_str() == text)
    }

    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

/// A range of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    prefix: u32,
}

impl AddressRange {
    /// Whether the address is in the range. IPv4 addresses written as IPv6 (`::ffff:…`) are taken as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let shared_bits = match (self.first, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        shared_bits >= self.prefix
    }
}

/// The text is no range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address or a range such as 10.0.0.0/8")]
pub struct InvalidRange;

impl FromStr for AddressRange {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let first: IpAddr = address.parse().map_err(|_| InvalidRange)?;
        let bits = if first.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().map_err(|_| InvalidRange)?,
            Some(_) => return Err(InvalidRange),
        };
        if prefix > bits { Err(InvalidRange) } else { Ok(Self { first, prefix }) }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl Value for Vec<AddressRange> {
    const FORM: &'static str = "RANGES";
    const ALLOWED: &'static str = "addresses or ranges with commas between them, such as 10.0.0.0/8,::1";

    fn read(text: &str) -> Option<Self> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect()
    }

    fn show(&self) -> String {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        for (text, ms) in
            [("500ms", 500), ("30s", 30_000), ("2m", 120_000), ("1h", 3_600_000), ("7d", 604_800_000), ("0s", 0)]
        {
            assert_eq!(<Duration as Value>::read(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "30", "s", "-1s", "1.5s", "1 s", "1w", "30S", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(<Duration as Value>::read(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_not_negative_and_finite() {
        assert_eq!(<u64 as Value>::read("65_536"), Some(65_536));
        assert_eq!(<f64 as Value>::read("0.5"), Some(0.5));
        for text in ["", "-1", "+1", "1.5", "1e3", "x", "_1"] {
            assert_eq!(<u64 as Value>::read(text), None, "{text}");
        }
        for text in ["", "-1", "inf", "NaN", "1e999"] {
            assert_eq!(<f64 as Value>::read(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_have_a_port() {
        assert_eq!(<SocketAddr as Value>::read("localhost:0"), Some("127.0.0.1:0".parse().unwrap()));
        assert!(<SocketAddr as Value>::read("[::1]:8787").is_some());
        for text in ["127.0.0.1", ":8787", "localhost", "example.com:80", "localhost:99999"] {
            assert_eq!(<SocketAddr as Value>::read(text), None, "{text}");
        }
    }

    #[test]
    fn ranges_hold_what_shares_their_prefix() {
        let holds =
            |range: &str, address: &str| range.parse::<AddressRange>().unwrap().contains(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.1.2") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("10.1.2.3/8", "10.9.9.9"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("::1", "::1") && !holds("::1", "::2"));
        assert!(holds("fd00::/8", "fdff::1") && !holds("fd00::/8", "fe00::1"));
        assert!(holds("127.0.0.1", "::ffff:127.0.0.1"));
        for text in ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "example.com"] {
            assert!(text.parse::<AddressRange>().is_err(), "{text}");
        }
        assert_eq!(<Vec<AddressRange> as Value>::read(""), Some(Vec::new()));
        assert_eq!(<Vec<AddressRange> as Value>::read("10.0.0.0/8, ::1").map(|list| list.len()), Some(2));
        assert_eq!(<Vec<AddressRange> as Value>::read("10.0.0.0/8,x"), None);
    }
}
