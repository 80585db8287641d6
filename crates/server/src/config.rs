//! The configuration: flags before environment before file before defaults, all checked at the start.
//!
//! Every key is one line of [`KEYS`], and can be given in each of the three sources. What is wrong is refused with
//! its name, its value and what is allowed, even where another source would win: a mistake does not wait for the day
//! on which the other source goes away. Under `dev` the limits that nobody set are off, and keys have known values.

mod demo;
mod keys;
mod value;

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cossistant_protocol::{Limits, MAX_TEXT_LENGTH};

pub use demo::{
    DEMO_ADMIN_KEY, DEMO_DOMAINS, DEMO_JWT_SECRET, DEMO_ORGANIZATION, DEMO_PEOPLE, DEMO_PUBLIC_KEY, DEMO_SECRET_KEY,
    DEMO_WEBSITE, demo_rows,
};
pub use keys::{Config, KEYS, Key};
pub use value::{AddressRange, InvalidRange, LogFormat, LogLevel};

use crate::auth::{AuthSettings, JwksSource, Secret};
use crate::directory::SigningAlgorithm;
use crate::webhook::AddressPolicy;

/// What the names of keys have before them in the environment.
pub const ENVIRONMENT_PREFIX: &str = "COSSISTANT_";
/// The key that names the file itself; it has no meaning inside of it.
const CONFIG_KEY: &str = "config";
/// The shortest secret that is accepted for HS256, in bytes.
const MIN_SECRET_BYTES: usize = 16;
/// The shortest secret that is as strong as HS256, in bytes.
const GOOD_SECRET_BYTES: usize = 32;
/// The shortest admin key that is not warned of, in bytes.
const GOOD_ADMIN_KEY_BYTES: usize = 20;
/// How often a client tells that somebody types, unless the configuration says it: a preview that grows at this pace is
/// read like a text that is being written, and costs a few frames a second for each person who types.
const TYPING_INTERVAL: Duration = Duration::from_millis(100);
/// The least that `max_message_bytes` may be.
const MIN_MESSAGE_BYTES: usize = 256;
/// The most that `max_message_bytes` may be.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Why a configuration is refused; the program ends with exit code 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key that does not exist.
    #[error("{place} is not a key of the configuration{}", suggest(*.suggestion))]
    UnknownKey {
        /// Where it was given, as it was written.
        place: String,
        /// The known key that is nearest.
        suggestion: Option<&'static str>,
    },
    /// A value that its key does not allow.
    #[error("{place} is {value}, but must be {allowed}")]
    WrongValue {
        /// Where it was given.
        place: String,
        /// The value; of a secret only that it is one.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Values that contradict each other, or one that is out of its range.
    #[error("{key} {reason}")]
    Conflict {
        /// The key that should be changed.
        key: &'static str,
        /// What does not go together.
        reason: String,
    },
    /// The file cannot be read, or is not TOML.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A key for something that this version does not have.
    #[error("{place} is not in this version: the store is embedded and the bus in-process")]
    NotInThisVersion {
        /// Where it was given.
        place: String,
    },
}

impl ConfigError {
    /// With what the program ends.
    pub const EXIT_CODE: u8 = 2;
}

fn suggest(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

/// Where a value was given.
#[derive(Clone, Copy)]
enum Source<'a> {
    Flag,
    Environment,
    File(&'a Path),
}

impl Source<'_> {
    /// A key as this source writes it.
    fn place(self, name: &str) -> String {
        match self {
            Self::Flag => format!("--{}", name.replace('_', "-")),
            Self::Environment => format!("{ENVIRONMENT_PREFIX}{}", name.to_ascii_uppercase()),
            Self::File(path) => format!("{name} in {}", path.display()),
        }
    }
}

impl Config {
    /// Reads flags (names with or without `--`, with `-` or `_`), environment and file, and checks what they make
    /// together. Returns the warnings beside it, one line each.
    ///
    /// Of the environment only names that begin with [`ENVIRONMENT_PREFIX`] are looked at, and the empty value is
    /// taken as none. Without `file` the environment may name one as `COSSISTANT_CONFIG`.
    ///
    /// # Errors
    /// [`ConfigError`]: the first thing that is wrong.
    pub fn load(
        flags: impl IntoIterator<Item = (String, String)>,
        environment: impl Iterator<Item = (String, String)>,
        file: Option<&Path>,
    ) -> Result<(Self, Vec<String>), ConfigError> {
        let mut reader = Reader::default();
        let mut file = file.map(Path::to_owned);
        let mut in_environment = Vec::new();
        for (name, value) in environment {
            match name.strip_prefix(ENVIRONMENT_PREFIX).map(str::to_ascii_lowercase) {
                Some(key) if !value.is_empty() => in_environment.push((key, value)),
                Some(_) | None => {}
            }
        }
        // The environment comes in no order, but the first error and the warnings are to be the same each time.
        in_environment.sort();
        if let Some(at) = in_environment.iter().position(|(key, _)| key == CONFIG_KEY) {
            let (_, path) = in_environment.remove(at);
            file = file.or(Some(path.into()));
        }
        if let Some(path) = &file {
            reader.read_file(path)?;
        }
        for (name, value) in in_environment {
            match find(&name) {
                Some(key) => reader.set(key, &value, Source::Environment)?,
                None => reader.warnings.push(format!(
                    "{} is not a key of the configuration and is ignored{}",
                    Source::Environment.place(&name),
                    suggest(nearest(&name)),
                )),
            }
        }
        for (name, value) in flags {
            let name = name.trim_start_matches('-').replace('-', "_");
            let unknown = || ConfigError::UnknownKey { place: Source::Flag.place(&name), suggestion: nearest(&name) };
            reader.set(find(&name).ok_or_else(unknown)?, &value, Source::Flag)?;
        }
        reader.finish()
    }

    /// The keys by which credentials are verified. `admin_key` is used when the configuration has none.
    #[must_use]
    pub fn auth_settings(&self, admin_key: Secret, own_secret: Secret) -> AuthSettings {
        AuthSettings {
            jwt_secret: self.jwt_secret.clone(),
            jwt_public_key: self.jwt_public_key.clone(),
            jwt_algorithm: self.jwt_algorithm,
            jwks: self.jwt_jwks_url.as_deref().map(JwksSource::parse),
            admin_key: self.admin_key.clone().unwrap_or(admin_key),
            own_secret,
            visitor_token_life: self.visitor_token_life,
        }
    }

    /// The limits as clients are told them.
    #[must_use]
    pub fn wire_limits(&self) -> Limits {
        Limits {
            max_message_bytes: self.max_message_bytes as u64,
            max_text_length: MAX_TEXT_LENGTH as u64,
            max_subscriptions: (self.limit_subscriptions > 0).then_some(self.limit_subscriptions),
            typing_interval: self.typing_interval.map(millis),
            typing_expiry: millis(self.typing_expiry),
        }
    }

    /// Where webhooks may lead.
    #[must_use]
    pub const fn webhook_addresses(&self) -> AddressPolicy {
        if self.dev || self.webhook_allow_private { AddressPolicy::Any } else { AddressPolicy::Public }
    }

    /// Whether a peer's `X-Forwarded-For` is believed.
    #[must_use]
    pub fn trusts_proxy(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|range| range.contains(peer))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Default)]
struct Reader {
    config: Config,
    is_set: HashSet<&'static str>,
    warnings: Vec<String>,
}

impl Reader {
    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let fail = |reason: String| ConfigError::File { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| fail(format!("cannot be read: {error}")))?;
        // The error's own form shows the line, which may hold a secret.
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
            fail(format!("line {line}: {}", error.message()))
        })?;
        let source = Source::File(path);
        for (name, value) in &table {
            let unknown = || ConfigError::UnknownKey { place: source.place(name), suggestion: nearest(name) };
            let key = find(name).ok_or_else(unknown)?;
            let text = plain(value).ok_or_else(|| wrong(key, value.type_str(), source, key.allowed))?;
            self.set(key, &text, source)?;
        }
        Ok(())
    }

    fn set(&mut self, key: &'static Key, text: &str, source: Source<'_>) -> Result<(), ConfigError> {
        if matches!(key.name, "database_url" | "nats_url") {
            return Err(ConfigError::NotInThisVersion { place: source.place(key.name) });
        }
        if !(key.set)(&mut self.config, text) {
            return Err(wrong(key, text, source, key.allowed));
        }
        if key.name == "admin_key" && !text.is_empty() && !(text.starts_with("ak_") && text.len() > 3) {
            return Err(wrong(key, text, source, "a text that begins with ak_"));
        }
        self.is_set.insert(key.name);
        Ok(())
    }

    fn finish(mut self) -> Result<(Config, Vec<String>), ConfigError> {
        if self.config.dev {
            self.apply_dev()?;
        }
        self.derive();
        self.check_secrets()?;
        self.check_ranges()?;
        self.check_limits()?;
        Ok((self.config, self.warnings))
    }

    fn apply_dev(&mut self) -> Result<(), ConfigError> {
        let config = &mut self.config;
        let addresses = [("listen", Some(config.listen)), ("ops_listen", config.ops_listen)];
        for (key, address) in addresses {
            if let Some(address) = address.filter(|address| !address.ip().to_canonical().is_loopback()) {
                let reason = format!("is {address}, but with dev, whose keys everybody knows, it must be on loopback");
                return Err(ConfigError::Conflict { key, reason });
            }
        }
        config.admin_key.get_or_insert_with(|| Secret::new(DEMO_ADMIN_KEY));
        config.jwt_secret.get_or_insert_with(|| Secret::new(DEMO_JWT_SECRET));
        let is_limit = |key: &&Key| key.name.starts_with("limit_") && !key.name.ends_with("_burst");
        for key in KEYS.iter().filter(is_limit).filter(|key| !self.is_set.contains(key.name)) {
            let is_off = (key.set)(config, "0");
            debug_assert!(is_off, "0 switches a limit off");
        }
        Ok(())
    }

    /// Fills in what follows from other values.
    fn derive(&mut self) {
        let config = &mut self.config;
        if !self.is_set.contains("auth_timeout") {
            config.auth_timeout = config.auth_timeout.min(silence(config.heartbeat_interval));
        }
        config.typing_interval.get_or_insert(TYPING_INTERVAL.min(config.typing_expiry / 3));
        for (rate, burst) in [
            (config.limit_new_visitors, &mut config.limit_new_visitors_burst),
            (config.limit_new_conversations, &mut config.limit_new_conversations_burst),
        ] {
            if *burst == 0 {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are small")]
                let of_a_second = rate.ceil() as u64;
                *burst = of_a_second.max(1);
            }
        }
    }

    fn check_secrets(&mut self) -> Result<(), ConfigError> {
        let config = &self.config;
        if let Some(secret) = &config.jwt_secret {
            let length = secret.expose().len();
            if length < MIN_SECRET_BYTES {
                return conflict(
                    "jwt_secret",
                    format!("has {length} bytes, but must have at least {MIN_SECRET_BYTES}"),
                );
            }
            if length < GOOD_SECRET_BYTES {
                self.warnings.push(format!("jwt_secret has {length} bytes; {GOOD_SECRET_BYTES} or more are safer"));
            }
        }
        match config.jwt_algorithm {
            Some(SigningAlgorithm::Hs256) if config.jwt_public_key.is_some() => {
                return conflict("jwt_algorithm", "is HS256, which jwt_public_key cannot be for".to_owned());
            }
            Some(algorithm) if algorithm != SigningAlgorithm::Hs256 => {
                if config.jwt_public_key.is_none() && config.jwt_jwks_url.is_none() {
                    let reason = format!("is {algorithm}, but there is neither jwt_public_key nor jwt_jwks_url");
                    return conflict("jwt_algorithm", reason);
                }
            }
            Some(_) | None => {}
        }
        if config.dev {
            return Ok(());
        }
        let is_demo = |secret: &Option<Secret>, demo| secret.as_ref().is_some_and(|secret| secret.expose() == demo);
        if is_demo(&config.jwt_secret, DEMO_JWT_SECRET) || is_demo(&config.admin_key, DEMO_ADMIN_KEY) {
            self.warnings.push("jwt_secret or admin_key is the one of dev, which everybody knows".to_owned());
        } else if config.admin_key.as_ref().is_some_and(|key| key.expose().len() < GOOD_ADMIN_KEY_BYTES) {
            self.warnings.push("admin_key is short enough to be guessed".to_owned());
        }
        if config.jwt_jwks_url.as_deref().is_some_and(|url| url.starts_with("http://")) {
            self.warnings.push("jwt_jwks_url is not https: who is on the way can let anybody in".to_owned());
        }
        Ok(())
    }

    fn check_ranges(&self) -> Result<(), ConfigError> {
        let config = &self.config;
        for (key, duration) in [
            ("heartbeat_interval", config.heartbeat_interval),
            ("auth_timeout", config.auth_timeout),
            ("typing_expiry", config.typing_expiry),
            ("request_timeout", config.request_timeout),
            ("jwt_jwks_refresh", config.jwt_jwks_refresh),
            ("visitor_token_life", config.visitor_token_life),
        ] {
            if duration.is_zero() {
                return conflict(key, "must be longer than 0".to_owned());
            }
        }
        if config.auth_timeout > silence(config.heartbeat_interval) {
            let (timeout, heartbeat) = (Shown(config.auth_timeout), Shown(config.heartbeat_interval));
            let reason = format!(
                "is {timeout}, but a connection silent for 2.5 × heartbeat_interval ({heartbeat}) is closed before"
            );
            return conflict("auth_timeout", reason);
        }
        if let Some(interval) = config.typing_interval.filter(|interval| *interval >= config.typing_expiry) {
            let (interval, expiry) = (Shown(interval), Shown(config.typing_expiry));
            return conflict(
                "typing_interval",
                format!("is {interval}, but must be less than typing_expiry ({expiry})"),
            );
        }
        if !(MIN_MESSAGE_BYTES..=MAX_MESSAGE_BYTES).contains(&config.max_message_bytes) {
            let reason =
                format!("is {}, but must be from {MIN_MESSAGE_BYTES} to {MAX_MESSAGE_BYTES}", config.max_message_bytes);
            return conflict("max_message_bytes", reason);
        }
        if config.max_outbox_bytes < config.max_message_bytes {
            let (outbox, message) = (config.max_outbox_bytes, config.max_message_bytes);
            let reason = format!("is {outbox}, but must be at least max_message_bytes ({message})");
            return conflict("max_outbox_bytes", reason);
        }
        if config.ops_listen.is_some_and(|ops| ops == config.listen && ops.port() != 0) {
            return conflict("ops_listen", format!("is {}, as listen is", config.listen));
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), ConfigError> {
        let config = &self.config;
        for (key, rate, burst) in [
            ("limit_visitor_messages_burst", config.limit_visitor_messages, config.limit_visitor_messages_burst),
            ("limit_team_messages_burst", config.limit_team_messages, config.limit_team_messages_burst),
            ("limit_ephemeral_burst", config.limit_ephemeral, config.limit_ephemeral_burst),
            ("limit_frames_burst", config.limit_frames, config.limit_frames_burst),
            ("limit_connects_burst", config.limit_connects, config.limit_connects_burst),
        ] {
            if rate > 0.0 && burst == 0 {
                return conflict(key, format!("is 0, but a limit of {rate} a second needs at least 1"));
            }
        }
        Ok(())
    }
}

/// After how long a silence a connection is closed.
fn silence(heartbeat: Duration) -> Duration {
    heartbeat * 5 / 2
}

/// A duration as the configuration writes it.
struct Shown(Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        if ms.is_multiple_of(1000) { write!(f, "{}s", ms / 1000) } else { write!(f, "{ms}ms") }
    }
}

fn conflict(key: &'static str, reason: String) -> Result<(), ConfigError> {
    Err(ConfigError::Conflict { key, reason })
}

fn wrong(key: &Key, text: &str, source: Source<'_>, allowed: &'static str) -> ConfigError {
    let value = if key.is_secret() { "a secret that is not shown".to_owned() } else { format!("{text:?}") };
    ConfigError::WrongValue { place: source.place(key.name), value, allowed }
}

/// A value of the file as flags and environment would write it; `None` for tables and dates.
fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(is_true) => Some(is_true.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            items.map(|items| items.join(","))
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The known key that is nearest to a name, if any is near.
fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let (distance, key) = KEYS.iter().map(|key| (distance(&name, key.name), key.name)).min()?;
    (distance <= 1 + key.len() / 5).then_some(key)
}

/// How many characters must be inserted, removed or replaced to get from one text to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests;
