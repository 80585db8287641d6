//! The operator's JWKS: public keys that somebody else publishes and changes.
//!
//! Tokens are verified by the keys in memory. They are read anew when asked to, and at most once a minute when a
//! token names a key that is not among them; reading happens on a thread that may block.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use cossistant_protocol::Timestamp;
use serde::Deserialize;
use tokio::sync::watch;

use crate::directory::{InvalidKey, SigningAlgorithm, VerifyingKey};

/// The least time between two readings for an unknown key.
const REFRESH_INTERVAL_MS: u64 = 60_000;
/// After how long a fetch is given up.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of a key set.
const MAX_BYTES: u64 = 256 * 1024;
/// The most keys of a set.
const MAX_KEYS: usize = 100;

/// Where a key set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksSource {
    /// It is fetched from this http or https address.
    Url(String),
    /// It is a file.
    File(PathBuf),
}

impl JwksSource {
    /// Reads `http://…`, `https://…`, `file://…` or a path.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.starts_with("http://") || text.starts_with("https://") {
            Self::Url(text.to_owned())
        } else {
            Self::File(text.strip_prefix("file://").unwrap_or(text).into())
        }
    }
}

/// Why a key set could not be had. The old keys stay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// It could not be read or fetched.
    #[error("the key set could not be read: {0}")]
    Unreadable(String),
    /// It is no JSON object with a list of keys.
    #[error("the key set is not a JWKS: {0}")]
    Form(String),
    /// None of its keys can verify RS256, ES256 or EdDSA.
    #[error("the key set has no key that can be used")]
    NoKeys,
}

/// A key set in memory.
#[derive(Debug)]
pub(super) struct Jwks {
    source: JwksSource,
    algorithm: Option<SigningAlgorithm>,
    /// Guards the pointer alone; it is held to clone or to replace it.
    keys: RwLock<Arc<KeySet>>,
    /// Guards what is known of the last reading; it is never held during one.
    refresh: Mutex<Refresh>,
}

#[derive(Debug, Default)]
struct Refresh {
    started_at: Option<Timestamp>,
    /// Becomes true, or closed, when the reading that was started last is over.
    is_done: Option<watch::Receiver<bool>>,
}

impl Jwks {
    /// An empty set until the first [`Jwks::reload`]. `algorithm` is that of RSA, P-256 or Ed25519 keys which do not
    /// name one; without it the kind of key says.
    pub(super) fn new(source: JwksSource, algorithm: Option<SigningAlgorithm>) -> Self {
        Self { source, algorithm, keys: RwLock::default(), refresh: Mutex::default() }
    }

    /// The keys in memory.
    pub(super) fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the set anew and returns how many keys it has.
    pub(super) async fn reload(self: &Arc<Self>) -> Result<usize, JwksError> {
        let jwks = Arc::clone(self);
        tokio::task::spawn_blocking(move || jwks.read())
            .await
            .unwrap_or_else(|error| Err(JwksError::Unreadable(error.to_string())))
    }

    /// Reads the set anew for an unknown key, at most once a minute; whoever comes while it is read waits for the
    /// same reading. Returns whether one came to its end, so that looking again makes sense. Dropping the future does
    /// not stop the reading.
    pub(super) async fn refresh(self: &Arc<Self>, now: Timestamp) -> bool {
        let Some(mut is_done) = self.start_refresh(now) else { return false };
        // A closed channel means that the reading is over as well.
        let _over = is_done.wait_for(|is_done| *is_done).await;
        true
    }

    fn start_refresh(self: &Arc<Self>, now: Timestamp) -> Option<watch::Receiver<bool>> {
        let mut refresh = self.refresh.lock().unwrap_or_else(PoisonError::into_inner);
        // A time before the last reading is of a clock that was put back, and says nothing.
        if refresh.started_at.is_some_and(|at| (at..at.plus_millis(REFRESH_INTERVAL_MS)).contains(&now)) {
            let is_running = |is_done: &&watch::Receiver<bool>| !*is_done.borrow() && is_done.has_changed().is_ok();
            return refresh.is_done.as_ref().filter(is_running).cloned();
        }
        let (done, is_done) = watch::channel(false);
        *refresh = Refresh { started_at: Some(now), is_done: Some(is_done.clone()) };
        let jwks = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = jwks.read() {
                tracing::warn!(%error, "the key set is not refreshed");
            }
            done.send_replace(true);
        });
        Some(is_done)
    }

    fn read(&self) -> Result<usize, JwksError> {
        let set = KeySet::parse(&self.source.read()?, self.algorithm)?;
        let count = set.by_kid.len() + set.without_kid.len();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        Ok(count)
    }
}

impl JwksSource {
    fn read(&self) -> Result<Vec<u8>, JwksError> {
        let mut bytes = Vec::new();
        let unreadable = |error: &dyn std::fmt::Display| JwksError::Unreadable(error.to_string());
        match self {
            Self::Url(url) => {
                let config = ureq::Agent::config_builder().timeout_global(Some(FETCH_TIMEOUT)).max_redirects(3).build();
                let mut answer = ureq::Agent::new_with_config(config).get(url).call().map_err(|e| unreadable(&e))?;
                answer.body_mut().as_reader().take(MAX_BYTES + 1).read_to_end(&mut bytes)
            }
            Self::File(path) => {
                std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            }
        }
        .map_err(|error| unreadable(&error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(JwksError::Unreadable(format!("it has more than {MAX_BYTES} bytes")));
        }
        Ok(bytes)
    }
}

/// The usable keys of a set.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    by_kid: HashMap<String, VerifyingKey>,
    without_kid: Vec<VerifyingKey>,
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct RawKey {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    fn parse(bytes: &[u8], algorithm: Option<SigningAlgorithm>) -> Result<Self, JwksError> {
        let raw: RawSet = serde_json::from_slice(bytes).map_err(|error| JwksError::Form(error.to_string()))?;
        let mut set = Self::default();
        for value in raw.keys.into_iter().take(MAX_KEYS) {
            let Ok(raw) = serde_json::from_value::<RawKey>(value) else { continue };
            match raw.key(algorithm) {
                Ok(key) => match raw.kid {
                    Some(kid) => drop(set.by_kid.insert(kid, key)),
                    None => set.without_kid.push(key),
                },
                Err(error) => tracing::debug!(kid = ?raw.kid, %error, "a key of the key set is not used"),
            }
        }
        if set.by_kid.is_empty() && set.without_kid.is_empty() { Err(JwksError::NoKeys) } else { Ok(set) }
    }

    /// The key of this id.
    pub(super) fn key(&self, kid: &str) -> Option<&VerifyingKey> {
        self.by_kid.get(kid)
    }

    /// The key for a token that names none: the only one of its algorithm. (Trying many would let anybody make the
    /// server compute.)
    pub(super) fn only(&self, fits: impl Fn(&VerifyingKey) -> bool) -> Option<&VerifyingKey> {
        let mut keys = self.by_kid.values().chain(&self.without_kid).filter(|key| fits(key));
        keys.next().filter(|_| keys.next().is_none())
    }
}

impl RawKey {
    /// A public signature key; shared secrets (`oct`) are never taken from a published set.
    fn key(&self, algorithm: Option<SigningAlgorithm>) -> Result<VerifyingKey, InvalidKey> {
        if self.r#use.as_deref().is_some_and(|r#use| r#use != "sig") {
            return Err(InvalidKey::Mismatch);
        }
        let field = |field: &'_ Option<String>| field.clone().ok_or(InvalidKey::Mismatch);
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => VerifyingKey::from_rsa(&field(&self.n)?, &field(&self.e)?),
            ("EC", Some("P-256")) => VerifyingKey::from_p256(&field(&self.x)?, &field(&self.y)?),
            ("OKP", Some("Ed25519")) => VerifyingKey::from_ed25519(&field(&self.x)?),
            _ => Err(InvalidKey::Mismatch),
        }?;
        let fits = match self.alg.as_deref() {
            Some("Ed25519") => key.algorithm() == SigningAlgorithm::EdDsa,
            Some(name) => key.algorithm().as_str() == name,
            None => algorithm.is_none_or(|algorithm| algorithm == key.algorithm()),
        };
        if fits { Ok(key) } else { Err(InvalidKey::Mismatch) }
    }
}
