//! The configuration: flags before environment before file before defaults, all checked at the start.
//!
//! Every key is one line of [`KEYS`], and can be given in each of the three sources. What is wrong is refused with
//! its name, its value and what is allowed, even where another source would win: a mistake does not wait for the day
//! on which the other source goes away. Under `dev` the limits that nobody set are off, and keys have known values.

mod demo;
mod keys;
mod read;
mod value;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cossistant_protocol::{Limits, MAX_TEXT_LENGTH, Timestamp};

pub use demo::{
    DEMO_ADMIN_KEY, DEMO_DOMAINS, DEMO_JWT_SECRET, DEMO_ORGANIZATION, DEMO_PEOPLE, DEMO_PUBLIC_KEY, DEMO_SECRET_KEY,
    DEMO_WEBSITE, demo_rows,
};
pub use keys::{Config, KEYS, Key};
pub use read::{Checked, Effective, Problem};
pub use value::{AddressRange, InvalidRange, LogFormat, LogLevel};

use crate::auth::{AuthSettings, JwksSource, OwnSecret, OwnSecrets, PreviousSecret, Secret, SecretPair};
use crate::bus::nats::{NatsError, NatsTarget};
use crate::store::{DataKind, PostgresConfig};
use crate::tls::TlsFiles;
use crate::webhook::AddressPolicy;

/// What the names of keys have before them in the environment.
pub const ENVIRONMENT_PREFIX: &str = "COSSISTANT_";
/// The key that names the file itself; it has no meaning inside of it.
const CONFIG_KEY: &str = "config";

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
}

impl ConfigError {
    /// With what the program ends.
    pub const EXIT_CODE: u8 = 2;
}

/// A secret that was replaced, and until when it is taken.
fn previous(secret: &Option<Secret>, until: Option<Timestamp>) -> Option<PreviousSecret> {
    let (secret, until) = secret.clone().zip(until)?;
    Some(PreviousSecret { secret, until })
}

fn suggest(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
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
        let checked = Self::check(flags, environment, file);
        match checked.problems.into_iter().next() {
            Some(problem) => Err(problem.error),
            None => Ok((checked.config, checked.warnings)),
        }
    }

    /// Reads and judges the same as [`Config::load`], but goes on behind a mistake: everything that is wrong is told
    /// with its place, and every value that is in force.
    #[must_use]
    pub fn check(
        flags: impl IntoIterator<Item = (String, String)>,
        environment: impl Iterator<Item = (String, String)>,
        file: Option<&Path>,
    ) -> Checked {
        read::check(flags, environment, file)
    }

    /// The keys by which credentials are verified, with those of the server itself.
    #[must_use]
    pub fn auth_settings(&self, own: OwnSecrets) -> AuthSettings {
        AuthSettings {
            jwt_secret: self.jwt_secret.clone(),
            jwt_secret_previous: previous(&self.jwt_secret_previous, self.jwt_secret_previous_until),
            jwt_public_key: self.jwt_public_key.clone(),
            jwt_algorithm: self.jwt_algorithm,
            jwks: self.jwt_jwks_url.as_deref().map(JwksSource::parse),
            own,
            visitor_token_life: self.visitor_token_life,
        }
    }

    /// A secret of the server itself and the one before it, if the configuration has it: then the data folder need not.
    #[must_use]
    pub fn own_secret(&self, secret: OwnSecret) -> Option<SecretPair> {
        let (current, before, until) = match secret {
            OwnSecret::AdminKey => (&self.admin_key, &self.admin_key_previous, self.admin_key_previous_until),
            OwnSecret::Signing => {
                (&self.visitor_secret, &self.visitor_secret_previous, self.visitor_secret_previous_until)
            }
        };
        Some(SecretPair { current: current.clone()?, previous: previous(before, until) })
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

    /// What the data of the store is for.
    #[must_use]
    pub const fn data_kind(&self) -> DataKind {
        if self.dev { DataKind::Dev } else { DataKind::Production }
    }

    /// The database, if it takes the place of the embedded store.
    #[must_use]
    pub fn database(&self) -> Option<PostgresConfig> {
        let url = self.database_url.as_ref()?;
        Some(PostgresConfig {
            is_prepared: self.database_prepared,
            readers: self.database_readers,
            ..PostgresConfig::new(url.expose(), self.data_kind())
        })
    }

    /// NATS, if other nodes are to be told and heard. Reads the files that are named.
    pub(crate) fn nats(&self) -> Option<Result<NatsTarget, NatsError>> {
        let url = self.nats_url.as_ref()?;
        Some(NatsTarget::parse(url.expose(), self.nats_credentials.as_deref(), self.nats_tls_ca.as_deref()))
    }

    /// Whether NATS lets one in, tried once and waited for: where it is, or why not; `None` without `nats_url`.
    #[must_use]
    pub fn look_at_bus(&self) -> Option<Result<String, String>> {
        let target = self.nats()?;
        let wrong = |error: NatsError| format!("{} {}", error.key, error.reason);
        Some(target.map_err(wrong).and_then(|target| crate::bus::nats::look_at(&target)))
    }

    /// The files of TLS, if the server is to speak it.
    #[must_use]
    pub fn tls_files(&self) -> Option<TlsFiles> {
        let (certificate, key) = (self.tls_cert.clone()?, self.tls_key.clone()?);
        Some(TlsFiles { certificate, key })
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

#[cfg(test)]
mod tests;
