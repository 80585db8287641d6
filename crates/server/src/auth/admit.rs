//! From good claims, or a good secret key, to a principal of what exists.

use std::collections::BTreeSet;

use cossistant_protocol::{OrganizationId, PersonId, UserType, WebsiteId};

use super::token::Claims;
use super::{AuthError, CredentialKind, Principal, PrincipalFields};
use crate::directory::{Directory, Organization};
use crate::store::Websites;

pub(super) const UNKNOWN_SECRET_KEY: AuthError = AuthError::unauthorized("the secret key is not known");

/// An agent by its organization's secret key. The key counts as issued when it was made, so that revoking an agent
/// shuts it out until there is a new key.
pub(super) fn agent(secret_key: &str, agent_id: &str, directory: &Directory) -> Result<Principal, AuthError> {
    let key = directory.secret_key(secret_key).ok_or(UNKNOWN_SECRET_KEY)?;
    let id = PersonId::new(agent_id).map_err(|_| AuthError::unauthorized("the agentId is no id"))?;
    let principal = Principal::from(PrincipalFields {
        organization: key.organization.clone(),
        kind: UserType::AiAgent,
        id,
        websites: Websites::All,
        is_admin: false,
        name: None,
        email: None,
        avatar_url: None,
        expires_at: None,
        issued_at: Some(key.created_at),
        credential: CredentialKind::SecretKey(key.id.clone()),
    });
    principal.refuse_revoked(directory)?;
    Ok(principal)
}

/// Turns good claims into a principal of an organization and of websites that exist.
pub(super) fn admit(claims: Claims, credential: CredentialKind, directory: &Directory) -> Result<Principal, AuthError> {
    let organization = OrganizationId::new(&claims.organization).ok();
    let organization = organization.and_then(|id| directory.organization(&id));
    let organization = organization.ok_or(AuthError::forbidden("the organization does not exist"))?;
    let websites = match claims.kind {
        UserType::Visitor => visitor_website(&claims.websites, organization)?,
        UserType::User | UserType::AiAgent => team_websites(&claims.websites, organization),
    };
    let principal = Principal::from(PrincipalFields {
        organization: organization.row.id.clone(),
        kind: claims.kind,
        id: claims.id,
        websites,
        is_admin: claims.is_admin,
        name: claims.name.map(Into::into),
        email: claims.email.map(Into::into),
        avatar_url: claims.avatar_url.map(Into::into),
        expires_at: Some(claims.expires_at),
        issued_at: claims.issued_at,
        credential,
    });
    principal.refuse_revoked(directory)?;
    Ok(principal)
}

fn visitor_website(ids: &[String], organization: &Organization) -> Result<Websites, AuthError> {
    match ids {
        [id] if id != "*" => {
            let website = organization.websites.get(id.as_str());
            website.map(|website| website.only.clone()).ok_or(AuthError::forbidden("the website does not exist"))
        }
        _ => Err(AuthError::unauthorized("a visitor's token has exactly one website")),
    }
}

fn team_websites(ids: &[String], organization: &Organization) -> Websites {
    match ids {
        [all] if all == "*" => Websites::All,
        ids => {
            // Each once, however often the token names it: no more than there are.
            let known = |id: &String| organization.websites.get_key_value(id.as_str()).map(|(id, _)| id.clone());
            let ids: BTreeSet<WebsiteId> = ids.iter().filter_map(known).collect();
            Websites::Only(ids.into_iter().collect())
        }
    }
}
