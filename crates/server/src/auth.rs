//! Authentication: from what a client shows to a [`Principal`].
//!
//! The [`Authenticator`] holds the keys of the operator and of the server itself; those of organizations come from
//! the [`Directory`]. Whether a credential is good depends on these and on the time that the caller gives, so one
//! that is not good is refused in the same way on every path: WebSocket, first message, HTTP. The functions whose
//! names begin with `authenticate_` are the ways in; all they ever wait for is the operator's JWKS, which a token
//! signed by an unknown key makes them read once more (at most once a minute) before they refuse it.
//!
//! Which key verifies a token is decided by its `kid` alone: an own token's is fixed, an organization's is the id of
//! its key, the operator's is in its JWKS; without `kid` it is the operator's secret, public key, or the one JWKS key
//! of that algorithm. The algorithm is the key's, never the token's choice.

mod admit;
mod guard;
mod jwks;
mod own;
mod principal;
mod rotation;
mod secret;
mod token;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cossistant_protocol::{CloseCode, ErrorCode, Identity, KeyId, OrganizationId, PersonId, Timestamp, UserType};

pub use guard::Guard;
pub use jwks::{JwksError, JwksSource};
pub use own::{IssuedToken, TokenRequest};
pub use principal::{CredentialKind, Principal, PrincipalFields};
pub use rotation::{
    OwnSecret, OwnSecrets, PreviousSecret, RotationError, SecretPair, previous_path, read_previous, rotate_secret,
};
pub use secret::{Secret, SecretFile, new_secret, read_or_create_secret};
pub(crate) use token::turns_a_line;

use self::admit::{UNKNOWN_SECRET_KEY, admit, agent};
use self::jwks::Jwks;
use self::own::OWN_KID;
use self::rotation::{Held, verifying};
use self::token::{Claims, Token};
use crate::directory::{Directory, InvalidKey, SigningAlgorithm, VerifyingKey, Website};
use crate::store::SiteKey;

/// Why credentials are refused, as the client may know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AuthError {
    /// `unauthorized`, `forbidden` or `token_expired`; or why nothing can be said of them now.
    pub code: ErrorCode,
    /// 4401 or 4403; 4029 or 4500 when it may be tried again.
    pub close: CloseCode,
    /// For people.
    pub message: &'static str,
    /// After how many ms it may be tried again, when that is why.
    pub retry_after: Option<u64>,
}

impl AuthError {
    /// The credentials are not accepted: 4401.
    #[must_use]
    pub const fn unauthorized(message: &'static str) -> Self {
        Self { code: ErrorCode::Unauthorized, close: CloseCode::Unauthorized, message, retry_after: None }
    }

    /// The credentials are good, but not for this: 4403.
    #[must_use]
    pub const fn forbidden(message: &'static str) -> Self {
        Self { code: ErrorCode::Forbidden, close: CloseCode::Forbidden, message, retry_after: None }
    }

    /// What was shown was revoked: 4401.
    #[must_use]
    pub const fn revoked() -> Self {
        Self::unauthorized("the credential was revoked")
    }

    /// Too many come from there: 4029, and `retry_after` ms later the next may come.
    #[must_use]
    pub const fn rate_limited(message: &'static str, retry_after: u64) -> Self {
        Self { code: ErrorCode::RateLimited, close: CloseCode::RateLimited, message, retry_after: Some(retry_after) }
    }

    /// Whether the credentials are good cannot be said now: 4500, and `retry_after` ms later perhaps.
    #[must_use]
    pub const fn unavailable(message: &'static str, retry_after: u64) -> Self {
        Self { code: ErrorCode::Unavailable, close: CloseCode::Internal, message, retry_after: Some(retry_after) }
    }

    /// The token's time is over: 4401.
    #[must_use]
    pub const fn token_expired() -> Self {
        Self { code: ErrorCode::TokenExpired, ..Self::unauthorized("the token has expired") }
    }
}

/// Why an [`Authenticator`] cannot be made: the configuration is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthSetupError {
    /// `jwt_secret` cannot be used.
    #[error("jwt_secret: {0}")]
    Secret(InvalidKey),
    /// `jwt_public_key` cannot be used.
    #[error("jwt_public_key: {0}")]
    PublicKey(InvalidKey),
    /// The file that `jwt_public_key` names cannot be read.
    #[error("jwt_public_key: cannot read {}: {error}", path.display())]
    PublicKeyFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A token signed by the server's own secret was not proven by it: this build can verify nothing.
    #[error("the server cannot verify a token that it signed itself")]
    SelfCheck,
}

/// Keys of the operator and of the server itself.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// Verifies HS256 tokens without `kid`, for all organizations.
    pub jwt_secret: Option<Secret>,
    /// The secret before that one, if it is still to be taken.
    pub jwt_secret_previous: Option<PreviousSecret>,
    /// Verifies RS256, ES256 or EdDSA tokens without `kid`, for all organizations: a PEM, or the path of one.
    pub jwt_public_key: Option<String>,
    /// What `jwt_public_key` and JWKS keys that do not say so are for; else the kind of key says.
    pub jwt_algorithm: Option<SigningAlgorithm>,
    /// Where the operator's key set is.
    pub jwks: Option<JwksSource>,
    /// The server's own.
    pub own: OwnSecrets,
    /// How long a visitor's token lives.
    pub visitor_token_life: Duration,
}

/// Who speaks over HTTP.
#[derive(Debug, Clone)]
pub enum HttpPrincipal {
    /// The holder of the admin key.
    Admin,
    /// The holder of an organization's secret key.
    Secret {
        /// The organization.
        organization: OrganizationId,
        /// The key.
        key: KeyId,
        /// The AI agent that it speaks for, when the request names one.
        agent: Option<Principal>,
    },
    /// A person or AI agent with a token.
    Person(Principal),
}

/// Who a visitor is, by the word of the customer's own server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityClaims {
    /// The id in the customer's own books: the `sub`.
    pub external_id: PersonId,
    /// The same with name and e-mail address.
    pub identity: Identity,
    /// When it was said, as far as the token says.
    pub issued_at: Option<Timestamp>,
}

/// Verifies credentials, and issues the server's own.
pub struct Authenticator {
    secret: Option<VerifyingKey>,
    /// The operator's secret before this one, and until when it is taken.
    secret_before: Option<(VerifyingKey, Timestamp)>,
    public_key: Option<VerifyingKey>,
    jwks: Option<Arc<Jwks>>,
    /// The server's own secrets; whole, so that a replacement is seen as a whole.
    held: RwLock<Arc<Held>>,
    visitor_token_life: Duration,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").field("public_key", &self.public_key).finish_non_exhaustive()
    }
}

/// A refusal, and whether another reading of the JWKS might change it.
#[derive(Debug)]
enum Refusal {
    UnknownKey,
    Final(AuthError),
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        Self::Final(error)
    }
}

impl From<Refusal> for AuthError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownKey => Self::unauthorized("the token's key is not known"),
            Refusal::Final(error) => error,
        }
    }
}

impl Authenticator {
    /// Reads the keys, and proves by a token of its own that signatures can be verified.
    ///
    /// The operator's JWKS is not read yet: [`Authenticator::reload_keys`] does it.
    ///
    /// # Errors
    /// [`AuthSetupError`]: a key of the configuration cannot be used.
    pub fn new(settings: AuthSettings) -> Result<Self, AuthSetupError> {
        let secret = settings.jwt_secret.map(|secret| VerifyingKey::from_secret(secret.expose().as_bytes()));
        let public_key = settings.jwt_public_key.map(|text| read_public_key(&text, settings.jwt_algorithm));
        let secret_before = settings.jwt_secret_previous.as_ref().map(verifying);
        Ok(Self {
            secret: secret.transpose().map_err(AuthSetupError::Secret)?,
            secret_before: secret_before.transpose().map_err(AuthSetupError::Secret)?,
            public_key: public_key.transpose()?,
            jwks: settings.jwks.map(|source| Arc::new(Jwks::new(source, settings.jwt_algorithm))),
            held: RwLock::new(Arc::new(Held::new(&settings.own)?)),
            visitor_token_life: settings.visitor_token_life,
        })
    }

    /// Puts other secrets of the server itself in force, for all that is judged from now on.
    ///
    /// # Errors
    /// [`AuthSetupError::SelfCheck`]: one of them is empty. Those in force stay.
    pub fn renew(&self, secrets: &OwnSecrets) -> Result<(), AuthSetupError> {
        let held = Arc::new(Held::new(secrets)?);
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
        Ok(())
    }

    fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the operator's JWKS anew: at the start, and from time to time so that withdrawn keys go. Returns how
    /// many keys there are; 0 when no JWKS is configured.
    ///
    /// # Errors
    /// [`JwksError`]; the keys that are in memory stay.
    pub async fn reload_keys(&self) -> Result<usize, JwksError> {
        match &self.jwks {
            Some(jwks) => jwks.reload().await,
            None => Ok(0),
        }
    }

    /// Verifies what a WebSocket client shows: a token, or a secret key beside the id of an agent.
    ///
    /// # Errors
    /// [`AuthError`]; also for admin and public keys, which are no credentials here.
    pub async fn authenticate_socket(
        &self,
        text: &str,
        agent_id: Option<&str>,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<Principal, AuthError> {
        self.judge(now, || self.socket(text, agent_id, directory, now)).await
    }

    /// Verifies the bearer credential of an HTTP request: a token, a secret key, or the admin key. `agent_id` names
    /// the agent for which a secret key speaks; for others it means nothing.
    ///
    /// # Errors
    /// [`AuthError`]; also for public keys. An `agent_id` that is no id is `unauthorized`.
    pub async fn authenticate_bearer(
        &self,
        text: &str,
        agent_id: Option<&str>,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<HttpPrincipal, AuthError> {
        self.judge(now, || self.bearer(text, agent_id, directory, now)).await
    }

    /// Verifies the customer's word about who a visitor of this website is: a visitor's token, signed by the
    /// organization or the operator. One that this server issued proves nothing about a person.
    ///
    /// # Errors
    /// [`AuthError`]; `forbidden` when it is for another website.
    pub async fn authenticate_identity(
        &self,
        text: &str,
        site: &SiteKey,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<IdentityClaims, AuthError> {
        self.judge(now, || self.identity(text, site, directory, now)).await
    }

    /// Judges a credential; once more with the operator's JWKS read anew, if only its key was not known.
    async fn judge<T>(&self, now: Timestamp, judged: impl Fn() -> Result<T, Refusal>) -> Result<T, AuthError> {
        match (judged(), &self.jwks) {
            (Err(Refusal::UnknownKey), Some(jwks)) if jwks.refresh(now).await => Ok(judged()?),
            (result, _) => Ok(result?),
        }
    }

    fn socket(
        &self,
        text: &str,
        agent_id: Option<&str>,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        match Credential::of(text) {
            Credential::Admin | Credential::Public => {
                Err(AuthError::unauthorized("this key is no credential of a connection").into())
            }
            Credential::Secret => {
                let agent_id = agent_id.ok_or(AuthError::unauthorized("a secret key needs an agentId"))?;
                Ok(agent(text, agent_id, directory)?)
            }
            Credential::Jwt => self.jwt(text, directory, now),
        }
    }

    fn bearer(
        &self,
        text: &str,
        agent_id: Option<&str>,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<HttpPrincipal, Refusal> {
        match Credential::of(text) {
            Credential::Admin if self.held().is_admin_key(text, now) => Ok(HttpPrincipal::Admin),
            Credential::Admin => Err(AuthError::unauthorized("the admin key is not valid").into()),
            Credential::Public => Err(AuthError::unauthorized("a public key is no bearer credential").into()),
            Credential::Secret => {
                let key = directory.secret_key(text).ok_or(UNKNOWN_SECRET_KEY)?;
                let agent = agent_id.map(|agent_id| agent(text, agent_id, directory)).transpose()?;
                Ok(HttpPrincipal::Secret { organization: key.organization.clone(), key: key.id.clone(), agent })
            }
            Credential::Jwt => self.jwt(text, directory, now).map(HttpPrincipal::Person),
        }
    }

    /// Judges a token: its signature, claims, times, organization and websites, and that it is not revoked.
    fn jwt(&self, text: &str, directory: &Directory, now: Timestamp) -> Result<Principal, Refusal> {
        let (claims, credential) = self.claims(text, directory, now)?;
        Ok(admit(claims, credential, directory)?)
    }

    fn identity(
        &self,
        text: &str,
        site: &SiteKey,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<IdentityClaims, Refusal> {
        let principal = match Credential::of(text) {
            Credential::Jwt => self.jwt(text, directory, now)?,
            Credential::Admin | Credential::Secret | Credential::Public => {
                return Err(AuthError::unauthorized("an identity is a visitor's token").into());
            }
        };
        match principal.credential {
            CredentialKind::Operator | CredentialKind::Organization(_) => {}
            CredentialKind::Own | CredentialKind::SecretKey(_) => {
                return Err(AuthError::unauthorized("an identity must be signed by the organization").into());
            }
        }
        match principal.visitor_site() {
            None => Err(AuthError::unauthorized("an identity is a visitor's token").into()),
            Some(of) if of != *site => Err(AuthError::forbidden("the identity is for another website").into()),
            Some(_) => Ok(IdentityClaims {
                external_id: principal.id.clone(),
                issued_at: principal.issued_at,
                identity: Identity {
                    external_id: Some(principal.id.to_string()),
                    email: principal.email.as_deref().map(str::to_owned),
                    name: principal.name.as_deref().map(str::to_owned),
                },
            }),
        }
    }

    /// Finds the key, proves the signature, and reads the claims.
    fn claims(&self, text: &str, directory: &Directory, now: Timestamp) -> Result<(Claims, CredentialKind), Refusal> {
        let token = Token::parse(text)?;
        let Some(kid) = token.kid() else {
            return Ok((self.operator_claims(&token, now)?, CredentialKind::Operator));
        };
        if kid == OWN_KID {
            return Ok((self.held().verify(&token, now)?.claims(now)?, CredentialKind::Own));
        }
        if let Some(key) = directory.signing_key(kid) {
            let claims = token.verify(&key.key)?.claims(now)?;
            if claims.organization != key.organization.as_str() {
                return Err(AuthError::unauthorized("the token's key is another organization's").into());
            }
            let kid = KeyId::new(kid).map_err(|_| Refusal::UnknownKey)?;
            return Ok((claims, CredentialKind::Organization(kid)));
        }
        let keys = self.jwks.as_ref().map(|jwks| jwks.keys());
        let key = keys.as_ref().and_then(|keys| keys.key(kid)).ok_or(Refusal::UnknownKey)?;
        Ok((token.verify(key)?.claims(now)?, CredentialKind::Operator))
    }

    /// Verifies a token without `kid` by the operator's keys of its algorithm.
    fn operator_claims(&self, token: &Token<'_>, now: Timestamp) -> Result<Claims, AuthError> {
        let published = self.jwks.as_ref().map(|jwks| jwks.keys());
        let published = published.as_ref().and_then(|keys| keys.only(|key| token.fits(key)));
        let mut refused = AuthError::unauthorized("no key of the token's algorithm is known");
        let before = self.secret_before.as_ref().filter(|(_, until)| now < *until).map(|(key, _)| key);
        for key in [self.secret.as_ref(), before, self.public_key.as_ref(), published].into_iter().flatten() {
            if token.fits(key) {
                match token.verify(key) {
                    Ok(verified) => return verified.claims(now),
                    Err(error) => refused = error,
                }
            }
        }
        Err(refused)
    }

    // ---- visitors, and tokens of our own ----

    /// The website that a page speaks for by its public key. A page must tell its origin, and the website allow it.
    ///
    /// # Errors
    /// [`AuthError`] `forbidden`.
    pub fn admit_page(
        &self,
        public_key: &str,
        origin: Option<&str>,
        directory: &Directory,
    ) -> Result<Arc<Website>, AuthError> {
        let key = directory.public_key(public_key).ok_or(AuthError::forbidden("the public key is not known"))?;
        let website = directory.website(&key.site).ok_or(AuthError::forbidden("the website does not exist"))?;
        if origin.is_some_and(|origin| website.allows(origin)) {
            Ok(Arc::clone(website))
        } else {
            Err(AuthError::forbidden("the page's origin is not allowed"))
        }
    }

    /// Makes a visitor of a website, who has shown no token, a principal with a token to come back with.
    #[must_use]
    pub fn admit_visitor(&self, website: &Website, visitor: PersonId, now: Timestamp) -> (Principal, IssuedToken) {
        let issued = self.issue_visitor_token(&website.row.key, visitor.clone(), None, now);
        let principal = PrincipalFields {
            organization: website.row.key.organization.clone(),
            kind: UserType::Visitor,
            id: visitor,
            websites: website.only.clone(),
            is_admin: false,
            name: None,
            email: None,
            avatar_url: None,
            expires_at: Some(issued.expires_at),
            issued_at: Some(now),
            credential: CredentialKind::Own,
        };
        (principal.into(), issued)
    }

    /// Issues a visitor's token, with what is known of the person; it lives as long as the configuration says.
    #[must_use]
    pub fn issue_visitor_token(
        &self,
        site: &SiteKey,
        visitor: PersonId,
        identity: Option<&Identity>,
        now: Timestamp,
    ) -> IssuedToken {
        self.issue_token(&TokenRequest::visitor(site, visitor, identity, self.visitor_token_life), now)
    }

    /// Issues a token for an organization that asks for it. Whether it may ask for this, the caller has checked.
    #[must_use]
    pub fn issue_token(&self, request: &TokenRequest, now: Timestamp) -> IssuedToken {
        self.held().own.issue(request, now)
    }
}

/// What kind of credential a text is, by its first characters.
enum Credential {
    Admin,
    Secret,
    Public,
    Jwt,
}

impl Credential {
    fn of(text: &str) -> Self {
        match text.as_bytes() {
            [b'a', b'k', b'_', ..] => Self::Admin,
            [b's', b'k', b'_', ..] => Self::Secret,
            [b'p', b'k', b'_', ..] => Self::Public,
            _ => Self::Jwt,
        }
    }
}

/// Reads a PEM, or the file that holds it. In one line, as environments have it, a PEM may write its line ends `\n`.
fn read_public_key(text: &str, algorithm: Option<SigningAlgorithm>) -> Result<VerifyingKey, AuthSetupError> {
    let pem = if text.contains("-----BEGIN") {
        text.replace("\\n", "\n")
    } else {
        std::fs::read_to_string(text)
            .map_err(|error| AuthSetupError::PublicKeyFile { path: PathBuf::from(text), error })?
    };
    VerifyingKey::from_pem(&pem, algorithm).map_err(AuthSetupError::PublicKey)
}

#[cfg(test)]
mod tests;
