//! Reading the sources one after the other, and judging what they make together.
//!
//! Nothing stops at the first mistake: each is noted with the place where it was made, and what follows from a value
//! that could not be read is not told as a mistake of its own.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use super::value::Shown;
use super::{CONFIG_KEY, Config, ConfigError, DEMO_ADMIN_KEY, DEMO_JWT_SECRET, ENVIRONMENT_PREFIX, KEYS, Key, suggest};
use crate::auth::Secret;
use crate::directory::SigningAlgorithm;
use crate::store::check_address;

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

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the value was given that should be changed, as that place writes it: `--shards`, `COSSISTANT_SHARDS`,
    /// `shards in FILE`, the file itself, or the key alone when nobody gave it.
    pub place: String,
    /// What is wrong.
    pub error: ConfigError,
}

/// A value that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The key.
    pub key: &'static Key,
    /// The value as a source would write it, empty when it is unset; of a secret only its length.
    pub value: String,
    /// Where it was given; `None` for what nobody gave.
    pub place: Option<String>,
}

/// A configuration, judged as a whole.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What the sources make together; with problems in it, the values at fault are those of the defaults.
    pub config: Config,
    /// What is in force, key by key in the order of [`KEYS`].
    pub effective: Vec<Effective>,
    /// All that is wrong; a server does not start with any of it.
    pub problems: Vec<Problem>,
    /// What is not wrong but unwise, or has no meaning; one line each.
    pub warnings: Vec<String>,
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

/// Reads and judges everything; see [`Config::check`].
pub(super) fn check(
    flags: impl IntoIterator<Item = (String, String)>,
    environment: impl Iterator<Item = (String, String)>,
    file: Option<&Path>,
) -> Checked {
    let mut reader = Reader::default();
    let mut file = file.map(Path::to_owned);
    let mut in_environment = Vec::new();
    for (name, value) in environment {
        match name.strip_prefix(ENVIRONMENT_PREFIX).map(str::to_ascii_lowercase) {
            Some(key) if !value.is_empty() => in_environment.push((key, value)),
            Some(_) | None => {}
        }
    }
    // The environment comes in no order, but the problems and the warnings are to be the same each time.
    in_environment.sort();
    if let Some(at) = in_environment.iter().position(|(key, _)| key == CONFIG_KEY) {
        let (_, path) = in_environment.remove(at);
        file = file.or(Some(path.into()));
    }
    if let Some(path) = &file {
        reader.read_file(path);
    }
    for (name, value) in in_environment {
        match find(&name) {
            Some(key) => reader.set(key, &value, Source::Environment),
            None => reader.warnings.push(format!(
                "{} is not a key of the configuration and is ignored{}",
                Source::Environment.place(&name),
                suggest(nearest(&name)),
            )),
        }
    }
    for (name, value) in flags {
        let name = name.trim_start_matches('-').replace('-', "_");
        match find(&name) {
            Some(key) => reader.set(key, &value, Source::Flag),
            None => reader.unknown(&name, Source::Flag),
        }
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    config: Config,
    /// Where each key was given that was read; the last place is the one that wins.
    places: HashMap<&'static str, String>,
    /// Keys of which it was said that they are wrong.
    wrong: HashSet<&'static str>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Reader {
    fn read_file(&mut self, path: &Path) {
        let table = match parse(path) {
            Ok(table) => table,
            Err(reason) => {
                let error = ConfigError::File { path: path.to_owned(), reason };
                return self.problems.push(Problem { place: path.display().to_string(), error });
            }
        };
        let source = Source::File(path);
        for (name, value) in &table {
            match (find(name), plain(value)) {
                (Some(key), Some(text)) => self.set(key, &text, source),
                (Some(key), None) => self.refuse(key, value.type_str(), source, key.allowed),
                (None, _) => self.unknown(name, source),
            }
        }
    }

    fn set(&mut self, key: &'static Key, text: &str, source: Source<'_>) {
        let place = source.place(key.name);
        let is_admin_key = matches!(key.name, "admin_key" | "admin_key_previous");
        if is_admin_key && !text.is_empty() && !(text.starts_with("ak_") && text.len() > 3) {
            return self.refuse(key, text, source, "a text that begins with ak_");
        }
        if !(key.set)(&mut self.config, text) {
            return self.refuse(key, text, source, key.allowed);
        }
        self.places.insert(key.name, place);
    }

    fn unknown(&mut self, name: &str, source: Source<'_>) {
        let place = source.place(name);
        let error = ConfigError::UnknownKey { place: place.clone(), suggestion: nearest(name) };
        self.problems.push(Problem { place, error });
    }

    fn refuse(&mut self, key: &Key, text: &str, source: Source<'_>, allowed: &'static str) {
        let value = if key.is_secret() { "a secret that is not shown".to_owned() } else { format!("{text:?}") };
        let place = source.place(key.name);
        self.wrong.insert(key.name);
        self.problems.push(Problem { error: ConfigError::WrongValue { place: place.clone(), value, allowed }, place });
    }

    fn is_set(&self, key: &str) -> bool {
        self.places.contains_key(key)
    }

    /// Notes that a value contradicts others, unless one of them is known to be wrong.
    fn conflict(&mut self, key: &'static str, others: &[&str], reason: String) {
        if self.wrong.contains(key) || others.iter().any(|other| self.wrong.contains(other)) {
            return;
        }
        self.wrong.insert(key);
        let place = self.places.get(key).cloned().unwrap_or_else(|| key.to_owned());
        self.problems.push(Problem { place, error: ConfigError::Conflict { key, reason } });
    }

    fn finish(mut self) -> Checked {
        if self.config.dev {
            self.apply_dev();
        }
        self.derive();
        self.check_secrets();
        self.check_tls();
        self.check_database();
        self.check_nats();
        self.check_ranges();
        self.check_sizes();
        self.check_limits();
        let of = |key: &'static Key| Effective {
            key,
            value: (key.show)(&self.config),
            place: self.places.get(key.name).cloned(),
        };
        let effective = KEYS.iter().map(of).collect();
        Checked { config: self.config, effective, problems: self.problems, warnings: self.warnings }
    }

    fn apply_dev(&mut self) {
        let addresses = [("listen", Some(self.config.listen)), ("ops_listen", self.config.ops_listen)];
        for (key, address) in addresses {
            if let Some(address) = address.filter(|address| !address.ip().to_canonical().is_loopback()) {
                let reason = format!("is {address}, but with dev, whose keys everybody knows, it must be on loopback");
                self.conflict(key, &[], reason);
            }
        }
        let config = &mut self.config;
        config.admin_key.get_or_insert_with(|| Secret::new(DEMO_ADMIN_KEY));
        config.jwt_secret.get_or_insert_with(|| Secret::new(DEMO_JWT_SECRET));
        let is_limit = |key: &&Key| key.name.starts_with("limit_") && !key.name.ends_with("_burst");
        for key in KEYS.iter().filter(is_limit).filter(|key| !self.places.contains_key(key.name)) {
            let is_off = (key.set)(config, "0");
            debug_assert!(is_off, "0 switches a limit off");
        }
    }

    /// Fills in what follows from other values.
    fn derive(&mut self) {
        if !self.is_set("auth_timeout") {
            self.config.auth_timeout = self.config.auth_timeout.min(silence(self.config.heartbeat_interval));
        }
        let config = &mut self.config;
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

    fn check_secrets(&mut self) {
        if let Some(length) = self.config.jwt_secret.as_ref().map(|secret| secret.expose().len()) {
            if length < MIN_SECRET_BYTES {
                let reason = format!("has {length} bytes, but must have at least {MIN_SECRET_BYTES}");
                self.conflict("jwt_secret", &[], reason);
            } else if length < GOOD_SECRET_BYTES {
                self.warnings.push(format!("jwt_secret has {length} bytes; {GOOD_SECRET_BYTES} or more are safer"));
            }
        }
        let length = self.config.visitor_secret.as_ref().map(|secret| secret.expose().len());
        if let Some(length) = length.filter(|length| *length < GOOD_SECRET_BYTES) {
            let reason = format!("has {length} bytes, but must have at least {GOOD_SECRET_BYTES}");
            self.conflict("visitor_secret", &[], reason);
        }
        self.check_rotation();
        match self.config.jwt_algorithm {
            Some(SigningAlgorithm::Hs256) if self.config.jwt_public_key.is_some() => {
                let reason = "is HS256, which jwt_public_key cannot be for".to_owned();
                self.conflict("jwt_algorithm", &[], reason);
            }
            Some(algorithm) if algorithm != SigningAlgorithm::Hs256 => {
                if self.config.jwt_public_key.is_none() && self.config.jwt_jwks_url.is_none() {
                    let reason = format!("is {algorithm}, but there is neither jwt_public_key nor jwt_jwks_url");
                    self.conflict("jwt_algorithm", &[], reason);
                }
            }
            Some(_) | None => {}
        }
        if !self.config.dev {
            self.warn_of_weak_secrets();
        }
    }

    /// A secret that was replaced needs an end, and one that it was replaced by.
    fn check_rotation(&mut self) {
        let config = &self.config;
        let is_short = |secret: &Secret| secret.expose().len() < MIN_SECRET_BYTES;
        let rotations = [
            (
                ["jwt_secret", "jwt_secret_previous", "jwt_secret_previous_until"],
                [config.jwt_secret.is_some(), config.jwt_secret_previous.is_some()],
                config.jwt_secret_previous_until,
                config.jwt_secret_previous.as_ref().is_some_and(is_short),
            ),
            (
                ["visitor_secret", "visitor_secret_previous", "visitor_secret_previous_until"],
                [config.visitor_secret.is_some(), config.visitor_secret_previous.is_some()],
                config.visitor_secret_previous_until,
                config.visitor_secret_previous.as_ref().is_some_and(is_short),
            ),
            (
                ["admin_key", "admin_key_previous", "admin_key_previous_until"],
                [config.admin_key.is_some(), config.admin_key_previous.is_some()],
                config.admin_key_previous_until,
                false,
            ),
        ];
        for ([now, before, end], [is_now, is_before], until, is_short) in rotations {
            match (is_before, until) {
                (true, None) => self.conflict(before, &[end], format!("needs {end} beside it")),
                (false, Some(_)) => self.conflict(end, &[before], format!("needs {before} beside it")),
                (true, Some(_)) if !is_now => self.conflict(before, &[now], format!("needs {now} beside it")),
                (true, Some(_)) if is_short => {
                    self.conflict(before, &[], format!("must have at least {MIN_SECRET_BYTES} bytes"));
                }
                (true, Some(until)) if until <= crate::http::now() => {
                    self.warnings.push(format!("{before} is not taken since {until}, and can be left out"));
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
    }

    fn check_tls(&mut self) {
        match (&self.config.tls_cert, &self.config.tls_key) {
            (Some(_), None) => self.conflict("tls_cert", &["tls_key"], "needs tls_key beside it".to_owned()),
            (None, Some(_)) => self.conflict("tls_key", &["tls_cert"], "needs tls_cert beside it".to_owned()),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    fn check_database(&mut self) {
        let address = self.config.database_url.as_ref().map(|url| check_address(url.expose()));
        if let Some(Err(error)) = address {
            let words = error.to_string();
            let reason = words.strip_prefix("database_url ").unwrap_or(&words).to_owned();
            self.conflict("database_url", &[], reason);
        }
        if self.config.database_readers == 0 {
            self.conflict("database_readers", &[], "must be at least 1".to_owned());
        }
    }

    fn check_nats(&mut self) {
        if self.config.nats_url.is_none() {
            let alone =
                [("nats_credentials", &self.config.nats_credentials), ("nats_tls_ca", &self.config.nats_tls_ca)];
            let alone: Vec<_> = alone.into_iter().filter(|(_, path)| path.is_some()).map(|(key, _)| key).collect();
            for key in alone {
                self.conflict(key, &["nats_url"], "needs nats_url beside it".to_owned());
            }
            return;
        }
        if self.config.database_url.is_none() {
            let reason = "needs database_url beside it: nodes that talk to each other share a database".to_owned();
            self.conflict("nats_url", &["database_url"], reason);
        }
        if let Some(Err(error)) = self.config.nats() {
            self.conflict(error.key, &[], error.reason);
        }
    }

    fn warn_of_weak_secrets(&mut self) {
        let config = &self.config;
        let is_demo = |secret: &Option<Secret>, demo| secret.as_ref().is_some_and(|secret| secret.expose() == demo);
        if is_demo(&config.jwt_secret, DEMO_JWT_SECRET) || is_demo(&config.admin_key, DEMO_ADMIN_KEY) {
            self.warnings.push("jwt_secret or admin_key is the one of dev, which everybody knows".to_owned());
        } else if config.admin_key.as_ref().is_some_and(|key| key.expose().len() < GOOD_ADMIN_KEY_BYTES) {
            self.warnings.push("admin_key is short enough to be guessed".to_owned());
        }
        if config.nats_url.is_some() && config.visitor_secret.is_none() {
            self.warnings.push("nats_url without visitor_secret: servers refuse each other's visitors".to_owned());
        }
        if config.jwt_jwks_url.as_deref().is_some_and(|url| url.starts_with("http://")) {
            self.warnings.push("jwt_jwks_url is not https: who is on the way can let anybody in".to_owned());
        }
    }

    fn check_ranges(&mut self) {
        let config = &self.config;
        let durations = [
            ("heartbeat_interval", config.heartbeat_interval),
            ("auth_timeout", config.auth_timeout),
            ("typing_expiry", config.typing_expiry),
            ("request_timeout", config.request_timeout),
            ("jwt_jwks_refresh", config.jwt_jwks_refresh),
            ("visitor_token_life", config.visitor_token_life),
        ];
        for (key, duration) in durations {
            // One that nobody set follows from others.
            let others: &[&str] = if self.is_set(key) { &[] } else { &["heartbeat_interval"] };
            if duration.is_zero() {
                self.conflict(key, others, "must be longer than 0".to_owned());
            }
        }
        if self.config.auth_timeout > silence(self.config.heartbeat_interval) {
            let (timeout, heartbeat) = (Shown(self.config.auth_timeout), Shown(self.config.heartbeat_interval));
            let reason = format!(
                "is {timeout}, but a connection silent for 2.5 × heartbeat_interval ({heartbeat}) is closed before"
            );
            self.conflict("auth_timeout", &["heartbeat_interval"], reason);
        }
        let expiry = self.config.typing_expiry;
        if let Some(interval) = self.config.typing_interval.filter(|interval| *interval >= expiry) {
            let reason = format!("is {}, but must be less than typing_expiry ({})", Shown(interval), Shown(expiry));
            self.conflict("typing_interval", &["typing_expiry"], reason);
        }
    }

    fn check_sizes(&mut self) {
        let (outbox, message) = (self.config.max_outbox_bytes, self.config.max_message_bytes);
        if !(MIN_MESSAGE_BYTES..=MAX_MESSAGE_BYTES).contains(&message) {
            let reason = format!("is {message}, but must be from {MIN_MESSAGE_BYTES} to {MAX_MESSAGE_BYTES}");
            self.conflict("max_message_bytes", &[], reason);
        }
        if outbox < message {
            let reason = format!("is {outbox}, but must be at least max_message_bytes ({message})");
            self.conflict("max_outbox_bytes", &["max_message_bytes"], reason);
        }
        let ratio = self.config.trace_ratio;
        if ratio > 1.0 {
            self.conflict("trace_ratio", &[], format!("is {ratio}, but must be from 0 to 1"));
        }
        let is_address = |text: &String| {
            url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        };
        if self.config.otlp_endpoint.as_ref().is_some_and(|endpoint| !is_address(endpoint)) {
            self.conflict("otlp_endpoint", &[], "must be an http or https address".to_owned());
        }
        let listen = self.config.listen;
        if self.config.ops_listen.is_some_and(|ops| ops == listen && ops.port() != 0) {
            self.conflict("ops_listen", &["listen"], format!("is {listen}, as listen is"));
        }
    }

    fn check_limits(&mut self) {
        let config = &self.config;
        let limits = [
            (
                "limit_visitor_messages",
                "limit_visitor_messages_burst",
                config.limit_visitor_messages,
                config.limit_visitor_messages_burst,
            ),
            (
                "limit_team_messages",
                "limit_team_messages_burst",
                config.limit_team_messages,
                config.limit_team_messages_burst,
            ),
            ("limit_ephemeral", "limit_ephemeral_burst", config.limit_ephemeral, config.limit_ephemeral_burst),
            ("limit_frames", "limit_frames_burst", config.limit_frames, config.limit_frames_burst),
            ("limit_connects", "limit_connects_burst", config.limit_connects, config.limit_connects_burst),
            (
                "limit_website_messages",
                "limit_website_messages_burst",
                config.limit_website_messages,
                config.limit_website_messages_burst,
            ),
            (
                "limit_website_new_visitors",
                "limit_website_new_visitors_burst",
                config.limit_website_new_visitors,
                config.limit_website_new_visitors_burst,
            ),
            (
                "limit_wrong_credentials",
                "limit_wrong_credentials_burst",
                config.limit_wrong_credentials,
                config.limit_wrong_credentials_burst,
            ),
            ("limit_requests", "limit_requests_burst", config.limit_requests, config.limit_requests_burst),
        ];
        for (rate_key, key, rate, burst) in limits {
            if rate > 0.0 && burst == 0 {
                self.conflict(key, &[rate_key], format!("is 0, but a limit of {rate} a second needs at least 1"));
            }
        }
    }
}

/// After how long a silence a connection is closed.
fn silence(heartbeat: Duration) -> Duration {
    heartbeat * 5 / 2
}

/// The tables of a file.
fn parse(path: &Path) -> Result<toml::Table, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    // The error's own form shows the line, which may hold a secret.
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
        format!("line {line}: {}", error.message())
    })
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
