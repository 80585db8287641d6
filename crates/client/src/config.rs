//! What an application says before it connects.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use cossistant_engine::Config as EngineConfig;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Scheme, Uri};

/// Where, as whom and how to connect.
///
/// Credentials, first found wins: the token source, an `Authorization` header, the public key.
#[derive(Clone)]
pub struct Config {
    /// The endpoint, `ws://` or `wss://`.
    pub(crate) url: Uri,
    /// Headers of the handshake.
    pub(crate) headers: HeaderMap,
    /// Timing, queue and reconnect options, with the defaults of every client. `has_token_source` is set by the client.
    pub engine: EngineConfig,
    /// Subprotocols to offer beside `cossistant.v1`.
    pub protocols: Vec<String>,
    /// Asked before each connection, when a token expires, and once after a refusal.
    pub token_source: Option<TokenSource>,
    /// Connects as an anonymous visitor of that key's website. Such a connection needs an `Origin` header.
    pub public_key: Option<String>,
    /// Where a visitor's token is kept, one entry for each server and key; without a file it lives as long as the client.
    /// The file is readable by its owner alone.
    pub visitor_token_file: Option<PathBuf>,
    /// Where messages that are not acknowledged are kept over a restart; without a file they are lost with the process.
    /// One client at a time may use a file.
    pub queue_file: Option<PathBuf>,
    /// TLS settings in place of the default: the web's root certificates, by rustls with ring.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

/// A source of tokens, called whenever a new one may be needed.
///
/// `Ok(None)` means to connect without one.
#[derive(Clone)]
pub struct TokenSource(Arc<dyn Fn() -> TokenFuture + Send + Sync>);

type TokenFuture = Pin<Box<dyn Future<Output = Result<Option<String>, TokenError>> + Send>>;

/// Why a token source gave no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It may work later: the attempt counts as failed.
    #[error("no token could be had: {0}")]
    Failed(String),
    /// It will not work: the client stops.
    #[error("no token will be given: {0}")]
    Denied(String),
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The URL is not an absolute `ws://` or `wss://` URL.
    #[error("not an absolute ws or wss url: {0}")]
    Url(String),
    /// A header has a name or a value that HTTP does not allow.
    #[error("not a valid header: {0}")]
    Header(String),
}

impl TokenSource {
    /// Takes an async function as a source.
    pub fn new<F, T>(source: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<Option<String>, TokenError>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(source())))
    }

    pub(crate) fn ask(&self) -> TokenFuture {
        (self.0)()
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSource")
    }
}

// Credentials stay out of logs.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("host", &self.url.authority().map(http::uri::Authority::host))
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// The defaults, for an endpoint such as `wss://chat.example/ws`.
    ///
    /// # Errors
    /// [`ConfigError::Url`], when it is no absolute `ws://` or `wss://` URL.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        let parsed: Uri = url.parse().map_err(|_| ConfigError::Url(String::from(url)))?;
        let has_scheme = matches!(parsed.scheme_str(), Some("ws" | "wss"));
        if !has_scheme || parsed.host().is_none_or(str::is_empty) {
            return Err(ConfigError::Url(String::from(url)));
        }
        Ok(Self {
            url: parsed,
            headers: HeaderMap::new(),
            engine: EngineConfig::default(),
            protocols: Vec::new(),
            token_source: None,
            public_key: None,
            visitor_token_file: None,
            queue_file: None,
            tls: None,
        })
    }

    /// Adds a header to the handshake, or replaces it.
    ///
    /// # Errors
    /// [`ConfigError::Header`], when HTTP does not allow it.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, ConfigError> {
        let refused = |_| ConfigError::Header(String::from(name));
        let header = HeaderName::try_from(name).map_err(|_| ConfigError::Header(String::from(name)))?;
        let mut value = HeaderValue::try_from(value).map_err(refused)?;
        value.set_sensitive(header == AUTHORIZATION);
        self.headers.insert(header, value);
        Ok(self)
    }

    /// Connects with a fixed token.
    ///
    /// # Errors
    /// [`ConfigError::Header`], when it has characters that no token has.
    pub fn with_bearer(self, token: &str) -> Result<Self, ConfigError> {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    /// Connects with the tokens of a source.
    #[must_use]
    pub fn with_token_source(mut self, source: TokenSource) -> Self {
        self.token_source = Some(source);
        self
    }

    /// Connects as a visitor, from a page of that origin.
    ///
    /// # Errors
    /// [`ConfigError::Header`], when the origin is no header value.
    pub fn with_public_key(mut self, key: &str, origin: &str) -> Result<Self, ConfigError> {
        self.public_key = Some(String::from(key));
        self.with_header("origin", origin)
    }

    /// Whether the connection is that of a visitor who may have a token of the server's.
    pub(crate) fn is_visitor(&self) -> bool {
        self.token_source.is_none() && !self.headers.contains_key(AUTHORIZATION) && self.public_key.is_some()
    }

    /// The base of the HTTP interface: `http` for `ws`, and without `/ws`.
    pub(crate) fn http_base(&self) -> String {
        let scheme = if self.url.scheme_str() == Some("wss") { Scheme::HTTPS } else { Scheme::HTTP };
        let authority = self.url.authority().map_or("", http::uri::Authority::as_str);
        let path = self.url.path().trim_end_matches('/');
        let path = path.strip_suffix("/ws").unwrap_or(path);
        format!("{scheme}://{authority}{path}")
    }

    /// The endpoint without its query: what a stored visitor token belongs to.
    pub(crate) fn endpoint(&self) -> String {
        let authority = self.url.authority().map_or("", http::uri::Authority::as_str);
        format!("{}://{authority}{}", self.url.scheme_str().unwrap_or_default(), self.url.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_websocket_urls_are_taken() {
        for url in ["", "/ws", "http://a/ws", "ws://", "wss:///ws"] {
            assert!(Config::new(url).is_err(), "{url}");
        }
        let base = |url| Config::new(url).expect("a url").http_base();
        assert_eq!(base("wss://chat.example/ws"), "https://chat.example");
        assert_eq!(base("ws://127.0.0.1:8080/live/ws?token=x"), "http://127.0.0.1:8080/live");
    }

    #[test]
    fn credentials_are_not_shown() {
        let config = Config::new("ws://a/ws?token=secret").and_then(|config| config.with_bearer("secret"));
        assert!(!format!("{config:?}").contains("secret"));
    }
}
