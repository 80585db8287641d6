//! Who is at the other end, and what that one may touch.

use std::ops::Deref;
use std::sync::Arc;

use cossistant_protocol::{KeyId, OrganizationId, PersonId, Timestamp, UserType, WebsiteId};

use super::AuthError;
use crate::directory::{Directory, Website};
use crate::store::{PersonKey, Scope, SiteKey, Websites};

/// An authenticated person or program. Cheap to clone: clones share one allocation.
///
/// It says what was true when the credential was verified; [`Principal::recheck`] says whether it still is.
#[derive(Debug, Clone)]
pub struct Principal(Arc<PrincipalFields>);

/// What is known of a [`Principal`]; read through it.
#[derive(Debug, Clone)]
pub struct PrincipalFields {
    /// Whose visitor, user or AI agent.
    pub organization: OrganizationId,
    /// Which of the three.
    pub kind: UserType,
    /// The `sub` of the token.
    pub id: PersonId,
    /// Of which websites; for a visitor exactly one.
    pub websites: Websites,
    /// Whether it is a user who administers the organization.
    pub is_admin: bool,
    /// The name, for people.
    pub name: Option<Arc<str>>,
    /// The e-mail address.
    pub email: Option<Arc<str>>,
    /// A picture, http or https.
    pub avatar_url: Option<Arc<str>>,
    /// When the credential ends; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// When the credential was issued, as far as it says.
    pub issued_at: Option<Timestamp>,
    /// What kind of credential was shown.
    pub credential: CredentialKind,
}

/// What a principal showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialKind {
    /// A token signed by the operator's secret, public key or JWKS.
    Operator,
    /// A token signed by this key of its organization.
    Organization(KeyId),
    /// A token that this server issued.
    Own,
    /// A secret key of its organization with the name of an agent; there is no token to replace.
    SecretKey(KeyId),
}

impl Deref for Principal {
    type Target = PrincipalFields;

    fn deref(&self) -> &PrincipalFields {
        &self.0
    }
}

impl From<PrincipalFields> for Principal {
    fn from(fields: PrincipalFields) -> Self {
        Self(Arc::new(fields))
    }
}

impl Principal {
    /// Whose conversations it may touch.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self.visitor_website() {
            Some(website) => Scope::Visitor { website: website.clone(), visitor: self.id.clone() },
            None => Scope::Team { websites: self.websites.clone() },
        }
    }

    /// The person within its organization.
    #[must_use]
    pub fn key(&self) -> PersonKey {
        PersonKey { kind: self.kind, id: self.id.clone() }
    }

    /// The website of a visitor; `None` for the team.
    #[must_use]
    pub fn visitor_site(&self) -> Option<SiteKey> {
        let website = self.visitor_website()?.clone();
        Some(SiteKey { organization: self.organization.clone(), website })
    }

    fn visitor_website(&self) -> Option<&WebsiteId> {
        match (self.kind, &self.websites) {
            (UserType::Visitor, Websites::Only(ids)) => ids.first(),
            (UserType::Visitor, Websites::All) | (UserType::User | UserType::AiAgent, _) => None,
        }
    }

    /// Whether both are the same person of the same organization; visitors also of the same website.
    #[must_use]
    pub fn is_same_person(&self, other: &Self) -> bool {
        self.organization == other.organization
            && self.kind == other.kind
            && self.id == other.id
            && self.visitor_website() == other.visitor_website()
    }

    /// Whether its time is over; a credential ends at `expires_at`, not after it.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| now >= expires_at)
    }

    /// Whether it still stands by a newer directory: its organization, the key that let it in and, for a visitor, the
    /// website exist, and it is not revoked. (For which websites a team member is still admitted,
    /// [`Directory::covered`] says.)
    ///
    /// # Errors
    /// [`AuthError`] with close code 4403.
    pub fn recheck(&self, directory: &Directory) -> Result<(), AuthError> {
        if directory.organization(&self.organization).is_none() {
            return Err(AuthError::forbidden("the organization does not exist"));
        }
        match &self.credential {
            CredentialKind::Operator | CredentialKind::Own => {}
            CredentialKind::Organization(key) | CredentialKind::SecretKey(key) => {
                if directory.key(key).is_none_or(|row| row.organization != self.organization) {
                    return Err(AuthError::forbidden("the key was deleted"));
                }
            }
        }
        if directory.is_revoked(&self.organization, &self.key(), self.issued_at) {
            return Err(AuthError::forbidden("access was revoked"));
        }
        if self.visitor_site().is_some_and(|site| directory.website(&site).is_none()) {
            return Err(AuthError::forbidden("the website does not exist"));
        }
        Ok(())
    }

    /// Refuses one whose credential was revoked before it was shown.
    ///
    /// # Errors
    /// [`AuthError`] `unauthorized`.
    pub(crate) fn refuse_revoked(&self, directory: &Directory) -> Result<(), AuthError> {
        if directory.is_revoked(&self.organization, &self.key(), self.issued_at) {
            return Err(AuthError::revoked());
        }
        Ok(())
    }

    /// Checks the origin of a page that speaks for it: a visitor's must be allowed by the website. Programs send none,
    /// and a team member's is not asked.
    ///
    /// # Errors
    /// [`AuthError`] `forbidden`.
    pub fn check_origin(&self, origin: Option<&str>, directory: &Directory) -> Result<(), AuthError> {
        let (Some(origin), Some(site)) = (origin, self.visitor_site()) else { return Ok(()) };
        let website = directory.website(&site);
        if website.is_some_and(|website: &Arc<Website>| website.allows(origin)) {
            Ok(())
        } else {
            Err(AuthError::forbidden("the page's origin is not allowed"))
        }
    }
}
