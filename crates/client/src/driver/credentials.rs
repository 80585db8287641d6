//! As whom the client connects.

use std::path::PathBuf;

use cossistant_protocol::fields::Text;
use cossistant_protocol::http::AdmitVisitor;
use http::header::{AUTHORIZATION, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, Request, Uri};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::config::{Config, ConfigError};
use crate::storage;

/// The subprotocol that this client speaks.
const SUBPROTOCOL: &str = "cossistant.v1";

/// The token in use, from the token source or of a visitor, and where the latter is kept.
pub(super) struct Credentials {
    token: Option<String>,
    file: Option<TokenFile>,
}

struct TokenFile {
    path: PathBuf,
    /// The entry of this endpoint and key.
    name: String,
    contents: watch::Sender<Vec<u8>>,
}

impl Credentials {
    pub(super) fn new(config: &Config, tasks: &mut JoinSet<()>) -> Self {
        let Some(path) = config.visitor_token_file.clone().filter(|_| config.is_visitor()) else {
            return Self { token: None, file: None };
        };
        let name = format!("{} {}", config.endpoint(), config.public_key.as_deref().unwrap_or_default());
        let token = storage::load_token(&path, &name);
        let (contents, receiver) = watch::channel(Vec::new());
        tasks.spawn(storage::keep(path.clone(), receiver));
        Self { token, file: Some(TokenFile { path, name, contents }) }
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub(super) fn set_token(&mut self, token: Option<String>) {
        self.token = token;
    }

    /// A visitor's token is kept at once, or dropped.
    pub(super) fn keep_visitor_token(&mut self, token: Option<String>) {
        self.token = token;
        if let Some(file) = &self.file {
            file.contents.send_replace(storage::with_token(&file.path, &file.name, self.token.as_deref()));
        }
    }

    /// The last contents are written; no more come.
    pub(super) fn end(&mut self) {
        self.file = None;
    }

    /// The request that makes this visitor known; `None` for those who are no visitors.
    pub(super) fn admission(&self, config: &Config, identity_token: &str) -> Option<AdmitVisitor> {
        if !config.is_visitor() {
            return None;
        }
        Some(AdmitVisitor {
            public_key: Text::new(config.public_key.clone()?).ok()?,
            visitor_token: self.token.clone().and_then(|token| Text::new(token).ok()),
            identity_token: Some(Text::new(identity_token).ok()?),
        })
    }

    /// The handshake.
    pub(super) fn request(&self, config: &Config) -> Result<Request<()>, ConfigError> {
        let mut uri = config.url.clone();
        if config.is_visitor() && self.token.is_none() {
            uri = with_query(&uri, "publicKey", config.public_key.as_deref().unwrap_or_default())?;
        }
        let refused = |_| ConfigError::Url(config.endpoint());
        let mut request = ClientRequestBuilder::new(uri).into_client_request().map_err(refused)?;
        let headers: &mut HeaderMap = request.headers_mut();
        for (name, value) in &config.headers {
            headers.insert(name, value.clone());
        }
        let mut protocols = String::from(SUBPROTOCOL);
        for protocol in config.protocols.iter().filter(|protocol| *protocol != SUBPROTOCOL) {
            protocols.push_str(", ");
            protocols.push_str(protocol);
        }
        let value =
            |name: &str, text: &str| HeaderValue::try_from(text).map_err(|_| ConfigError::Header(String::from(name)));
        headers.insert(SEC_WEBSOCKET_PROTOCOL, value("protocols", &protocols)?);
        if let Some(token) = &self.token {
            let mut bearer = value("authorization", &format!("Bearer {token}"))?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        Ok(request)
    }
}

/// The URL with one more parameter.
fn with_query(uri: &Uri, name: &str, value: &str) -> Result<Uri, ConfigError> {
    let separator = if uri.query().is_some() { '&' } else { '?' };
    let mut text = format!("{uri}{separator}{name}=");
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text.parse().map_err(|_| ConfigError::Url(String::from("the public key")))
}
