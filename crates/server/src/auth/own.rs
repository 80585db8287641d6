//! Tokens that the server issues itself: to visitors, and for organizations that ask for them.
//!
//! They are signed by a secret of the server's own and carry a `kid` that no other key can have, so they are never
//! taken for a customer's or the operator's, nor those for ours.

use std::time::Duration;

use cossistant_protocol::{Identity, PersonId, Timestamp, UserType};
use jsonwebtoken::{Algorithm, EncodingKey, Header};

use super::token::RawClaims;
use super::{AuthSetupError, Secret};
use crate::directory::VerifyingKey;
use crate::store::{SiteKey, Websites};

/// The `kid` of own tokens. Ids of keys have no dot, and own tokens are looked for first.
pub(super) const OWN_KID: &str = "cossistant.own";
const ISSUER: &str = "cossistant";

/// A token and when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token.
    pub token: String,
    /// When it ends: a whole second.
    pub expires_at: Timestamp,
}

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// Of which organization.
    pub organization: cossistant_protocol::OrganizationId,
    /// For what kind of principal.
    pub kind: UserType,
    /// For whom.
    pub id: PersonId,
    /// For which websites; a visitor's must be one that exists.
    pub websites: Websites,
    /// Whether it makes a user an administrator of the organization; nothing for others.
    pub is_admin: bool,
    /// The name, for people.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// A picture.
    pub avatar_url: Option<String>,
    /// How long it lives; counted in whole seconds from the second in which it is issued.
    pub life: Duration,
}

impl TokenRequest {
    /// How long a token lives when the one who asks for it does not say.
    pub const DEFAULT_LIFE: Duration = Duration::from_secs(60 * 60);
    /// The longest that one may ask for.
    pub const MAX_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// A visitor's token, with what is known of the person.
    #[must_use]
    pub fn visitor(site: &SiteKey, visitor: PersonId, identity: Option<&Identity>, life: Duration) -> Self {
        Self {
            organization: site.organization.clone(),
            kind: UserType::Visitor,
            id: visitor,
            websites: Websites::Only([site.website.clone()].into()),
            is_admin: false,
            name: identity.and_then(|identity| identity.name.clone()),
            email: identity.and_then(|identity| identity.email.clone()),
            avatar_url: None,
            life,
        }
    }
}

/// The server's own key.
pub(super) struct OwnKey {
    signing: EncodingKey,
    pub(super) verifying: VerifyingKey,
    header: Header,
}

impl OwnKey {
    /// Makes the key of a secret and proves that it signs and verifies.
    pub(super) fn new(secret: &Secret) -> Result<Self, AuthSetupError> {
        let bytes = secret.expose().as_bytes();
        let verifying = VerifyingKey::from_secret(bytes).map_err(|_| AuthSetupError::SelfCheck)?;
        let header = Header { kid: Some(OWN_KID.to_owned()), ..Header::new(Algorithm::HS256) };
        let key = Self { signing: EncodingKey::from_secret(bytes), verifying, header };
        let token = jsonwebtoken::encode(&key.header, &(), &key.signing).map_err(|_| AuthSetupError::SelfCheck)?;
        let proven = super::token::Token::parse(&token).is_ok_and(|token| token.verify(&key.verifying).is_ok());
        if proven { Ok(key) } else { Err(AuthSetupError::SelfCheck) }
    }

    /// Signs a token.
    pub(super) fn issue(&self, request: &TokenRequest, now: Timestamp) -> IssuedToken {
        let issued = now.as_millis() / 1000;
        let expires = issued.saturating_add(request.life.as_secs().max(1));
        let claims = RawClaims {
            iss: Some(ISSUER.into()),
            sub: request.id.to_string(),
            r#type: request.kind.to_string(),
            org: request.organization.to_string(),
            websites: match &request.websites {
                Websites::All => vec!["*".to_owned()],
                Websites::Only(ids) => ids.iter().map(ToString::to_string).collect(),
            },
            exp: Some(expires.into()),
            nbf: None,
            iat: Some(issued.into()),
            iat_ms: u16::try_from(now.as_millis() % 1000).ok(),
            role: request.is_admin.then(|| "admin".to_owned()),
            name: request.name.clone(),
            email: request.email.clone(),
            avatar_url: request.avatar_url.clone(),
        };
        let token = jsonwebtoken::encode(&self.header, &claims, &self.signing)
            .expect("claims are plain data and the key was proven at the start");
        IssuedToken { token, expires_at: Timestamp(expires.saturating_mul(1000)) }
    }
}
